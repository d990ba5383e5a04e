//! Plans of complex lines.

use std::sync::Arc;

use fft_core::{Complex, Direction, Norm, Result};
use rustfft::Fft;

use super::{Scalar, expect_len, expect_plan, lines_of};

/// Complex transforms of lines of one length. Slices hold any number of lines one after another.
///
/// A plan is a pair of shared pointers: cloning is cheap, threads may use the same one at the same time. Scratch belongs to the
/// calling thread, which keeps it.
pub struct Plan<T: Scalar> {
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    scratch: usize,
}

impl<T: Scalar> Clone for Plan<T> {
    fn clone(&self) -> Self {
        let (forward, inverse) = (Arc::clone(&self.forward), Arc::clone(&self.inverse));
        Self { forward, inverse, scratch: self.scratch }
    }
}

impl<T: Scalar> std::fmt::Debug for Plan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("n", &self.len()).finish_non_exhaustive()
    }
}

/// Multiplies by the factor of a norm.
fn scale<T: Scalar>(data: &mut [Complex<T>], norm: Norm, direction: Direction, n: usize) {
    let factor = norm.scale(direction, n);
    if factor != 1.0 {
        let factor = T::nearest(factor);
        data.iter_mut().for_each(|z| *z = Complex::new(z.re * factor, z.im * factor));
    }
}

impl<T: Scalar> Plan<T> {
    /// The plan of `n` points, any number. The first plan of a length takes a while, the next ones are found.
    ///
    /// # Errors
    /// [`InvalidArgument`](fft_core::Error::InvalidArgument) for `n = 0`, and when a plan of `n` points does not fit into memory.
    pub fn new(n: usize) -> Result<Self> {
        expect_plan::<T>("Plan::new", n)?;
        let [forward, inverse] = T::planners(|planners| planners.complex(n));
        let of =
            |plan: &Arc<dyn Fft<T>>| plan.get_inplace_scratch_len().max(plan.get_immutable_scratch_len());
        let scratch = of(&forward).max(of(&inverse));
        Ok(Self { forward, inverse, scratch })
    }

    /// Points of a line; never 0.
    #[allow(clippy::len_without_is_empty, reason = "a plan is never empty")]
    pub fn len(&self) -> usize {
        self.forward.len()
    }

    /// Each line replaced by its transform.
    ///
    /// # Errors
    /// [`InvalidArgument`](fft_core::Error::InvalidArgument) when the slice is not a whole number of lines.
    pub fn fft_in_place(&self, data: &mut [Complex<T>], norm: Norm) -> Result<()> {
        self.in_place("fft_in_place", &*self.forward, data, norm, Direction::Forward)
    }

    /// Each line replaced by its inverse transform.
    ///
    /// # Errors
    /// As [`fft_in_place`](Self::fft_in_place).
    pub fn ifft_in_place(&self, data: &mut [Complex<T>], norm: Norm) -> Result<()> {
        self.in_place("ifft_in_place", &*self.inverse, data, norm, Direction::Inverse)
    }

    /// The transforms of the lines of `input`.
    ///
    /// # Errors
    /// As [`fft_in_place`](Self::fft_in_place), and when `output` is not as long as `input`.
    pub fn fft(&self, input: &[Complex<T>], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
        self.out_of_place("fft", &*self.forward, input, output, norm, Direction::Forward)
    }

    /// The inverse transforms of the lines of `input`.
    ///
    /// # Errors
    /// As [`fft`](Self::fft).
    pub fn ifft(&self, input: &[Complex<T>], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
        self.out_of_place("ifft", &*self.inverse, input, output, norm, Direction::Inverse)
    }

    fn in_place(
        &self,
        op: &'static str,
        plan: &dyn Fft<T>,
        data: &mut [Complex<T>],
        norm: Norm,
        direction: Direction,
    ) -> Result<()> {
        lines_of(op, "data", data.len(), self.len())?;
        T::with_scratch(self.scratch, |scratch| plan.process_with_scratch(data, scratch));
        scale(data, norm, direction, self.len());
        Ok(())
    }

    fn out_of_place(
        &self,
        op: &'static str,
        plan: &dyn Fft<T>,
        input: &[Complex<T>],
        output: &mut [Complex<T>],
        norm: Norm,
        direction: Direction,
    ) -> Result<()> {
        lines_of(op, "input", input.len(), self.len())?;
        expect_len(op, "output", output.len(), input.len())?;
        T::with_scratch(self.scratch, |scratch| plan.process_immutable_with_scratch(input, output, scratch));
        scale(output, norm, direction, self.len());
        Ok(())
    }
}
