
// 32 by 32 results a workgroup, 4 by 4 an invocation, 16 elements of the inner axis at a time; real and imaginary parts apart, in vectors of four.
var<workgroup> AX: array<vec4<f32>, 144>;
var<workgroup> AY: array<vec4<f32>, 144>;
var<workgroup> BX: array<vec4<f32>, 144>;
var<workgroup> BY: array<vec4<f32>, 144>;

fn left_within(bin: u32, row: u32, k: u32) -> vec2<f32> {
    if (row < P.more[0].x && k < P.more[0].y) {
        return left(bin, row, k);
    }
    return vec2<f32>();
}

fn right_within(bin: u32, k: u32, column: u32) -> vec2<f32> {
    if (column < P.more[0].z && k < P.more[0].y) {
        return right(bin, k, column);
    }
    return vec2<f32>();
}

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
    var sx = array<vec4<f32>, 4>();
    var sy = array<vec4<f32>, 4>();
    for (var k0 = 0u; k0 < P.more[0].y; k0 += 16u) {
        workgroupBarrier();
        for (var e = local; e < 128u; e += 64u) {
            // Neighbours read neighbours in memory, whichever axis that is.
            let qa = select(e % 8u, e / 16u, {{LEFT_INNER_FAST}});
            let ka = select(e / 8u, e % 16u, {{LEFT_INNER_FAST}});
            let r = row0 + qa * 4u;
            let a0 = left_within(bin, r, k0 + ka);
            let a1 = left_within(bin, r + 1u, k0 + ka);
            let a2 = left_within(bin, r + 2u, k0 + ka);
            let a3 = left_within(bin, r + 3u, k0 + ka);
            AX[ka * 9u + qa] = vec4<f32>(a0.x, a1.x, a2.x, a3.x);
            AY[ka * 9u + qa] = vec4<f32>(a0.y, a1.y, a2.y, a3.y);
            let qb = select(e % 8u, e / 16u, {{RIGHT_INNER_FAST}});
            let kb = select(e / 8u, e % 16u, {{RIGHT_INNER_FAST}});
            let c = column0 + qb * 4u;
            let b0 = right_within(bin, k0 + kb, c);
            let b1 = right_within(bin, k0 + kb, c + 1u);
            let b2 = right_within(bin, k0 + kb, c + 2u);
            let b3 = right_within(bin, k0 + kb, c + 3u);
            BX[kb * 9u + qb] = vec4<f32>(b0.x, b1.x, b2.x, b3.x);
            BY[kb * 9u + qb] = vec4<f32>(b0.y, b1.y, b2.y, b3.y);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k += 1u) {
            let ax = AX[k * 9u + y];
            let ay = AY[k * 9u + y];
            let bx = BX[k * 9u + x];
            let by = BY[k * 9u + x];
            for (var i = 0u; i < 4u; i += 1u) {
                sx[i] = fma(vec4<f32>(ax[i]), bx, fma(vec4<f32>(-ay[i]), by, sx[i]));
                sy[i] = fma(vec4<f32>(ax[i]), by, fma(vec4<f32>(ay[i]), bx, sy[i]));
            }
        }
    }
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            let row = row0 + y * 4u + i;
            let column = column0 + x * 4u + j;
            if (row < P.more[0].x && column < P.more[0].z) {
                put(bin, row, column, vec2<f32>(sx[i][j], sy[i][j]));
            }
        }
    }
}
