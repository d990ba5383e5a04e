
// An invocation for each result.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 64u);
    if (item >= P.count) {
        return;
    }
    let at = places(item);
    store(at, run_of(at.y, 0u, P.more[0].y, 1u));
}
