//! The lowest frequencies of real functions.

use crate::axes::expect_addressable;
use crate::{DType, Dims, Error, Result, Tensor};

impl Tensor {
    /// The lowest frequencies of a real function along its last `modes.len()` axes: of an axis with `m` modes the frequencies `-(m - 1) ..= m - 1`, which must
    /// lie below the Nyquist frequency. Transforms are those of [`Norm::Backward`](crate::Norm::Backward).
    ///
    /// `[lead.., n..]` becomes `[lead.., kept..]`: the last axis keeps the bins `0 .. m`, for the spectrum of a real function mirrors the rest; an axis before
    /// it `2 m - 1`, ordered as in a spectrum: `0 .. m`, then `-(m - 1) .. 0`. Other bins are not written to memory where the device can
    /// leave them out.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] when not `F32` or `F64`; [`Error::InvalidArgument`] for no modes, modes for more axes than there are, and an axis of `n` points with
    /// no modes or with `2 (m - 1) >= n`.
    pub fn low_frequencies(&self, modes: &[usize]) -> Result<Self> {
        const OP: &str = "low_frequencies";
        if !matches!(self.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::F32 });
        }
        let first = self.expect_band_axes(OP, "modes", modes)?;
        for (axis, &m) in (first..).zip(modes) {
            let n = self.shape()[axis];
            if m == 0 || m > n.div_ceil(2) {
                let reason = format!("axis {axis} of {n} points has 1 to {} modes", n.div_ceil(2));
                return Err(Error::invalid(OP, "modes", modes, reason));
            }
        }
        self.device().low_frequencies(self, modes)
    }

    /// The real function of `lengths` points along the last axes whose spectrum is this, ordered as by [`low_frequencies`](Self::low_frequencies), and 0 at all
    /// other frequencies: `[lead.., kept..]` becomes `[lead.., n..]`. The inverse transforms have the factors `1 / n`.
    ///
    /// Of a frequency that is its own mirror image in the last axis, bin 0, the numbers at `k` and `-k` along the other axes act by
    /// their Hermitian part.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] when not complex; [`Error::ShapeMismatch`] for an axis without bins, or before the last one with an even number of them;
    /// [`Error::InvalidArgument`] for no lengths, lengths for more axes than there are, one for whose points the highest mode is not below the Nyquist
    /// frequency, and more points than can be addressed.
    pub fn band_limited(&self, lengths: &[usize]) -> Result<Self> {
        const OP: &str = "band_limited";
        if !self.dtype().is_complex() {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::C64 });
        }
        let first = self.expect_band_axes(OP, "lengths", lengths)?;
        for (axis, &n) in (first..).zip(lengths) {
            let kept = self.shape()[axis];
            let last = axis + 1 == self.rank();
            if kept == 0 || (!last && kept.is_multiple_of(2)) {
                let reason = format!("axis {axis} has {kept} bins, which no number of modes has");
                return Err(Error::shapes(OP, self.shape(), lengths, reason));
            }
            let m = if last { kept } else { kept / 2 + 1 };
            if m > n.div_ceil(2) {
                let reason = format!("the {m} modes of axis {axis} need at least {} points", 2 * m - 1);
                return Err(Error::invalid(OP, "lengths", lengths, reason));
            }
        }
        let axes: Dims = (first..self.rank()).collect();
        expect_addressable(OP, "lengths", self.shape(), &axes, lengths)?;
        self.device().band_limited(self, lengths)
    }

    /// The first of as many last axes as there are `numbers`, one at least.
    fn expect_band_axes(&self, op: &'static str, argument: &'static str, numbers: &[usize]) -> Result<usize> {
        match self.rank().checked_sub(numbers.len()) {
            Some(first) if !numbers.is_empty() => Ok(first),
            _ => {
                let reason = format!("one number for each of 1 to {} axes", self.rank());
                Err(Error::invalid(op, argument, numbers, reason))
            }
        }
    }
}
