//! Softmax over the last axis.

use fft_core::{DType, Result, Tensor, compose};

use super::rows::map_rows;
use crate::elementwise::math::exp;
use crate::reduction::sum_f32;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// See `SpectralBackend::softmax`.
pub(crate) fn softmax(threads: &Threads, x: &Tensor, axis: usize) -> Result<Tensor> {
    if x.dtype() != DType::F32 || axis + 1 != x.rank() || x.is_empty() {
        return compose::softmax(x, axis);
    }
    map_rows("softmax", threads, x, &|row, out| {
        let max = largest(row);
        exp_minus(row, max, out);
        let scale = (1.0 / sum_f32(out)) as f32;
        out.iter_mut().for_each(|y| *y *= scale);
    })
}

struct Largest<'a>(&'a [f32]);
impl Kernel for Largest<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<L: Level>(self) -> f32 {
        let mut best = [f32::NEG_INFINITY; 16];
        let mut chunks = self.0.chunks_exact(16);
        for chunk in &mut chunks {
            for (b, &x) in best.iter_mut().zip(chunk) {
                *b = if x > *b { x } else { *b };
            }
        }
        let rest = chunks.remainder().iter();
        best.iter().chain(rest).fold(f32::NEG_INFINITY, |b, &x| if x > b { x } else { b })
    }
}

/// The largest number; NaN is passed over (it comes back through the exponential).
pub(super) fn largest(xs: &[f32]) -> f32 {
    dispatch(Largest(xs))
}

struct ExpMinus<'a>(&'a [f32], f32, &'a mut [f32]);
impl Kernel for ExpMinus<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (y, &x) in self.2.iter_mut().zip(self.0) {
            *y = exp::<L>(x - self.1);
        }
    }
}

/// `out = e^(x - shift)`.
pub(super) fn exp_minus(xs: &[f32], shift: f32, out: &mut [f32]) {
    dispatch(ExpMinus(xs, shift, out));
}
