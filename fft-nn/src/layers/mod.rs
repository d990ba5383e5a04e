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

mod activation;
mod attention;
mod circulant_linear;
mod complex;
mod complex_embedding;
mod conv;
mod dropout;
mod embedding;
mod expect;
mod fourier_mixing;
mod frequency_attention;
mod frequency_transformer;
mod global_filter;
mod kind;
mod kind_name;
mod linear;
mod long_conv;
mod long_kernel;
mod mode;
mod norms;
mod parameter;
mod relations;
mod scope;
mod spectral_conv;
mod spectral_linear;
mod transformer;

pub use activation::Activation;
pub use attention::{AttentionOptions, MultiHeadAttention};
pub use circulant_linear::BlockCirculantLinear;
pub use complex::{ComplexLinear, FrequencyLayerNorm, FrequencyRelu, frequency_layernorm, frequency_relu};
pub use complex_embedding::ComplexEmbedding;
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub(crate) use expect::expect_last;
pub use fourier_mixing::{CausalFNetMixing, FNetMixing};
pub use frequency_attention::FrequencyAttention;
pub use frequency_transformer::{FrequencyTransformerConfig, FrequencyTransformerLayer};
pub use global_filter::GlobalFilter2d;
pub use kind::{LinearKind, LinearLayer};
pub use linear::Linear;
pub use long_conv::LongConv;
pub use long_kernel::ImplicitKernel;
pub use mode::Mode;
pub use norms::{LayerNorm, RmsNorm};
pub(crate) use parameter::from_values;
pub use parameter::{Init, Parameter};
pub use relations::{DistMult, Rotate};
pub use scope::Scope;
pub use spectral_conv::{SpectralConv, SpectralConv1d, SpectralConv2d, SpectralConv3d};
pub use spectral_linear::{Learn, Positions, SpectralLinear, SpectralOptions};
pub use transformer::{SwiGlu, TransformerBlock};

use std::fmt::Debug;

use fft_core::Result;

use crate::autograd::Var;

/// A function of one variable, with parameters.
pub trait Layer: Debug + Send + Sync {
    /// The layer's value for `x`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](fft_core::Error::ShapeMismatch) for a shape and [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for a dtype that the layer
    /// does not take, naming its path; memory and device errors.
    fn forward(&self, x: &Var) -> Result<Var>;
}
