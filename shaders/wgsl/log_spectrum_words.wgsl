// Whole spectra in log8 times up to {{VECTORS}} vectors: a row a workgroup, four codes at a time, which share a range. Arguments as in other
// products with log8 spectra.
const VECTORS: u32 = {{VECTORS}}u;
var<workgroup> S: array<vec2<f32>, {{SUMS}}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = group.y * P.groups_x + group.x;
    let u = min(item, P.count - 1u);
    let n = P.more[0].y;
    let vectors = P.more[0].z;
    let words = n / 4u;
    let first = u32(P.base.x) / 4u + 2u * u * words;
    let ranges = P.base.y + 4 * i32(u * P.more[1].x);
    var sums = array<vec2<f32>, VECTORS>();
    for (var word = local; word < words; word += 64u) {
        let re = C[first + word];
        let im = C[first + words + word];
        // Exact below 2^20 columns.
        let r = ranges + 2 * i32(u32((f32(word * 4u) + 0.5) * P.value.y));
        let of_re = vec2<f32>(R[r], R[r + 1]);
        let i = r + 2 * i32(P.more[1].x);
        let of_im = vec2<f32>(R[i], R[i + 1]);
        for (var j = 0u; j < 4u; j += 1u) {
            let c = vec2<f32>(
                log8_value((re >> (8u * j)) & 0xffu, of_re.x, of_re.y),
                log8_value((im >> (8u * j)) & 0xffu, of_im.x, of_im.y),
            );
            let v = word * 4u + j;
            // Half the bins are there; c is multiplied by the conjugate of a bin.
            let mirrored = 2u * v > n;
            let bin = P.base.z + i32(select(v, n - v, mirrored) * vectors);
            for (var b = 0u; b < VECTORS; b += 1u) {
                let x = X[bin + i32(min(b, vectors - 1u))];
                sums[b] = cfma(c, vec2<f32>(x.x, select(-x.y, x.y, mirrored)), sums[b]);
            }
        }
    }
    for (var b = 0u; b < VECTORS; b += 1u) {
        S[b * 64u + local] = sums[b];
    }
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half >> 1u) {
        if (local < half) {
            for (var b = 0u; b < VECTORS; b += 1u) {
                S[b * 64u + local] += S[b * 64u + local + half];
            }
        }
        workgroupBarrier();
    }
    if (local < vectors && item < P.count) {
        // A pair's coefficient counts at u and, conjugated, at -u, which the real transform adds.
        let own = u == 0u || 2u * u == P.more[0].w;
        D[P.base.w + i32(u * vectors + local)] = S[local * 64u] * select(0.5 * P.value.x, P.value.x, own);
    }
}
