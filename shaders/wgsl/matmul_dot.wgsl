
// 32 invocations for each result, neighbours along the inner axis: for matrices that lie along it.
var<workgroup> W: array<{{V}}, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = (group.y * P.groups_x + group.x) * 8u + local / 32u;
    let lane = local % 32u;
    let columns = P.more[0].y;
    let size = P.more[0].x * columns;
    let batch = min(item, P.count - 1u) / size;
    let rest = min(item, P.count - 1u) - batch * size;
    let row = rest / columns;
    let column = rest - row * columns;
    let at = places(batch);
    var sum = {{V}}();
    for (var k = lane; k < P.more[0].z; k += 32u) {
        sum = sum_of(sum, left(at, row, k), right(at, k, column));
    }
    W[local] = sum;
    workgroupBarrier();
    for (var half = 16u; half > 0u; half = half >> 1u) {
        if (lane < half) {
            W[local] = W[local] + W[local + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u && item < P.count) {
        put(at, row, column, W[local]);
    }
}
