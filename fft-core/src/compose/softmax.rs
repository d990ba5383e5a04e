//! Softmax.

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
