//! Layers with parameters that can be trained.
//!
//! A layer is made in a [`Scope`], which names its parameters by their path in the model, draws their first values and keeps a list of them; [`Layer::forward`]
//! computes on variables of [`autograd`](crate::autograd).
//!
//! ```
//! use fft_core::{DType, Tensor};
//! use fft_nn::autograd::Var;
//! use fft_nn::layers::{Layer, Linear, Scope};
//!
//! let device = fft_cpu::device(fft_cpu::CpuOptions::default())?;
//! let scope = Scope::new(&device, DType::F32, 0)?;
//! let layer = Linear::new(&scope.at("up_proj"), 3, 2, true)?;
//! let y = layer.forward(&Var::constant(Tensor::zeros(&device, &[5, 3], DType::F32)?))?;
//! assert_eq!(y.shape()[..], [5, 2]);
//! let paths: Vec<String> = scope.parameters().iter().map(|p| p.path().to_owned()).collect();
//! assert_eq!(paths, ["up_proj.weight", "up_proj.bias"]);
//! # Ok::<(), fft_core::Error>(())
//! ```

mod linear;
mod mode;
mod parameter;
mod scope;

pub use linear::Linear;
pub use mode::Mode;
pub use parameter::{Init, Parameter};
pub use scope::Scope;

use std::fmt::Debug;

use fft_core::{Error, Result};

use crate::autograd::Var;

/// A function of one variable, with parameters.
pub trait Layer: Debug + Send + Sync {
    /// The layer's value for `x`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::DTypeMismatch`] naming the layer's path when `x` does not fit; memory and device errors.
    fn forward(&self, x: &Var) -> Result<Var>;
}

/// Checks that the last axis of `x` has as many elements as the layer at `path` takes.
///
/// # Errors
/// [`Error::ShapeMismatch`] naming the layer.
pub(crate) fn expect_last(op: &'static str, path: &str, x: &Var, features: usize) -> Result<()> {
    let shape = x.shape();
    if shape.last() == Some(&features) {
        return Ok(());
    }
    let reason = format!("layer {path} takes [.., {features}]");
    Err(Error::shapes(op, &shape, &[features], reason))
}
