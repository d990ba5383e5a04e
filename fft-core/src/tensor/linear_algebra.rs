//! Matrix products.

use crate::layout::broadcast_shapes;
use crate::tensor::checked_len;
use crate::{DType, Error, Result, Tensor, View};

impl Tensor {
    /// Batched matrix product `[.., m, k] x [.., k, n] -> [.., m, n]`; leading axes broadcast.
    ///
    /// `F32`, `F16` and `BF16` may be mixed: the result is of the common dtype, else `F32`; sums are at least `F32`. `F64`,
    /// `C64` and `C128` need two operands of that dtype.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn matmul(&self, other: &Tensor) -> Result<Self> {
        let mixed = |d| matches!(d, DType::F32 | DType::F16 | DType::BF16);
        let dtype = match (self.dtype(), other.dtype()) {
            (a, b) if a == b && !a.is_integer() => a,
            (a, b) if mixed(a) && mixed(b) => DType::F32,
            (lhs, rhs) => return Err(Error::DTypeMismatch { op: "matmul", lhs, rhs }),
        };
        self.matmul_to(other, dtype)
    }

    /// As [`matmul`](Self::matmul), with a result of `F32` where the operands are half precision.
    ///
    /// # Errors
    /// As [`matmul`](Self::matmul); [`Error::DTypeMismatch`] when `dtype` is neither `F32` nor the operands' own.
    pub fn matmul_to(&self, other: &Tensor, dtype: DType) -> Result<Self> {
        const OP: &str = "matmul";
        self.same_device(OP, other)?;
        let half = |d| matches!(d, DType::F32 | DType::F16 | DType::BF16);
        let valid = if half(self.dtype()) && half(other.dtype()) {
            dtype == DType::F32 || (dtype == self.dtype() && dtype == other.dtype())
        } else {
            !dtype.is_integer() && dtype == self.dtype() && dtype == other.dtype()
        };
        if !valid {
            let rhs = if self.dtype() == other.dtype() { dtype } else { other.dtype() };
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs });
        }
        let (a, b) = (self.shape(), other.shape());
        if a.len() < 2 || b.len() < 2 || a[a.len() - 1] != b[b.len() - 2] {
            return Err(Error::shapes(OP, a, b, "needed are [.., m, k] and [.., k, n]"));
        }
        let (m, n, k) = (a[a.len() - 2], b[b.len() - 1], a[a.len() - 1]);
        let batch = broadcast_shapes(OP, &a[..a.len() - 2], &b[..b.len() - 2])?;
        let with = |rows: usize, cols: usize| {
            let mut shape = batch.clone();
            shape.extend([rows, cols]);
            shape
        };
        // One matrix for a batch: one product of all rows.
        if b.len() == 2 && a.len() > 2 && self.layout().is_contiguous() && !self.is_empty() {
            let rows = self.reshape(&[self.len() / k, k])?;
            return rows.matmul_to(other, dtype)?.reshape(&with(m, n));
        }
        // Repeated operands may have more elements than can be counted even where the product has few.
        checked_len(OP, &with(m, k), self.dtype())?;
        checked_len(OP, &with(k, n), other.dtype())?;
        let la = self.layout().broadcast_to(OP, &with(m, k))?;
        let lb = other.layout().broadcast_to(OP, &with(k, n))?;
        if k == 0 {
            return Tensor::zeros(self.device(), &with(m, n), dtype);
        }
        Tensor::build(self.device(), OP, &with(m, n), dtype, |dst| {
            let (a, b) = (View { layout: &la, ..self.view() }, View { layout: &lb, ..other.view() });
            self.device().matmul(a, b, dst)
        })
    }
}
