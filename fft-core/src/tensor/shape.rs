//! Views: transposing, slicing, broadcasting, reshaping; and joining.

use crate::{DType, Error, Layout, Result, Tensor, tensor::checked_len};

impl Tensor {
    /// The axes in another order: axis `i` of the result is axis `axes[i]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `axes` is not a permutation of all axes.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        let valid = axes.len() == self.rank() && (0..self.rank()).all(|a| axes.contains(&a));
        if !valid {
            let reason = format!("must be a permutation of 0..{}", self.rank());
            return Err(Error::invalid("permute", "axes", axes, reason));
        }
        Ok(self.with_layout(self.layout().permuted(axes)))
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when one does not exist.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        self.expect_axis("transpose", a)?;
        self.expect_axis("transpose", b)?;
        let mut axes: crate::Dims = (0..self.rank()).collect();
        axes.swap(a, b);
        Ok(self.with_layout(self.layout().permuted(&axes)))
    }

    /// Elements `start..start + len` along `axis`, as a view.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the range or axis does not exist.
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Result<Self> {
        self.expect_axis("narrow", axis)?;
        let n = self.shape()[axis];
        if start.checked_add(len).is_none_or(|end| end > n) {
            return Err(Error::invalid(
                "narrow",
                "start",
                start,
                format!("with {len} elements it passes {n}"),
            ));
        }
        Ok(self.with_layout(self.layout().narrowed(axis, start, len)))
    }

    /// Every `step`-th element along `axis`, as a view; a negative step runs from the end.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a step of 0 or an axis that does not exist.
    pub fn step(&self, axis: usize, step: isize) -> Result<Self> {
        self.expect_axis("step", axis)?;
        if step == 0 || step == isize::MIN {
            return Err(Error::invalid("step", "step", step, "must not be 0"));
        }
        Ok(self.with_layout(self.layout().stepped(axis, step)))
    }

    /// A new axis of length 1 before `axis` (which may be the rank).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `axis` is larger than the rank.
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        if axis > self.rank() {
            return Err(Error::invalid(
                "unsqueeze",
                "axis",
                axis,
                format!("must be at most {}", self.rank()),
            ));
        }
        Ok(self.with_layout(self.layout().unsqueezed(axis)))
    }

    /// Without `axis`, which must have length 1.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it does not exist or is longer.
    pub fn squeeze(&self, axis: usize) -> Result<Self> {
        self.expect_axis("squeeze", axis)?;
        if self.shape()[axis] != 1 {
            return Err(Error::invalid(
                "squeeze",
                "axis",
                axis,
                format!("has length {}", self.shape()[axis]),
            ));
        }
        Ok(self.with_layout(self.layout().squeezed(axis)))
    }

    /// Repeated to `shape` without a copy, aligned at the last axis.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when a length is neither equal nor 1.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self> {
        checked_len("broadcast_to", shape, self.dtype())?;
        Ok(self.with_layout(self.layout().broadcast_to("broadcast_to", shape)?))
    }

    /// The same elements in another shape; a view when the strides allow it, else a copy.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the number of elements differs.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        if checked_len("reshape", shape, self.dtype())? != self.len() {
            return Err(Error::shapes("reshape", self.shape(), shape, "the number of elements differs"));
        }
        match self.layout().reshaped(shape) {
            Some(layout) => Ok(self.with_layout(layout)),
            None => {
                let dense = self.contiguous()?;
                let layout = dense.layout().reshaped(shape).unwrap_or_else(|| Layout::contiguous(shape));
                Ok(dense.with_layout(layout))
            }
        }
    }

    /// The real and imaginary parts of complex elements as a last axis of two, `[..]` to `[.., 2]`: a view of the same memory.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] when the elements are not complex.
    pub fn parts(&self) -> Result<Self> {
        if !self.dtype().is_complex() {
            return Err(Error::DTypeMismatch { op: "parts", lhs: self.dtype(), rhs: DType::C64 });
        }
        let layout = self.layout();
        let shape: Vec<usize> = layout.shape().iter().copied().chain([2]).collect();
        let strides: Vec<isize> = layout.strides().iter().map(|s| 2 * s).chain([1]).collect();
        let layout = Layout::from_parts(&shape, &strides, 2 * layout.offset())?;
        Ok(Self { dtype: self.dtype().to_real(), layout, ..self.clone() })
    }

    /// All axes joined into one.
    ///
    /// # Errors
    /// Memory errors when a copy is needed.
    pub fn flatten(&self) -> Result<Self> {
        self.reshape(&[self.len()])
    }

    /// Tensors joined along `axis`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] of no tensors; mismatches of shape, dtype or device.
    pub fn cat(tensors: &[Tensor], axis: usize) -> Result<Self> {
        const OP: &str = "cat";
        let first =
            tensors.first().ok_or_else(|| Error::invalid(OP, "tensors", 0, "there must be at least one"))?;
        first.expect_axis(OP, axis)?;
        let mut shape = first.shape().to_vec();
        shape[axis] = 0;
        for t in tensors {
            first.same_device(OP, t)?;
            t.expect_dtype(OP, first.dtype())?;
            let fits = t.rank() == first.rank()
                && (0..t.rank()).all(|a| a == axis || t.shape()[a] == first.shape()[a]);
            if !fits {
                let reason = format!("only axis {axis} may differ");
                return Err(Error::shapes(OP, first.shape(), t.shape(), reason));
            }
            // Repeated elements may add up to more than there are numbers; the length check below sees the sum.
            shape[axis] = shape[axis].saturating_add(t.shape()[axis]);
        }
        let mut out = Tensor::uninit(first.device(), OP, &shape, first.dtype())?;
        let mut at = 0;
        for t in tensors {
            out.assign(axis, at, t)?;
            at += t.shape()[axis];
        }
        Ok(out)
    }

    /// Writes `src` over the elements `start..start + src.shape()[axis]` along `axis`, in place unless the buffer is
    /// shared (then in a copy that only this tensor holds).
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] when the range passes the end.
    pub fn assign(&mut self, axis: usize, start: usize, src: &Tensor) -> Result<()> {
        const OP: &str = "assign";
        self.expect_axis(OP, axis)?;
        self.same_device(OP, src)?;
        src.expect_dtype(OP, self.dtype())?;
        let fits = src.rank() == self.rank()
            && (0..src.rank()).all(|a| a == axis || src.shape()[a] == self.shape()[a]);
        if !fits {
            return Err(Error::shapes(OP, self.shape(), src.shape(), format!("only axis {axis} may differ")));
        }
        let len = src.shape()[axis];
        if start.checked_add(len).is_none_or(|end| end > self.shape()[axis]) {
            let reason = format!("with {len} elements it passes {}", self.shape()[axis]);
            return Err(Error::invalid(OP, "start", start, reason));
        }
        if src.is_empty() {
            return Ok(());
        }
        let device = self.device().clone();
        let dst = self.view_mut()?;
        let layout = dst.layout.narrowed(axis, start, len);
        device.copy(src.view(), crate::ViewMut { buffer: dst.buffer, layout: &layout, dtype: dst.dtype })
    }
}
