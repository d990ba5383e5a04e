//! Dense matrices: those on their way into a codec, checked and read in blocks of rows so that scratch stays small, and operands of products with coded ones.

use crate::{DType, Error, Result, Tensor};

/// The sides of a float matrix with at least one element.
pub(crate) fn check_matrix(op: &'static str, w: &Tensor) -> Result<[usize; 2]> {
    if !w.dtype().is_float() {
        return Err(Error::DTypeMismatch { op, lhs: w.dtype(), rhs: DType::F32 });
    }
    match w.shape() {
        &[rows, cols] if rows > 0 && cols > 0 => Ok([rows, cols]),
        other => Err(Error::shapes(op, other, &[], "needed is a matrix [out, in] with at least one element")),
    }
}

/// Rows `start..start + len` as `f32`, row-major; an error that names the first element that is NaN or infinite.
pub(crate) fn host_rows(op: &'static str, w: &Tensor, start: usize, len: usize) -> Result<Vec<f32>> {
    let rows = w.narrow(0, start, len)?.to_dtype(DType::F32)?.to_vec::<f32>()?;
    match rows.iter().position(|v| !v.is_finite()) {
        None => Ok(rows),
        Some(i) => {
            let cols = w.shape()[1];
            let at = format!("the element at [{}, {}] is not finite", start + i / cols, i % cols);
            Err(Error::invalid(op, "weight", rows[i], at))
        }
    }
}

/// How many rows of `cols` numbers make a block of about 4 MiB.
pub(crate) fn block_rows(cols: usize) -> usize {
    ((1 << 20) / cols.max(1)).max(1)
}

/// Checks the operand of a product with a matrix whose numbers are in `own`: `F32 [.., features]`, on the same device.
pub(super) fn expect_rows(op: &'static str, x: &Tensor, own: &Tensor, features: usize) -> Result<()> {
    own.same_device(op, x)?;
    x.expect_dtype(op, DType::F32)?;
    if x.shape().last() != Some(&features) {
        return Err(Error::shapes(op, x.shape(), &[features], "the last axis must have that length"));
    }
    Ok(())
}
