//! Normalisations and gates, and their ways back.

use crate::{DType, ReduceOp, Result, Tensor};

fn wide(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}

/// `x / sqrt(mean(x^2) + eps) * weight` over the last axis (Zhang and Sennrich 2019), in at least `F32`.
///
/// # Errors
/// Memory and device errors.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let axis = x.rank() - 1;
    let y = x.to_dtype(wide(x.dtype()))?;
    let scale = y.square()?.reduce(ReduceOp::Mean, &[axis])?.affine(1.0, eps as f64)?.rsqrt()?;
    y.mul(&scale)?.mul(&weight.to_dtype(y.dtype())?)?.to_dtype(x.dtype())
}

/// `(x - mean) / sqrt(var + eps) * weight + bias` over the last axis with the biased variance (Ba et al. 2016), in at
/// least `F32`.
///
/// # Errors
/// Memory and device errors.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    let axis = x.rank() - 1;
    let y = x.to_dtype(wide(x.dtype()))?;
    let centred = y.sub(&y.reduce(ReduceOp::Mean, &[axis])?)?;
    let scale = centred.square()?.reduce(ReduceOp::Mean, &[axis])?.affine(1.0, eps as f64)?.rsqrt()?;
    let (weight, bias) = (weight.to_dtype(y.dtype())?, bias.to_dtype(y.dtype())?);
    centred.mul(&scale)?.mul(&weight)?.add(&bias)?.to_dtype(x.dtype())
}

/// `silu(gate) * up` (the gate of SwiGLU, Shazeer 2020).
///
/// # Errors
/// Memory and device errors.
pub fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()?.mul(up)
}

/// The sum of rows along the last axis: the gradient of a vector that every row was multiplied or shifted by.
fn sum_rows(x: &Tensor) -> Result<Tensor> {
    let last = x.rank() - 1;
    let axes: Vec<usize> = (0..last).collect();
    x.reduce(ReduceOp::Sum, &axes)?.reshape(&x.shape()[last..])
}

/// The gradients in `x` and `weight` from that in the result of [`rms_norm`].
///
/// With `r = 1 / sqrt(mean(x^2) + eps)`, `h = x r` and `g = grad weight`: `r (g - h mean(g h))`, and the sum over rows of `grad h`.
///
/// # Errors
/// Memory and device errors.
pub fn rms_norm_backward(x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Tensor; 2]> {
    let last = x.rank() - 1;
    let r = x.square()?.reduce(ReduceOp::Mean, &[last])?.affine(1.0, eps as f64)?.rsqrt()?;
    let h = x.mul(&r)?;
    let g = grad.mul(weight)?;
    let along = g.mul(&h)?.reduce(ReduceOp::Mean, &[last])?;
    Ok([g.sub(&h.mul(&along)?)?.mul(&r)?, sum_rows(&grad.mul(&h)?)?])
}

/// The gradients in `x`, `weight` and `bias` from that in the result of [`layer_norm`].
///
/// With `h` the normalised input, `r` its factor and `g = grad weight`: `r (g - mean(g) - h mean(g h))`, and the sums over rows of `grad h` and
/// `grad`.
///
/// # Errors
/// Memory and device errors.
pub fn layer_norm_backward(x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Tensor; 3]> {
    let last = x.rank() - 1;
    let mean = |t: &Tensor| t.reduce(ReduceOp::Mean, &[last]);
    let centred = x.sub(&mean(x)?)?;
    let r = mean(&centred.square()?)?.affine(1.0, eps as f64)?.rsqrt()?;
    let h = centred.mul(&r)?;
    let g = grad.mul(weight)?;
    let along = mean(&g.mul(&h)?)?;
    let of_x = g.sub(&mean(&g)?)?.sub(&h.mul(&along)?)?.mul(&r)?;
    Ok([of_x, sum_rows(&grad.mul(&h)?)?, sum_rows(grad)?])
}

/// The gradients in `gate` and `up` from that in the result of [`silu_mul`]: `grad up silu'(gate)` and `grad silu(gate)`.
///
/// # Errors
/// Memory and device errors.
pub fn silu_mul_backward(gate: &Tensor, up: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
    let s = gate.sigmoid()?;
    let silu = gate.mul(&s)?;
    let slope = s.add(&silu.mul(&s.affine(-1.0, 1.0)?)?)?;
    Ok([grad.mul(up)?.mul(&slope)?, grad.mul(&silu)?])
}
