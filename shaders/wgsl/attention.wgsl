// What kernels of attention have: rows of queries, keys, values and gradients. The query heads that share keys are folded: they lie one
// after another in the rows of one group. P.more[0]: queries of a head, keys, dim, dim of values; [1]: rows of a group, groups of a batch,
// tiles, parts of the keys; [2]: position of the first query, keys of a part. P.steps: strides along batch, head, position and dim of Q, K, V, G.
// P.flags: 1 when causal. P.value.x: the factor of scores.

// The place of a group's first row, of which it has this many heads.
fn origin(base: i32, step: vec4<i32>, group: u32, heads: u32) -> i32 {
    let batch = group / P.more[1].y;
    return base + i32(batch) * step.x + i32((group - batch * P.more[1].y) * heads) * step.y;
}

fn row_place(origin: i32, step: vec4<i32>, row: u32) -> i32 {
    let r = min(row, P.more[1].x - 1u);
    let head = r / P.more[0].x;
    return origin + i32(head) * step.y + i32(r - head * P.more[0].x) * step.z;
}

fn key_place(origin: i32, step: vec4<i32>, key: u32) -> i32 {
    return origin + i32(min(key, P.more[0].y - 1u)) * step.z;
}

// How many keys a row sees.
fn seen(row: u32) -> u32 {
    return select(P.more[0].y, P.more[2].x + row % P.more[0].x + 1u, P.flags == 1u);
}

// How many keys any of 64 rows sees.
fn seen_by_tile(row: u32) -> u32 {
    let last = min(row + 63u, P.more[1].x - 1u);
    return select(seen(P.more[0].x - 1u), seen(last), last / P.more[0].x == row / P.more[0].x);
}

fn exp4(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(exp_(x.x), exp_(x.y), exp_(x.z), exp_(x.w));
}

// Below every score.
const LOWEST: f32 = -3.4028235e38;
