//! Softmax attention, and its way back.

use crate::backend::AttentionSpec;
use crate::{DType, Result, Tensor};

/// `softmax(scale * q k^T + mask)`, `[batch, key heads, query heads of a key head * t, s]`, in at least `F32`.
fn weights(q: &Tensor, k: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
    let (batch, heads, t, dim) = (q.shape()[0], q.shape()[1], q.shape()[2], q.shape()[3]);
    let (groups, s) = (k.shape()[1], k.shape()[2]);
    let wide = if q.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    // The query heads of one group share keys and values: fold them into the rows of one product.
    let q = q.reshape(&[batch, groups, heads / groups * t, dim])?;
    let scores = q.matmul_to(&k.transpose(2, 3)?, wide)?.scale(spec.scale as f64)?;
    let mut scores = scores.reshape(&[batch, heads, t, s])?;
    if spec.causal {
        let mut mask = vec![0f32; t * s];
        for (i, row) in mask.chunks_exact_mut(s).enumerate() {
            row[spec.offset + i + 1..].fill(f32::NEG_INFINITY);
        }
        let mask = Tensor::from_slice(q.device(), &mask, &[t, s])?.to_dtype(wide)?;
        scores = scores.add(&mask)?;
    }
    super::softmax(&scores, 3)?.reshape(&[batch, groups, heads / groups * t, s])
}

/// `softmax(scale * q k^T + mask) v` with grouped heads (Vaswani et al. 2017; Ainslie et al. 2023). Shapes as in
/// [`Tensor::attention`]. The map of queries by keys is materialised.
///
/// # Errors
/// Memory and device errors.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
    let shape = [q.shape()[0], q.shape()[1], q.shape()[2], v.shape()[3]];
    weights(q, k, spec)?.to_dtype(q.dtype())?.matmul(v)?.reshape(&shape)
}

/// The gradients in `q`, `k` and `v` from that in the result of [`attention`]. The map of queries by keys is materialised.
///
/// With weights `P` and `dP = grad v^T`: `dv = P^T grad`, `dS = scale P (dP - sum P dP)`, `dq = dS k`, `dk = dS^T q`, where the rows of all
/// query heads of a group are summed into its `dk` and `dv`.
///
/// # Errors
/// Memory and device errors.
pub fn attention_backward(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    grad: &Tensor,
    spec: AttentionSpec,
) -> Result<[Tensor; 3]> {
    let (batch, groups, dtype) = (k.shape()[0], k.shape()[1], q.dtype());
    let rows = q.shape()[1] / groups * q.shape()[2];
    let weights = weights(q, k, spec)?;
    let wide = weights.dtype();
    let folded = |x: &Tensor| x.to_dtype(wide)?.reshape(&[batch, groups, rows, x.shape()[3]]);
    let (queries, grad) = (folded(q)?, folded(grad)?);
    let of_v = weights.transpose(2, 3)?.matmul(&grad)?;
    let of_weights = grad.matmul(&v.to_dtype(wide)?.transpose(2, 3)?)?;
    let of_scores = super::softmax_backward(&weights, &of_weights, 3)?.scale(spec.scale as f64)?;
    let of_q = of_scores.matmul(&k.to_dtype(wide)?)?.reshape(q.shape())?;
    let of_k = of_scores.transpose(2, 3)?.matmul(&queries)?;
    Ok([of_q.to_dtype(dtype)?, of_k.to_dtype(dtype)?, of_v.to_dtype(dtype)?])
}
