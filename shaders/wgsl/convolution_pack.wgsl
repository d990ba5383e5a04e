// Weights of output channels in vectors of four, for each tap side by side: zeros behind the last channel. P.more: taps of all input channels, vectors of a
// tile, output channels of a group, tiles of a group.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 64u);
    if (item >= P.count) {
        return;
    }
    let terms = P.more[0].x;
    let vector = item % P.more[0].y;
    let term = item / P.more[0].y % terms;
    let tile = item / P.more[0].y / terms;
    let channel = (tile % P.more[0].w * P.more[0].y + vector) * 4u;
    let first = tile / P.more[0].w * P.more[0].z;
    var out = vec4<f32>();
    for (var c = 0u; c < 4u; c += 1u) {
        if (channel + c < P.more[0].z) {
            out[c] = W[P.base.x + i32((first + channel + c) * terms + term)];
        }
    }
    D[item] = out;
}
