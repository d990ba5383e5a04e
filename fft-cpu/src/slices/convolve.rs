//! Convolution and correlation of sequences and of row-major arrays.

use fft_core::{ConvolveMode, Element, Result, Tensor};

use super::shared::tensor;

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
    const OP: &str = "convolve";
    tensor(OP, "a", a, &[a.len()])?.convolve(&tensor(OP, "v", v, &[v.len()])?, mode)?.to_vec()
}

/// `y[k] = sum_j a[j + k] conj(v[j])`; see [`Tensor::correlate`].
///
/// # Errors
/// As [`Tensor::correlate`].
pub fn correlate<E: Element>(a: &[E], v: &[E], mode: ConvolveMode) -> Result<Vec<E>> {
    const OP: &str = "correlate";
    tensor(OP, "a", a, &[a.len()])?.correlate(&tensor(OP, "v", v, &[v.len()])?, mode)?.to_vec()
}

/// [`convolve`] along several axes of row-major arrays, `a` of `a_shape` and `v` of `v_shape`, which have the same number of axes; the other
/// axes broadcast. Returns the sums, row-major, and their shape. See [`Tensor::convolve_nd`].
///
/// # Errors
/// As [`Tensor::convolve_nd`], and [`InvalidArgument`](fft_core::Error::InvalidArgument) when an array has another number of elements than its
/// shape.
pub fn convolve_nd<E: Element>(
    a: &[E],
    a_shape: &[usize],
    v: &[E],
    v_shape: &[usize],
    axes: &[usize],
    mode: ConvolveMode,
) -> Result<(Vec<E>, Vec<usize>)> {
    const OP: &str = "convolve_nd";
    values(&tensor(OP, "a", a, a_shape)?.convolve_nd(&tensor(OP, "v", v, v_shape)?, axes, mode)?)
}

/// [`correlate`] along several axes of row-major arrays; as [`convolve_nd`].
///
/// # Errors
/// As [`convolve_nd`].
pub fn correlate_nd<E: Element>(
    a: &[E],
    a_shape: &[usize],
    v: &[E],
    v_shape: &[usize],
    axes: &[usize],
    mode: ConvolveMode,
) -> Result<(Vec<E>, Vec<usize>)> {
    const OP: &str = "correlate_nd";
    values(&tensor(OP, "a", a, a_shape)?.correlate_nd(&tensor(OP, "v", v, v_shape)?, axes, mode)?)
}

fn values<E: Element>(y: &Tensor) -> Result<(Vec<E>, Vec<usize>)> {
    Ok((y.to_vec()?, y.shape().to_vec()))
}
