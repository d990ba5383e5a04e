//! Pairs of mirrored bins, `k` and `n - k`, in blocks that vectorise.

use fft_core::Complex;

use super::plans::Precision;

/// Pairs taken together: a vector register of `f32` with the widest instructions.
pub(super) const BLOCK: usize = 16;

/// Real and imaginary parts of a block, apart.
type Parts<T> = [[T; BLOCK]; 2];

/// The parts of a block of numbers, in the order in which `at` visits them.
#[inline(always)]
pub(super) fn parts<T: Precision>(z: &[Complex<T>], at: impl Fn(usize) -> usize) -> Parts<T> {
    let z: &[Complex<T>; BLOCK] = z.try_into().expect("slices of a block");
    [std::array::from_fn(|i| z[at(i)].re), std::array::from_fn(|i| z[at(i)].im)]
}

/// The `i`-th number of a block.
#[inline(always)]
pub(super) fn number<T: Precision>(parts: &Parts<T>, i: usize) -> Complex<T> {
    Complex::new(parts[0][i], parts[1][i])
}

/// `f(a[i], b[n - 1 - i], t[i])` for all `i`: the first of the results at `i`, the second at `n - 1 - i`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "several arrays side by side")]
pub(super) fn map_block<T: Precision>(
    a: &[Complex<T>],
    b: &[Complex<T>],
    t: &[Complex<T>],
    f: impl Fn(Complex<T>, Complex<T>, Complex<T>) -> (Complex<T>, Complex<T>),
) -> [[Complex<T>; BLOCK]; 2] {
    let (a, b, t) = (parts(a, |i| i), parts(b, |i| BLOCK - 1 - i), parts(t, |i| i));
    let mut results = [[[T::default(); BLOCK]; 2]; 2];
    for i in 0..BLOCK {
        let (x, y) = f(number(&a, i), number(&b, i), number(&t, i));
        (results[0][0][i], results[0][1][i]) = (x.re, x.im);
        (results[1][0][i], results[1][1][i]) = (y.re, y.im);
    }
    let [x, y] = &results;
    [std::array::from_fn(|i| number(x, i)), std::array::from_fn(|i| number(y, BLOCK - 1 - i))]
}
