//! Fourier transforms: plans of rustfft and realfft, along any axis of strided tensors.

mod arrays;
mod circular;
mod gathered;
mod half_length;
pub(crate) mod lanes;
mod lines;
mod mirror;
mod nd;
mod planes;
mod plans;
mod tiles;
mod transform;

pub(crate) use arrays::{complex_in_place, forward, inverse};
pub(crate) use circular::Circular;
pub(crate) use nd::{fft_nd, fft_nd_in_place};
pub(crate) use plans::{LIMIT, Plans, Precision, tables};
pub(crate) use transform::{Context, fft};
