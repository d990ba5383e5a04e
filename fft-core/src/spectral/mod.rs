//! Sparse spectral tensors and matrices, block-circulant matrices, quantised codecs.

pub mod circulant;
mod dense;
pub mod log8;
pub mod log_spectrum;
pub mod normalise;
pub mod quantise;
pub mod rotated;
pub mod rotation;

pub use circulant::{BlockCirculantMatrix, CirculantMatrix, CirculantOptions};
pub use log_spectrum::{LogSpectrumMatrix, LogSpectrumOptions};
pub use normalise::{spectral_norm, spectral_normalize, whiten};
pub use quantise::Bits;
pub use rotated::{RotatedMatrix, RotatedOptions, TILE};
pub use rotation::{Rotation, Signs};

/// Placeholder.
#[derive(Debug, Clone)]
pub struct SparseSpectralMatrix;
