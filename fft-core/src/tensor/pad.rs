//! Padding.

use crate::compose::pad_zeros;
use crate::convolution::PaddingMode;
use crate::{Dims, Error, Result, Tensor};

impl Tensor {
    /// The tensor with `padding[i]` = `[before, after]` elements added along the last `padding.len()` axes, the first entry for the first
    /// of these; of any dtype. What the elements are, `mode` says, as `torch.nn.functional.pad` (which lists the last axis first).
    ///
    /// ```
    /// # use fft_core::{Device, Result, Tensor};
    /// use fft_core::convolution::PaddingMode;
    ///
    /// # fn example(device: &Device) -> Result<()> {
    /// let x = Tensor::from_slice(device, &[1.0f32, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.pad(&[[2, 1]], PaddingMode::Reflect)?.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more entries than axes; for [`PaddingMode::Reflect`] with padding that is not shorter than the axis,
    /// [`PaddingMode::Circular`] with padding longer than it, [`PaddingMode::Replicate`] of an empty axis; and for a result with more
    /// elements than can be addressed.
    pub fn pad(&self, padding: &[[usize; 2]], mode: PaddingMode) -> Result<Self> {
        self.pad_for("pad", padding, mode)
    }

    /// [`pad`](Self::pad), with the name of the operation that it is part of in its errors.
    pub(crate) fn pad_for(
        &self,
        op: &'static str,
        padding: &[[usize; 2]],
        mode: PaddingMode,
    ) -> Result<Self> {
        let invalid = |reason: String| Error::invalid(op, "padding", padding, reason);
        let Some(first) = self.rank().checked_sub(padding.len()) else {
            return Err(invalid(format!("the tensor has {} axes", self.rank())));
        };
        let mut shape = Dims::from_slice(self.shape());
        for (i, &[before, after]) in padding.iter().enumerate() {
            let length = self.shape()[first + i];
            let longest = before.max(after);
            let refused = match mode {
                PaddingMode::Zeros => None,
                _ if longest == 0 => None,
                PaddingMode::Circular if longest > length => Some("wraps around more than once"),
                PaddingMode::Reflect if longest >= length => Some("must be shorter than the axis"),
                PaddingMode::Replicate if length == 0 => Some("there is nothing to repeat"),
                _ => None,
            };
            if let Some(reason) = refused {
                return Err(invalid(format!("{reason}: axis {} has length {length}", first + i)));
            }
            let padded = length.checked_add(before).and_then(|n| n.checked_add(after));
            shape[first + i] =
                padded.ok_or_else(|| invalid("has more elements than can be addressed".into()))?;
        }
        if super::checked_len(op, &shape, self.dtype()).is_err() {
            return Err(invalid("has more elements than can be addressed".into()));
        }
        if mode == PaddingMode::Zeros {
            return pad_zeros(self, first, padding);
        }
        let mut out = self.clone();
        for (i, &[before, after]) in padding.iter().enumerate() {
            if [before, after] != [0, 0] {
                out = out.pad_axis(first + i, before, after, mode)?;
            }
        }
        Ok(out)
    }

    /// Both ends of an axis as views of the tensor, joined with it.
    fn pad_axis(&self, axis: usize, before: usize, after: usize, mode: PaddingMode) -> Result<Self> {
        let n = self.shape()[axis];
        let repeated = |start: usize, count: usize| {
            let mut shape = Dims::from_slice(self.shape());
            shape[axis] = count;
            self.narrow(axis, start, 1)?.broadcast_to(&shape)
        };
        let (head, tail) = match mode {
            PaddingMode::Circular => (self.narrow(axis, n - before, before)?, self.narrow(axis, 0, after)?),
            PaddingMode::Reflect => (
                self.narrow(axis, 1, before)?.step(axis, -1)?,
                self.narrow(axis, n - 1 - after, after)?.step(axis, -1)?,
            ),
            _ => (repeated(0, before)?, repeated(n - 1, after)?),
        };
        Tensor::cat(&[head, self.clone(), tail], axis)
    }
}
