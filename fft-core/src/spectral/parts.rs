//! The tensors of saved matrices.

use crate::{DType, Device, Error, Result, Tensor};

/// The saved part of a name on `device`, row-major, if it has the dtype and shape of the format.
pub(super) fn saved_part(
    op: &'static str,
    part: Tensor,
    device: &Device,
    name: &str,
    dtype: DType,
    shape: &[usize],
) -> Result<Tensor> {
    let tensor = part.to_device(device)?;
    tensor.expect_dtype(op, dtype)?;
    if tensor.shape() != shape {
        return Err(Error::shapes(op, tensor.shape(), shape, format!("part `{name}`")));
    }
    tensor.contiguous()
}
