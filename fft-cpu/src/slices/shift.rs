//! Cyclic shifts of row-major arrays.

use fft_core::Result;
use fft_core::axes::{expect_axes, expect_axis};

use super::expect_len;
use super::shared::expect_shape;

/// The elements of a row-major array moved by `shift` places towards higher indices along `axis`; what leaves at one end enters at the other.
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) for an axis that does not exist, and when `input` or `output` has another number of
/// elements than `shape`.
pub fn roll<E: Copy>(
    input: &[E],
    shape: &[usize],
    axis: usize,
    shift: isize,
    output: &mut [E],
) -> Result<()> {
    const OP: &str = "roll";
    copied(OP, input, shape, output)?;
    rolled(OP, output, shape, axis, shift)
}

/// [`roll`] in place.
///
/// # Errors
/// As [`roll`].
pub fn roll_in_place<E>(data: &mut [E], shape: &[usize], axis: usize, shift: isize) -> Result<()> {
    const OP: &str = "roll_in_place";
    expect_shape(OP, "data", data.len(), shape)?;
    rolled(OP, data, shape, axis, shift)
}

/// A row-major array with the zero frequency moved to the middle (place `n / 2`) of each of `axes`.
///
/// # Errors
/// As [`roll`], and for an axis that is repeated.
pub fn fftshift<E: Copy>(input: &[E], shape: &[usize], axes: &[usize], output: &mut [E]) -> Result<()> {
    const OP: &str = "fftshift";
    copied(OP, input, shape, output)?;
    shifted(OP, output, shape, axes, |n| n - n / 2)
}

/// Inverse of [`fftshift`]; for odd lengths it is a different shift.
///
/// # Errors
/// As [`fftshift`].
pub fn ifftshift<E: Copy>(input: &[E], shape: &[usize], axes: &[usize], output: &mut [E]) -> Result<()> {
    const OP: &str = "ifftshift";
    copied(OP, input, shape, output)?;
    shifted(OP, output, shape, axes, |n| n / 2)
}

/// [`fftshift`] in place.
///
/// # Errors
/// As [`fftshift`].
pub fn fftshift_in_place<E>(data: &mut [E], shape: &[usize], axes: &[usize]) -> Result<()> {
    const OP: &str = "fftshift_in_place";
    expect_shape(OP, "data", data.len(), shape)?;
    shifted(OP, data, shape, axes, |n| n - n / 2)
}

/// [`ifftshift`] in place.
///
/// # Errors
/// As [`fftshift`].
pub fn ifftshift_in_place<E>(data: &mut [E], shape: &[usize], axes: &[usize]) -> Result<()> {
    const OP: &str = "ifftshift_in_place";
    expect_shape(OP, "data", data.len(), shape)?;
    shifted(OP, data, shape, axes, |n| n / 2)
}

fn copied<E: Copy>(op: &'static str, input: &[E], shape: &[usize], output: &mut [E]) -> Result<()> {
    expect_shape(op, "input", input.len(), shape)?;
    expect_len(op, "output", output.len(), input.len())?;
    output.copy_from_slice(input);
    Ok(())
}

fn rolled<E>(op: &'static str, data: &mut [E], shape: &[usize], axis: usize, shift: isize) -> Result<()> {
    expect_axis(op, shape.len(), axis)?;
    // Only an array of nothing has an axis that is longer than an isize holds.
    if let Ok(n @ 1..) = isize::try_from(shape[axis]) {
        rotate(data, shape, axis, (n - shift.rem_euclid(n)) as usize);
    }
    Ok(())
}

fn shifted<E>(
    op: &'static str,
    data: &mut [E],
    shape: &[usize],
    axes: &[usize],
    start: impl Fn(usize) -> usize,
) -> Result<()> {
    expect_axes(op, shape.len(), axes)?;
    axes.iter().for_each(|&axis| rotate(data, shape, axis, start(shape[axis])));
    Ok(())
}

/// Along an axis the elements from `start` on, which is at most its length, then those before it.
fn rotate<E>(data: &mut [E], shape: &[usize], axis: usize, start: usize) {
    if !data.is_empty() {
        let together: usize = shape[axis + 1..].iter().product();
        data.chunks_exact_mut(shape[axis] * together).for_each(|part| part.rotate_left(start * together));
    }
}
