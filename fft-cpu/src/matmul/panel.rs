//! The inner loops of products with few rows: weights are read once and stay in no register longer than needed.

use crate::elementwise::Storage;
use crate::simd::{Kernel, Level, Numbers, Vector, dispatch};

/// Rows of the small operand that one pass over the weights serves.
pub(crate) const ROWS: usize = 8;

/// `out[i * out_pitch + j] = sum_k x[i * x_pitch + k] w[j * w_stride + k]` for `i < m <= ROWS`, `j < n`.
///
/// # Safety
/// All these elements are readable, and `out` is writable by no one else.
pub(crate) unsafe fn dots<T: Storage>(
    (x, x_pitch): (*const f32, isize),
    (w, w_stride): (*const T, isize),
    (out, out_pitch): (*mut f32, usize),
    (m, n, k): (usize, usize, usize),
) {
    debug_assert!(m <= ROWS);
    dispatch(Dots { x, x_pitch, w, w_stride, out, out_pitch, m, n, k });
}

struct Dots<T> {
    x: *const f32,
    x_pitch: isize,
    w: *const T,
    w_stride: isize,
    out: *mut f32,
    out_pitch: usize,
    m: usize,
    n: usize,
    k: usize,
}

impl<T: Storage> Kernel for Dots<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        // SAFETY: promised by the caller of `dots`.
        unsafe {
            match self.m {
                0 => {}
                1 => {
                    let whole = self.n / 4 * 4;
                    (0..whole).step_by(4).for_each(|j| self.block::<L, 1, 4, 2>(j));
                    (whole..self.n).for_each(|j| self.block::<L, 1, 1, 4>(j));
                }
                2 => {
                    let whole = self.n / 4 * 4;
                    (0..whole).step_by(4).for_each(|j| self.block::<L, 2, 4, 1>(j));
                    (whole..self.n).for_each(|j| self.block::<L, 2, 1, 2>(j));
                }
                3 | 4 => {
                    let whole = self.n / 2 * 2;
                    (0..whole).step_by(2).for_each(|j| self.block::<L, 4, 2, 1>(j));
                    (whole..self.n).for_each(|j| self.block::<L, 4, 1, 1>(j));
                }
                _ if L::V::LANES == 16 => {
                    let whole = self.n / 2 * 2;
                    (0..whole).step_by(2).for_each(|j| self.block::<L, ROWS, 2, 1>(j));
                    (whole..self.n).for_each(|j| self.block::<L, ROWS, 1, 1>(j));
                }
                // Half as many registers: one row of weights at a time.
                _ => (0..self.n).for_each(|j| self.block::<L, ROWS, 1, 1>(j)),
            }
        }
    }
}

impl<T: Storage> Dots<T> {
    /// `M` rows of `x` (the last repeated when there are fewer) by `R` rows of `w` from `j`, `U` registers at a time.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "several arrays of registers are indexed in step")]
    unsafe fn block<L: Level, const M: usize, const R: usize, const U: usize>(&self, j: usize) {
        let lanes = L::V::LANES;
        let (x_pitch, last) = (self.x_pitch, self.m - 1);
        // SAFETY: rows and columns are within those promised by the caller of `dots`.
        unsafe {
            let x: [*const f32; M] = std::array::from_fn(|i| self.x.offset(i.min(last) as isize * x_pitch));
            let w: [*const T; R] = std::array::from_fn(|r| self.w.offset((j + r) as isize * self.w_stride));
            let mut acc = [[[L::V::splat(0.0); U]; R]; M];
            let mut at = 0;
            while at + U * lanes <= self.k {
                for u in 0..U {
                    let from = at + u * lanes;
                    for r in 0..R {
                        let weight: L::V = T::load(w[r].add(from));
                        for i in 0..M {
                            acc[i][r][u] = weight.fma(L::V::load(x[i].add(from)), acc[i][r][u]);
                        }
                    }
                }
                at += U * lanes;
            }
            while at + lanes <= self.k {
                for r in 0..R {
                    let weight: L::V = T::load(w[r].add(at));
                    for i in 0..M {
                        acc[i][r][0] = weight.fma(L::V::load(x[i].add(at)), acc[i][r][0]);
                    }
                }
                at += lanes;
            }
            let one = L::V::splat(1.0);
            for i in 0..M.min(self.m) {
                for r in 0..R {
                    let mut total = acc[i][r][0];
                    for &more in &acc[i][r][1..] {
                        total = total.fma(one, more);
                    }
                    let mut sum = total.sum();
                    for rest in at..self.k {
                        sum = crate::simd::fma::<L>((*w[r].add(rest)).wide::<L>(), *x[i].add(rest), sum);
                    }
                    *self.out.add(i * self.out_pitch + j + r) = sum;
                }
            }
        }
    }
}

/// `y[j] += sum_r x[r] w[r * w_stride + j]` for `r < x.len()`, `j < y.len()`.
///
/// # Safety
/// The elements of `w` are readable.
pub(crate) unsafe fn accumulate<T: Storage>(y: &mut [f32], x: &[f32], w: *const T, w_stride: isize) {
    dispatch(Accumulate { y, x, w, w_stride });
}

struct Accumulate<'a, T> {
    y: &'a mut [f32],
    x: &'a [f32],
    w: *const T,
    w_stride: isize,
}

impl<T: Storage> Kernel for Accumulate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let whole = self.x.len() / 4 * 4;
        // SAFETY: promised by the caller of `accumulate`.
        unsafe {
            for (r, x) in self.x[..whole].chunks_exact(4).enumerate() {
                rows::<T, L, 4>(self.y, x, self.w.offset(4 * r as isize * self.w_stride), self.w_stride);
            }
            for (r, x) in self.x[whole..].chunks_exact(1).enumerate() {
                rows::<T, L, 1>(
                    self.y,
                    x,
                    self.w.offset((whole + r) as isize * self.w_stride),
                    self.w_stride,
                );
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<T: Storage, L: Level, const R: usize>(y: &mut [f32], x: &[f32], w: *const T, stride: isize) {
    let lanes = L::V::LANES;
    let n = y.len();
    // SAFETY: promised by the caller of `accumulate`.
    unsafe {
        let w: [*const T; R] = std::array::from_fn(|r| w.offset(r as isize * stride));
        let factors: [L::V; R] = std::array::from_fn(|r| L::V::splat(x[r]));
        let out = y.as_mut_ptr();
        let mut j = 0;
        while j + lanes <= n {
            let mut acc = L::V::load(out.add(j));
            for r in 0..R {
                acc = T::load::<L::V>(w[r].add(j)).fma(factors[r], acc);
            }
            acc.store(out.add(j));
            j += lanes;
        }
        while j < n {
            let mut acc = *out.add(j);
            for r in 0..R {
                acc = crate::simd::fma::<L>((*w[r].add(j)).wide::<L>(), x[r], acc);
            }
            *out.add(j) = acc;
            j += 1;
        }
    }
}
