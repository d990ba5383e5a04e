//! Sums, means, extrema over axes.

use crate::axes::expect_axes;
use crate::{DType, Dims, Error, ReduceOp, Result, Tensor};

impl Tensor {
    /// Reduces over `axes`, which stay with length 1. No axes: nothing is reduced.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist or is repeated, more than one axis for an arg
    /// reduction, or an extremum of nothing; [`Error::Unsupported`] for a dtype that [`ReduceOp`] excludes.
    pub fn reduce(&self, op: ReduceOp, axes: &[usize]) -> Result<Self> {
        const OP: &str = "reduce";
        expect_axes(OP, self.rank(), axes)?;
        let mut sorted = Dims::from_slice(axes);
        sorted.sort_unstable();
        let d = self.dtype();
        let (extremum, arg) = match op {
            ReduceOp::Max | ReduceOp::Min => (true, false),
            ReduceOp::ArgMax | ReduceOp::ArgMin => (true, true),
            _ => (false, false),
        };
        if (extremum && d.is_complex()) || (matches!(op, ReduceOp::Mean | ReduceOp::Prod) && d.is_integer()) {
            let device = self.device().info().id.clone();
            return Err(Error::Unsupported { op: OP, device, reason: format!("{op:?} does not take {d}") });
        }
        if arg && axes.len() != 1 {
            return Err(Error::invalid(OP, "axes", axes, "exactly one axis is needed"));
        }
        let mut shape = Dims::from_slice(self.shape());
        for &axis in &sorted {
            if extremum && shape[axis] == 0 {
                return Err(Error::invalid(OP, "axis", axis, "has length 0, and nothing has no extremum"));
            }
            shape[axis] = 1;
        }
        let dtype = if arg { DType::I64 } else { d };
        Tensor::build(self.device(), OP, &shape, dtype, |dst| {
            self.device().reduce(op, self.view(), &sorted, dst)
        })
    }

    fn reduce_axis(&self, op: ReduceOp, axis: usize) -> Result<Self> {
        self.reduce(op, &[axis])?.squeeze(axis)
    }

    /// Sum over `axis`, which disappears.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn sum(&self, axis: usize) -> Result<Self> {
        self.reduce_axis(ReduceOp::Sum, axis)
    }

    /// Mean over `axis`, which disappears.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn mean(&self, axis: usize) -> Result<Self> {
        self.reduce_axis(ReduceOp::Mean, axis)
    }

    /// Largest over `axis`, which disappears.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn max(&self, axis: usize) -> Result<Self> {
        self.reduce_axis(ReduceOp::Max, axis)
    }

    /// Smallest over `axis`, which disappears.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn min(&self, axis: usize) -> Result<Self> {
        self.reduce_axis(ReduceOp::Min, axis)
    }

    /// Position of the first largest over `axis`, which disappears; `I64`.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn argmax(&self, axis: usize) -> Result<Self> {
        self.reduce_axis(ReduceOp::ArgMax, axis)
    }

    /// Position of the first smallest over `axis`, which disappears; `I64`.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn argmin(&self, axis: usize) -> Result<Self> {
        self.reduce_axis(ReduceOp::ArgMin, axis)
    }

    /// Sum of all elements, without axes.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn sum_all(&self) -> Result<Self> {
        let axes: Dims = (0..self.rank()).collect();
        self.reduce(ReduceOp::Sum, &axes)?.reshape(&[])
    }
}
