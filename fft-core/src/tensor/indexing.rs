//! Finding positions, and picking and placing slices by index.

use crate::{DType, Dims, Error, Result, ScatterMode, Tensor};

impl Tensor {
    fn expect_indices(&self, op: &'static str, indices: &Tensor, axis: usize) -> Result<()> {
        self.expect_axis(op, axis)?;
        self.same_device(op, indices)?;
        if !matches!(indices.dtype(), DType::U32 | DType::I64) {
            return Err(Error::DTypeMismatch { op, lhs: indices.dtype(), rhs: DType::U32 });
        }
        if indices.rank() != 1 {
            return Err(Error::shapes(op, indices.shape(), &[indices.len()], "indices must have one axis"));
        }
        Ok(())
    }

    /// The positions of the `count` largest of these keys, `[n]` of `F32` or `F64`: `U32 [count]`, ascending. Of equal keys those at the lowest
    /// positions are taken.
    ///
    /// The order is that of [`f32::total_cmp`], by the bits: -0 is below 0, a NaN without a sign above infinity and one with a sign below
    /// its negative. So the result is defined for any keys and the same on every device.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] for keys of another type; [`Error::ShapeMismatch`] unless there is one axis; [`Error::InvalidArgument`] when there are
    /// fewer than `count` keys, or more than `u32` counts; memory and device errors.
    pub fn largest(&self, count: usize) -> Result<Self> {
        const OP: &str = "largest";
        if !matches!(self.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::F32 });
        }
        if self.rank() != 1 {
            return Err(Error::shapes(OP, self.shape(), &[self.len()], "keys must have one axis"));
        }
        if count > self.len() {
            return Err(Error::invalid(OP, "count", count, format!("there are {} keys", self.len())));
        }
        if u32::try_from(self.len()).is_err() {
            return Err(Error::invalid(OP, "keys", self.len(), "more than 2^32 - 1"));
        }
        self.device().largest(self, count)
    }

    /// The slices `indices[0], indices[1], ..` along `axis`; `indices` is one-dimensional, `U32` or `I64`, on the same
    /// device. Check values with [`check_indices`] before they are uploaded: the device clamps what lies outside.
    ///
    /// # Errors
    /// Mismatches of dtype, rank or device; [`Error::InvalidArgument`] when there is nothing to pick from.
    pub fn gather(&self, axis: usize, indices: &Tensor) -> Result<Self> {
        const OP: &str = "gather";
        self.expect_indices(OP, indices, axis)?;
        if self.shape()[axis] == 0 && !indices.is_empty() {
            return Err(Error::IndexOutOfRange { op: OP, index: 0, len: 0 });
        }
        let mut shape = Dims::from_slice(self.shape());
        shape[axis] = indices.len();
        Tensor::build(self.device(), OP, &shape, self.dtype(), |dst| {
            self.device().gather(self.view(), axis, indices.view(), dst)
        })
    }

    /// Sets or adds the slices of `src` at `indices` along `axis`, in place unless the buffer is shared.
    ///
    /// # Errors
    /// Mismatches of shape, dtype, rank or device.
    pub fn scatter(&mut self, axis: usize, indices: &Tensor, src: &Tensor, mode: ScatterMode) -> Result<()> {
        const OP: &str = "scatter";
        self.expect_indices(OP, indices, axis)?;
        self.same_device(OP, src)?;
        src.expect_dtype(OP, self.dtype())?;
        let mut shape = Dims::from_slice(self.shape());
        shape[axis] = indices.len();
        if src.shape() != shape.as_slice() {
            return Err(Error::shapes(OP, src.shape(), &shape, "one slice an index is needed"));
        }
        if src.is_empty() || self.is_empty() {
            return Ok(());
        }
        let device = self.device().clone();
        device.scatter(src.view(), axis, indices.view(), mode, self.view_mut()?)
    }
}

/// Checks that all indices are below `len`.
///
/// # Errors
/// [`Error::IndexOutOfRange`] with the first that is not.
pub fn check_indices(op: &'static str, indices: &[u32], len: usize) -> Result<()> {
    match indices.iter().find(|&&i| i as usize >= len) {
        Some(&index) => Err(Error::IndexOutOfRange { op, index: index as i64, len }),
        None => Ok(()),
    }
}
