
// An invocation for each result, neighbours along the columns.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 64u);
    if (item >= P.count) {
        return;
    }
    let columns = P.more[0].y;
    let size = P.more[0].x * columns;
    let batch = item / size;
    let rest = item - batch * size;
    let row = rest / columns;
    let column = rest - row * columns;
    let at = places(batch);
    // Four sums side by side wait less for one another.
    var sums: array<{{V}}, 4>;
    for (var i = 0u; i < 4u; i += 1u) {
        sums[i] = {{V}}();
    }
    let inner = P.more[0].z;
    var k = 0u;
    for (; k + 4u <= inner; k += 4u) {
        for (var i = 0u; i < 4u; i += 1u) {
            sums[i] = sum_of(sums[i], left(at, row, k + i), right(at, k + i, column));
        }
    }
    for (; k < inner; k += 1u) {
        sums[0] = sum_of(sums[0], left(at, row, k), right(at, k, column));
    }
    put(at, row, column, (sums[0] + sums[1]) + (sums[2] + sums[3]));
}
