//! Operations of neural networks; each is one fused method of the backend.

use crate::backend::AttentionSpec;
use crate::{DType, Error, Result, Tensor};

impl Tensor {
    pub(super) fn expect_float(&self, op: &'static str) -> Result<()> {
        if self.dtype().is_float() {
            return Ok(());
        }
        Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::F32 })
    }

    pub(super) fn expect_last(&self, op: &'static str, weight: &Tensor) -> Result<()> {
        self.same_device(op, weight)?;
        weight.expect_dtype(op, self.dtype())?;
        if self.rank() == 0 || weight.shape() != &self.shape()[self.rank() - 1..] {
            return Err(Error::shapes(op, self.shape(), weight.shape(), "the second must be the last axis"));
        }
        Ok(())
    }

    /// Softmax along `axis`, float.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the axis does not exist; [`Error::DTypeMismatch`] when not float.
    pub fn softmax(&self, axis: usize) -> Result<Self> {
        self.expect_axis("softmax", axis)?;
        self.expect_float("softmax")?;
        self.device().softmax(self, axis)
    }

    /// `x / sqrt(mean(x^2) + eps) * weight` over the last axis, float; `weight` is `[last]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn rms_norm(&self, weight: &Tensor, eps: f32) -> Result<Self> {
        self.expect_float("rms_norm")?;
        self.expect_last("rms_norm", weight)?;
        self.device().rms_norm(self, weight, eps)
    }

    /// `(x - mean) / sqrt(variance + eps) * weight + bias` over the last axis (biased variance), float.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn layer_norm(&self, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Self> {
        self.expect_float("layer_norm")?;
        self.expect_last("layer_norm", weight)?;
        self.expect_last("layer_norm", bias)?;
        self.device().layer_norm(self, weight, bias, eps)
    }

    /// Rotary embedding of `[batch, heads, tokens, dim]`: with halves `(a, b)` of the last axis the result is
    /// `(a cos - b sin, b cos + a sin)`; `cos` and `sin` are `[tokens, dim / 2]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn rope(&self, cos: &Tensor, sin: &Tensor) -> Result<Self> {
        const OP: &str = "rope";
        self.expect_float(OP)?;
        for table in [cos, sin] {
            self.same_device(OP, table)?;
            table.expect_dtype(OP, self.dtype())?;
            let fits = self.rank() == 4
                && self.shape()[3].is_multiple_of(2)
                && table.shape() == [self.shape()[2], self.shape()[3] / 2];
            if !fits {
                let reason = "needed are [batch, heads, tokens, dim] and [tokens, dim / 2] with an even dim";
                return Err(Error::shapes(OP, self.shape(), table.shape(), reason));
            }
        }
        self.device().rope(self, cos, sin)
    }

    /// `softmax(scale * q k^T + mask) v` per head: `q` is `[batch, heads, t, dim]`, `k` `[batch, kv_heads, s, dim]`, `v`
    /// `[batch, kv_heads, s, dim_v]` with `kv_heads` dividing `heads`; the result is `[batch, heads, t, dim_v]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] when a causal query has no key.
    pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Self> {
        check_attention("attention", q, k, v, spec)?;
        q.device().attention(q, k, v, spec)
    }

    /// `silu(self) * up`, float, same shape.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn silu_mul(&self, up: &Tensor) -> Result<Self> {
        const OP: &str = "silu_mul";
        self.expect_float(OP)?;
        self.same_device(OP, up)?;
        up.expect_dtype(OP, self.dtype())?;
        if self.shape() != up.shape() {
            return Err(Error::shapes(OP, self.shape(), up.shape(), "they must be equal"));
        }
        self.device().silu_mul(self, up)
    }
}

/// Checks the operands of attention.
pub(super) fn check_attention(
    op: &'static str,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    spec: AttentionSpec,
) -> Result<()> {
    q.expect_float(op)?;
    for t in [k, v] {
        q.same_device(op, t)?;
        t.expect_dtype(op, q.dtype())?;
    }
    let fits = q.rank() == 4
        && k.rank() == 4
        && q.shape()[0] == k.shape()[0]
        && q.shape()[3] == k.shape()[3]
        && k.shape()[1] > 0
        && q.shape()[1].is_multiple_of(k.shape()[1]);
    if !fits {
        let reason = "needed are [batch, heads, t, dim] and [batch, kv_heads, s, dim]";
        return Err(Error::shapes(op, q.shape(), k.shape(), reason));
    }
    if v.rank() != 4 || v.shape()[..3] != k.shape()[..3] {
        return Err(Error::shapes(op, k.shape(), v.shape(), "keys and values differ in more than dim"));
    }
    let s = k.shape()[2];
    if spec.causal && spec.offset.checked_add(q.shape()[2]).is_none_or(|end| end > s) {
        let reason = format!("with {} queries it passes the {s} keys", q.shape()[2]);
        return Err(Error::invalid(op, "offset", spec.offset, reason));
    }
    if s == 0 {
        return Err(Error::invalid(op, "keys", s, "there must be at least one"));
    }
    Ok(())
}
