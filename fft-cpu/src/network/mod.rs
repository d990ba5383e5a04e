//! Fused operations of neural networks. Each covers single precision, and `attention` half precision too; the rest falls back
//! to the composition in `fft_core::compose`.

mod attention;
mod norms;
mod rope;
mod rows;
mod softmax;

pub(crate) use attention::attention;
pub(crate) use norms::{layer_norm, rms_norm, silu_mul};
pub(crate) use rope::rope;
pub(crate) use softmax::softmax;
