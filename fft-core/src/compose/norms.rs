//! Normalisations and gates.

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
