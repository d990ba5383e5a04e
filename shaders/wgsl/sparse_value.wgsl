
fn value(at: u32) -> vec2<f32> {
    let i = P.base.z + 2 * i32(at);
    {{VALUE}}
}
