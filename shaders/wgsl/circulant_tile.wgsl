
// 32 by 32 results a workgroup, 4 by 4 an invocation, 16 elements of the inner axis at a time.
var<workgroup> WA: array<vec2<f32>, 528>;
var<workgroup> WB: array<vec2<f32>, 528>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let tiles_x = (P.more[0].z + 31u) / 32u;
    let tiles = tiles_x * ((P.more[0].x + 31u) / 32u);
    let bin = item / tiles;
    let tile = item - bin * tiles;
    let row0 = tile / tiles_x * 32u;
    let column0 = tile % tiles_x * 32u;
    let y = local / 8u;
    let x = local % 8u;
    var sums = array<vec2<f32>, 16>();
    for (var k0 = 0u; k0 < P.more[0].y; k0 += 16u) {
        workgroupBarrier();
        for (var e = local; e < 512u; e += 64u) {
            // Neighbours read neighbours in memory, whichever axis that is.
            let r = select(e % 32u, e / 16u, {{LEFT_INNER_FAST}});
            let ka = select(e / 32u, e % 16u, {{LEFT_INNER_FAST}});
            var a = vec2<f32>();
            if (row0 + r < P.more[0].x && k0 + ka < P.more[0].y) {
                a = left(bin, row0 + r, k0 + ka);
            }
            WA[ka * 33u + r] = a;
            let c = select(e % 32u, e / 16u, {{RIGHT_INNER_FAST}});
            let kb = select(e / 32u, e % 16u, {{RIGHT_INNER_FAST}});
            var b = vec2<f32>();
            if (column0 + c < P.more[0].z && k0 + kb < P.more[0].y) {
                b = right(bin, k0 + kb, column0 + c);
            }
            WB[kb * 33u + c] = b;
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k += 1u) {
            var a: array<vec2<f32>, 4>;
            var b: array<vec2<f32>, 4>;
            for (var i = 0u; i < 4u; i += 1u) {
                a[i] = WA[k * 33u + y * 4u + i];
                b[i] = WB[k * 33u + x + i * 8u];
            }
            for (var i = 0u; i < 4u; i += 1u) {
                for (var j = 0u; j < 4u; j += 1u) {
                    sums[i * 4u + j] = cfma(a[i], b[j], sums[i * 4u + j]);
                }
            }
        }
    }
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            let row = row0 + y * 4u + i;
            let column = column0 + x + j * 8u;
            if (row < P.more[0].x && column < P.more[0].z) {
                put(bin, row, column, sums[i * 4u + j]);
            }
        }
    }
}
