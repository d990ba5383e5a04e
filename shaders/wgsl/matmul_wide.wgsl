// {{LANES}} invocations for each column of a result of {{ROWS}} rows or fewer, neighbours along the inner axis, along which both matrices lie: words are read
// four at a time, and those of the right matrix once for all rows.
var<workgroup> W: array<f32, {{MEMORY}}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = (group.y * P.groups_x + group.x) * {{RESULTS}}u + local / {{LANES}}u;
    let lane = local % {{LANES}}u;
    let columns = P.more[0].y;
    let batch = min(item, P.count - 1u) / columns;
    let column = min(item, P.count - 1u) - batch * columns;
    let at = places(batch);
    let a0 = at.y / 4;
    let b0 = (at.z + i32(column) * bitcast<i32>(P.more[1].w)) / {{PER}};
    let last = P.more[0].x - 1u;
    let pitch = bitcast<i32>(P.more[1].x) / 4;
    var sums: array<f32, {{ROWS}}>;
{{BEGIN}}
    for (var i = lane; i < P.more[0].z / {{PER}}u; i += {{LANES}}u) {
        let w = B[b0 + i32(i)];
{{ADD}}
    }
{{KEEP}}
    workgroupBarrier();
    for (var half = {{LANES}}u / 2u; half > 0u; half = half >> 1u) {
        if (lane < half) {
{{JOIN}}
        }
        workgroupBarrier();
    }
    if (lane == 0u && item < P.count) {
{{END}}
    }
}
