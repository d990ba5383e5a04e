//! Softmax, its logarithm, and their ways back.

use crate::{DType, ReduceOp, Result, Tensor};

/// `exp(x - max) / sum exp(x - max)` along `axis`, in `F32` for half-precision input. A row of `-inf` gives NaN, as in
/// the frameworks.
///
/// # Errors
/// Memory and device errors.
pub fn softmax(x: &Tensor, axis: usize) -> Result<Tensor> {
    let dtype = x.dtype();
    let wide = if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype };
    if x.is_empty() {
        return Ok(x.clone());
    }
    let x = x.to_dtype(wide)?;
    let e = x.sub(&x.reduce(ReduceOp::Max, &[axis])?)?.exp()?;
    e.div(&e.reduce(ReduceOp::Sum, &[axis])?)?.to_dtype(dtype)
}

/// The gradient in the operand of [`softmax`] from its result `y` and the gradient in that: `y (grad - sum grad y)`.
///
/// # Errors
/// Memory and device errors.
pub fn softmax_backward(y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
    let along = grad.mul(y)?.reduce(ReduceOp::Sum, &[axis])?;
    y.mul(&grad.sub(&along)?)
}

/// `x - max - ln sum exp(x - max)` along `axis`: the logarithm of [`softmax`] without overflow.
///
/// # Errors
/// Memory and device errors.
pub fn log_softmax(x: &Tensor, axis: usize) -> Result<Tensor> {
    if x.is_empty() {
        return Ok(x.clone());
    }
    let shifted = x.sub(&x.reduce(ReduceOp::Max, &[axis])?)?;
    let sum = shifted.exp()?.reduce(ReduceOp::Sum, &[axis])?;
    shifted.sub(&sum.ln()?)
}

/// The gradient in the operand of [`log_softmax`] from its result `y` and the gradient in that: `grad - exp(y) sum grad`.
///
/// # Errors
/// Memory and device errors.
pub fn log_softmax_backward(y: &Tensor, grad: &Tensor, axis: usize) -> Result<Tensor> {
    let sum = grad.reduce(ReduceOp::Sum, &[axis])?;
    grad.sub(&y.exp()?.mul(&sum)?)
}
