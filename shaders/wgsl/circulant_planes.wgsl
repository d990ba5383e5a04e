// Spectra as real planes: bin 0, then real and imaginary parts of each bin, then the last bin of an even size. P.more[0]: elements of a plane.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 64u);
    if (item >= P.count) {
        return;
    }
    let plane = item / P.more[0].x;
    let bin = (plane + 1u) / 2u;
    let value = X[P.base.x + i32(bin * P.more[0].x + item - plane * P.more[0].x)];
    D[P.base.y + i32(item)] = select(value.x, value.y, plane > 0u && plane % 2u == 0u);
}
