
fn place_{{X}}(at: vec4<i32>, i: u32) -> i32 {
    return {{PLACE}}_place(at[{{STEPS}}], P.steps[{{STEPS}}], i);
}

fn origin_{{X}}(group: u32) -> i32 {
    return origin({{BASE}}, P.steps[{{STEPS}}], group, {{HEADS}});
}

// Four neighbours of a row, which begin and end at multiples of four.
fn four_{{X}}(place: i32, c: u32) -> vec4<f32> {
    let w = {{X}}[(place + i32(c)) >> 2u];
    return {{FOUR}};
}
