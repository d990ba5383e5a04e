//! Softmax over the last axis, its logarithm, and their ways back.

use fft_core::{DType, Result, Tensor, compose};

use super::rows::{dot, map_rows, map_rows2};
use crate::elementwise::math::exp;
use crate::reduction::sum_f32;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// See `SpectralBackend::softmax`.
pub(crate) fn softmax(threads: &Threads, x: &Tensor, axis: usize) -> Result<Tensor> {
    if !suits(x, axis) {
        return compose::softmax(x, axis);
    }
    map_rows("softmax", threads, x, &|row, out| {
        let max = largest(row);
        exp_minus(row, max, out);
        multiply_by(out, (1.0 / sum_f32(out)) as f32);
    })
}

/// Whether the rows of a tensor along `axis` are for the kernels here.
fn suits(x: &Tensor, axis: usize) -> bool {
    x.dtype() == DType::F32 && axis + 1 == x.rank() && !x.is_empty()
}

/// See `SpectralBackend::softmax_backward`.
pub(crate) fn softmax_backward(threads: &Threads, y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
    if !suits(y, axis) {
        return compose::softmax_backward(y, grad, axis);
    }
    map_rows2("softmax_backward", threads, (y, grad), &|y, grad, out| {
        out.copy_from_slice(grad);
        through_softmax(y, out, 1.0);
    })
}

/// See `SpectralBackend::log_softmax`.
pub(crate) fn log_softmax(threads: &Threads, x: &Tensor, axis: usize) -> Result<Tensor> {
    if !suits(x, axis) {
        return compose::log_softmax(x, axis);
    }
    map_rows("log_softmax", threads, x, &|row, out| {
        let max = largest(row);
        let log = sum_exp(row, max).ln() as f32;
        // The difference to the largest first: it is exact where the result is near 0.
        out.iter_mut().zip(row).for_each(|(y, &x)| *y = (x - max) - log);
    })
}

/// See `SpectralBackend::log_softmax_backward`.
pub(crate) fn log_softmax_backward(
    threads: &Threads,
    y: &Tensor,
    grad: &Tensor,
    axis: usize,
) -> Result<Tensor> {
    if !suits(y, axis) {
        return compose::log_softmax_backward(y, grad, axis);
    }
    map_rows2("log_softmax_backward", threads, (y, grad), &|y, grad, out| {
        exp_minus(y, 0.0, out);
        let sum = sum_f32(grad) as f32;
        out.iter_mut().zip(grad).for_each(|(y, &g)| *y = g - *y * sum);
    })
}

struct MultiplyBy<'a>(&'a mut [f32], f32);
impl Kernel for MultiplyBy<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        self.0.iter_mut().for_each(|y| *y *= self.1);
    }
}

/// `xs *= factor`.
pub(super) fn multiply_by(xs: &mut [f32], factor: f32) {
    dispatch(MultiplyBy(xs, factor));
}

struct ThroughSoftmax<'a>(&'a [f32], &'a mut [f32], f32);
impl Kernel for ThroughSoftmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self(y, grad, factor) = self;
        let along = dot::<L>(y, grad) as f32;
        grad.iter_mut().zip(y).for_each(|(g, &y)| *g = y * factor * (*g - along));
    }
}

/// The gradient in a row of a softmax's result `y` becomes `factor` times that in its operand.
pub(super) fn through_softmax(y: &[f32], grad: &mut [f32], factor: f32) {
    dispatch(ThroughSoftmax(y, grad, factor));
}

/// Sums side by side.
const LANES: usize = 32;

struct SumExp<'a>(&'a [f32], f32);
impl Kernel for SumExp<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<L: Level>(self) -> f64 {
        let mut total = 0.0;
        for block in self.0.chunks(32 * LANES) {
            let mut lanes = [0f32; LANES];
            let mut chunks = block.chunks_exact(LANES);
            for chunk in &mut chunks {
                for (lane, &x) in lanes.iter_mut().zip(chunk) {
                    *lane += exp::<L>(x - self.1);
                }
            }
            let rest = chunks.remainder().iter().map(|&x| exp::<L>(x - self.1) as f64);
            total += lanes.iter().map(|&x| x as f64).sum::<f64>() + rest.sum::<f64>();
        }
        total
    }
}

/// `sum e^(x - shift)`.
pub(super) fn sum_exp(xs: &[f32], shift: f32) -> f64 {
    dispatch(SumExp(xs, shift))
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
