//! Row-wise kernels: contiguous rows in, contiguous rows out.

use std::ops::Range;

use fft_core::{Result, Tensor};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, Numbers, Vector, dispatch};
use crate::threads::Threads;

/// Elements of a task.
const TASK: usize = 1 << 14;

/// A tensor like `x` (contiguous, `F32`) whose rows along the last axis are `kernel(row of x, row of result)`.
pub(super) fn map_rows(
    op: &'static str,
    threads: &Threads,
    x: &Tensor,
    kernel: &(dyn Fn(&[f32], &mut [f32]) + Sync),
) -> Result<Tensor> {
    map_rows2(op, threads, (x, x), &|x, _, out| kernel(x, out))
}

/// A kernel of rows of two operands and of the result.
type RowKernel<'a> = dyn Fn(&[f32], &[f32], &mut [f32]) + Sync + 'a;

/// As [`map_rows`], of two operands of one shape.
pub(super) fn map_rows2(
    op: &'static str,
    threads: &Threads,
    (x, y): (&Tensor, &Tensor),
    kernel: &RowKernel<'_>,
) -> Result<Tensor> {
    let (x, y) = (x.contiguous()?, y.contiguous()?);
    let len = x.shape().last().copied().unwrap_or(1);
    Tensor::build(x.device(), op, x.shape(), x.dtype(), |mut dst| {
        let (x, y) = (dense(op, &x)?, dense(op, &y)?);
        let out = SharedMut::new(elements_mut::<f32>(op, &mut dst)?);
        let rows = (TASK / len).max(1);
        let tasks = (x.len() / len).div_ceil(rows);
        threads.team(tasks, x.len() / 2).run(tasks, |task, _| {
            let from = task * rows * len;
            let to = (from + rows * len).min(x.len());
            // SAFETY: tasks have different rows.
            let out = unsafe { out.slice(from, to - from) };
            let operands = x[from..to].chunks_exact(len).zip(y[from..to].chunks_exact(len));
            for ((x, y), out) in operands.zip(out.chunks_exact_mut(len)) {
                kernel(x, y, out);
            }
        });
        Ok(())
    })
}

/// The elements of a contiguous tensor of `F32`.
pub(super) fn dense<'a>(op: &'static str, t: &'a Tensor) -> Result<&'a [f32]> {
    let from = t.layout().offset();
    Ok(&elements::<f32>(op, &t.view())?[from..from + t.len()])
}

/// Calls `task` with ranges that make up `0..len`. `cost` is about the nanoseconds of 16 elements.
pub(super) fn in_pieces(threads: &Threads, len: usize, cost: usize, task: impl Fn(Range<usize>) + Sync) {
    let tasks = len.div_ceil(TASK);
    threads.team(tasks, len / 16 * cost).run(tasks, |i, _| task(i * TASK..((i + 1) * TASK).min(len)));
}

/// `sum a b`: short runs in single precision, their sums in double.
#[inline(always)]
pub(super) fn dot<L: Level>(a: &[f32], b: &[f32]) -> f64 {
    let lanes = L::V::LANES;
    let mut total = 0.0;
    for (a, b) in a.chunks(32 * lanes).zip(b.chunks(32 * lanes)) {
        let mut acc = [L::V::splat(0.0); 2];
        let mut at = 0;
        while at + 2 * lanes <= a.len() {
            for (u, acc) in acc.iter_mut().enumerate() {
                let from = at + u * lanes;
                // SAFETY: in range by the loop's condition; the chunks are equally long.
                *acc =
                    unsafe { L::V::load(a.as_ptr().add(from)).fma(L::V::load(b.as_ptr().add(from)), *acc) };
            }
            at += 2 * lanes;
        }
        total += acc.iter().map(|a| a.sum() as f64).sum::<f64>();
        total += a[at..].iter().zip(&b[at..]).map(|(&a, &b)| (a * b) as f64).sum::<f64>();
    }
    total
}

struct SumSquares<'a>(&'a [f32], f32);
impl Kernel for SumSquares<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<L: Level>(self) -> f64 {
        let lanes = L::V::LANES;
        let (one, shift) = (L::V::splat(1.0), L::V::splat(-self.1));
        let mut total = 0.0;
        // Short runs in single precision, their sums in double.
        for block in self.0.chunks(32 * lanes) {
            let mut acc = [L::V::splat(0.0); 4];
            let mut at = 0;
            while at + 4 * lanes <= block.len() {
                for (u, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: in range by the loop's condition.
                    let x = unsafe { L::V::load(block.as_ptr().add(at + u * lanes)) }.fma(one, shift);
                    *acc = x.fma(x, *acc);
                }
                at += 4 * lanes;
            }
            total += acc.iter().map(|a| a.sum() as f64).sum::<f64>();
            for &x in &block[at..] {
                let x = x - self.1;
                total += (x * x) as f64;
            }
        }
        total
    }
}

/// `sum (x - shift)^2`.
pub(super) fn sum_squares(xs: &[f32], shift: f32) -> f64 {
    dispatch(SumSquares(xs, shift))
}
