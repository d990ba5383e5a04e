//! Spectral deep learning in Rust, on any processor.
//!
//! ```
//! use fft_tensor::{CpuOptions, Device, Norm, OpenDevice, Tensor};
//!
//! # fn main() -> fft_tensor::Result<()> {
//! let device = Device::cpu(CpuOptions::default())?;
//! let x = Tensor::from_slice(&device, &[1.0f32, 2.0, 3.0, 4.0, 5.0], &[5])?;
//! let spectrum = x.rfft(0, None, Norm::Backward)?; // three bins: 5 points are a 5-point DFT
//! let back = spectrum.irfft(0, Some(5), Norm::Backward)?;
//! assert!((back.to_vec::<f32>()?[4] - 5.0).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```
//!
//! The facade re-exports `fft-core` (tensors, the backend trait, spectral tensors and codecs) at its root and `fft-nn`
//! (language models, conversion) as [`nn`]. Feature flags choose backends: `cpu` (default), `wgpu`. The feature `cli` (default)
//! adds what the command line needs; switch default features off to use the library alone.

mod devices;

#[cfg(any(feature = "cpu", feature = "wgpu"))]
pub use devices::OpenDevice;
pub use devices::{DeviceOptions, available_devices, default_device, open_device};
pub use fft_core::*;
#[cfg(feature = "cpu")]
pub use fft_cpu::{CpuOptions, slices};
#[cfg(feature = "wgpu")]
pub use fft_wgpu::{AdapterChoice, Readback, WgpuOptions, read_back};

/// Layers, language models, generation and conversion.
pub use fft_nn as nn;

/// The code of the README and of the pages is compiled and run with the documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/autograd.md")]
    struct Autograd;
    #[doc = include_str!("../docs/convolutions.md")]
    struct Convolutions;
    #[doc = include_str!("../docs/layers.md")]
    struct Layers;
    #[doc = include_str!("../docs/spectral_layers.md")]
    struct SpectralLayers;
    #[doc = include_str!("../docs/transforms.md")]
    struct Transforms;
    #[doc = include_str!("../docs/long_convolution.md")]
    struct LongConvolution;
    #[doc = include_str!("../docs/training.md")]
    struct Training;
}
