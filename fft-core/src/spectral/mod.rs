//! Sparse spectral tensors and matrices, block-circulant matrices, quantised codecs.

pub mod circulant;
mod coefficient_values;
mod dense;
mod half_spectrum;
mod implicit;
pub mod log8;
pub mod log_spectrum;
pub mod normalise;
mod parts;
mod plan;
pub mod quantise;
pub mod rotated;
pub mod rotation;
mod selection;
mod sparse_algebra;
mod sparse_file;
mod sparse_gradient;
mod sparse_matrix;
mod sparse_tensor;
mod streaming;

pub use circulant::{BlockCirculantMatrix, CirculantMatrix, CirculantOptions};
pub use coefficient_values::{CoefficientValues, LOG8_GROUP};
pub use half_spectrum::{HalfSpectrum, MAX_RANK};
pub use implicit::{BlockCost, ImplicitWeights};
pub use log_spectrum::{LogSpectrumMatrix, LogSpectrumOptions};
pub use normalise::{spectral_norm, spectral_normalize, whiten};
pub use plan::{CostModel, Plan, ProductWay};
pub use quantise::Bits;
pub use rotated::{RotatedMatrix, RotatedOptions, TILE};
pub use rotation::{Rotation, Signs};
pub use selection::{Amount, Selection, SparseOptions, ValueFormat};
pub use sparse_matrix::SparseSpectralMatrix;
pub use sparse_tensor::SparseSpectralTensor;
