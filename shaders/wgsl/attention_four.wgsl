
// Four neighbours of a row from element `c`, 0 past its end.
fn four_{{X}}(place: i32, c: u32) -> vec4<f32> {
    let step = P.steps[{{STEPS}}].w;
    let i = place + i32(c) * step;
    if (c + 3u < {{LENGTH}}) {
        return vec4<f32>(element_{{X}}(i), element_{{X}}(i + step), element_{{X}}(i + 2 * step), element_{{X}}(i + 3 * step));
    }
    var out = vec4<f32>();
    for (var j = 0u; c + j < {{LENGTH}}; j += 1u) {
        out[j] = element_{{X}}(i + i32(j) * step);
    }
    return out;
}
