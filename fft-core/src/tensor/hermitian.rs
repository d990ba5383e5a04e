//! Transforms of signals whose spectrum is real, named and normalised as in `numpy.fft` and `scipy.fft`.
//!
//! Such a signal is Hermitian, `x[n - j] = conj(x[j])`, so that its first `n / 2 + 1` points tell all of it.

use crate::{Norm, Result, Tensor};

impl Tensor {
    /// The `n` real bins of a Hermitian signal, given by its first half (`n / 2 + 1` points) along `axis`; default `n`:
    /// `2 (points - 1)`. The imaginary part of point 0, and for even `n` of the last, counts as 0.
    ///
    /// # Errors
    /// As [`irfft`](Self::irfft).
    pub fn hfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.hfftn(&[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Inverse of [`hfft`](Self::hfft): the first half of the Hermitian signal whose spectrum are `n` real bins.
    ///
    /// # Errors
    /// As [`rfft`](Self::rfft).
    pub fn ihfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.ihfftn(&[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// [`hfftn`](Self::hfftn) along two axes.
    ///
    /// # Errors
    /// As [`irfftn`](Self::irfftn).
    pub fn hfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.hfftn(&axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// [`ihfftn`](Self::ihfftn) along two axes.
    ///
    /// # Errors
    /// As [`rfftn`](Self::rfftn).
    pub fn ihfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.ihfftn(&axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// [`hfft`](Self::hfft) along several axes; the signal is given by half along the last of `axes`.
    ///
    /// # Errors
    /// As [`irfftn`](Self::irfftn).
    pub fn hfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        const OP: &str = "hfft";
        // The forward transform of x is the conjugate of the inverse of conj(x), and it is real.
        let conjugate = if self.dtype().is_complex() { self.conj()? } else { self.clone() };
        conjugate.real_inverse(OP, axes, n, norm.swapped())
    }

    /// Inverse of [`hfftn`](Self::hfftn).
    ///
    /// # Errors
    /// As [`rfftn`](Self::rfftn).
    pub fn ihfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.real_forward("ihfft", axes, n, norm.swapped())?.conj()
    }
}
