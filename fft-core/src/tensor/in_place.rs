//! Fourier transforms that replace their tensor.

use crate::axes::fft_specs;
use crate::{DType, Direction, Error, FftKind, Norm, Result, Tensor};

impl Tensor {
    /// Replaces a complex tensor by its transform along `axes`, each over all its elements, as [`fftn`](Self::fftn) computes it. A backend
    /// that can needs no second tensor, unless other tensors share the buffer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist, is repeated or is empty; [`Error::DTypeMismatch`] when not `C64` or `C128`:
    /// the tensor is then as it was. Memory and device errors, after which its elements are unspecified.
    pub fn fft_in_place(&mut self, axes: &[usize], norm: Norm) -> Result<()> {
        self.replace("fft_in_place", Direction::Forward, axes, norm)
    }

    /// Inverse of [`fft_in_place`](Self::fft_in_place).
    ///
    /// # Errors
    /// As [`fft_in_place`](Self::fft_in_place).
    pub fn ifft_in_place(&mut self, axes: &[usize], norm: Norm) -> Result<()> {
        self.replace("ifft_in_place", Direction::Inverse, axes, norm)
    }

    fn replace(&mut self, op: &'static str, direction: Direction, axes: &[usize], norm: Norm) -> Result<()> {
        if !self.dtype().is_complex() {
            return Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::C64 });
        }
        let specs = fft_specs(op, FftKind::C2C, direction, self.shape(), axes, None, norm)?;
        let device = self.device().clone();
        device.fft_in_place(&specs, self)
    }
}
