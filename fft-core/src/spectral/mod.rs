//! Sparse spectral tensors and matrices, block-circulant matrices, quantised codecs.

pub mod log8;

/// Placeholder.
#[derive(Debug, Clone)]
pub struct SparseSpectralMatrix;
/// Placeholder.
#[derive(Debug, Clone)]
pub struct BlockCirculantMatrix;
/// Placeholder.
#[derive(Debug, Clone)]
pub struct RotatedMatrix;
