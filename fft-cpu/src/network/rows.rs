//! Row-wise kernels: contiguous rows in, contiguous rows out.

use fft_core::{Result, Tensor};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, Vector, dispatch};
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
    let x = x.contiguous()?;
    let len = x.shape().last().copied().unwrap_or(1);
    Tensor::build(x.device(), op, x.shape(), x.dtype(), |mut dst| {
        let view = x.view();
        let (from, count) = (view.layout.offset(), view.layout.len());
        let src = &elements::<f32>(op, &view)?[from..from + count];
        let out = SharedMut::new(elements_mut::<f32>(op, &mut dst)?);
        let rows = (TASK / len).max(1);
        let tasks = (count / len).div_ceil(rows);
        threads.team(tasks, count / 2).run(tasks, |task, _| {
            let from = task * rows * len;
            let to = (from + rows * len).min(count);
            // SAFETY: tasks have different rows.
            let out = unsafe { out.slice(from, to - from) };
            for (row, out) in src[from..to].chunks_exact(len).zip(out.chunks_exact_mut(len)) {
                kernel(row, out);
            }
        });
        Ok(())
    })
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
