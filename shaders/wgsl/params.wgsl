// What a dispatch is told: 256 bytes.
struct Params {
    count: u32,      // items in all
    groups_x: u32,   // workgroups along x; those along y continue them
    rank: u32,       // axes of the strided walk
    flags: u32,
    base: vec4<i32>, // first elements of up to four operands, the destination first
    shape: array<vec4<u32>, 2>,
    steps: array<vec4<i32>, 8>, // for each axis the strides of the operands
    value: vec4<f32>,
    more: array<vec4<u32>, 3>,
}

// The places of an item in the operands. The last axis runs fastest.
fn places(item: u32) -> vec4<i32> {
    var rest = item;
    var at = P.base;
    for (var d = P.rank; d > 0u; d -= 1u) {
        let i = d - 1u;
        let n = P.shape[i >> 2u][i & 3u];
        let q = rest / n;
        at += i32(rest - q * n) * P.steps[i];
        rest = q;
    }
    return at;
}

// The same for an item that is certainly one of the walk: nothing is divided for the first axis.
fn places_within(item: u32) -> vec4<i32> {
    var rest = item;
    var at = P.base;
    for (var d = P.rank; d > 1u; d -= 1u) {
        let i = d - 1u;
        let n = P.shape[i >> 2u][i & 3u];
        let q = rest / n;
        at += i32(rest - q * n) * P.steps[i];
        rest = q;
    }
    return at + i32(rest) * P.steps[0];
}

// The item of an invocation, in workgroups of `size`.
fn item_of(group: vec3<u32>, local: u32, size: u32) -> u32 {
    return (group.y * P.groups_x + group.x) * size + local;
}
