//! The processor backend of fft-tensor.
//!
//! [`device`] makes a [`fft_core::Device`] that runs on the processor: transforms of any length through rustfft and realfft,
//! matrix products through `gemm`, and own kernels with instructions chosen at run time (AVX-512, AVX2, or what the
//! architecture always has). Nothing depends on the machine that compiled it.
//!
//! ```
//! use fft_core::{Norm, Tensor};
//!
//! let device = fft_cpu::device(fft_cpu::CpuOptions::default())?;
//! let x = Tensor::from_slice(&device, &[1f32, 2.0, 3.0, 4.0], &[4])?;
//! let back = x.rfft(0, None, Norm::Backward)?.irfft(0, Some(4), Norm::Backward)?;
//! assert_eq!(back.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
//! # Ok::<(), fft_core::Error>(())
//! ```

mod backend;
mod cache;
mod convolution;
mod cosine;
mod elementwise;
mod fourier;
mod indexing;
mod long_conv;
mod matmul;
mod memory;
mod network;
mod reduction;
mod simd;
pub mod slices;
mod spectral;
mod threads;
mod walk;

pub use backend::{CpuBackend, CpuOptions, device};
