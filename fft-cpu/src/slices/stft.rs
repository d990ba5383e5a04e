//! Short-time transforms of one signal.

use fft_core::stft::{StftOptions, StftWindow};
use fft_core::{Complex, Element, Error, Result, Tensor};

use super::scalar::internal::Internal;
use super::shared::{shared, tensor};
use super::{Scalar, expect_len};

/// What a signal is made of: `f32`, `f64`, or complex numbers of these.
pub trait Signal: Element {
    /// The precision.
    type Real: Scalar;
}

impl Signal for f32 {
    type Real = f32;
}
impl Signal for f64 {
    type Real = f64;
}
impl Signal for Complex<f32> {
    type Real = f32;
}
impl Signal for Complex<f64> {
    type Real = f64;
}

/// The spectra of the frames of a signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectra<T> {
    /// Row-major `[bins, frames]`: bin `k` of frame `t` is at `k * frames + t`.
    pub values: Vec<Complex<T>>,
    /// Bins of a frame: `n_fft / 2 + 1`, or `n_fft` when not one-sided.
    pub bins: usize,
    /// How many frames there are.
    pub frames: usize,
}

/// The spectra of overlapping frames of a signal; see [`Tensor::stft`]. Weights of the caller's own may be on any device.
///
/// ```
/// use fft_core::stft::StftOptions;
/// use fft_cpu::slices;
///
/// let options = StftOptions::new(64);
/// let signal: Vec<f32> = (0..1000).map(|t| (t as f32 * 0.1).sin()).collect();
/// let spectra = slices::stft(&signal, &options)?;
/// assert_eq!((spectra.bins, spectra.frames), (33, 63));
/// let back: Vec<f32> = slices::istft(&spectra.values, spectra.frames, &options, Some(1000))?;
/// assert!(back.iter().zip(&signal).all(|(a, b)| (a - b).abs() < 1e-5));
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// As [`Tensor::stft`].
pub fn stft<E: Signal>(signal: &[E], options: &StftOptions) -> Result<Spectra<E::Real>> {
    let spectra = tensor("stft", "signal", signal, &[signal.len()])?.stft(&here(options)?)?;
    let [bins, frames] = [spectra.shape()[0], spectra.shape()[1]];
    Ok(Spectra { values: E::Real::complex_vec(&spectra)?, bins, frames })
}

/// The signal that has these spectra, row-major `[bins, frames]`, real of half spectra and complex of whole ones; see [`Tensor::istft`].
///
/// # Errors
/// As [`Tensor::istft`], and [`Error::InvalidArgument`] when there are not as many values as bins and frames, and for a real signal of whole
/// spectra or a complex one of half spectra.
pub fn istft<E: Signal>(
    spectra: &[Complex<E::Real>],
    frames: usize,
    options: &StftOptions,
    length: Option<usize>,
) -> Result<Vec<E>> {
    const OP: &str = "istft";
    let StftOptions { n_fft, onesided, .. } = *options;
    if E::DTYPE.is_complex() == onesided {
        let reason = "half spectra belong to a real signal, whole ones to a complex one";
        return Err(Error::invalid(OP, "onesided", onesided, reason));
    }
    let bins = if onesided { n_fft / 2 + 1 } else { n_fft };
    let Some(values) = bins.checked_mul(frames) else {
        return Err(Error::invalid(OP, "frames", frames, "they have more bins than can be addressed"));
    };
    expect_len(OP, "spectra", spectra.len(), values)?;
    let spectra = E::Real::complex_tensor(&shared()?.device, spectra, &[bins, frames])?;
    spectra.istft(&here(options)?, length)?.to_vec()
}

/// The options with their weights on the shared device.
fn here(options: &StftOptions) -> Result<StftOptions> {
    let mut options = options.clone();
    if let StftWindow::Values(weights) = &options.window {
        options.window = StftWindow::Values(Tensor::to_device(weights, &shared()?.device)?);
    }
    Ok(options)
}
