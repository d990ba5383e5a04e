
// What a part of the keys gives: sums of values, the maximum, the sum of exponentials.
fn finish(row: u32, part: u32, column: u32, sum: f32, high: f32, total: f32) {
    let at = u32(P.base.w) + (row * P.more[1].w + part) * (P.more[0].w + 2u);
    D[at + column] = sum;
    if (column == 0u) {
        D[at + P.more[0].w] = high;
        D[at + P.more[0].w + 1u] = total;
    }
}
