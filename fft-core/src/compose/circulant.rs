//! Placeholder.

use crate::spectral::BlockCirculantMatrix;
use crate::{Error, Result, Tensor};

/// Placeholder.
///
/// # Errors
/// Always.
pub fn block_circulant_product(_w: &BlockCirculantMatrix, x: &Tensor, _transpose: bool) -> Result<Tensor> {
    Err(Error::Unsupported {
        op: "block_circulant_product",
        device: x.device().info().id.clone(),
        reason: "placeholder".into(),
    })
}
