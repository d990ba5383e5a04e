//! Placeholder.

use crate::spectral::SparseSpectralMatrix;
use crate::{Error, Result, Tensor};

/// Placeholder.
///
/// # Errors
/// Always.
pub fn sparse_spectral_product(_w: &SparseSpectralMatrix, x: &Tensor, _transpose: bool) -> Result<Tensor> {
    Err(Error::Unsupported {
        op: "sparse_spectral_product",
        device: x.device().info().id.clone(),
        reason: "placeholder".into(),
    })
}
