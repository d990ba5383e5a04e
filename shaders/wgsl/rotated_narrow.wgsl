
// 16 rows a workgroup, and up to {{VECTORS}} vectors; 16 invocations share the words of a row. Vectors lie in workgroup memory, a chunk at a time.
const VECTORS: u32 = {{VECTORS}}u;
const CHUNK: u32 = 2048u / VECTORS;
var<workgroup> X: array<vec4<f32>, 512>;
var<workgroup> S: array<f32, {{SUMS}}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tile = min(group.y * P.groups_x + group.x, P.count - 1u);
    let r = local % 16u;
    let row = tile * 16u + r;
    var sums = array<f32, VECTORS>();
    for (var start = 0u; start < P.more[0].y; start += CHUNK) {
        workgroupBarrier();
        for (var e = local; e < 512u; e += 256u) {
            let vector = e / (CHUNK / 4u);
            let j = start + (e - vector * (CHUNK / 4u)) * 4u;
            X[e] = vec4<f32>(element(vector, j), element(vector, j + 1u), element(vector, j + 2u), element(vector, j + 3u));
        }
        workgroupBarrier();
        var part = array<f32, VECTORS>();
        for (var word = start / PER_WORD + local / 16u; word < min((start + CHUNK) / PER_WORD, P.more[0].w); word += 16u) {
            let codes = code(row, word);
            let s = scale(row, word * PER_WORD);
            let at = (word * PER_WORD - start) / 4u;
            for (var q = 0u; q < PER_WORD / 4u; q += 1u) {
                let l = levels(codes, q) * s;
                for (var v = 0u; v < VECTORS; v += 1u) {
                    part[v] += dot(l, X[v * (CHUNK / 4u) + at + q]);
                }
            }
        }
        for (var v = 0u; v < VECTORS; v += 1u) {
            sums[v] += part[v];
        }
    }
    for (var v = 0u; v < VECTORS; v += 1u) {
        S[v * 256u + local] = sums[v];
    }
    workgroupBarrier();
    for (var half = 8u; half > 0u; half = half >> 1u) {
        if (local < half * 16u) {
            for (var v = 0u; v < VECTORS; v += 1u) {
                S[v * 256u + local] += S[v * 256u + local + half * 16u];
            }
        }
        workgroupBarrier();
    }
    if (local < 16u * VECTORS && group.y * P.groups_x + group.x < P.count) {
        put(local / 16u, row, S[local / 16u * 256u + r]);
    }
}
