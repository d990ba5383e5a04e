// Joins what parts of the keys gave. A part of a row: the sums of values, the maximum, the sum of exponentials. P.more[0]: dim of values, parts.
fn parts_of(row: u32) -> u32 {
    return u32(P.base.x) + row * P.more[0].y * (P.more[0].x + 2u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 64u);
    if (item >= P.count) {
        return;
    }
    let dim = P.more[0].x;
    let row = item / dim;
    let column = item - row * dim;
    let at = parts_of(row);
    var high = A[at + dim];
    for (var i = 1u; i < P.more[0].y; i += 1u) {
        high = max(high, A[at + i * (dim + 2u) + dim]);
    }
    var sum = vec2<f32>();
    for (var i = 0u; i < P.more[0].y; i += 32u) {
        var part = vec2<f32>();
        for (var j = i; j < min(i + 32u, P.more[0].y); j += 1u) {
            let e = at + j * (dim + 2u);
            let weight = exp_(A[e + dim] - high);
            part += weight * vec2<f32>(A[e + column], A[e + dim + 1u]);
        }
        sum += part;
    }
    let place = P.base.y + i32(item);
    let value = sum.x / sum.y;
    {{STORE}}
}
