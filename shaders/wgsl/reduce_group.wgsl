
var<workgroup> W: array<{{ACC}}, 256>;

// A workgroup for each part of a result.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = group.y * P.groups_x + group.x;
    let parts = P.more[0].z;
    let result = item / parts;
    let part = item - result * parts;
    // Groups beyond the last result compute one again and do not store it: barriers are for all.
    var at = places(min(result, P.count - 1u));
    let begin = part * P.more[0].w;
    let end = min(begin + P.more[0].w, P.more[0].y);
    W[local] = run_of(at.y, begin + local, end, 256u);
    workgroupBarrier();
    for (var half = 128u; half > 0u; half = half >> 1u) {
        if (local < half) {
            W[local] = join(W[local], W[local + half]);
        }
        workgroupBarrier();
    }
    if (local == 0u && result < P.count) {
        at.x = at.x * i32(parts) + i32(part);
        store(at, W[0]);
    }
}
