//! The cross-entropy of logits with classes, and its way back.

use crate::{DType, Error, ReduceOp, Result, Tensor};

/// 1 where a logit is that of its position's target, as `U8` `[positions, classes]`, and whether a position has a target, `[positions, 1]`.
fn hits(logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let count = logits.shape()[1];
    let mut classes: Vec<i64> = Vec::new();
    classes
        .try_reserve_exact(count)
        .map_err(|_| Error::OutOfMemory { device: "host".into(), requested: count.saturating_mul(8) })?;
    classes.extend(0..count as i64);
    let classes = Tensor::from_slice(logits.device(), &classes, &[count])?;
    let here = targets.to_dtype(DType::I64)?.unsqueeze(1)?.eq(&classes)?;
    let any = here.reduce(ReduceOp::Max, &[1])?;
    Ok((here, any))
}

/// A loss and a log-sum-exp for each position: `ln sum exp(logits) - logits[target]`, in nats, and its first term, both `[positions]`. A
/// position whose target is no class has loss 0. `logits` is `[positions, classes]` with at least one class, `targets` `[positions]`.
///
/// # Errors
/// Memory and device errors.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let zero = Tensor::zeros(logits.device(), &[], logits.dtype())?;
    let (here, any) = hits(logits, targets)?;
    let max = logits.reduce(ReduceOp::Max, &[1])?;
    let sum = logits.sub(&max)?.exp()?.reduce(ReduceOp::Sum, &[1])?;
    // The difference to the largest first: it is exact where the loss is small.
    let below = Tensor::select(&here, &logits.sub(&max)?, &zero)?.reduce(ReduceOp::Sum, &[1])?;
    let log = sum.ln()?;
    let losses = Tensor::select(&any, &log.sub(&below)?, &zero)?;
    Ok((losses.squeeze(1)?, log.add(&max)?.squeeze(1)?))
}

/// The gradient in the logits from those in the losses of [`cross_entropy`], `[positions]`: `(exp(logits - log_sum_exp) - one-hot) grad`, and 0
/// at positions whose target is no class.
///
/// # Errors
/// Memory and device errors.
pub fn cross_entropy_backward(
    logits: &Tensor,
    targets: &Tensor,
    log_sum_exp: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let zero = Tensor::zeros(logits.device(), &[], logits.dtype())?;
    let (here, any) = hits(logits, targets)?;
    let softmax = logits.sub(&log_sum_exp.unsqueeze(1)?)?.exp()?;
    let slopes = softmax.sub(&here.to_dtype(logits.dtype())?)?.mul(&grad.unsqueeze(1)?)?;
    // Not by a gradient of 0: the logits may be infinite or NaN.
    Tensor::select(&any, &slopes, &zero)
}
