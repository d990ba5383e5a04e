//! Fourier transforms that replace their tensor.

use crate::{DType, Direction, Error, FftKind, FftSpec, Norm, Result, Tensor};

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
        let mut specs: smallvec::SmallVec<[FftSpec; 8]> = smallvec::SmallVec::new();
        for (i, &axis) in axes.iter().enumerate() {
            self.expect_axis(op, axis)?;
            if axes[..i].contains(&axis) {
                return Err(Error::invalid(op, "axes", axes, "an axis is repeated"));
            }
            let n = self.shape()[axis];
            if n == 0 {
                return Err(Error::invalid(op, "n", n, "a transform needs at least one point"));
            }
            specs.push(FftSpec { kind: FftKind::C2C, direction, axis, n, scale: norm.scale(direction, n) });
        }
        let device = self.device().clone();
        device.fft_in_place(&specs, self)
    }
}
