//! Kernels of the spectral matrix codecs, overriding their compositions in `fft_core::compose`.

pub(crate) mod circulant;
pub(crate) mod log8;
pub(crate) mod log_spectrum;
mod log_spectrum_rows;
pub(crate) mod rotated;
mod sparse;
mod sparse_gradient;
mod sparse_lanes;
mod sparse_rows;
mod sparse_tiles;
mod sparse_values;

pub(crate) use sparse::sparse_spectral_product;
pub(crate) use sparse_gradient::sparse_spectral_gradient;
