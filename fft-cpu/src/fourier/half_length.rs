//! The transform of a real line of even length by a complex one of half that length, from the input where it lies, and its inverse.
//!
//! With `z[j] = x[2 j] + i x[2 j + 1]`, `Z` its transform of `h = n / 2` points and `w = exp(-2 pi i / n)`, the even and the odd samples have the
//! transforms `E[k] = (Z[k] + conj(Z[h - k])) / 2` and `O[k] = (Z[k] - conj(Z[h - k])) / 2i`, and `X[k] = E[k] + w^k O[k]`, `X[h - k] =
//! conj(E[k] - w^k O[k])`. The plan for real input of a library does the same but destroys its input, which costs a copy of every line.
//!
//! The other way, `2 Z[k] = S[k] + i w^-k D[k]` with `S[k] = X[k] + conj(X[h - k])` and `D[k] = X[k] - conj(X[h - k])`, and the inverse transform of `2 Z`
//! without a factor is that of `X`.

use std::sync::Arc;

use fft_core::Complex;
use rustfft::Fft;

use super::mirror::{BLOCK, map_block};
use super::plans::Precision;
use crate::simd::{Kernel, Level, dispatch};

/// The plan for one even length.
pub(crate) struct HalfLength<T> {
    half: Arc<dyn Fft<T>>,
    /// `w^k / i` for `0 < k < h / 2`, made in `f64`.
    twiddles: Vec<Complex<T>>,
}

impl<T: Precision> HalfLength<T> {
    /// From the forward plan of half the length.
    pub(super) fn new(half: Arc<dyn Fft<T>>) -> Self {
        let h = half.len();
        let twiddle = |k: usize| {
            let (sin, cos) = (std::f64::consts::PI * k as f64 / h as f64).sin_cos();
            Complex::new(T::nearest(-sin), T::nearest(-cos))
        };
        Self { twiddles: (1..h.div_ceil(2)).map(twiddle).collect(), half }
    }

    /// Complex numbers of scratch.
    pub(super) fn scratch_len(&self) -> usize {
        self.half.get_immutable_scratch_len()
    }

    /// The `n / 2 + 1` bins of the `n` numbers of `input`.
    pub(super) fn process(&self, input: &[T], bins: &mut [Complex<T>], scratch: &mut [Complex<T>]) {
        let h = self.half.len();
        let pairs: &[Complex<T>] = bytemuck::cast_slice(&input[..2 * h]);
        self.half.process_immutable_with_scratch(pairs, &mut bins[..h], &mut scratch[..self.scratch_len()]);
        dispatch(Untangle { twiddles: &self.twiddles, bins: &mut bins[..=h] });
    }
}

/// From `Z` in the first `h` of `h + 1` bins to `X`.
struct Untangle<'a, T> {
    twiddles: &'a [Complex<T>],
    bins: &'a mut [Complex<T>],
}

impl<T: Precision> Kernel for Untangle<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { twiddles, bins } = self;
        let h = bins.len() - 1;
        let (zero, half) = (bins[0], T::nearest(0.5));
        bins[0] = Complex::new(zero.re + zero.im, T::nearest(0.0));
        bins[h] = Complex::new(zero.re - zero.im, T::nearest(0.0));
        if h.is_multiple_of(2) {
            bins[h / 2] = bins[h / 2].conj();
        }
        let count = twiddles.len();
        let (low, high) = bins[1..h].split_at_mut(count);
        let from = high.len() - count;
        let high = &mut high[from..];
        let blocks = count / BLOCK * BLOCK;
        let turn = |a: Complex<T>, b: Complex<T>, t: Complex<T>| {
            pair(Complex::new(a.re * half, a.im * half), Complex::new(b.re * half, b.im * half), t)
        };
        for k in (0..blocks).step_by(BLOCK) {
            let m = count - k - BLOCK;
            let (a, b) = (&mut low[k..k + BLOCK], &mut high[m..m + BLOCK]);
            let [x, y] = map_block(a, b, &twiddles[k..k + BLOCK], turn);
            a.copy_from_slice(&x);
            b.copy_from_slice(&y);
        }
        for k in blocks..count {
            let m = count - 1 - k;
            (low[k], high[m]) = turn(low[k], high[m], twiddles[k]);
        }
    }
}

/// From bins `k` and `h - k` and a factor `t`, with `S` their sum and `D` their difference, the second conjugated: `S + t D`, and the conjugate of
/// `S - t D`.
#[inline(always)]
fn pair<T: Precision>(a: Complex<T>, b: Complex<T>, t: Complex<T>) -> (Complex<T>, Complex<T>) {
    let (sum_re, sum_im) = (a.re + b.re, a.im - b.im);
    let (dif_re, dif_im) = (a.re - b.re, a.im + b.im);
    let turned_re = t.re * dif_re - t.im * dif_im;
    let turned_im = t.re * dif_im + t.im * dif_re;
    let x = Complex::new(sum_re + turned_re, sum_im + turned_im);
    (x, Complex::new(sum_re - turned_re, turned_im - sum_im))
}

/// The plan of the inverse for one even length.
pub(crate) struct InverseHalfLength<T> {
    half: Arc<dyn Fft<T>>,
    /// `i w^-k` for `0 < k < h / 2`, made in `f64`.
    twiddles: Vec<Complex<T>>,
}

impl<T: Precision> InverseHalfLength<T> {
    /// From the inverse plan of half the length.
    pub(super) fn new(half: Arc<dyn Fft<T>>) -> Self {
        let h = half.len();
        let twiddle = |k: usize| {
            let (sin, cos) = (std::f64::consts::PI * k as f64 / h as f64).sin_cos();
            Complex::new(T::nearest(-sin), T::nearest(cos))
        };
        Self { twiddles: (1..h.div_ceil(2)).map(twiddle).collect(), half }
    }

    /// Complex numbers of scratch.
    pub(super) fn scratch_len(&self) -> usize {
        self.half.get_inplace_scratch_len()
    }

    /// The `n` numbers of `output` from `n / 2 + 1` bins, without a factor. The imaginary parts of the outer bins do not count.
    pub(super) fn process(&self, bins: &[Complex<T>], output: &mut [T], scratch: &mut [Complex<T>]) {
        let h = self.half.len();
        let pairs: &mut [Complex<T>] = bytemuck::cast_slice_mut(&mut output[..2 * h]);
        dispatch(Retangle { twiddles: &self.twiddles, bins: &bins[..=h], pairs });
        let pairs: &mut [Complex<T>] = bytemuck::cast_slice_mut(&mut output[..2 * h]);
        self.half.process_with_scratch(pairs, &mut scratch[..self.scratch_len()]);
    }
}

/// From `X` in `h + 1` bins to `2 Z`.
struct Retangle<'a, T> {
    twiddles: &'a [Complex<T>],
    bins: &'a [Complex<T>],
    pairs: &'a mut [Complex<T>],
}

impl<T: Precision> Kernel for Retangle<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { twiddles, bins, pairs } = self;
        let h = pairs.len();
        let (first, last) = (bins[0].re, bins[h].re);
        pairs[0] = Complex::new(first + last, first - last);
        if h.is_multiple_of(2) {
            let middle = bins[h / 2];
            pairs[h / 2] = Complex::new(middle.re + middle.re, -(middle.im + middle.im));
        }
        let count = twiddles.len();
        let (low, high) = pairs[1..].split_at_mut(count);
        let from = high.len() - count;
        let high = &mut high[from..];
        let (low_bins, high_bins) = (&bins[1..=count], &bins[h - count..h]);
        let blocks = count / BLOCK * BLOCK;
        for k in (0..blocks).step_by(BLOCK) {
            let m = count - k - BLOCK;
            let (a, b) = (&low_bins[k..k + BLOCK], &high_bins[m..m + BLOCK]);
            let [x, y] = map_block(a, b, &twiddles[k..k + BLOCK], pair);
            low[k..k + BLOCK].copy_from_slice(&x);
            high[m..m + BLOCK].copy_from_slice(&y);
        }
        for k in blocks..count {
            let m = count - 1 - k;
            (low[k], high[m]) = pair(low_bins[k], high_bins[m], twiddles[k]);
        }
    }
}
