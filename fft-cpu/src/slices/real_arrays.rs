//! Real and Hermitian transforms of row-major arrays along several axes.

use fft_core::axes::fft_specs;
use fft_core::{Complex, Direction, FftKind, FftSpec, Norm, Result};

use super::resize::place;
use super::shared::{expect_shape, shared, transformed};
use super::{Scalar, expect_len};

/// The half spectrum along `axes` of a row-major real array of `shape`, each of `n` points (default: the length of the axis), for which the
/// array is cropped or padded with zeros. Along the last of `axes` the output has `n / 2 + 1` bins, along the others `n`.
///
/// # Errors
/// As [`fftn`](super::fftn), and [`InvalidArgument`](fft_core::Error::InvalidArgument) without axes.
pub fn rfftn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "rfftn";
    let specs = fft_specs(OP, FftKind::R2C, Direction::Forward, shape, axes, n, norm)?;
    forward(OP, input, shape, &specs, output)
}

/// Inverse of [`rfftn`], of a row-major half spectrum of `shape`. `n` has the real points along each axis; by default these are the lengths of
/// the axes, and `2 (bins - 1)` along the last. What [`Tensor::irfft`](fft_core::Tensor::irfft) says about other lengths holds here.
///
/// # Errors
/// As [`rfftn`], and for an `n` that is off by one from those of a half spectrum.
pub fn irfftn<T: Scalar>(
    input: &[Complex<T>],
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "irfftn";
    let specs = fft_specs(OP, FftKind::C2R, Direction::Inverse, shape, axes, n, norm)?;
    inverse(OP, input, shape, &specs, false, output)
}

/// [`rfftn`] of a matrix along both axes.
///
/// # Errors
/// As [`rfftn`].
pub fn rfft2<T: Scalar>(
    input: &[T],
    shape: [usize; 2],
    n: Option<[usize; 2]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "rfft2";
    let n = n.as_ref().map(<[usize; 2]>::as_slice);
    let specs = fft_specs(OP, FftKind::R2C, Direction::Forward, &shape, &[0, 1], n, norm)?;
    forward(OP, input, &shape, &specs, output)
}

/// [`irfftn`] of a matrix along both axes.
///
/// # Errors
/// As [`irfftn`].
pub fn irfft2<T: Scalar>(
    input: &[Complex<T>],
    shape: [usize; 2],
    n: Option<[usize; 2]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "irfft2";
    let n = n.as_ref().map(<[usize; 2]>::as_slice);
    let specs = fft_specs(OP, FftKind::C2R, Direction::Inverse, &shape, &[0, 1], n, norm)?;
    inverse(OP, input, &shape, &specs, false, output)
}

/// The real spectrum along `axes` of a Hermitian array, of which `input` holds half along the last of `axes`. Lengths as for [`irfftn`].
///
/// # Errors
/// As [`irfftn`].
pub fn hfftn<T: Scalar>(
    input: &[Complex<T>],
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "hfftn";
    let specs = fft_specs(OP, FftKind::C2R, Direction::Inverse, shape, axes, n, norm.swapped())?;
    inverse(OP, input, shape, &specs, true, output)
}

/// Inverse of [`hfftn`]: half of the Hermitian array that has this real spectrum. Lengths as for [`rfftn`].
///
/// # Errors
/// As [`rfftn`].
pub fn ihfftn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "ihfftn";
    let specs = fft_specs(OP, FftKind::R2C, Direction::Forward, shape, axes, n, norm.swapped())?;
    forward(OP, input, shape, &specs, output)?;
    conjugate(output);
    Ok(())
}

/// [`hfftn`] of a matrix along both axes.
///
/// # Errors
/// As [`irfftn`].
pub fn hfft2<T: Scalar>(
    input: &[Complex<T>],
    shape: [usize; 2],
    n: Option<[usize; 2]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "hfft2";
    let n = n.as_ref().map(<[usize; 2]>::as_slice);
    let specs = fft_specs(OP, FftKind::C2R, Direction::Inverse, &shape, &[0, 1], n, norm.swapped())?;
    inverse(OP, input, &shape, &specs, true, output)
}

/// [`ihfftn`] of a matrix along both axes.
///
/// # Errors
/// As [`rfftn`].
pub fn ihfft2<T: Scalar>(
    input: &[T],
    shape: [usize; 2],
    n: Option<[usize; 2]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "ihfft2";
    let n = n.as_ref().map(<[usize; 2]>::as_slice);
    let specs = fft_specs(OP, FftKind::R2C, Direction::Forward, &shape, &[0, 1], n, norm.swapped())?;
    forward(OP, input, &shape, &specs, output)?;
    conjugate(output);
    Ok(())
}

fn conjugate<T: Scalar>(data: &mut [Complex<T>]) {
    data.iter_mut().for_each(|z| z.im = -z.im);
}

fn forward<T: Scalar>(
    op: &'static str,
    input: &[T],
    shape: &[usize],
    specs: &[FftSpec],
    output: &mut [Complex<T>],
) -> Result<()> {
    expect_shape(op, "input", input.len(), shape)?;
    expect_len(op, "output", output.len(), transformed(shape, specs).iter().product())?;
    T::real_forward(&shared()?.backend, specs, input, shape, output)
}

/// The spectrum is copied once, to scratch, since the transforms along all axes but the last need a place. The forward transform of a
/// Hermitian array is the inverse one of its conjugate.
fn inverse<T: Scalar>(
    op: &'static str,
    input: &[Complex<T>],
    shape: &[usize],
    specs: &[FftSpec],
    hermitian: bool,
    output: &mut [T],
) -> Result<()> {
    expect_shape(op, "input", input.len(), shape)?;
    expect_len(op, "output", output.len(), transformed(shape, specs).iter().product())?;
    let shared = shared()?;
    let Some((last, complex)) = specs.split_last() else { return Ok(()) };
    let mut half = transformed(shape, complex);
    half[last.axis] = shape[last.axis].min(last.n / 2 + 1);
    let len: usize = half.iter().product();
    let mut scratch = shared.backend.pool.scratch(len * size_of::<Complex<T>>())?;
    let spectrum = &mut scratch.as_mut::<Complex<T>>()[..len];
    place(input, shape, spectrum, &half);
    if hermitian {
        conjugate(spectrum);
    }
    T::real_inverse(&shared.backend, specs, spectrum, &half, output)
}
