// The number that a log8 code stands for: a sign, and the largest magnitude less a number of steps in octaves. The step in two parts, the
// first of which has so few bits that its multiples are exact.
fn log8_value(code: u32, largest: f32, step: f32) -> f32 {
    let m = code & 0x7fu;
    if (m == 0u) {
        return 0.0;
    }
    let steps = f32(127u - m);
    let high = bitcast<f32>(bitcast<u32>(step) & 0xffff8000u);
    let octaves = steps * high;
    let n = round(octaves);
    let r = -((octaves - n) + steps * (step - high)) * 0.6931471805599453;
    let size = largest * (fma(r * r, exp_tail(r), r) + 1.0);
    let whole = -i32(n);
    return with_sign(scaled(scaled(size, whole / 2), whole - whole / 2), bitcast<f32>(code << 24u));
}
