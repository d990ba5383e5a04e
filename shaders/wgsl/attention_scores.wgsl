
// The products of 64 rows of {{A}} from `a` with 64 of {{B}} from `b`, 4 by 4 an invocation, 16 elements of the rows at a time.
fn {{NAME}}(local: u32, at: vec4<i32>, a: u32, b: u32) -> array<vec4<f32>, 4> {
    let y = local / 16u;
    let x = local % 16u;
    let step_a = P.steps[{{STEPS_A}}].w;
    let step_b = P.steps[{{STEPS_B}}].w;
    let a0 = place_{{A}}(at, a + y * 4u);
    let a1 = place_{{A}}(at, a + y * 4u + 1u);
    let a2 = place_{{A}}(at, a + y * 4u + 2u);
    let a3 = place_{{A}}(at, a + y * 4u + 3u);
    let b0 = place_{{B}}(at, b + y * 4u);
    let b1 = place_{{B}}(at, b + y * 4u + 1u);
    let b2 = place_{{B}}(at, b + y * 4u + 2u);
    let b3 = place_{{B}}(at, b + y * 4u + 3u);
    var sums = array<vec4<f32>, 4>();
    for (var k0 = 0u; k0 < {{INNER}}; k0 += 16u) {
        var left = vec4<f32>();
        var right = vec4<f32>();
        if (k0 + x < {{INNER}}) {
            let i = i32(k0 + x) * step_a;
            left = vec4<f32>(element_{{A}}(a0 + i), element_{{A}}(a1 + i), element_{{A}}(a2 + i), element_{{A}}(a3 + i));
            let j = i32(k0 + x) * step_b;
            right = vec4<f32>(element_{{B}}(b0 + j), element_{{B}}(b1 + j), element_{{B}}(b2 + j), element_{{B}}(b3 + j));
        }
        workgroupBarrier();
        // Lines of 17, so that the columns that are written side by side lie in different banks.
        W[x * 17u + y] = left;
        W[272u + x * 17u + y] = right;
        workgroupBarrier();
        for (var k = 0u; k < 16u; k += 1u) {
            let l = W[k * 17u + y];
            let r = W[272u + k * 17u + x];
            sums[0] = fma(vec4<f32>(l.x), r, sums[0]);
            sums[1] = fma(vec4<f32>(l.y), r, sums[1]);
            sums[2] = fma(vec4<f32>(l.z), r, sums[2]);
            sums[3] = fma(vec4<f32>(l.w), r, sums[3]);
        }
    }
    return sums;
}
