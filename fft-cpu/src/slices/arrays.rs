//! Transforms of row-major arrays along several axes, and convolutions, on a device that the process shares.

use std::sync::OnceLock;

use fft_core::{Complex, ConvolveMode, Device, Element, Norm, Result, Tensor};

use super::Scalar;
use crate::CpuOptions;

/// The device of the process, opened at its first use.
fn device() -> Result<&'static Device> {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    match DEVICE.get() {
        Some(device) => Ok(device),
        None => {
            let opened = crate::device(CpuOptions::default())?;
            Ok(DEVICE.get_or_init(|| opened))
        }
    }
}

/// The transform along `axes` of a row-major array, in place.
///
/// # Errors
/// [`ShapeMismatch`](fft_core::Error::ShapeMismatch) when `data` does not have as many elements as `shape`; the errors of
/// [`Tensor::fftn`]; memory errors.
pub fn fftn_in_place<T: Scalar>(
    data: &mut [Complex<T>],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
) -> Result<()> {
    T::read_complex(&T::complex_tensor(device()?, data, shape)?.fftn(axes, None, norm)?, data)
}

/// Inverse of [`fftn_in_place`].
///
/// # Errors
/// As [`fftn_in_place`].
pub fn ifftn_in_place<T: Scalar>(
    data: &mut [Complex<T>],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
) -> Result<()> {
    T::read_complex(&T::complex_tensor(device()?, data, shape)?.ifftn(axes, None, norm)?, data)
}

/// The transform of a row-major matrix along both axes, in place.
///
/// # Errors
/// As [`fftn_in_place`].
pub fn fft2_in_place<T: Scalar>(data: &mut [Complex<T>], shape: [usize; 2], norm: Norm) -> Result<()> {
    fftn_in_place(data, &shape, &[0, 1], norm)
}

/// Inverse of [`fft2_in_place`].
///
/// # Errors
/// As [`fftn_in_place`].
pub fn ifft2_in_place<T: Scalar>(data: &mut [Complex<T>], shape: [usize; 2], norm: Norm) -> Result<()> {
    ifftn_in_place(data, &shape, &[0, 1], norm)
}

/// The half spectrum along `axes` of a row-major real array of `shape`; the last of `axes` has `n / 2 + 1` bins.
///
/// # Errors
/// As [`fftn_in_place`], and when `output` has another number of elements than the half spectrum.
pub fn rfftn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    axes: &[usize],
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    T::read_complex(&Tensor::from_slice(device()?, input, shape)?.rfftn(axes, None, norm)?, output)
}

/// Inverse of [`rfftn`]: `shape` is that of the real array.
///
/// # Errors
/// As [`rfftn`].
pub fn irfftn<T: Scalar>(
    input: &[Complex<T>],
    shape: &[usize],
    axes: &[usize],
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    let mut half = shape.to_vec();
    let mut n = Vec::with_capacity(axes.len());
    for (i, &axis) in axes.iter().enumerate() {
        // An axis that does not exist is refused by the transform.
        let Some(&points) = shape.get(axis) else { continue };
        n.push(points);
        if i + 1 == axes.len() {
            half[axis] = points / 2 + 1;
        }
    }
    let n = if n.len() == axes.len() { Some(n.as_slice()) } else { None };
    T::complex_tensor(device()?, input, &half)?.irfftn(axes, n, norm)?.read_into(output)
}

/// `y[k] = sum_j a[j] v[k - j]` of sequences of `f32`, `f64` or complex numbers of these; see [`Tensor::convolve`].
///
/// ```
/// use fft_core::ConvolveMode;
///
/// let y = fft_cpu::slices::convolve(&[1f32, 2.0, 3.0], &[0.0, 1.0, 0.5], ConvolveMode::Full)?;
/// assert_eq!(y, [0.0, 1.0, 2.5, 4.0, 1.5]);
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// As [`Tensor::convolve`].
pub fn convolve<E: Element>(a: &[E], v: &[E], mode: ConvolveMode) -> Result<Vec<E>> {
    let of = |x: &[E]| Tensor::from_slice(device()?, x, &[x.len()]);
    of(a)?.convolve(&of(v)?, mode)?.to_vec()
}

/// `y[k] = sum_j a[j + k] conj(v[j])`; see [`Tensor::correlate`].
///
/// # Errors
/// As [`Tensor::correlate`].
pub fn correlate<E: Element>(a: &[E], v: &[E], mode: ConvolveMode) -> Result<Vec<E>> {
    let of = |x: &[E]| Tensor::from_slice(device()?, x, &[x.len()]);
    of(a)?.correlate(&of(v)?, mode)?.to_vec()
}
