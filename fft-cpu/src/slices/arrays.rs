//! Complex transforms of row-major arrays along several axes.

use fft_core::axes::fft_specs;
use fft_core::{Complex, Direction, FftKind, FftSpec, Norm, Result};

use super::resize::place;
use super::shared::{expect_shape, shared, transformed};
use super::{Scalar, expect_len};

/// The transform along `axes` of a row-major array of `shape`, each of `n` points (default: the length of the axis), for which the array is
/// cropped or padded with zeros. The output has the shape of the input but for these lengths.
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) when `input` has not as many elements as `shape`, or `output` as many as the result; for
/// axes that do not exist or are repeated, another number of lengths than of axes, lengths of 0 and lengths beyond what can be addressed;
/// memory errors.
pub fn fftn<T: Scalar>(
    input: &[Complex<T>],
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "fftn";
    let specs = fft_specs(OP, FftKind::C2C, Direction::Forward, shape, axes, n, norm)?;
    out_of_place(OP, input, shape, &specs, output)
}

/// Inverse of [`fftn`].
///
/// # Errors
/// As [`fftn`].
pub fn ifftn<T: Scalar>(
    input: &[Complex<T>],
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "ifftn";
    let specs = fft_specs(OP, FftKind::C2C, Direction::Inverse, shape, axes, n, norm)?;
    out_of_place(OP, input, shape, &specs, output)
}

/// The transform of a row-major matrix along both axes; see [`fftn`].
///
/// # Errors
/// As [`fftn`].
pub fn fft2<T: Scalar>(
    input: &[Complex<T>],
    shape: [usize; 2],
    n: Option<[usize; 2]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "fft2";
    let n = n.as_ref().map(<[usize; 2]>::as_slice);
    let specs = fft_specs(OP, FftKind::C2C, Direction::Forward, &shape, &[0, 1], n, norm)?;
    out_of_place(OP, input, &shape, &specs, output)
}

/// Inverse of [`fft2`].
///
/// # Errors
/// As [`fftn`].
pub fn ifft2<T: Scalar>(
    input: &[Complex<T>],
    shape: [usize; 2],
    n: Option<[usize; 2]>,
    output: &mut [Complex<T>],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "ifft2";
    let n = n.as_ref().map(<[usize; 2]>::as_slice);
    let specs = fft_specs(OP, FftKind::C2C, Direction::Inverse, &shape, &[0, 1], n, norm)?;
    out_of_place(OP, input, &shape, &specs, output)
}

/// The transform along `axes` of a row-major array, in its own memory: beside it only scratch for some lines is taken.
///
/// ```
/// use fft_core::{Complex32, Norm};
/// use fft_cpu::slices;
///
/// let mut image = vec![Complex32::new(1.0, 0.0); 4 * 6];
/// slices::fftn_in_place(&mut image, &[4, 6], &[0, 1], Norm::Backward)?;
/// assert_eq!(image[0].re, 24.0);
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// As [`fftn`].
pub fn fftn_in_place<T: Scalar>(
    data: &mut [Complex<T>],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
) -> Result<()> {
    in_place("fftn_in_place", Direction::Forward, data, shape, axes, norm)
}

/// Inverse of [`fftn_in_place`].
///
/// # Errors
/// As [`fftn`].
pub fn ifftn_in_place<T: Scalar>(
    data: &mut [Complex<T>],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
) -> Result<()> {
    in_place("ifftn_in_place", Direction::Inverse, data, shape, axes, norm)
}

/// The transform of a row-major matrix along both axes, in its own memory.
///
/// # Errors
/// As [`fftn`].
pub fn fft2_in_place<T: Scalar>(data: &mut [Complex<T>], shape: [usize; 2], norm: Norm) -> Result<()> {
    in_place("fft2_in_place", Direction::Forward, data, &shape, &[0, 1], norm)
}

/// Inverse of [`fft2_in_place`].
///
/// # Errors
/// As [`fftn`].
pub fn ifft2_in_place<T: Scalar>(data: &mut [Complex<T>], shape: [usize; 2], norm: Norm) -> Result<()> {
    in_place("ifft2_in_place", Direction::Inverse, data, &shape, &[0, 1], norm)
}

fn in_place<T: Scalar>(
    op: &'static str,
    direction: Direction,
    data: &mut [Complex<T>],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
) -> Result<()> {
    expect_shape(op, "data", data.len(), shape)?;
    let specs = fft_specs(op, FftKind::C2C, direction, shape, axes, None, norm)?;
    T::complex_in_place(&shared()?.backend, &specs, data, shape)
}

fn out_of_place<T: Scalar>(
    op: &'static str,
    input: &[Complex<T>],
    shape: &[usize],
    specs: &[FftSpec],
    output: &mut [Complex<T>],
) -> Result<()> {
    expect_shape(op, "input", input.len(), shape)?;
    let to = transformed(shape, specs);
    expect_len(op, "output", output.len(), to.iter().product())?;
    place(input, shape, output, &to);
    T::complex_in_place(&shared()?.backend, specs, output, &to)
}
