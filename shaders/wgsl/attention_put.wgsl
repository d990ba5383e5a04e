
fn {{NAME}}(at: u32, value: f32) {
    let place = {{BASE}} + i32(at);
    {{STORE}}
}
