//! Fourier transforms: plans of rustfft and realfft, along any axis of strided tensors.

mod half_length;
mod lines;
mod plans;
mod transform;

pub(crate) use plans::Plans;
pub(crate) use transform::{Context, fft};
