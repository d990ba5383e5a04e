//! Causal convolution by the convolution theorem, in overlapping tiles.

use crate::convolution::{LongConvPlan, LongConvTerms};
use crate::{Layout, Norm, Result, Tensor};

use super::conv::pad_zeros;

/// The half spectra of the first `plan.taps` taps, `[channels or 1, points / 2 + 1]`.
///
/// # Errors
/// Memory and device errors.
pub fn long_conv_spectrum(kernel: &Tensor, plan: LongConvPlan) -> Result<Tensor> {
    kernel.narrow(1, 0, plan.taps)?.rfft(1, Some(plan.points), Norm::Backward)
}

/// `after (kernel * (before u) + skip before u)` for `u` of shape `[batch, channels, length]`: see
/// [`LongConvolution`](crate::convolution::LongConvolution). Overlap-save (Stockham 1966).
///
/// # Errors
/// Memory and device errors.
pub fn long_conv(
    u: &Tensor,
    kernel: &Tensor,
    spectrum: Option<&Tensor>,
    terms: LongConvTerms<'_>,
    plan: LongConvPlan,
) -> Result<Tensor> {
    let made = spectrum.is_none().then(|| long_conv_spectrum(kernel, plan)).transpose()?;
    let spectrum = spectrum.or(made.as_ref()).unwrap_or(kernel);
    let &[batch, channels, length] = u.shape() else {
        return Err(crate::Error::shapes("long_conv", u.shape(), &[], "needed is [batch, channels, length]"));
    };
    let z = terms.before.map_or_else(|| Ok(u.clone()), |gate| u.mul(gate))?;
    let (useful, points) = (plan.useful(), plan.points);
    let tiles = length.div_ceil(useful);
    let before = plan.taps - 1;
    let after = (tiles - 1) * useful + points - before - length;
    let padded = pad_zeros(&z, 2, &[[before, after]])?.contiguous()?;
    let (own, line) = (padded.layout(), padded.shape()[2] as isize);
    let steps = [line * channels as isize, line, useful as isize, 1];
    let frames = Layout::from_parts(&[batch, channels, tiles, points], &steps, own.offset())?;
    let spectra = padded.with_layout(frames).rfft(3, None, Norm::Backward)?;
    let y = spectra.mul(&spectrum.unsqueeze(1)?)?.irfft(3, Some(points), Norm::Backward)?;
    let y = y.narrow(3, before, useful)?.reshape(&[batch, channels, tiles * useful])?.narrow(2, 0, length)?;
    let y = match terms.skip {
        Some(skip) => y.add(&z.mul(&skip.unsqueeze(1)?)?)?,
        None => y.contiguous()?,
    };
    terms.after.map_or(Ok(y.clone()), |gate| y.mul(gate))
}
