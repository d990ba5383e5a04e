//! What every backend and layer of fft-tensor shares.
//!
//! - [`SpectralBackend`] is the object-safe trait that a processor or GPU implements; [`Device`] is a cheap handle to one.
//! - [`Tensor`] is an n-dimensional array on a device: a [`Buffer`], a [`Layout`] (shape, strides, offset) and a [`DType`].
//! - [`compose`] holds the default body of every fused operation, written with the required methods alone.
//! - [`spectral`] holds sparse spectral tensors and matrices, block-circulant matrices and the quantised codecs.
//! - `reference` (naive `f64` oracles) and `conformance` (the cases every backend must pass) come with the feature `conformance`.
//!
//! The crate depends on no backend: add `fft-cpu`, or the facade `fft-tensor`, for a device that runs.
//!
//! # Conventions
//!
//! The forward transform is `X[k] = sum_n x[n] exp(-2 pi i k n / N)`; [`Norm::Backward`] (a factor `1/N` on the inverse)
//! is the default. A length is never padded to another transform: `N = 1000` is the 1000-point DFT.

pub mod axes;
pub mod backend;
pub mod buffer;
pub mod compose;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod convolution;
pub mod cosine;
pub mod device;
pub mod dtype;
pub mod error;
pub mod frequencies;
pub mod layout;
pub mod memory;
pub mod ops;
pub mod optimise;
#[cfg(feature = "conformance")]
pub mod reference;
pub mod spectral;
pub mod stft;
pub mod tensor;
pub mod window;

pub use backend::{KernelTime, SpectralBackend};
pub use buffer::{Buffer, HostBytes, RawBuffer};
pub use cosine::{DctSpec, DctType, Wave};
pub use device::{Device, DeviceInfo, DeviceKind};
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use layout::{Dims, Layout};
pub use memory::{MemoryTracker, MemoryUsage, Reservation};
pub use ops::{
    BinaryOp, Direction, FftKind, FftSpec, Norm, ReduceOp, ScatterMode, Slope, UnaryOp, View, ViewMut,
};
pub use tensor::{ConvolveMode, Tensor};

pub use half::{bf16, f16};
pub use num_complex::{Complex, Complex32, Complex64};
