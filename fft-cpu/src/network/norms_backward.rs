//! The ways back of normalisations, in one pass over rows, and that of a gate.

use std::sync::Arc;

use fft_core::{DType, Result, Tensor, ViewMut, compose};

use super::rows::{dense, dot, in_pieces};
use crate::elementwise::math::Real;
use crate::memory::{BlockPool, SharedMut, elements_mut};
use crate::reduction::sum_f32;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// Elements of a task, at least.
const TASK: usize = 1 << 14;
/// Most tasks: each has sums over its rows, which are added in the order of the tasks.
const TASKS: usize = 32;

/// One row: with `c = x - mean`, `r = 1 / sqrt(mean(c^2) + eps)` and `g = grad weight`, `r (g - mean(g) - c r^2 mean(g c))`, where a
/// root-mean-square norm leaves the means out.
struct Row<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    grad: &'a [f32],
    eps: f32,
    centred: bool,
    /// The gradient in `x`; before it is written, room for `g`.
    out: &'a mut [f32],
    of_weight: &'a mut [f32],
    of_bias: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { x, weight, grad, eps, centred, out, of_weight, of_bias } = self;
        let n = x.len() as f64;
        let shift = if centred { (sum_f32(x) / n) as f32 } else { 0.0 };
        // `c` in place of the sums over it: moments about the mean, so that nothing cancels.
        for (c, &x) in out.iter_mut().zip(x) {
            *c = x - shift;
        }
        let r = (1.0 / (dot::<L>(out, out) / n + eps as f64).sqrt()) as f32;
        let mut along = 0.0;
        let mut mean = 0.0;
        let mut g = [0f32; 256];
        for ((c, w), d) in out.chunks(256).zip(weight.chunks(256)).zip(grad.chunks(256)) {
            let g = &mut g[..c.len()];
            for ((g, &w), &d) in g.iter_mut().zip(w).zip(d) {
                *g = w * d;
            }
            along += dot::<L>(g, c);
            if centred {
                mean += sum_f32(g);
            }
        }
        let (mean, along) = ((mean / n) as f32, (along / n) as f32 * r * r);
        for (((y, &w), &d), sum) in out.iter_mut().zip(weight).zip(grad).zip(of_weight) {
            let c = *y;
            *sum += d * (c * r);
            *y = r * (w * d - mean - c * along);
        }
        if centred {
            of_bias.iter_mut().zip(grad).for_each(|(sum, &d)| *sum += d);
        }
    }
}

/// All rows. `of_bias` is that of a layer norm.
fn backward(
    op: &'static str,
    (threads, pool): (&Threads, &Arc<BlockPool>),
    [x, weight, grad]: [&Tensor; 3],
    eps: f32,
    [mut out, mut of_weight]: [ViewMut<'_>; 2],
    mut of_bias: Option<ViewMut<'_>>,
) -> Result<()> {
    let n = weight.len();
    let (x, weight, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let (x, weight, grad) = (dense(op, &x)?, dense(op, &weight)?, dense(op, &grad)?);
    let out = SharedMut::new(elements_mut::<f32>(op, &mut out)?);
    let rows = x.len() / n;
    let task_rows = (TASK / n).max(rows.div_ceil(TASKS)).max(1);
    let tasks = rows.div_ceil(task_rows);
    let mut scratch = pool.scratch(tasks * 2 * n * size_of::<f32>())?;
    let sums = scratch.as_mut::<f32>();
    let shared = SharedMut::new(&mut *sums);
    let centred = of_bias.is_some();
    threads.team(tasks, x.len() / 2).run(tasks, |task, _| {
        // SAFETY: tasks have sums and rows of their own.
        let (of_weight, of_bias) = unsafe { shared.slice(task * 2 * n, 2 * n) }.split_at_mut(n);
        of_weight.fill(0.0);
        of_bias.fill(0.0);
        for row in task * task_rows..((task + 1) * task_rows).min(rows) {
            let at = row * n..(row + 1) * n;
            // SAFETY: as above.
            let out = unsafe { out.slice(row * n, n) };
            let (x, grad) = (&x[at.clone()], &grad[at]);
            dispatch(Row { x, weight, grad, eps, centred, out, of_weight, of_bias });
        }
    });
    let total = |which: usize, out: &mut ViewMut<'_>| -> Result<()> {
        let out = &mut elements_mut::<f32>(op, out)?[..n];
        out.fill(0.0);
        for sums in sums.chunks_exact(2 * n) {
            out.iter_mut().zip(&sums[which * n..]).for_each(|(out, &sum)| *out += sum);
        }
        Ok(())
    };
    total(0, &mut of_weight)?;
    of_bias.as_mut().map_or(Ok(()), |of_bias| total(1, of_bias))
}

/// See `SpectralBackend::rms_norm_backward`.
pub(crate) fn rms_norm_backward(
    context: (&Threads, &Arc<BlockPool>),
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    eps: f32,
) -> Result<[Tensor; 2]> {
    const OP: &str = "rms_norm_backward";
    if x.dtype() != DType::F32 || x.is_empty() {
        return compose::rms_norm_backward(x, weight, grad, eps);
    }
    let shapes = [x.shape(), weight.shape()];
    Tensor::build_many(x.device(), OP, shapes, DType::F32, |out| {
        backward(OP, context, [x, weight, grad], eps, out, None)
    })
}

/// See `SpectralBackend::layer_norm_backward`.
pub(crate) fn layer_norm_backward(
    context: (&Threads, &Arc<BlockPool>),
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    eps: f32,
) -> Result<[Tensor; 3]> {
    const OP: &str = "layer_norm_backward";
    if x.dtype() != DType::F32 || x.is_empty() {
        return compose::layer_norm_backward(x, weight, grad, eps);
    }
    let shapes = [x.shape(), weight.shape(), weight.shape()];
    Tensor::build_many(x.device(), OP, shapes, DType::F32, |[out, of_weight, of_bias]| {
        backward(OP, context, [x, weight, grad], eps, [out, of_weight], Some(of_bias))
    })
}

struct Gate<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    grad: &'a [f32],
    of_gate: &'a mut [f32],
    of_up: &'a mut [f32],
}

impl Kernel for Gate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let operands = self.gate.iter().zip(self.up).zip(self.grad);
        for (((&x, &u), &d), (of_gate, of_up)) in operands.zip(self.of_gate.iter_mut().zip(self.of_up)) {
            let s = 1.0 / (1.0 + Real::exp::<L>(-x));
            *of_gate = d * u * (s + x * s * (1.0 - s));
            *of_up = d * (x * s);
        }
    }
}

/// See `SpectralBackend::silu_mul_backward`.
pub(crate) fn silu_mul_backward(
    threads: &Threads,
    gate: &Tensor,
    up: &Tensor,
    grad: &Tensor,
) -> Result<[Tensor; 2]> {
    const OP: &str = "silu_mul_backward";
    if gate.dtype() != DType::F32 || gate.is_empty() {
        return compose::silu_mul_backward(gate, up, grad);
    }
    let shapes = [gate.shape(), gate.shape()];
    let (gate, up, grad) = (gate.contiguous()?, up.contiguous()?, grad.contiguous()?);
    Tensor::build_many(gate.device(), OP, shapes, DType::F32, |[mut of_gate, mut of_up]| {
        let (gate, up, grad) = (dense(OP, &gate)?, dense(OP, &up)?, dense(OP, &grad)?);
        let of_gate = SharedMut::new(elements_mut::<f32>(OP, &mut of_gate)?);
        let of_up = SharedMut::new(elements_mut::<f32>(OP, &mut of_up)?);
        in_pieces(threads, gate.len(), 20, |at| {
            // SAFETY: pieces do not overlap.
            let (of_gate, of_up) =
                unsafe { (of_gate.slice(at.start, at.len()), of_up.slice(at.start, at.len())) };
            let (gate, up, grad) = (&gate[at.clone()], &up[at.clone()], &grad[at]);
            dispatch(Gate { gate, up, grad, of_gate, of_up });
        });
        Ok(())
    })
}
