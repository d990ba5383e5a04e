//! Functions of complex numbers that change magnitudes and keep phases, and their ways back; each is one fused method of the backend.

use crate::{DType, Error, Result, Tensor};

impl Tensor {
    /// Checks a complex tensor `[.., n]` and a real one `[n]` of the same precision.
    fn expect_real_last(&self, op: &'static str, real: &Tensor) -> Result<()> {
        if !self.dtype().is_complex() {
            return Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::C64 });
        }
        self.same_device(op, real)?;
        real.expect_dtype(op, self.dtype().to_real())?;
        if self.rank() == 0 || real.shape() != &self.shape()[self.rank() - 1..] {
            return Err(Error::shapes(op, self.shape(), real.shape(), "the second must be the last axis"));
        }
        Ok(())
    }

    /// Checks that `grad` goes with this tensor.
    fn expect_gradient(&self, op: &'static str, grad: &Tensor) -> Result<()> {
        self.same_device(op, grad)?;
        grad.expect_dtype(op, self.dtype())?;
        if self.shape() != grad.shape() {
            return Err(Error::shapes(op, self.shape(), grad.shape(), "they must be equal"));
        }
        Ok(())
    }

    /// `max(|z| + bias, 0) z / |z|` of complex `[.., n]` with a real `bias`, `[n]`: the magnitude is rectified and the phase stays; 0 stays 0
    /// (modReLU, Arjovsky, Shah and Bengio 2016).
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] when this tensor is not complex; mismatches of shape, dtype or device.
    pub fn mod_relu(&self, bias: &Tensor) -> Result<Self> {
        self.expect_real_last("mod_relu", bias)?;
        self.device().mod_relu(self, bias)
    }

    /// The gradients in `z` (this tensor) and `bias` from that in the result of [`mod_relu`](Self::mod_relu); 0 in a `z` of 0.
    ///
    /// # Errors
    /// As [`mod_relu`](Self::mod_relu).
    pub fn mod_relu_backward(&self, bias: &Tensor, grad: &Tensor) -> Result<[Self; 2]> {
        const OP: &str = "mod_relu_backward";
        self.expect_real_last(OP, bias)?;
        self.expect_gradient(OP, grad)?;
        self.device().mod_relu_backward(self, bias, grad)
    }

    /// `weight z / sqrt(mean |z|^2 + eps)` of complex `[.., n]`, the mean over the last axis, with a real `weight`, `[n]`.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] when this tensor is not complex; mismatches of shape, dtype or device.
    pub fn magnitude_norm(&self, weight: &Tensor, eps: f64) -> Result<Self> {
        self.expect_real_last("magnitude_norm", weight)?;
        self.device().magnitude_norm(self, weight, eps)
    }

    /// The gradients in `z` (this tensor) and `weight` from that in the result of [`magnitude_norm`](Self::magnitude_norm).
    ///
    /// # Errors
    /// As [`magnitude_norm`](Self::magnitude_norm).
    pub fn magnitude_norm_backward(&self, weight: &Tensor, grad: &Tensor, eps: f64) -> Result<[Self; 2]> {
        const OP: &str = "magnitude_norm_backward";
        self.expect_real_last(OP, weight)?;
        self.expect_gradient(OP, grad)?;
        self.device().magnitude_norm_backward(self, weight, grad, eps)
    }
}
