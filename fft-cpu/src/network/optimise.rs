//! Steps of optimisers in one pass, and the norm of gradients. A complex number is a pair of real ones here.

use fft_core::optimise::{AdamWStep, SgdStep};
use fft_core::{Complex32, DType, Result, Tensor, View, ViewMut, compose};

use super::rows::{dot, in_pieces};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// Whether the kernels here take a dtype.
fn suits(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::C64)
}

/// The real numbers of a contiguous operand.
fn reals<'a>(op: &'static str, view: &View<'a>) -> Result<&'a [f32]> {
    let at = view.layout.offset()..view.layout.offset() + view.layout.len();
    match view.dtype {
        DType::C64 => Ok(bytemuck::cast_slice(&elements::<Complex32>(op, view)?[at])),
        _ => Ok(&elements::<f32>(op, view)?[at]),
    }
}

/// The real numbers of a contiguous tensor that is updated.
fn reals_mut<'a>(op: &'static str, view: &'a mut ViewMut<'_>) -> Result<&'a mut [f32]> {
    let at = view.layout.offset()..view.layout.offset() + view.layout.len();
    match view.dtype {
        DType::C64 => Ok(bytemuck::cast_slice_mut(&mut elements_mut::<Complex32>(op, view)?[at])),
        _ => Ok(&mut elements_mut::<f32>(op, view)?[at]),
    }
}

/// The tensor for writing, with its elements behind each other.
fn packed(t: &mut Tensor) -> Result<ViewMut<'_>> {
    if !t.layout().is_contiguous() {
        *t = t.contiguous()?;
    }
    t.view_mut()
}

struct AdamW<'a> {
    parameter: &'a mut [f32],
    grad: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    decay: f32,
    beta: [f32; 2],
    rest: [f32; 2],
    rate: f32,
    root: f32,
    eps: f32,
    scale: f32,
}

impl Kernel for AdamW<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let moments = self.mean.iter_mut().zip(self.square);
        for ((p, &g), (m, v)) in self.parameter.iter_mut().zip(self.grad).zip(moments) {
            let g = g * self.scale;
            *m = self.beta[0] * *m + self.rest[0] * g;
            *v = self.beta[1] * *v + self.rest[1] * (g * g);
            *p = *p * self.decay - self.rate * *m / (v.sqrt() * self.root + self.eps);
        }
    }
}

/// See `SpectralBackend::adamw_step`.
pub(crate) fn adamw_step(
    threads: &Threads,
    parameter: &mut Tensor,
    grad: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    step: &AdamWStep,
) -> Result<()> {
    const OP: &str = "adamw_step";
    if parameter.is_empty() {
        return Ok(());
    }
    if !suits(parameter.dtype()) {
        return compose::adamw_step(parameter, grad, mean, square, step);
    }
    let grad = grad.contiguous()?;
    let grad = reals(OP, &grad.view())?;
    let (mut p, mut m, mut v) = (packed(parameter)?, packed(mean)?, packed(square)?);
    let (p, m, v) = (reals_mut(OP, &mut p)?, reals_mut(OP, &mut m)?, reals_mut(OP, &mut v)?);
    let (p, m, v) = (SharedMut::new(p), SharedMut::new(m), SharedMut::new(v));
    let (rate, root) = step.corrections();
    in_pieces(threads, grad.len(), 8, |at| {
        // SAFETY: pieces do not overlap.
        let (parameter, mean, square) = unsafe {
            let at = (at.start, at.len());
            (p.slice(at.0, at.1), m.slice(at.0, at.1), v.slice(at.0, at.1))
        };
        dispatch(AdamW {
            parameter,
            grad: &grad[at],
            mean,
            square,
            decay: (1.0 - step.rate * step.weight_decay) as f32,
            beta: [step.beta1 as f32, step.beta2 as f32],
            rest: [(1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32],
            rate: rate as f32,
            root: root as f32,
            eps: step.eps as f32,
            scale: step.grad_scale as f32,
        });
    });
    Ok(())
}

struct Sgd<'a> {
    parameter: &'a mut [f32],
    grad: &'a [f32],
    /// Empty without momentum.
    velocity: &'a mut [f32],
    rate: f32,
    momentum: f32,
    nesterov: bool,
    decay: f32,
    scale: f32,
}

impl Kernel for Sgd<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let pairs = self.parameter.iter_mut().zip(self.grad);
        if self.velocity.is_empty() {
            pairs.for_each(|(p, &g)| *p -= self.rate * (g * self.scale + self.decay * *p));
            return;
        }
        for ((p, &g), u) in pairs.zip(self.velocity) {
            let g = g * self.scale + self.decay * *p;
            *u = self.momentum * *u + g;
            *p -= self.rate * if self.nesterov { g + self.momentum * *u } else { *u };
        }
    }
}

/// See `SpectralBackend::sgd_step`.
pub(crate) fn sgd_step(
    threads: &Threads,
    parameter: &mut Tensor,
    grad: &Tensor,
    velocity: Option<&mut Tensor>,
    step: &SgdStep,
) -> Result<()> {
    const OP: &str = "sgd_step";
    if parameter.is_empty() {
        return Ok(());
    }
    if !suits(parameter.dtype()) {
        return compose::sgd_step(parameter, grad, velocity, step);
    }
    let grad = grad.contiguous()?;
    let grad = reals(OP, &grad.view())?;
    let (mut p, mut u) = (packed(parameter)?, velocity.map(packed).transpose()?);
    let p = SharedMut::new(reals_mut(OP, &mut p)?);
    let u = u.as_mut().map(|u| Ok::<_, fft_core::Error>(SharedMut::new(reals_mut(OP, u)?))).transpose()?;
    in_pieces(threads, grad.len(), 5, |at| {
        // SAFETY: pieces do not overlap.
        let (parameter, velocity) = unsafe {
            let velocity: &mut [f32] = u.as_ref().map_or(&mut [], |u| u.slice(at.start, at.len()));
            (p.slice(at.start, at.len()), velocity)
        };
        dispatch(Sgd {
            parameter,
            grad: &grad[at],
            velocity,
            rate: step.rate as f32,
            momentum: step.momentum as f32,
            nesterov: step.nesterov,
            decay: step.weight_decay as f32,
            scale: step.grad_scale as f32,
        });
    });
    Ok(())
}

struct SumSquares<'a>(&'a [f32]);
impl Kernel for SumSquares<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<L: Level>(self) -> f64 {
        dot::<L>(self.0, self.0)
    }
}

/// See `SpectralBackend::sum_of_squares`.
pub(crate) fn sum_of_squares(threads: &Threads, x: &Tensor) -> Result<Tensor> {
    const OP: &str = "sum_of_squares";
    /// Elements of a task.
    const TASK: usize = 1 << 16;
    if !suits(x.dtype()) || x.is_empty() {
        return compose::sum_of_squares(x);
    }
    let x = x.contiguous()?;
    let xs = reals(OP, &x.view())?;
    let mut sums = vec![0f64; xs.len().div_ceil(TASK)];
    let count = sums.len();
    let shared = SharedMut::new(&mut sums);
    threads.team(count, xs.len() / 8).run(count, |task, _| {
        let sum = dispatch(SumSquares(&xs[task * TASK..((task + 1) * TASK).min(xs.len())]));
        // SAFETY: each task has its own place.
        unsafe { shared.write(task as isize, sum) };
    });
    // In the order of the tasks.
    Tensor::scalar(x.device(), sums.iter().sum::<f64>() as f32)
}
