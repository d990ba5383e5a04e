
// z[u] = sum of c[u, v] conj X[v] for a row and some vectors. Invocations decode 64 coefficients together; teams share them for their vectors.
var<workgroup> C64: array<vec2<f32>, 64>;
var<workgroup> B: array<u32, 64>;
var<workgroup> S: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let rows = P.more[0].x;
    let n = P.more[0].y;
    let vectors = P.more[0].z;
    let block = item / rows;
    let u = item - block * rows;
    let vector = block * VECTORS + local % VECTORS;
    let first = {{FIRST}} + i32(min(vector, vectors - 1u));
    let end = offset(u + 1u);
    var sum = vec2<f32>();
    for (var start = offset(u); start < end; start += 64u) {
        let length = min(64u, end - start);
        workgroupBarrier();
        if (local < length) {
            let v = {{COLUMN_OF}};
            C64[local] = {{VALUE_OF}};
            // The bin, and whether it is the conjugate's.
            B[local] = select(2u * v, 2u * (n - v) + 1u, 2u * v > n);
        }
        workgroupBarrier();
        var part = vec2<f32>();
        for (var k = local / VECTORS; k < length; k += TEAMS) {
            let bin = B[k];
            let x = X[first + i32((bin >> 1u) * vectors)];
            part += cmul_conj(C64[k], vec2<f32>(x.x, select(x.y, -x.y, (bin & 1u) == 1u)));
        }
        sum += part;
    }
    S[local] = sum;
    workgroupBarrier();
    for (var half = 32u; half >= VECTORS; half = half >> 1u) {
        if (local < half) {
            S[local] += S[local + half];
        }
        workgroupBarrier();
    }
    if (local < VECTORS && vector < vectors && group.y * P.groups_x + group.x < P.count) {
        // A pair's coefficient counts at u and, conjugated, at -u, which the real transform adds.
        let own = u == 0u || 2u * u == P.more[0].w;
        D[{{RESULT}} + i32(u * vectors + vector)] = S[local] * select(0.5 * P.value.x, P.value.x, own);
    }
}
