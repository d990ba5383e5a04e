
// A whole spectrum in log8 as the coefficients of a sparse one. P.more[1]: groups of a row, codes of a group. The real parts of a row come first.
fn offset(u: u32) -> u32 {
    return u * P.more[0].y;
}

fn column(at: u32) -> u32 {
    return at % P.more[0].y;
}

fn part(at: i32, range: i32) -> f32 {
    return log8_value({{CODE}}, R[range], R[range + 1]);
}

fn value(at: u32) -> vec2<f32> {
    let u = at / P.more[0].y;
    let v = at - u * P.more[0].y;
    let i = P.base.x + i32(2u * u * P.more[0].y + v);
    let r = P.base.y + 2 * i32(2u * u * P.more[1].x + v / P.more[1].y);
    return vec2<f32>(part(i, r), part(i + i32(P.more[0].y), r + 2 * i32(P.more[1].x)));
}
