
// 64 by 64 results a workgroup, 4 by 4 an invocation, 16 inner elements at a time.
var<workgroup> WA: array<{{V}}, 1024>;
var<workgroup> WB: array<{{V}}, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let batch = item / P.more[2].z;
    let tile = item - batch * P.more[2].z;
    let at = places(batch);
    let rows = P.more[0].x;
    let columns = P.more[0].y;
    let inner = P.more[0].z;
    let row0 = tile / P.more[0].w * 64u;
    let column0 = tile % P.more[0].w * 64u;
    let y = local / 16u;
    let x = local % 16u;
    var sums: array<{{V}}, 16>;
    for (var i = 0u; i < 16u; i += 1u) {
        sums[i] = {{V}}();
    }
    for (var k0 = 0u; k0 < inner; k0 += 16u) {
        for (var i = 0u; i < 4u; i += 1u) {
            // Neighbouring invocations read neighbours in memory, whichever axis that is.
            let e = local + i * 256u;
            let ra = select(e / 16u, e % 64u, P.flags % 2u == 1u);
            let ka = select(e % 16u, e / 64u, P.flags % 2u == 1u);
            var a = {{V}}();
            if (row0 + ra < rows && k0 + ka < inner) {
                a = left(at, row0 + ra, k0 + ka);
            }
            WA[ka * 64u + ra] = a;
            let cb = select(e % 64u, e / 16u, P.flags >= 2u);
            let kb = select(e / 64u, e % 16u, P.flags >= 2u);
            var b = {{V}}();
            if (column0 + cb < columns && k0 + kb < inner) {
                b = right(at, k0 + kb, column0 + cb);
            }
            WB[kb * 64u + cb] = b;
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k += 1u) {
            var a: array<{{V}}, 4>;
            var b: array<{{V}}, 4>;
            for (var i = 0u; i < 4u; i += 1u) {
                a[i] = WA[k * 64u + y * 4u + i];
                b[i] = WB[k * 64u + x + i * 16u];
            }
            for (var i = 0u; i < 4u; i += 1u) {
                for (var j = 0u; j < 4u; j += 1u) {
                    sums[i * 4u + j] = sum_of(sums[i * 4u + j], a[i], b[j]);
                }
            }
        }
        workgroupBarrier();
    }
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            let row = row0 + y * 4u + i;
            let column = column0 + x + j * 16u;
            if (row < rows && column < columns) {
                put(at, row, column, sums[i * 4u + j]);
            }
        }
    }
}
