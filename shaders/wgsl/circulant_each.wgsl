
// An invocation for each result, neighbours along the columns: for matrices of a few blocks.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 64u);
    if (item >= P.count) {
        return;
    }
    let column = item % P.more[0].z;
    let rest = item / P.more[0].z;
    let row = rest % P.more[0].x;
    let bin = rest / P.more[0].x;
    var sum = vec2<f32>();
    for (var start = 0u; start < P.more[0].y; start += 32u) {
        var part = vec2<f32>();
        for (var k = start; k < min(start + 32u, P.more[0].y); k += 1u) {
            part = cfma(left(bin, row, k), right(bin, k, column), part);
        }
        sum += part;
    }
    put(bin, row, column, sum);
}
