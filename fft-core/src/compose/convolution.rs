//! Circular convolution by the convolution theorem.

use crate::{Norm, Result, Tensor};

/// `y[.., t] = sum_s kernel[.., s] x[.., (t - s) mod n]` along the last axis, whose lengths agree; real operands, leading
/// axes broadcast.
///
/// # Errors
/// Memory and device errors.
pub fn spectral_conv(x: &Tensor, kernel: &Tensor) -> Result<Tensor> {
    let axis = x.rank() - 1;
    let n = x.shape()[axis];
    let spectrum =
        x.rfft(axis, None, Norm::Backward)?.mul(&kernel.rfft(kernel.rank() - 1, None, Norm::Backward)?)?;
    spectrum.irfft(spectrum.rank() - 1, Some(n), Norm::Backward)
}
