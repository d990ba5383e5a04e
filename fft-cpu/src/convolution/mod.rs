//! Convolutions: directly, as sums over taps, and by transforms of tiles.

mod direct;
mod flat;
mod pack;
mod rows;
mod sizes;
#[cfg(test)]
mod tests;

use fft_core::convolution::ConvGeometry;
use fft_core::{DType, Result, Tensor, compose};

use crate::fourier::Context;
use crate::simd::machine;
use sizes::Sizes;

/// See `SpectralBackend::conv_direct`.
pub(crate) fn conv_direct(
    context: Context<'_>,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
) -> Result<Tensor> {
    if x.dtype() != DType::F32 || x.is_empty() || weight.is_empty() || is_product(&Sizes::new(g)) {
        return compose::conv_direct(x, weight, bias, g);
    }
    direct::conv_direct(context, machine(), x, weight, bias, g)
}

/// Whether a matrix product does better: for kernels of one tap, whose windows need no copy, and for outputs so few that they would not fill
/// a vector.
fn is_product(s: &Sizes) -> bool {
    let plain = s.taps() == 1 && s.stride == [1; 3] && s.before == [0; 3] && s.input == s.output;
    let many = s.channels_in >= 8 && s.channels_out >= 8;
    many && (plain || s.output[1] * s.output[2] <= 6)
}
