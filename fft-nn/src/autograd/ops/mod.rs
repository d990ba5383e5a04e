//! The operations: forward and backward of each in one place.

pub mod band;
pub mod circulant;
pub mod convolution;
pub mod cross_entropy;
pub mod elementwise;
pub mod fourier;
pub mod linear;
pub mod magnitude;
pub mod network;
pub mod phasor;
pub mod reduce;
pub mod shape;
pub mod spectral;

use fft_core::{ReduceOp, Result, Tensor};

/// Sums `grad` over the axes along which an operand of shape `to` was repeated.
pub(super) fn sum_to(grad: &Tensor, to: &[usize]) -> Result<Tensor> {
    if grad.shape() == to {
        return Ok(grad.clone());
    }
    let extra = grad.rank() - to.len();
    let repeated = |&a: &usize| a < extra || (to[a - extra] == 1 && grad.shape()[a] != 1);
    let axes: Vec<usize> = (0..grad.rank()).filter(repeated).collect();
    grad.reduce(ReduceOp::Sum, &axes)?.reshape(to)
}
