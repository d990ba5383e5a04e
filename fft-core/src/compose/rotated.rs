//! Placeholder.

use crate::spectral::RotatedMatrix;
use crate::{Error, Result, Tensor};

/// Placeholder.
///
/// # Errors
/// Always.
pub fn rotated_product(_w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
    Err(Error::Unsupported {
        op: "rotated_product",
        device: x.device().info().id.clone(),
        reason: "placeholder".into(),
    })
}
