// The coefficients of a sparse spectral matrix: offsets of rows, columns, values. P.more[0]: rows of the half plane, columns of the whole
// plane, vectors, rows of the whole plane. Spectra are [bins, vectors], of half the bins.

fn offset(u: u32) -> u32 {
    return O[u32(P.base.x) + u];
}

fn column(at: u32) -> u32 {
    let i = P.base.y + i32(at);
    return min({{COLUMN}}, P.more[0].y - 1u);
}
