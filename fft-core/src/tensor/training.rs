//! The ways back of the operations of neural networks, and the cross-entropy; each is one fused method of the backend.

use super::network::check_attention;
use crate::backend::AttentionSpec;
use crate::{DType, Error, Result, Tensor};

impl Tensor {
    /// Checks that `other` goes with this tensor of floats: same device, dtype and shape.
    fn expect_same(&self, op: &'static str, other: &Tensor) -> Result<()> {
        self.expect_float(op)?;
        self.same_device(op, other)?;
        other.expect_dtype(op, self.dtype())?;
        if self.shape() != other.shape() {
            return Err(Error::shapes(op, self.shape(), other.shape(), "they must be equal"));
        }
        Ok(())
    }

    /// The gradient in the operand of [`softmax`](Self::softmax), from its result (this tensor) and the gradient in that.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the axis does not exist; mismatches of shape, dtype or device.
    pub fn softmax_backward(&self, grad: &Tensor, axis: usize) -> Result<Self> {
        const OP: &str = "softmax_backward";
        self.expect_axis(OP, axis)?;
        self.expect_same(OP, grad)?;
        self.device().softmax_backward(self, grad, axis)
    }

    /// The logarithm of the softmax along `axis`, without overflow; float.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the axis does not exist; [`Error::DTypeMismatch`] when not float.
    pub fn log_softmax(&self, axis: usize) -> Result<Self> {
        const OP: &str = "log_softmax";
        self.expect_axis(OP, axis)?;
        self.expect_float(OP)?;
        self.device().log_softmax(self, axis)
    }

    /// The gradient in the operand of [`log_softmax`](Self::log_softmax), from its result (this tensor) and the gradient in that.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the axis does not exist; mismatches of shape, dtype or device.
    pub fn log_softmax_backward(&self, grad: &Tensor, axis: usize) -> Result<Self> {
        const OP: &str = "log_softmax_backward";
        self.expect_axis(OP, axis)?;
        self.expect_same(OP, grad)?;
        self.device().log_softmax_backward(self, grad, axis)
    }

    /// Checks logits `[positions, classes]` and targets `[positions]`.
    fn expect_targets(&self, op: &'static str, targets: &Tensor) -> Result<()> {
        self.expect_float(op)?;
        self.same_device(op, targets)?;
        if !matches!(targets.dtype(), DType::U32 | DType::I64) {
            return Err(Error::DTypeMismatch { op, lhs: targets.dtype(), rhs: DType::U32 });
        }
        if self.rank() != 2 || targets.shape() != &self.shape()[..1] || self.shape()[1] == 0 {
            let reason = "needed are [positions, classes] with a class, and a target a position";
            return Err(Error::shapes(op, self.shape(), targets.shape(), reason));
        }
        Ok(())
    }

    /// The cross-entropy of logits `[positions, classes]` with `targets` `[positions]`, `U32` or `I64`: `ln sum exp(logits) - logits[target]` of each
    /// position, in nats, and the logarithms `ln sum exp(logits)`, which the way back reads. A position whose target is no class
    /// has loss 0.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn cross_entropy(&self, targets: &Tensor) -> Result<(Self, Self)> {
        self.expect_targets("cross_entropy", targets)?;
        self.device().cross_entropy(self, targets)
    }

    /// The gradient in the logits (this tensor) from those in the losses of [`cross_entropy`](Self::cross_entropy), `[positions]`, and the
    /// logarithms that it returned. Positions whose target is no class have gradient 0.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn cross_entropy_backward(
        &self,
        targets: &Tensor,
        log_sum_exp: &Tensor,
        grad: &Tensor,
    ) -> Result<Self> {
        const OP: &str = "cross_entropy_backward";
        self.expect_targets(OP, targets)?;
        for t in [log_sum_exp, grad] {
            self.same_device(OP, t)?;
            t.expect_dtype(OP, self.dtype())?;
            if t.shape() != targets.shape() {
                return Err(Error::shapes(OP, t.shape(), targets.shape(), "one number a position is needed"));
            }
        }
        self.device().cross_entropy_backward(self, targets, log_sum_exp, grad)
    }

    /// The gradients in `x` (this tensor) and `weight` from that in the result of [`rms_norm`](Self::rms_norm).
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn rms_norm_backward(&self, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Self; 2]> {
        const OP: &str = "rms_norm_backward";
        self.expect_same(OP, grad)?;
        self.expect_last(OP, weight)?;
        self.device().rms_norm_backward(self, weight, grad, eps)
    }

    /// The gradients in `x` (this tensor), `weight` and `bias` from that in the result of [`layer_norm`](Self::layer_norm).
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn layer_norm_backward(&self, weight: &Tensor, grad: &Tensor, eps: f32) -> Result<[Self; 3]> {
        const OP: &str = "layer_norm_backward";
        self.expect_same(OP, grad)?;
        self.expect_last(OP, weight)?;
        self.device().layer_norm_backward(self, weight, grad, eps)
    }

    /// The gradients in `q`, `k` and `v` from that in the result of [`attention`](Self::attention).
    ///
    /// # Errors
    /// As [`attention`](Self::attention); mismatches of shape, dtype or device.
    pub fn attention_backward(
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        grad: &Tensor,
        spec: AttentionSpec,
    ) -> Result<[Self; 3]> {
        const OP: &str = "attention_backward";
        check_attention(OP, q, k, v, spec)?;
        q.same_device(OP, grad)?;
        grad.expect_dtype(OP, q.dtype())?;
        if grad.rank() != 4 || grad.shape()[..3] != q.shape()[..3] || grad.shape()[3] != v.shape()[3] {
            let reason = "the gradient is [batch, heads, t, dim of the values]";
            return Err(Error::shapes(OP, grad.shape(), q.shape(), reason));
        }
        q.device().attention_backward(q, k, v, grad, spec)
    }

    /// The gradients in the gate (this tensor) and `up` from that in the result of [`silu_mul`](Self::silu_mul).
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn silu_mul_backward(&self, up: &Tensor, grad: &Tensor) -> Result<[Self; 2]> {
        const OP: &str = "silu_mul_backward";
        self.expect_same(OP, up)?;
        self.expect_same(OP, grad)?;
        self.device().silu_mul_backward(self, up, grad)
    }
}
