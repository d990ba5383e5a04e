
// The 64 rows of {{B}} from `b`, weighted by a tile of weights and summed: 4 rows of the tile by 4 columns from `column` an invocation.
// W holds half of the weights, turned, and the rows that belong to it.
fn {{NAME}}(local: u32, at: vec4<i32>, weights: array<vec4<f32>, 4>, b: u32, column: u32) -> array<vec4<f32>, 4> {
    let y = local / 16u;
    let x = local % 16u;
    let step = P.steps[{{STEPS_B}}].w;
    let c = column + x * 4u;
    var sums = array<vec4<f32>, 4>();
    for (var half = 0u; half < 2u; half += 1u) {
        workgroupBarrier();
        if (x / 8u == half) {
            let w = x % 8u * 64u + y;
            W[w] = vec4<f32>(weights[0].x, weights[1].x, weights[2].x, weights[3].x);
            W[w + 16u] = vec4<f32>(weights[0].y, weights[1].y, weights[2].y, weights[3].y);
            W[w + 32u] = vec4<f32>(weights[0].z, weights[1].z, weights[2].z, weights[3].z);
            W[w + 48u] = vec4<f32>(weights[0].w, weights[1].w, weights[2].w, weights[3].w);
        }
        for (var i = y; i < 32u; i += 16u) {
            let place = place_{{B}}(at, b + half * 32u + i);
            var row = vec4<f32>();
            if (c + 3u < {{LENGTH}}) {
                let first = place + i32(c) * step;
                row = vec4<f32>(element_{{B}}(first), element_{{B}}(first + step), element_{{B}}(first + 2 * step), element_{{B}}(first + 3 * step));
            } else {
                for (var j = 0u; c + j < {{LENGTH}}; j += 1u) {
                    row[j] = element_{{B}}(place + i32(c + j) * step);
                }
            }
            W[512u + i * 16u + x] = row;
        }
        workgroupBarrier();
        for (var k = 0u; k < 32u; k += 1u) {
            let l = W[k * 16u + y];
            let r = W[512u + k * 16u + x];
            // What is not seen has the weight 0, and may be anything.
            sums[0] = select(sums[0], fma(vec4<f32>(l.x), r, sums[0]), l.x != 0.0);
            sums[1] = select(sums[1], fma(vec4<f32>(l.y), r, sums[1]), l.y != 0.0);
            sums[2] = select(sums[2], fma(vec4<f32>(l.z), r, sums[2]), l.z != 0.0);
            sums[3] = select(sums[3], fma(vec4<f32>(l.w), r, sums[3]), l.w != 0.0);
        }
    }
    return sums;
}
