//! Moving elements along axes: cyclic shifts, and lengths cropped or padded.

use crate::axes::expect_axes;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Elements moved by `shift` places towards higher indices along `axis`; what leaves at one end enters at the other.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist.
    pub fn roll(&self, axis: usize, shift: isize) -> Result<Self> {
        self.expect_axis("roll", axis)?;
        let n = self.shape()[axis];
        if n == 0 {
            return Ok(self.clone());
        }
        // Of nothing, or of a repeated element, n may be larger than isize holds; then all elements are the same.
        let start = isize::try_from(n).map_or(0, |n| (n - shift.rem_euclid(n)) as usize);
        self.rotated(axis, start)
    }

    /// The zero frequency moved to the middle (place `n / 2`) of each of `axes`, as in NumPy.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist or is repeated.
    pub fn fftshift(&self, axes: &[usize]) -> Result<Self> {
        self.shifted("fftshift", axes, |n| n - n / 2)
    }

    /// Inverse of [`fftshift`](Self::fftshift); for odd lengths it is a different shift.
    ///
    /// # Errors
    /// As [`fftshift`](Self::fftshift).
    pub fn ifftshift(&self, axes: &[usize]) -> Result<Self> {
        self.shifted("ifftshift", axes, |n| n / 2)
    }

    /// The first `len` elements along `axis`, with zeros after them where there are fewer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist; memory errors.
    pub fn resize(&self, axis: usize, len: usize) -> Result<Self> {
        const OP: &str = "resize";
        self.expect_axis(OP, axis)?;
        let n = self.shape()[axis];
        if len <= n {
            return self.narrow(axis, 0, len);
        }
        self.padded(OP, axis, 0, len - n)
    }

    /// Zeros before and after the elements along `axis`, which exists.
    pub(crate) fn padded(&self, op: &'static str, axis: usize, before: usize, after: usize) -> Result<Self> {
        let n = self.shape()[axis];
        let zeros = |len: usize| -> Result<Tensor> {
            let mut shape = crate::Dims::from_slice(self.shape());
            shape[axis] = len;
            crate::tensor::checked_len(op, &shape, self.dtype())?;
            // One zero, repeated: the pieces are copied into the result once.
            Tensor::zeros(self.device(), &[], self.dtype())?.broadcast_to(&shape)
        };
        if before.checked_add(after).and_then(|pad| pad.checked_add(n)).is_none() {
            return Err(Error::invalid(op, "n", after, "has more elements than can be addressed"));
        }
        Tensor::cat(&[zeros(before)?, self.clone(), zeros(after)?], axis)
    }

    fn shifted(&self, op: &'static str, axes: &[usize], start: impl Fn(usize) -> usize) -> Result<Self> {
        expect_axes(op, self.rank(), axes)?;
        axes.iter().try_fold(self.clone(), |x, &axis| x.rotated(axis, start(x.shape()[axis])))
    }

    /// The elements from `start` on, then those before it.
    fn rotated(&self, axis: usize, start: usize) -> Result<Self> {
        let n = self.shape()[axis];
        if start == 0 || start >= n {
            return Ok(self.clone());
        }
        Tensor::cat(&[self.narrow(axis, start, n - start)?, self.narrow(axis, 0, start)?], axis)
    }
}
