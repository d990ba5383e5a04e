//! Kernels for one vector: a row of coefficients times a spectrum, and the other way round.

use fft_core::Complex32;

use super::sparse_values::{Column, Decoded, Rows};
use crate::simd::{Kernel, Level};

/// `z[u] = factor(u) * sum_v c[u, v] conj(X[v])` for some rows `u`.
pub(super) struct RowProducts<'a, C> {
    pub(super) rows: Rows<'a, C>,
    /// The rows computed.
    pub(super) range: std::ops::Range<usize>,
    /// `X`, all `in` bins.
    pub(super) spectrum: &'a [Complex32],
    /// For a row that is its own mirror; half of it for others.
    pub(super) factor: f32,
    /// One number a row of `range`.
    pub(super) out: &'a mut [Complex32],
}

impl<C: Column> Kernel for RowProducts<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let mut decoded: Decoded = [0.0; size_of::<Decoded>() / 4];
        assert!(self.spectrum.len() >= self.rows.shape[1]);
        for (u, out) in self.range.zip(self.out) {
            let mut z = Complex32::default();
            let row = self.rows.row(u);
            let mut at = row.start;
            while let Some((columns, values)) = self.rows.piece(&mut at, row.end, &mut decoded) {
                z += dot::<L, C>(columns, values, self.spectrum);
            }
            *out = z * if own_mirror(u, self.rows.shape[0]) { self.factor } else { 0.5 * self.factor };
        }
    }
}

/// Whether row `u` of the half plane of a matrix of `m` rows is its own mirror.
#[inline(always)]
pub(super) fn own_mirror(u: usize, m: usize) -> bool {
    u == 0 || 2 * u == m
}

/// `sum c conj(x[column])`; `values` are the parts of `c`.
#[inline(always)]
fn dot<L: Level, C: Column>(columns: &[C], values: &[f32], x: &[Complex32]) -> Complex32 {
    assert_eq!(values.len(), 2 * columns.len());
    #[cfg(target_arch = "x86_64")]
    if L::FMA {
        // SAFETY: levels with FMA on this architecture have AVX2; columns are below the length of `x`.
        return unsafe { avx2::dot(columns, values, x) };
    }
    let mut z = Complex32::default();
    for (&column, c) in columns.iter().zip(values.chunks_exact(2)) {
        let x = x[column.at()];
        z.re += c[0] * x.re + c[1] * x.im;
        z.im += c[1] * x.re - c[0] * x.im;
    }
    z
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Column, Complex32};
    use std::arch::x86_64::*;

    /// As [`super::dot`]. Single loads of 8 bytes are faster than gather instructions on the processors measured, which are of
    /// AMD's Zen 5 generation: 0.25 ns a coefficient against 0.31 (AVX-512) at 4096 columns.
    ///
    /// # Safety
    /// The machine has AVX2 and FMA, `values` has two numbers a column, and columns are below the length of `x`.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn dot<C: Column>(columns: &[C], values: &[f32], x: &[Complex32]) -> Complex32 {
        let (x, at) = (x.as_ptr().cast::<f64>(), columns.as_ptr());
        let (c, n) = (values.as_ptr(), columns.len());
        // SAFETY: positions are below `n` and columns below the length of `x`, and the instructions are enabled, as promised
        // by the caller.
        let one = |i: usize| unsafe { x.add((*at.add(i)).at()) };
        // SAFETY: see above.
        let four = |i: usize| unsafe {
            let low = _mm_loadh_pd(_mm_load_sd(one(i)), one(i + 1));
            let high = _mm_loadh_pd(_mm_load_sd(one(i + 2)), one(i + 3));
            _mm256_castpd_ps(_mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high))
        };
        // SAFETY: see above.
        unsafe {
            // With c = (r, i) and x = (s, t): straight sums hold r s and i t, crossed ones i s and r t.
            let mut straight = [_mm256_setzero_ps(); 2];
            let mut crossed = [_mm256_setzero_ps(); 2];
            let mut i = 0;
            while i + 8 <= n {
                let (x0, x1) = (four(i), four(i + 4));
                let (c0, c1) = (_mm256_loadu_ps(c.add(2 * i)), _mm256_loadu_ps(c.add(2 * i + 8)));
                straight[0] = _mm256_fmadd_ps(c0, x0, straight[0]);
                crossed[0] = _mm256_fmadd_ps(_mm256_permute_ps::<0xb1>(c0), x0, crossed[0]);
                straight[1] = _mm256_fmadd_ps(c1, x1, straight[1]);
                crossed[1] = _mm256_fmadd_ps(_mm256_permute_ps::<0xb1>(c1), x1, crossed[1]);
                i += 8;
            }
            if i + 4 <= n {
                let (x0, c0) = (four(i), _mm256_loadu_ps(c.add(2 * i)));
                straight[0] = _mm256_fmadd_ps(c0, x0, straight[0]);
                crossed[0] = _mm256_fmadd_ps(_mm256_permute_ps::<0xb1>(c0), x0, crossed[0]);
                i += 4;
            }
            let halves = |v: [__m256; 2]| {
                let v = _mm256_add_ps(v[0], v[1]);
                _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v))
            };
            let (mut straight, mut crossed) = (halves(straight), halves(crossed));
            while i < n {
                let x0 = _mm_castpd_ps(_mm_load_sd(one(i)));
                let c0 = _mm_castpd_ps(_mm_load_sd(c.add(2 * i).cast()));
                straight = _mm_fmadd_ps(c0, x0, straight);
                crossed = _mm_fmadd_ps(_mm_permute_ps::<0xb1>(c0), x0, crossed);
                i += 1;
            }
            // The real part is the sum of the straight ones, the imaginary part the crossed ones with alternating signs.
            let signs = _mm_set_ps(-0.0, 0.0, -0.0, 0.0);
            let pairs = _mm_hadd_ps(straight, _mm_xor_ps(crossed, signs));
            let sums = _mm_hadd_ps(pairs, pairs);
            let mut out = [0.0f32; 4];
            _mm_storeu_ps(out.as_mut_ptr(), sums);
            Complex32::new(out[0], out[1])
        }
    }

    /// As [`super::scatter`].
    ///
    /// # Safety
    /// The machine has AVX2 and FMA, `values` has two numbers a column, and columns are below the length of `q`.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn scatter<C: Column>(
        columns: &[C],
        values: &[f32],
        y: Complex32,
        q: &mut [Complex32],
    ) {
        let (q, at, c, n) = (q.as_mut_ptr().cast::<f64>(), columns.as_ptr(), values.as_ptr(), columns.len());
        // SAFETY: positions are below `n` and columns below the length of `q`, and the instructions are enabled, as promised
        // by the caller. Columns of a row differ, so that no sum is read before the one before it is written.
        unsafe {
            let add = |i: usize, products: __m128| {
                let q = q.add((*at.add(i)).at());
                let sum = _mm_add_ps(_mm_castpd_ps(_mm_load_sd(q)), products);
                _mm_store_sd(q, _mm_castps_pd(sum));
            };
            let (re, im) = (_mm256_set1_ps(y.re), _mm256_set1_ps(y.im));
            let mut i = 0;
            while i + 4 <= n {
                let c = _mm256_loadu_ps(c.add(2 * i));
                let crossed = _mm256_mul_ps(_mm256_permute_ps::<0xb1>(c), im);
                let products = _mm256_fmaddsub_ps(c, re, crossed);
                let (low, high) = (_mm256_castps256_ps128(products), _mm256_extractf128_ps::<1>(products));
                add(i, low);
                add(i + 1, _mm_movehl_ps(low, low));
                add(i + 2, high);
                add(i + 3, _mm_movehl_ps(high, high));
                i += 4;
            }
            while i < n {
                let c = _mm_castpd_ps(_mm_load_sd(c.add(2 * i).cast()));
                let crossed = _mm_mul_ps(_mm_permute_ps::<0xb1>(c), _mm256_castps256_ps128(im));
                add(i, _mm_fmaddsub_ps(c, _mm256_castps256_ps128(re), crossed));
                i += 1;
            }
        }
    }
}

/// `q[v] += sum_u c[u, v] conj(Y[u])` over some rows `u`.
pub(super) struct RowScatters<'a, C> {
    pub(super) rows: Rows<'a, C>,
    /// The rows added.
    pub(super) range: std::ops::Range<usize>,
    /// `Y`, bins `0..=out / 2`.
    pub(super) spectrum: &'a [Complex32],
    /// All `in` bins.
    pub(super) out: &'a mut [Complex32],
}

impl<C: Column> Kernel for RowScatters<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let mut decoded: Decoded = [0.0; size_of::<Decoded>() / 4];
        assert!(self.out.len() >= self.rows.shape[1]);
        for u in self.range {
            let y = self.spectrum[u].conj();
            let out = &mut *self.out;
            let row = self.rows.row(u);
            let mut at = row.start;
            while let Some((columns, values)) = self.rows.piece(&mut at, row.end, &mut decoded) {
                scatter::<L, C>(columns, values, y, out);
            }
        }
    }
}

/// `q[column] += c y` for each coefficient `c`.
#[inline(always)]
fn scatter<L: Level, C: Column>(columns: &[C], values: &[f32], y: Complex32, q: &mut [Complex32]) {
    assert_eq!(values.len(), 2 * columns.len());
    #[cfg(target_arch = "x86_64")]
    if L::FMA {
        // SAFETY: levels with FMA on this architecture have AVX2; columns are below the length of `q`.
        return unsafe { avx2::scatter(columns, values, y, q) };
    }
    for (&column, c) in columns.iter().zip(values.chunks_exact(2)) {
        let q = &mut q[column.at()];
        q.re += c[0] * y.re - c[1] * y.im;
        q.im += c[0] * y.im + c[1] * y.re;
    }
}
