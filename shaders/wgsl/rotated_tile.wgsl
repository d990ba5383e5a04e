
// 64 vectors by 64 rows a workgroup, 4 by 4 an invocation, 16 columns at a time, decoded to workgroup memory.
var<workgroup> WX: array<vec4<f32>, 272>;
var<workgroup> WC: array<f32, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let tiles = (P.more[0].x + 63u) / 64u;
    let vector0 = item / tiles * 64u;
    let row0 = item % tiles * 64u;
    let y = local / 16u;
    let x = local % 16u;
    let last = (P.more[0].x - 1u) / 16u * 16u + 15u;
    var sums = array<vec4<f32>, 4>();
    for (var k0 = 0u; k0 < P.more[0].y; k0 += 16u) {
        workgroupBarrier();
        let vector = vector0 + y * 4u;
        let k = k0 + x;
        WX[x * 17u + y] = vec4<f32>(element(vector, k), element(vector + 1u, k), element(vector + 2u, k), element(vector + 3u, k));
        let c = local / 64u;
        if (c < 16u / PER_WORD) {
            let row = min(row0 + local % 64u, last);
            let word = min(k0 / PER_WORD + c, P.more[0].w - 1u);
            let codes = code(row, word);
            let s = scale(row, word * PER_WORD);
            for (var q = 0u; q < PER_WORD / 4u; q += 1u) {
                let l = levels(codes, q) * s;
                let at = (c * PER_WORD + q * 4u) * 64u + local % 64u;
                WC[at] = l.x;
                WC[at + 64u] = l.y;
                WC[at + 128u] = l.z;
                WC[at + 192u] = l.w;
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < 16u; i += 1u) {
            let a = WX[i * 17u + y];
            let at = i * 64u + x;
            let b = vec4<f32>(WC[at], WC[at + 16u], WC[at + 32u], WC[at + 48u]);
            sums[0] = fma(vec4<f32>(a.x), b, sums[0]);
            sums[1] = fma(vec4<f32>(a.y), b, sums[1]);
            sums[2] = fma(vec4<f32>(a.z), b, sums[2]);
            sums[3] = fma(vec4<f32>(a.w), b, sums[3]);
        }
    }
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            put(vector0 + y * 4u + i, row0 + x + j * 16u, sums[i][j]);
        }
    }
}
