//! Circular convolution of real lines by a kernel's half spectrum, in place, by complex transforms of half the length.
//!
//! With `z[j] = x[2 j] + i x[2 j + 1]`, `Z` its transform of `h = n / 2` points, `w = exp(-2 pi i / n)`, `m = h - k` and `t = -i w^k`, the spectrum of `x` is
//! `X[k] = E + T`, `X[m] = conj(E - T)` where `E = (Z[k] + conj(Z[m])) / 2` and `T = t (Z[k] - conj(Z[m])) / 2`. The product with `H` and the way back to
//! `Z` need no more than the same pair, so that one pass over pairs stands between the two transforms and the spectrum of `x` is never written.

use std::sync::Arc;

use fft_core::Complex;
use rustfft::Fft;

use super::half_length::HalfLength;
use super::mirror::{BLOCK, number, parts};
use super::plans::Precision;
use crate::simd::{Kernel, Level, dispatch};

/// The plan for one even length.
pub(crate) struct Circular<T> {
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    real: Arc<HalfLength<T>>,
    /// `-i w^k` for `0 <= k <= h / 2`, made in `f64`.
    twiddles: Vec<Complex<T>>,
}

impl<T: Precision> Circular<T> {
    /// From the plans of half the length.
    pub(super) fn new(forward: Arc<dyn Fft<T>>, inverse: Arc<dyn Fft<T>>, real: Arc<HalfLength<T>>) -> Self {
        let h = forward.len();
        let twiddle = |k: usize| {
            let (sin, cos) = (std::f64::consts::PI * k as f64 / h as f64).sin_cos();
            Complex::new(T::nearest(-sin), T::nearest(-cos))
        };
        Self { twiddles: (0..=h / 2).map(twiddle).collect(), forward, inverse, real }
    }

    /// Complex numbers of scratch.
    pub(crate) fn scratch_len(&self) -> usize {
        let complex = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        complex.max(self.real.scratch_len())
    }

    /// The `n / 2 + 1` bins of a line of `n` numbers.
    pub(crate) fn spectrum(&self, line: &[T], bins: &mut [Complex<T>], scratch: &mut [Complex<T>]) {
        self.real.process(line, bins, scratch);
    }

    /// Convolves a line of `n` numbers, seen as pairs, circularly with the kernel of the half spectrum `bins`.
    pub(crate) fn convolve(&self, line: &mut [Complex<T>], bins: &[Complex<T>], scratch: &mut [Complex<T>]) {
        self.forward(line, scratch);
        self.finish(line, bins, scratch);
    }

    /// The first half of [`convolve`](Self::convolve), which does not depend on the kernel.
    pub(crate) fn forward(&self, line: &mut [Complex<T>], scratch: &mut [Complex<T>]) {
        self.forward.process_with_scratch(line, &mut scratch[..self.forward.get_inplace_scratch_len()]);
    }

    /// The second half of [`convolve`](Self::convolve).
    pub(crate) fn finish(&self, line: &mut [Complex<T>], bins: &[Complex<T>], scratch: &mut [Complex<T>]) {
        dispatch(Product { twiddles: &self.twiddles, bins, line });
        self.inverse.process_with_scratch(line, &mut scratch[..self.inverse.get_inplace_scratch_len()]);
    }
}

/// From `Z` of a line to `Z` of its convolution, unscaled inverse transforms allowed for.
struct Product<'a, T> {
    twiddles: &'a [Complex<T>],
    bins: &'a [Complex<T>],
    line: &'a mut [Complex<T>],
}

impl<T: Precision> Kernel for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { twiddles, bins, line } = self;
        let h = line.len();
        let quarter = T::nearest(0.25 / h as f64);
        let (first, half) = (line[0], T::nearest(0.5 / h as f64));
        let (sum, difference) = ((first.re + first.im) * bins[0].re, (first.re - first.im) * bins[h].re);
        line[0] = Complex::new((sum + difference) * half, (sum - difference) * half);
        let pairs = h.div_ceil(2) - 1;
        if h.is_multiple_of(2) {
            let middle = h / 2;
            (line[middle], _) =
                pair(line[middle], line[middle], bins[middle], bins[middle], twiddles[middle], quarter);
        }
        let (low, high) = line[1..].split_at_mut(h / 2);
        let from = high.len() - pairs;
        let (low, high) = (&mut low[..pairs], &mut high[from..]);
        let (low_bins, high_bins, twiddles) = (&bins[1..=pairs], &bins[h - pairs..h], &twiddles[1..=pairs]);
        let whole = pairs / BLOCK * BLOCK;
        for k in (0..whole).step_by(BLOCK) {
            let m = pairs - k - BLOCK;
            let (a, b) = (&mut low[k..k + BLOCK], &mut high[m..m + BLOCK]);
            block(a, b, &low_bins[k..k + BLOCK], &high_bins[m..m + BLOCK], &twiddles[k..k + BLOCK], quarter);
        }
        for k in whole..pairs {
            let m = pairs - 1 - k;
            (low[k], high[m]) = pair(low[k], high[m], low_bins[k], high_bins[m], twiddles[k], quarter);
        }
    }
}

/// [`pair`] of `a[i]` and `b[BLOCK - 1 - i]`, with real and imaginary parts apart so that the compiler vectorises across pairs.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "several arrays side by side")]
fn block<T: Precision>(
    a: &mut [Complex<T>],
    b: &mut [Complex<T>],
    p: &[Complex<T>],
    q: &[Complex<T>],
    t: &[Complex<T>],
    scale: T,
) {
    let (xs, ys) = (parts(a, |i| i), parts(b, |i| BLOCK - 1 - i));
    let (p, q, t) = (parts(p, |i| i), parts(q, |i| BLOCK - 1 - i), parts(t, |i| i));
    let mut outputs = [[T::default(); BLOCK]; 4];
    for i in 0..BLOCK {
        let at = |parts: &[[T; BLOCK]; 2]| number(parts, i);
        let (x, y) = pair(at(&xs), at(&ys), at(&p), at(&q), at(&t), scale);
        (outputs[0][i], outputs[1][i], outputs[2][i], outputs[3][i]) = (x.re, x.im, y.re, y.im);
    }
    for i in 0..BLOCK {
        a[i] = Complex::new(outputs[0][i], outputs[1][i]);
        b[i] = Complex::new(outputs[2][BLOCK - 1 - i], outputs[3][BLOCK - 1 - i]);
    }
}

/// The new `Z[k]` and `Z[m]` from the old ones, `H[k]`, `H[m]` and `-i w^k`.
#[inline(always)]
fn pair<T: Precision>(
    a: Complex<T>,
    b: Complex<T>,
    p: Complex<T>,
    q: Complex<T>,
    t: Complex<T>,
    scale: T,
) -> (Complex<T>, Complex<T>) {
    let (even_re, even_im) = ((a.re + b.re) * scale, (a.im - b.im) * scale);
    let (odd_re, odd_im) = ((a.re - b.re) * scale, (a.im + b.im) * scale);
    let turned_re = t.re * odd_re - t.im * odd_im;
    let turned_im = t.re * odd_im + t.im * odd_re;
    let (x_re, x_im) = (even_re + turned_re, even_im + turned_im);
    let (y_re, y_im) = (even_re - turned_re, even_im - turned_im);
    // x H[k], and y conj(H[m]).
    let (u_re, u_im) = (x_re * p.re - x_im * p.im, x_re * p.im + x_im * p.re);
    let (v_re, v_im) = (y_re * q.re + y_im * q.im, y_im * q.re - y_re * q.im);
    let (sum_re, sum_im) = (u_re + v_re, u_im + v_im);
    let (dif_re, dif_im) = (u_re - v_re, u_im - v_im);
    let back_re = t.re * dif_re + t.im * dif_im;
    let back_im = t.re * dif_im - t.im * dif_re;
    (Complex::new(sum_re + back_re, sum_im + back_im), Complex::new(sum_re - back_re, back_im - sum_im))
}

#[cfg(test)]
mod tests {
    use fft_core::reference;

    use crate::fourier::Plans;

    #[test]
    fn is_the_circular_convolution() {
        let plans = Plans::default();
        for n in (2..80).step_by(2).chain([96, 128, 250, 1000, 1024]) {
            let x: Vec<f64> = (0..n).map(|i| ((i * 37 + 11) % 101) as f64 - 50.0).collect();
            let k: Vec<f64> = (0..n).map(|i| ((i * 53 + 7) % 89) as f64 - 44.0).collect();
            let plan = plans.circular::<f64>(n);
            let mut scratch = vec![Default::default(); plan.scratch_len()];
            let mut bins = vec![Default::default(); n / 2 + 1];
            plan.spectrum(&k, &mut bins, &mut scratch);
            let mut line = x.clone();
            plan.convolve(bytemuck::cast_slice_mut(&mut line), &bins, &mut scratch);
            let want = reference::circular_convolution(&x, &k);
            let norm: f64 = want.iter().map(|w| w * w).sum();
            let off: f64 = line.iter().zip(&want).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!(norm > 0.0 && off <= norm * 1e-28, "n = {n}: {off} of {norm}");
        }
    }
}
