//! Steps of optimisers, and the norm of gradients.

use crate::optimise::{AdamWStep, SgdStep};
use crate::{Result, Tensor};

/// The square of each real number, or of each part of complex ones.
fn squares(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_complex() {
        return x.square();
    }
    x.real()?.square()?.complex(&x.imag()?.square()?)
}

/// `a / (sqrt(b) factor + eps)` of real numbers, or of each part of complex ones.
fn over_root(a: &Tensor, b: &Tensor, factor: f64, eps: f64) -> Result<Tensor> {
    let part = |a: &Tensor, b: &Tensor| a.div(&b.sqrt()?.affine(factor, eps)?);
    if !a.dtype().is_complex() {
        return part(a, b);
    }
    part(&a.real()?, &b.real()?)?.complex(&part(&a.imag()?, &b.imag()?)?)
}

/// With the gradient `g = grad_scale grad`: `mean = beta1 mean + (1 - beta1) g`, `square = beta2 square + (1 - beta2) g^2`, and
/// `parameter = (1 - rate weight_decay) parameter - rate mean' / (sqrt(square') + eps)`, where `mean' = mean / (1 - beta1^step)` and `square'`
/// likewise. The two parts of a complex number are two real parameters.
///
/// # Errors
/// Memory and device errors.
pub fn adamw_step(
    parameter: &mut Tensor,
    grad: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    step: &AdamWStep,
) -> Result<()> {
    let grad = grad.scale(step.grad_scale)?;
    let (rate, root) = step.corrections();
    let new_mean = mean.scale(step.beta1)?.add(&grad.scale(1.0 - step.beta1)?)?;
    let new_square = square.scale(step.beta2)?.add(&squares(&grad)?.scale(1.0 - step.beta2)?)?;
    let change = over_root(&new_mean, &new_square, root, step.eps)?.scale(rate)?;
    *parameter = parameter.scale(1.0 - step.rate * step.weight_decay)?.sub(&change)?;
    (*mean, *square) = (new_mean, new_square);
    Ok(())
}

/// With `g = grad_scale grad + weight_decay parameter`: `velocity = momentum velocity + g`, and `parameter -= rate velocity`, or by Nesterov
/// `parameter -= rate (g + momentum velocity)`; without a velocity `parameter -= rate g`.
///
/// # Errors
/// Memory and device errors.
pub fn sgd_step(
    parameter: &mut Tensor,
    grad: &Tensor,
    velocity: Option<&mut Tensor>,
    step: &SgdStep,
) -> Result<()> {
    let mut grad = grad.scale(step.grad_scale)?.add(&parameter.scale(step.weight_decay)?)?;
    if let Some(velocity) = velocity {
        *velocity = velocity.scale(step.momentum)?.add(&grad)?;
        grad = if step.nesterov { grad.add(&velocity.scale(step.momentum)?)? } else { velocity.clone() };
    }
    *parameter = parameter.sub(&grad.scale(step.rate)?)?;
    Ok(())
}

/// The sum of `|x|^2` over all elements: a real tensor without axes.
///
/// # Errors
/// Memory and device errors.
pub fn sum_of_squares(x: &Tensor) -> Result<Tensor> {
    x.abs_squared()?.sum_all()
}
