//! The default body of every fused operation, written with the required methods of the trait.
//!
//! Each is the oracle that a backend's kernel is tested against, and the kernel's fallback for what it does not cover.
//! The functions take input that [`Tensor`](crate::Tensor) has checked.

mod attention;
mod band;
mod circulant;
mod conv;
mod convolution;
mod cosine;
mod cross_entropy;
mod largest;
mod log8;
mod log_spectrum;
mod long_conv;
mod magnitude;
mod norms;
mod optimise;
mod rope;
mod rotated;
mod softmax;
mod sparse;
mod transform;
mod unary_backward;

pub use attention::{attention, attention_backward};
pub use band::{band_limited, low_frequencies};
pub use circulant::{block_circulant_gradient, block_circulant_product, block_circulant_spectrum};
pub(crate) use conv::pad_zeros;
pub use conv::{conv_direct, conv_fft, conv_spectrum};
pub use convolution::spectral_conv;
pub use cosine::dct;
pub use cross_entropy::{cross_entropy, cross_entropy_backward};
pub use largest::largest;
pub use log_spectrum::log_spectrum_product;
pub use log8::{log8_decode, log8_encode};
pub use long_conv::{long_conv, long_conv_spectrum};
pub use magnitude::{magnitude_norm, magnitude_norm_backward, mod_relu, mod_relu_backward};
pub use norms::{layer_norm, layer_norm_backward, rms_norm, rms_norm_backward, silu_mul, silu_mul_backward};
pub use optimise::{adamw_step, sgd_step, sum_of_squares};
pub use rope::rope;
pub use rotated::rotated_product;
pub use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};
pub use sparse::{sparse_spectral_gradient, sparse_spectral_product};
pub use transform::{fft_in_place, fft_nd};
pub use unary_backward::unary_backward;
