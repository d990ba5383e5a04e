
// The gradients in 64 keys and their values: the rows that see them in tiles of 64. T: what the way there left of each row.
var<workgroup> W: array<vec4<f32>, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(id.y * P.groups_x + id.x, P.count - 1u);
    let group = item / P.more[1].z;
    let key0 = (item % P.more[1].z) * 64u;
    let at = {{ORIGINS}};
    let y = local / 16u;
    let x = local % 16u;
    var of_k = array<vec4<f32>, {{VECTORS}}>();
    var of_v = array<vec4<f32>, {{VALUE_VECTORS}}>();
    for (var row0 = 0u; row0 < P.more[1].x; row0 += 64u) {
        if (seen_by_tile(row0) <= key0) {
            continue;
        }
        var p = scores(local, at, key0, row0);
        var slope = slopes(local, at, key0, row0);
        let row = vec4<u32>(row0 + x * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        var high = vec4<f32>();
        var factor = vec4<f32>();
        var mean = vec4<f32>();
        // No key for rows past the last.
        var limit = vec4<u32>();
        for (var j = 0u; j < 4u; j += 1u) {
            let t = T[u32(P.steps[7].x) + group * P.more[1].x + min(row[j], P.more[1].x - 1u)];
            high[j] = t.x;
            factor[j] = t.y;
            mean[j] = t.z;
            limit[j] = select(0u, seen(row[j]), row[j] < P.more[1].x);
        }
        for (var i = 0u; i < 4u; i += 1u) {
            let visible = vec4<u32>(key0 + y * 4u + i) < limit;
            let weight = exp4(p[i] * P.value.x - high) * factor;
            p[i] = select(vec4<f32>(), weight, visible);
            slope[i] = select(vec4<f32>(), weight * (slope[i] - mean) * P.value.x, visible);
        }
        for (var v = 0u; v < {{VALUE_VECTORS}}u / 4u; v += 1u) {
            let sums = weighted_gradients(local, at, p, row0, v * 64u);
            for (var i = 0u; i < 4u; i += 1u) {
                of_v[v * 4u + i] += sums[i];
            }
        }
        for (var v = 0u; v < {{VECTORS}}u / 4u; v += 1u) {
            let sums = weighted_queries(local, at, slope, row0, v * 64u);
            for (var i = 0u; i < 4u; i += 1u) {
                of_k[v * 4u + i] += sums[i];
            }
        }
    }
    if (id.y * P.groups_x + id.x >= P.count) {
        return;
    }
    for (var v = 0u; v < {{VECTORS}}u; v += 1u) {
        let key = key0 + y * 4u + v % 4u;
        for (var j = 0u; j < 4u; j += 1u) {
            let column = v / 4u * 64u + x * 4u + j;
            if (key < P.more[0].y && column < P.more[0].z) {
                put_key((group * P.more[0].y + key) * P.more[0].z + column, of_k[v][j]);
            }
        }
    }
    for (var v = 0u; v < {{VALUE_VECTORS}}u; v += 1u) {
        let key = key0 + y * 4u + v % 4u;
        for (var j = 0u; j < 4u; j += 1u) {
            let column = v / 4u * 64u + x * 4u + j;
            if (key < P.more[0].y && column < P.more[0].w) {
                put_value((group * P.more[0].y + key) * P.more[0].w + column, of_v[v][j]);
            }
        }
    }
}
