
// 64 rows a workgroup, and the keys in tiles of 64: the maximum and the sum of each row's exponentials go along, and what was summed is
// scaled when the maximum grows (Milakov and Gimelshein 2018; Dao et al. 2022).
var<workgroup> W: array<vec4<f32>, 1024>;

// The sum over the 16 invocations of a row, for four rows.
fn sum_of_rows(local: u32, part: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();
    W[local % 16u * 16u + local / 16u] = part;
    workgroupBarrier();
    var sum = vec4<f32>();
    for (var i = 0u; i < 16u; i += 1u) {
        sum += W[i * 16u + local / 16u];
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(id.y * P.groups_x + id.x, P.count - 1u);
    let rest = item / P.more[1].z;
    // Rows that see the most keys begin first.
    let row0 = (P.more[1].z - 1u - item % P.more[1].z) * 64u;
    let group = rest / P.more[1].w;
    let part = rest - group * P.more[1].w;
    let at = {{ORIGINS}};
    let y = local / 16u;
    let x = local % 16u;
    let first = part * P.more[2].y;
    let end = min(seen_by_tile(row0), first + P.more[2].y);
    let row = vec4<u32>(row0 + y * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let limit = min(vec4<u32>(seen(row.x), seen(row.y), seen(row.z), seen(row.w)), vec4<u32>(end));
    var high = vec4<f32>(LOWEST);
    var total = vec4<f32>();
    var out = array<vec4<f32>, {{VECTORS}}>();
    for (var key0 = first; key0 < end; key0 += 64u) {
        var p = scores(local, at, row0, key0);
        let key = vec4<u32>(key0 + x * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        var local_high = vec4<f32>();
        for (var i = 0u; i < 4u; i += 1u) {
            p[i] = select(vec4<f32>(LOWEST), p[i] * P.value.x, key < vec4<u32>(limit[i]));
            local_high[i] = max(max(p[i].x, p[i].y), max(p[i].z, p[i].w));
        }
        workgroupBarrier();
        W[x * 16u + y] = local_high;
        workgroupBarrier();
        var grown = high;
        for (var i = 0u; i < 16u; i += 1u) {
            grown = max(grown, W[i * 16u + y]);
        }
        let scale = exp4(high - grown);
        high = grown;
        total *= scale;
        for (var i = 0u; i < 4u; i += 1u) {
            p[i] = select(vec4<f32>(), exp4(p[i] - vec4<f32>(high[i])), key < vec4<u32>(limit[i]));
            total[i] += (p[i].x + p[i].y) + (p[i].z + p[i].w);
        }
        for (var v = 0u; v < {{VECTORS}}u / 4u; v += 1u) {
            let sums = weighted(local, at, p, key0, v * 64u);
            for (var i = 0u; i < 4u; i += 1u) {
                out[v * 4u + i] = fma(out[v * 4u + i], vec4<f32>(scale[i]), sums[i]);
            }
        }
    }
    total = sum_of_rows(local, total);
    let stored = id.y * P.groups_x + id.x < P.count;
    {{FINISH}}
}
