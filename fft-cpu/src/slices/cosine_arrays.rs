//! Cosine and sine transforms of row-major arrays along several axes.

use fft_core::{DctType, Norm, Result};

use super::Scalar;
use super::shared::{tensor, write};

/// The cosine transform of a type along `axes` of a row-major array of `shape`, each of `n` points (default: the length of the axis), for
/// which the array is cropped or padded with zeros. The output has the shape of the input but for these lengths.
///
/// # Errors
/// As [`fftn`](super::fftn), and [`InvalidArgument`](fft_core::Error::InvalidArgument) for type I of one point.
pub fn dctn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    kind: DctType,
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "dctn";
    write(OP, &tensor(OP, "input", input, shape)?.dctn(kind, axes, n, norm)?, output)
}

/// Inverse of [`dctn`].
///
/// # Errors
/// As [`dctn`].
pub fn idctn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    kind: DctType,
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "idctn";
    write(OP, &tensor(OP, "input", input, shape)?.idctn(kind, axes, n, norm)?, output)
}

/// The sine transform of a type along `axes`; as [`dctn`].
///
/// # Errors
/// As [`dctn`]; type I takes one point.
pub fn dstn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    kind: DctType,
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "dstn";
    write(OP, &tensor(OP, "input", input, shape)?.dstn(kind, axes, n, norm)?, output)
}

/// Inverse of [`dstn`].
///
/// # Errors
/// As [`dstn`].
pub fn idstn<T: Scalar>(
    input: &[T],
    shape: &[usize],
    kind: DctType,
    axes: &[usize],
    n: Option<&[usize]>,
    output: &mut [T],
    norm: Norm,
) -> Result<()> {
    const OP: &str = "idstn";
    write(OP, &tensor(OP, "input", input, shape)?.idstn(kind, axes, n, norm)?, output)
}
