//! Sparse spectral tensors and matrices, block-circulant matrices, quantised codecs.

/// Placeholder.
#[derive(Debug, Clone)]
pub struct SparseSpectralMatrix;
/// Placeholder.
#[derive(Debug, Clone)]
pub struct BlockCirculantMatrix;
/// Placeholder.
#[derive(Debug, Clone)]
pub struct RotatedMatrix;
