
// The sum over vectors of Y[u] X[v] for each coefficient, by teams of invocations that share the vectors.
var<workgroup> S: array<vec2<f32>, 64>;

// The row of a coefficient.
fn row_of(at: u32) -> u32 {
    var low = 0u;
    var high = P.more[0].x;
    while (low + 1u < high) {
        let middle = (low + high) / 2u;
        if (offset(middle) <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = (group.y * P.groups_x + group.x) * TEAMS + local / VECTORS;
    let n = P.more[0].y;
    let vectors = P.more[0].z;
    let at = min(item, P.count - 1u);
    let v = column(at);
    let mirrored = 2u * v > n;
    let x0 = P.base.z + i32(select(v, n - v, mirrored) * vectors);
    let y0 = P.base.w + i32(row_of(at) * vectors);
    let lane = local % VECTORS;
    var sum = vec2<f32>();
    for (var start = 0u; start < vectors; start += 32u * VECTORS) {
        var part = vec2<f32>();
        for (var i = start + lane; i < min(start + 32u * VECTORS, vectors); i += VECTORS) {
            let x = X[x0 + i32(i)];
            part += cmul(Y[y0 + i32(i)], vec2<f32>(x.x, select(x.y, -x.y, mirrored)));
        }
        sum += part;
    }
    S[local] = sum;
    workgroupBarrier();
    for (var half = VECTORS / 2u; half > 0u; half = half >> 1u) {
        if (lane < half) {
            S[local] += S[local + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u && item < P.count) {
        D[P.steps[7].x + i32(item)] = S[local] * P.value.x;
    }
}
