// LANES neighbouring invocations work on a row, so that a workgroup has ROWS of them. Rows beyond the last are the last one again, since
// barriers are for all, and are not stored.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let place = (group.y * P.groups_x + group.x) * {{ROWS}}u + local / {{LANES}}u;
    let lane = local % {{LANES}}u;
    let row = min(place, P.count - 1u);
    let start = row * P.more[0].x;
    // The last row may be shorter, where rows are pieces of something longer.
    let n = min(P.more[0].x, P.more[0].y - start);
{{BEFORE}}
{{PASSES}}
    if (place != row) {
        return;
    }
{{STORE}}
}
