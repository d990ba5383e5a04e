//! The cross-entropy of logits with classes: a pass over each row forward, and one back.

use fft_core::{DType, Result, Tensor, compose};

use super::rows::dense;
use super::softmax::{largest, sum_exp};
use crate::elementwise::math::exp;
use crate::indexing::positions;
use crate::memory::{SharedMut, elements_mut};
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// Elements of a task.
const TASK: usize = 1 << 14;

/// Calls `row(position)` for each; rows have `classes` elements of about a nanosecond each.
fn each_row(threads: &Threads, positions: usize, classes: usize, row: impl Fn(usize) + Sync) {
    let rows = (TASK / classes).max(1);
    let tasks = positions.div_ceil(rows);
    threads.team(tasks, positions * classes / 2).run(tasks, |task, _| {
        (task * rows..((task + 1) * rows).min(positions)).for_each(&row);
    });
}

/// The place of a target in its row, unless it is no class.
fn place(target: i64, classes: usize) -> Option<usize> {
    usize::try_from(target).ok().filter(|&t| t < classes)
}

/// See `SpectralBackend::cross_entropy`.
pub(crate) fn cross_entropy(
    threads: &Threads,
    logits: &Tensor,
    targets: &Tensor,
) -> Result<(Tensor, Tensor)> {
    const OP: &str = "cross_entropy";
    if logits.dtype() != DType::F32 || logits.is_empty() {
        return compose::cross_entropy(logits, targets);
    }
    let (count, classes) = (logits.shape()[0], logits.shape()[1]);
    let logits = logits.contiguous()?;
    let targets = positions(OP, &targets.view())?;
    let shape = [count];
    let shapes = [&shape[..]; 2];
    let [losses, logs] =
        Tensor::build_many(logits.device(), OP, shapes, DType::F32, |[mut losses, mut logs]| {
            let x = dense(OP, &logits)?;
            let losses = SharedMut::new(elements_mut::<f32>(OP, &mut losses)?);
            let logs = SharedMut::new(elements_mut::<f32>(OP, &mut logs)?);
            each_row(threads, count, classes, |i| {
                let row = &x[i * classes..(i + 1) * classes];
                let max = largest(row);
                let log = sum_exp(row, max).ln();
                let loss = place(targets[i], classes).map_or(0.0, |t| log - (row[t] - max) as f64);
                // SAFETY: each row is visited once.
                unsafe {
                    losses.write(i as isize, loss as f32);
                    logs.write(i as isize, (log + max as f64) as f32);
                }
            });
            Ok(())
        })?;
    Ok((losses, logs))
}

struct Softmax<'a> {
    x: &'a [f32],
    log_sum_exp: f32,
    factor: f32,
    out: &'a mut [f32],
}

impl Kernel for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (y, &x) in self.out.iter_mut().zip(self.x) {
            *y = exp::<L>(x - self.log_sum_exp) * self.factor;
        }
    }
}

/// See `SpectralBackend::cross_entropy_backward`.
pub(crate) fn cross_entropy_backward(
    threads: &Threads,
    logits: &Tensor,
    targets: &Tensor,
    log_sum_exp: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    const OP: &str = "cross_entropy_backward";
    if logits.dtype() != DType::F32 || logits.is_empty() {
        return compose::cross_entropy_backward(logits, targets, log_sum_exp, grad);
    }
    let (count, classes) = (logits.shape()[0], logits.shape()[1]);
    let targets = positions(OP, &targets.view())?;
    let (logits, logs, grad) = (logits.contiguous()?, log_sum_exp.contiguous()?, grad.contiguous()?);
    Tensor::build(logits.device(), OP, logits.shape(), DType::F32, |mut dst| {
        let (x, logs, grad) = (dense(OP, &logits)?, dense(OP, &logs)?, dense(OP, &grad)?);
        let out = SharedMut::new(elements_mut::<f32>(OP, &mut dst)?);
        each_row(threads, count, classes, |i| {
            // SAFETY: each row is visited once.
            let out = unsafe { out.slice(i * classes, classes) };
            let Some(target) = place(targets[i], classes) else {
                out.fill(0.0);
                return;
            };
            let (log_sum_exp, factor) = (logs[i], grad[i]);
            dispatch(Softmax { x: &x[i * classes..(i + 1) * classes], log_sum_exp, factor, out });
            out[target] -= factor;
        });
        Ok(())
    })
}
