
// The Hermitian part of q[v] = sum of c[u, v] conj Y[u] for {{COLUMNS}} columns, their mirrors and some vectors. Each invocation has sums of
// its own, for its vector and the rows of its team; the columns of each row are found by bisection.
const COLUMNS: u32 = {{COLUMNS}}u;
var<workgroup> A: array<vec2<f32>, {{SUMS}}>;
var<workgroup> E: array<vec4<u32>, 64>;

// The first coefficient from `begin` to `end` whose column is not below `v`.
fn bisected(begin: u32, end: u32, v: u32) -> u32 {
    var low = begin;
    var high = end;
    while (low < high) {
        let middle = low + (high - low) / 2u;
        if (column(middle) < v) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let rows = P.more[0].x;
    let n = P.more[0].y;
    let vectors = P.more[0].z;
    let bins = n / 2u + 1u;
    let strips = (bins + COLUMNS - 1u) / COLUMNS;
    let block = item / strips;
    let v0 = (item - block * strips) * COLUMNS;
    let v1 = min(v0 + COLUMNS, bins);
    let vector = block * VECTORS + local % VECTORS;
    let first = P.base.w + i32(min(vector, vectors - 1u));
    for (var i = 0u; i < COLUMNS; i += 1u) {
        A[i * 64u + local] = vec2<f32>();
    }
    for (var u0 = 0u; u0 < rows; u0 += 64u) {
        workgroupBarrier();
        if (u0 + local < rows) {
            let begin = offset(u0 + local);
            let end = offset(u0 + local + 1u);
            let low = bisected(begin, end, v0);
            let mirrored = bisected(begin, end, n + 1u - v1);
            E[local] = vec4<u32>(low, bisected(low, end, v1), mirrored, bisected(mirrored, end, n + 1u - v0));
        }
        workgroupBarrier();
        for (var r = local / VECTORS; r < min(64u, rows - u0); r += TEAMS) {
            let e = E[r];
            if (e.x == e.y && e.z == e.w) {
                continue;
            }
            let y = X[first + i32((u0 + r) * vectors)];
            for (var i = e.x; i < e.y; i += 1u) {
                A[(column(i) - v0) * 64u + local] += cmul_conj(value(i), y);
            }
            for (var i = e.z; i < e.w; i += 1u) {
                A[(n - column(i) - v0) * 64u + local] += cmul_conj(y, value(i));
            }
        }
    }
    workgroupBarrier();
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var i = local; i < (v1 - v0) * VECTORS; i += 64u) {
        let v = i / VECTORS;
        let to = block * VECTORS + i % VECTORS;
        var sum = vec2<f32>();
        for (var t = 0u; t < TEAMS; t += 1u) {
            sum += A[v * 64u + t * VECTORS + i % VECTORS];
        }
        if (to < vectors) {
            // Column 0 is its own mirror, and was met once.
            let factor = select(0.5 * P.value.x, P.value.x, v0 + v == 0u);
            D[P.steps[7].x + i32((v0 + v) * vectors + to)] = sum * factor;
        }
    }
}
