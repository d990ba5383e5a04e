//! Convolutions: directly, as sums over taps, and by transforms of tiles.

mod direct;
mod flat;
mod lines;
mod pack;
mod rows;
mod sizes;
#[cfg(test)]
mod tests;
mod tiles;
mod tuned;

use fft_core::convolution::{ConvCosts, ConvGeometry};
use fft_core::{DType, Result, Tensor, compose};

use crate::fourier::{Context, Precision};
use crate::simd::machine;
use sizes::Sizes;
use tiles::Shape;

/// See `SpectralBackend::conv_costs`.
pub(crate) fn conv_costs() -> ConvCosts {
    tuned::COSTS
}

/// See `SpectralBackend::conv_direct`.
pub(crate) fn conv_direct(
    context: Context<'_>,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
) -> Result<Tensor> {
    if x.is_empty() || weight.is_empty() || is_product(&Sizes::new(g)) {
        return compose::conv_direct(x, weight, bias, g);
    }
    match x.dtype() {
        DType::F32 => direct::conv_direct::<f32>(context, machine(), x, weight, bias, g),
        DType::F64 => direct::conv_direct::<f64>(context, machine(), x, weight, bias, g),
        _ => compose::conv_direct(x, weight, bias, g),
    }
}

/// Whether a matrix product does better: for kernels of one tap, whose windows need no copy, and for outputs so few that they would not fill
/// a vector.
fn is_product(s: &Sizes) -> bool {
    let plain = s.taps() == 1 && s.stride == [1; 3] && s.before == [0; 3] && s.input == s.output;
    let many = s.channels_in >= 8 && s.channels_out >= 8;
    many && (plain || s.output[1] * s.output[2] <= 6)
}

/// See `SpectralBackend::conv_fft`. Every way takes the spectrum of [`compose::conv_spectrum`].
pub(crate) fn conv_fft(
    context: Context<'_>,
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    if x.is_empty() || spectrum.is_empty() {
        return compose::conv_fft(x, spectrum, bias, g, tile);
    }
    match x.dtype() {
        DType::F32 => conv_fft_of::<f32>(context, x, spectrum, bias, g, tile),
        DType::F64 => conv_fft_of::<f64>(context, x, spectrum, bias, g, tile),
        _ => compose::conv_fft(x, spectrum, bias, g, tile),
    }
}

/// The longest lines that are transformed by SIMD across them: longer ones would leave the second-level cache together.
const LONGEST: usize = 4096;

fn conv_fft_of<T: Precision>(
    context: Context<'_>,
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    let shape = Shape::new::<T>(g, tile);
    // Else long lines, and those that are too few for the lanes, go one by one.
    let one_by_one = lines::serves(g, tile);
    let beside = |shape: &Shape| g.axes() > 1 || !one_by_one || tile[0] <= LONGEST && shape.is_full(g);
    if let Some(shape) = shape.filter(beside) {
        return tiles::conv_fft::<T>(context, shape, x, spectrum, bias, g, tile);
    }
    if one_by_one {
        return lines::conv_fft::<T>(context, x, spectrum, bias, g, tile[0]);
    }
    compose::conv_fft(x, spectrum, bias, g, tile)
}
