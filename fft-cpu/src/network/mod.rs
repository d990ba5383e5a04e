//! Fused operations of neural networks. Each covers single precision, and `attention` half precision too; the rest falls back
//! to the composition in `fft_core::compose`.

mod attention;
mod attention_backward;
mod cross_entropy;
mod norms;
mod norms_backward;
mod optimise;
mod rope;
mod rows;
mod softmax;

pub(crate) use attention::attention;
pub(crate) use attention_backward::attention_backward;
pub(crate) use cross_entropy::{cross_entropy, cross_entropy_backward};
pub(crate) use norms::{layer_norm, rms_norm, silu_mul};
pub(crate) use norms_backward::{layer_norm_backward, rms_norm_backward, silu_mul_backward};
pub(crate) use optimise::{adamw_step, sgd_step, sum_of_squares};
pub(crate) use rope::rope;
pub(crate) use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};
