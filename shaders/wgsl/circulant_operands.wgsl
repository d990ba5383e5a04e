
fn left(bin: u32, row: u32, k: u32) -> vec2<f32> {
    {{LEFT}}
}

fn right(bin: u32, k: u32, column: u32) -> vec2<f32> {
    {{RIGHT}}
}

fn put(bin: u32, row: u32, column: u32, value: vec2<f32>) {
    D[{{RESULT}} + i32((bin * P.more[0].x + row) * P.more[0].z + column)] = value * {{FACTOR}};
}
