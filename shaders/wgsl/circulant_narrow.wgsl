
// 8 rows a workgroup, and all columns, of which there are at most {{COLUMNS}}; 8 invocations share the inner axis. Neighbours are neighbours in
// the planes.
const COLUMNS: u32 = {{COLUMNS}}u;
var<workgroup> W: array<vec2<f32>, {{SUMS}}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let strips = (P.more[0].x + 7u) / 8u;
    let bin = item / strips;
    let along = {{INNER_FAST}};
    let lane = select(local / 8u, local % 8u, along);
    let r = select(local % 8u, local / 8u, along);
    let row = (item - bin * strips) * 8u + r;
    var sums = array<vec2<f32>, COLUMNS>();
    for (var k = lane; k < P.more[0].y; k += 8u) {
        let w = left(bin, min(row, P.more[0].x - 1u), k);
        for (var c = 0u; c < COLUMNS; c += 1u) {
            sums[c] = cfma(w, right(bin, k, min(c, P.more[0].z - 1u)), sums[c]);
        }
    }
    for (var c = 0u; c < COLUMNS; c += 1u) {
        W[c * 64u + lane * 8u + r] = sums[c];
    }
    workgroupBarrier();
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var i = local; i < 8u * P.more[0].z; i += 64u) {
        let c = i / 8u;
        let to = (item - bin * strips) * 8u + i % 8u;
        var sum = vec2<f32>();
        for (var l = 0u; l < 8u; l += 1u) {
            sum += W[c * 64u + l * 8u + i % 8u];
        }
        if (to < P.more[0].x) {
            put(bin, to, c, sum);
        }
    }
}
