//! Optimisers, schedules of their rates, and gradient clipping.
//!
//! ```
//! use fft_core::{DType, Tensor};
//! use fft_nn::autograd::Var;
//! use fft_nn::layers::{Layer, Linear, Scope};
//! use fft_nn::optim::{AdamW, AdamWOptions, Optimiser};
//!
//! let device = fft_cpu::device(fft_cpu::CpuOptions::default())?;
//! let scope = Scope::new(&device, DType::F32, 0)?;
//! let layer = Linear::new(&scope, 2, 1, true)?;
//! let mut optimiser = AdamW::new(&scope.parameters(), AdamWOptions { rate: 0.1, ..AdamWOptions::default() })?;
//! let x = Var::constant(Tensor::from_slice(&device, &[1f32, 2.0, -1.0, 0.5], &[2, 2])?);
//! let mut losses = Vec::new();
//! for _ in 0..20 {
//!     let loss = layer.forward(&x)?.square()?.mean_all()?;
//!     losses.push(loss.value().to_scalar::<f32>()?);
//!     loss.backward()?;
//!     optimiser.step()?;
//!     optimiser.zero_grad();
//! }
//! assert!(losses[19] < 0.5 * losses[0]);
//! # Ok::<(), fft_core::Error>(())
//! ```

mod adamw;
mod clip;
mod groups;
mod schedule;
mod sgd;

pub use adamw::{AdamW, AdamWOptions};
pub(crate) use clip::{clip_factor, sums_of_squares};
pub use clip::{clip_grad_norm, grad_norm};
pub use groups::Optimiser;
pub use schedule::{Decay, Schedule};
pub use sgd::{Sgd, SgdOptions};
