//! Rotary position embedding.

use crate::{Result, Tensor};

/// With halves `(a, b)` of the last axis: `(a cos - b sin, b cos + a sin)` (Su et al. 2021, in the half-split order of
/// Llama). `x` is `[batch, heads, tokens, dim]`, the tables are `[tokens, dim / 2]`.
///
/// # Errors
/// Memory and device errors.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.shape()[3] / 2;
    let (a, b) = (x.narrow(3, 0, half)?, x.narrow(3, half, half)?);
    let first = a.mul(cos)?.sub(&b.mul(sin)?)?;
    let second = b.mul(cos)?.add(&a.mul(sin)?)?;
    Tensor::cat(&[first, second], 3)
}
