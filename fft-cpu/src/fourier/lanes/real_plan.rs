//! Plans for real lines: of even length by a complex transform of half the length, of odd length by a complex one with zeros.
//!
//! Two lines in one transform, as real and imaginary parts, would save as much for odd lengths; but what is not finite in one would pass to the
//! other.

use std::sync::Arc;

use fft_core::Complex;

use super::code::{Args, Code, Lines};
use super::plan::LanePlan;
use super::real::{Mirror, Retangle, Untangle};
use super::rows::{Interleaved, Natural, Placed};
use crate::fourier::plans::Precision;

/// The transforms between `n` real numbers of each lane and their `n / 2 + 1` bins.
pub(crate) struct RealLanePlan<T> {
    n: usize,
    /// Of `n / 2` points, or `n` when `n` is odd.
    complex: Arc<LanePlan<T>>,
    /// `-exp(i (pi / 2 - 2 pi k / n))` for `k <= n / 4`.
    twiddles: Vec<Complex<T>>,
    /// The places of the plan, and one more.
    places: Vec<u32>,
    untangle: Code<T>,
    untangle_out: Code<T>,
    retangle: Code<T>,
    retangle_in: Code<T>,
    mirror: Code<T>,
}

impl<T: Precision> RealLanePlan<T> {
    /// The number of points of the complex plan for `n` real ones.
    pub(crate) fn points(n: usize) -> usize {
        if n.is_multiple_of(2) { n / 2 } else { n }
    }

    /// From the plan of [`points`](Self::points).
    pub(crate) fn new(n: usize, complex: Arc<LanePlan<T>>) -> Self {
        debug_assert_eq!(complex.len(), Self::points(n));
        let twiddle = |k: usize| {
            let (sin, cos) = (std::f64::consts::TAU * k as f64 / n as f64).sin_cos();
            Complex::new(T::nearest(-sin), T::nearest(-cos))
        };
        let machine = complex.machine();
        let mut places = complex.places().to_vec();
        places.push(complex.len() as u32);
        Self {
            n,
            twiddles: (0..=n / 4).map(twiddle).collect(),
            places,
            untangle: T::code::<Untangle<Natural>>(machine),
            untangle_out: T::code::<Untangle<Interleaved<false>>>(machine),
            retangle: T::code::<Retangle<Placed>>(machine),
            retangle_in: T::code::<Retangle<Interleaved<false>>>(machine),
            mirror: T::code::<Mirror>(machine),
            complex,
        }
    }

    /// Lines that are transformed together.
    pub(crate) fn lanes(&self) -> usize {
        self.complex.lanes()
    }

    /// Numbers of scratch.
    pub(crate) fn scratch_len(&self) -> usize {
        self.complex.scratch_len(self.complex.len() + 1)
    }

    /// A real line as the complex numbers that the plan transforms, and how many of them there are of `have` real ones.
    fn folded(&self, lines: Lines<T>) -> Lines<T> {
        if self.n.is_multiple_of(2) {
            Lines { step: 2 * lines.step, im: Some(lines.step), ..lines }
        } else {
            Lines { im: None, ..lines }
        }
    }

    fn args(&self, scratch: *mut T, lines: Lines<T>) -> Args<T> {
        Args {
            points: self.complex.len(),
            twiddles: self.twiddles.as_ptr(),
            places: self.places.as_ptr(),
            ..self.complex.args(scratch, lines)
        }
    }

    /// Numbers `0..have` of real lines, followed by zeros, to their bins.
    ///
    /// # Safety
    /// The numbers of the lines are there, those of `dst` for writing; `scratch` has [`scratch_len`](Self::scratch_len) numbers.
    pub(crate) unsafe fn forward(
        &self,
        scratch: &mut [T],
        src: Lines<T>,
        have: usize,
        dst: Lines<T>,
        scale: T,
        stream: bool,
    ) {
        assert!(scratch.len() >= self.scratch_len());
        let scratch = scratch.as_mut_ptr();
        let (from, bins) = (self.folded(src), self.n / 2 + 1);
        // SAFETY: scratch by the assertion, lines as promised by the caller.
        unsafe {
            if !self.n.is_multiple_of(2) {
                self.complex.read(scratch, from, have, false);
                return self.complex.write(scratch, dst, bins, false, scale, stream);
            }
            if have % 2 == 1 {
                // The last complex number that is there has a real part only.
                let points = self.complex.len();
                self.complex.gather(scratch, from, have / 2, points, false);
                let last = self.places[have / 2] as usize * 2 * self.lanes();
                let at = src.at.offset((have - 1) as isize * src.step);
                for lane in 0..src.lanes {
                    *scratch.add(last + lane) = *at.offset(lane as isize * src.across);
                }
                self.complex.all_but_last(scratch, None);
            } else {
                self.complex.read(scratch, from, have / 2, false);
            }
            self.complex.last(scratch);
            let args = Args { scale, ..self.args(scratch, dst) };
            if dst.lanes == self.lanes() && dst.across == 2 && dst.im == Some(1) {
                return (self.untangle_out)(&args);
            }
            (self.untangle)(&args);
            self.complex.scatter(scratch, dst, bins, stream);
        }
    }

    /// Bins `0..have` of half spectra, followed by zeros, to real lines, unscaled but for `scale`.
    ///
    /// # Safety
    /// As [`forward`](Self::forward).
    pub(crate) unsafe fn inverse(
        &self,
        scratch: &mut [T],
        src: Lines<T>,
        have: usize,
        dst: Lines<T>,
        scale: T,
        stream: bool,
    ) {
        assert!(scratch.len() >= self.scratch_len());
        let scratch = scratch.as_mut_ptr();
        let (to, bins) = (self.folded(dst), self.n / 2 + 1);
        // SAFETY: scratch by the assertion, lines as promised by the caller.
        unsafe {
            let args = self.args(scratch, src);
            let beside = src.lanes == self.lanes() && src.across == 2 && src.im == Some(1);
            if self.n.is_multiple_of(2) && have == bins && beside {
                (self.retangle_in)(&args);
            } else {
                self.bins(scratch, src, have);
                let unfold = if self.n.is_multiple_of(2) { self.retangle } else { self.mirror };
                unfold(&args);
            }
            self.complex.all_but_last(scratch, None);
            self.complex.write(scratch, to, self.complex.len(), true, scale, stream);
        }
    }

    /// The bins of half spectra to their places.
    ///
    /// # Safety
    /// As [`forward`](Self::forward).
    unsafe fn bins(&self, scratch: *mut T, src: Lines<T>, have: usize) {
        let args = Args { have, points: self.n / 2 + 1, ..self.args(scratch, src) };
        // SAFETY: promised by the caller.
        unsafe { self.complex.gather_with(&args) }
    }
}

impl<T> std::fmt::Debug for RealLanePlan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealLanePlan")
            .field("n", &self.n)
            .field("complex", &self.complex)
            .finish_non_exhaustive()
    }
}
