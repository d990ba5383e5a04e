
// A whole spectrum in log8 as the coefficients of a sparse one. P.more[1]: groups of a row, codes of a group, whose inverse is P.value.y. The real
// parts of a row come first.
fn offset(u: u32) -> u32 {
    return u * P.more[0].y;
}

fn decoded(at: i32, range: i32) -> f32 {
    return log8_value({{CODE}}, R[range], R[range + 1]);
}

fn coefficient(u: u32, v: u32) -> vec2<f32> {
    let i = P.base.x + i32(2u * u * P.more[0].y + v);
    // Exact below 2^20 columns.
    let group = u32((f32(v) + 0.5) * P.value.y);
    let r = P.base.y + 2 * i32(2u * u * P.more[1].x + group);
    return vec2<f32>(decoded(i, r), decoded(i + i32(P.more[0].y), r + 2 * i32(P.more[1].x)));
}
