//! Softmax attention.

use crate::backend::AttentionSpec;
use crate::{DType, Result, Tensor};

/// `softmax(scale * q k^T + mask) v` with grouped heads (Vaswani et al. 2017; Ainslie et al. 2023). Shapes as in
/// [`Tensor::attention`]. The map of queries by keys is materialised.
///
/// # Errors
/// Memory and device errors.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
    let (batch, heads, t, dim) = (q.shape()[0], q.shape()[1], q.shape()[2], q.shape()[3]);
    let (groups, s, dim_v) = (k.shape()[1], k.shape()[2], v.shape()[3]);
    let dtype = q.dtype();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
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
    let weights =
        super::softmax(&scores, 3)?.to_dtype(dtype)?.reshape(&[batch, groups, heads / groups * t, s])?;
    weights.matmul(v)?.reshape(&[batch, heads, t, dim_v])
}
