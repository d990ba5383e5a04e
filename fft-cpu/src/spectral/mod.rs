//! Kernels of the spectral matrix codecs, overriding their compositions in `fft_core::compose`.

pub(crate) mod rotated;
