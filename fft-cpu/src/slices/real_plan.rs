//! Plans of real lines.

use std::sync::Arc;

use fft_core::{Complex, Direction, Error, Norm, Result};
use realfft::{ComplexToReal, RealToComplex};

use super::{Scalar, expect_len, expect_plan, lines_of};

/// Transforms between real lines of `n` points and half spectra of `n / 2 + 1` bins. Slices hold any number of lines one after
/// another. Cloning and threads: as [`Plan`](super::Plan).
pub struct RealPlan<T: Scalar> {
    forward: Arc<dyn RealToComplex<T>>,
    inverse: Arc<dyn ComplexToReal<T>>,
    scratch: usize,
}

impl<T: Scalar> Clone for RealPlan<T> {
    fn clone(&self) -> Self {
        let (forward, inverse) = (Arc::clone(&self.forward), Arc::clone(&self.inverse));
        Self { forward, inverse, scratch: self.scratch }
    }
}

impl<T: Scalar> std::fmt::Debug for RealPlan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealPlan").field("n", &self.len()).finish_non_exhaustive()
    }
}

impl<T: Scalar> RealPlan<T> {
    /// The plan of `n` points, any number.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for `n = 0`, and when a plan of `n` points does not fit into memory.
    pub fn new(n: usize) -> Result<Self> {
        expect_plan::<T>("RealPlan::new", n)?;
        let (forward, inverse) = T::planners(|planners| planners.real(n));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Ok(Self { forward, inverse, scratch })
    }

    /// Points of a line; never 0.
    #[allow(clippy::len_without_is_empty, reason = "a plan is never empty")]
    pub fn len(&self) -> usize {
        self.forward.len()
    }

    /// Bins of a half spectrum.
    pub fn bins(&self) -> usize {
        self.len() / 2 + 1
    }

    /// The half spectra of the lines of `input`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `input` is not a whole number of lines or `output` not as many half spectra.
    pub fn rfft(&self, input: &[T], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
        self.forward("rfft", input, output, norm.scale(Direction::Forward, self.len()), false)
    }

    /// The real lines of the half spectra in `input`. The imaginary part of bin 0, and for even lengths of the last, counts as 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `output` is not a whole number of lines or `input` not as many half spectra.
    pub fn irfft(&self, input: &[Complex<T>], output: &mut [T], norm: Norm) -> Result<()> {
        self.inverse("irfft", input, output, norm.scale(Direction::Inverse, self.len()), false)
    }

    /// The real spectra of Hermitian lines, given by their first `n / 2 + 1` points.
    ///
    /// # Errors
    /// As [`irfft`](Self::irfft).
    pub fn hfft(&self, input: &[Complex<T>], output: &mut [T], norm: Norm) -> Result<()> {
        self.inverse("hfft", input, output, norm.scale(Direction::Forward, self.len()), true)
    }

    /// The first `n / 2 + 1` points of the Hermitian lines that have real spectra.
    ///
    /// # Errors
    /// As [`rfft`](Self::rfft).
    pub fn ihfft(&self, input: &[T], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
        self.forward("ihfft", input, output, norm.scale(Direction::Inverse, self.len()), true)
    }

    fn forward(
        &self,
        op: &'static str,
        input: &[T],
        output: &mut [Complex<T>],
        scale: f64,
        conjugate: bool,
    ) -> Result<()> {
        let (n, bins) = (self.len(), self.bins());
        let lines = lines_of(op, "input", input.len(), n)?;
        expect_len(op, "output", output.len(), lines * bins)?;
        let (re, im) = (T::nearest(scale), T::nearest(if conjugate { -scale } else { scale }));
        T::with_scratch(self.scratch + n.div_ceil(2), |scratch| {
            let (scratch, copy) = scratch.split_at_mut(self.scratch);
            // The plan destroys its input.
            let copy: &mut [T] = &mut bytemuck::cast_slice_mut(copy)[..n];
            for (x, y) in input.chunks_exact(n).zip(output.chunks_exact_mut(bins)) {
                copy.copy_from_slice(x);
                self.forward.process_with_scratch(copy, y, scratch).map_err(|e| failed(op, &e))?;
                if scale != 1.0 || conjugate {
                    y.iter_mut().for_each(|z| *z = Complex::new(z.re * re, z.im * im));
                }
            }
            Ok(())
        })
    }

    fn inverse(
        &self,
        op: &'static str,
        input: &[Complex<T>],
        output: &mut [T],
        scale: f64,
        conjugate: bool,
    ) -> Result<()> {
        let (n, bins) = (self.len(), self.bins());
        let lines = lines_of(op, "output", output.len(), n)?;
        expect_len(op, "input", input.len(), lines * bins)?;
        let factor = T::nearest(scale);
        T::with_scratch(self.scratch + bins, |scratch| {
            let (scratch, copy) = scratch.split_at_mut(self.scratch);
            for (x, y) in input.chunks_exact(bins).zip(output.chunks_exact_mut(n)) {
                copy.copy_from_slice(x);
                if conjugate {
                    copy.iter_mut().for_each(|z| z.im = -z.im);
                }
                // A real line has real bins there; whatever the imaginary parts say does not count.
                copy[0].im = T::zero();
                if n.is_multiple_of(2) {
                    copy[bins - 1].im = T::zero();
                }
                self.inverse.process_with_scratch(copy, y, scratch).map_err(|e| failed(op, &e))?;
                if scale != 1.0 {
                    y.iter_mut().for_each(|y| *y = *y * factor);
                }
            }
            Ok(())
        })
    }
}

/// An error of a plan, which the checks before it leave no cause for.
fn failed(op: &'static str, error: &realfft::FftError) -> Error {
    Error::Unsupported { op, device: "cpu".to_owned(), reason: error.to_string() }
}
