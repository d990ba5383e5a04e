// Products of complex matrices, one for each bin of the blocks' spectra. P.more[0]: results' rows, inner length, columns, bins; [1]: size of
// a block, and the blocks of the circulant matrix along rows and columns.

// A weight of the circulant matrix from the planes of its spectrum: the outer bins are real.
fn weight(bin: u32, m: u32, n: u32) -> vec2<f32> {
    let size = P.more[1].y * P.more[1].z;
    let at = u32(P.base.x) + m * P.more[1].z + n;
    if (bin == 0u) {
        return vec2<f32>(A[at], 0.0);
    }
    if (2u * bin == P.more[1].x) {
        return vec2<f32>(A[at + (P.more[1].x - 1u) * size], 0.0);
    }
    return vec2<f32>(A[at + (2u * bin - 1u) * size], A[at + 2u * bin * size]);
}
