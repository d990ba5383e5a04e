
// The gradient in 64 rows of queries: the keys that they see in tiles of 64. T: what the way there left of each row.
var<workgroup> W: array<vec4<f32>, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(id.y * P.groups_x + id.x, P.count - 1u);
    let group = item / P.more[1].z;
    // Rows that see the most keys begin first.
    let row0 = (P.more[1].z - 1u - item % P.more[1].z) * 64u;
    let at = {{ORIGINS}};
    let y = local / 16u;
    let x = local % 16u;
    let end = seen_by_tile(row0);
    var limit = vec4<u32>();
    var row = array<vec4<f32>, 4>();
    for (var i = 0u; i < 4u; i += 1u) {
        let r = min(row0 + y * 4u + i, P.more[1].x - 1u);
        limit[i] = seen(r);
        row[i] = T[u32(P.steps[7].x) + group * P.more[1].x + r];
    }
    var out = array<vec4<f32>, {{VECTORS}}>();
    for (var key0 = 0u; key0 < end; key0 += 64u) {
        var p = scores(local, at, row0, key0);
        let slope = slopes(local, at, row0, key0);
        let key = vec4<u32>(key0 + x * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        for (var i = 0u; i < 4u; i += 1u) {
            let weight = exp4(p[i] * P.value.x - vec4<f32>(row[i].x)) * row[i].y;
            let of_score = weight * (slope[i] - vec4<f32>(row[i].z)) * P.value.x;
            p[i] = select(vec4<f32>(), of_score, key < vec4<u32>(limit[i]));
        }
        for (var v = 0u; v < {{VECTORS}}u / 4u; v += 1u) {
            let sums = weighted(local, at, p, key0, v * 64u);
            for (var i = 0u; i < 4u; i += 1u) {
                out[v * 4u + i] += sums[i];
            }
        }
    }
    if (id.y * P.groups_x + id.x >= P.count) {
        return;
    }
    for (var v = 0u; v < {{VECTORS}}u; v += 1u) {
        let r = row0 + y * 4u + v % 4u;
        for (var j = 0u; j < 4u; j += 1u) {
            let column = v / 4u * 64u + x * 4u + j;
            if (r < P.more[1].x && column < P.more[0].z) {
                put((group * P.more[1].x + r) * P.more[0].z + column, out[v][j]);
            }
        }
    }
}
