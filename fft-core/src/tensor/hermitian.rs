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
        self.spectrum_of_half("hfft", &[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Inverse of [`hfft`](Self::hfft): the first half of the Hermitian signal whose spectrum are `n` real bins.
    ///
    /// # Errors
    /// As [`rfft`](Self::rfft).
    pub fn ihfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.half_of_spectrum("ihfft", &[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// [`hfftn`](Self::hfftn) along two axes.
    ///
    /// # Errors
    /// As [`irfftn`](Self::irfftn).
    pub fn hfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.spectrum_of_half("hfft2", &axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// [`ihfftn`](Self::ihfftn) along two axes.
    ///
    /// # Errors
    /// As [`rfftn`](Self::rfftn).
    pub fn ihfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.half_of_spectrum("ihfft2", &axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// [`hfft`](Self::hfft) along several axes; the signal is given by half along the last of `axes`.
    ///
    /// # Errors
    /// As [`irfftn`](Self::irfftn).
    pub fn hfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.spectrum_of_half("hfftn", axes, n, norm)
    }

    /// Inverse of [`hfftn`](Self::hfftn).
    ///
    /// # Errors
    /// As [`rfftn`](Self::rfftn).
    pub fn ihfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.half_of_spectrum("ihfftn", axes, n, norm)
    }

    /// The forward transform of x is the conjugate of the inverse one of conj(x), and it is real.
    fn spectrum_of_half(
        &self,
        op: &'static str,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        let conjugate = if self.dtype().is_complex() { self.conj()? } else { self.clone() };
        conjugate.real_inverse(op, axes, n, norm.swapped())
    }

    fn half_of_spectrum(
        &self,
        op: &'static str,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        self.real_forward(op, axes, n, norm.swapped())?.conj()
    }
}
