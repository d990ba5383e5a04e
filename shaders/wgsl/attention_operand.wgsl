
fn origin_{{X}}(group: u32) -> i32 {
    return origin({{BASE}}, P.steps[{{STEPS}}], group, {{HEADS}});
}

fn place_{{X}}(at: vec4<i32>, i: u32) -> i32 {
    return {{PLACE}}_place(at[{{STEPS}}], P.steps[{{STEPS}}], i);
}

fn element_{{X}}(i: i32) -> f32 {
    return {{LOAD}};
}
