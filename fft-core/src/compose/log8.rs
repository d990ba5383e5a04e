//! Placeholder.

use crate::{Error, Result, Tensor};

/// Placeholder.
///
/// # Errors
/// Always.
pub fn log8_decode(codes: &Tensor, _ranges: &Tensor, _group: usize) -> Result<Tensor> {
    Err(Error::Unsupported {
        op: "log8_decode",
        device: codes.device().info().id.clone(),
        reason: "placeholder".into(),
    })
}

/// Placeholder.
///
/// # Errors
/// Always.
pub fn log8_encode(x: &Tensor, _group: usize) -> Result<(Tensor, Tensor)> {
    Err(Error::Unsupported {
        op: "log8_encode",
        device: x.device().info().id.clone(),
        reason: "placeholder".into(),
    })
}
