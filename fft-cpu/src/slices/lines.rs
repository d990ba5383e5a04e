//! Transforms of one line, whose length is that of the slice.

use fft_core::{Complex, DctType, Norm, Result, Wave};

use super::{DctPlan, Scalar, expect_len, expect_points};

/// The transform of `data`, in place.
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) when there is nothing.
pub fn fft_in_place<T: Scalar>(data: &mut [Complex<T>], norm: Norm) -> Result<()> {
    expect_points("fft_in_place", data.len())?;
    T::with_plan(data.len(), |plan| plan.fft_in_place(data, norm))
}

/// The inverse transform of `data`, in place.
///
/// # Errors
/// As [`fft_in_place`].
pub fn ifft_in_place<T: Scalar>(data: &mut [Complex<T>], norm: Norm) -> Result<()> {
    expect_points("ifft_in_place", data.len())?;
    T::with_plan(data.len(), |plan| plan.ifft_in_place(data, norm))
}

/// The transform of `input`.
///
/// # Errors
/// As [`fft_in_place`], and when `output` is not as long.
pub fn fft<T: Scalar>(input: &[Complex<T>], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
    expect_points("fft", input.len())?;
    T::with_plan(input.len(), |plan| plan.fft(input, output, norm))
}

/// The inverse transform of `input`.
///
/// # Errors
/// As [`fft`].
pub fn ifft<T: Scalar>(input: &[Complex<T>], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
    expect_points("ifft", input.len())?;
    T::with_plan(input.len(), |plan| plan.ifft(input, output, norm))
}

/// The half spectrum of `input`: `n / 2 + 1` bins.
///
/// ```
/// use fft_core::{Complex64, Norm};
///
/// let mut spectrum = [Complex64::default(); 3];
/// fft_cpu::slices::rfft(&[1.0, 2.0, 3.0, 4.0], &mut spectrum, Norm::Backward)?;
/// assert_eq!(spectrum[0], Complex64::from(10.0));
/// let mut x = [0.0; 4];
/// fft_cpu::slices::irfft(&spectrum, &mut x, Norm::Backward)?;
/// assert_eq!(x, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// As [`fft_in_place`], and when `output` has another length.
pub fn rfft<T: Scalar>(input: &[T], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
    expect_points("rfft", input.len())?;
    T::with_real_plan(input.len(), |plan| plan.rfft(input, output, norm))
}

/// The `n = output.len()` real points of a half spectrum of `n / 2 + 1` bins.
///
/// # Errors
/// As [`fft_in_place`], and when `input` has another length: nothing is cropped or padded here.
pub fn irfft<T: Scalar>(input: &[Complex<T>], output: &mut [T], norm: Norm) -> Result<()> {
    expect_points("irfft", output.len())?;
    expect_len("irfft", "input", input.len(), output.len() / 2 + 1)?;
    T::with_real_plan(output.len(), |plan| plan.irfft(input, output, norm))
}

/// The `n = output.len()` real bins of a Hermitian signal, given by its first `n / 2 + 1` points.
///
/// # Errors
/// As [`irfft`].
pub fn hfft<T: Scalar>(input: &[Complex<T>], output: &mut [T], norm: Norm) -> Result<()> {
    expect_points("hfft", output.len())?;
    expect_len("hfft", "input", input.len(), output.len() / 2 + 1)?;
    T::with_real_plan(output.len(), |plan| plan.hfft(input, output, norm))
}

/// Inverse of [`hfft`].
///
/// # Errors
/// As [`rfft`].
pub fn ihfft<T: Scalar>(input: &[T], output: &mut [Complex<T>], norm: Norm) -> Result<()> {
    expect_points("ihfft", input.len())?;
    T::with_real_plan(input.len(), |plan| plan.ihfft(input, output, norm))
}

/// The cosine transform of a type, in place.
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) when there is nothing, or one point of the cosine transform of type I.
pub fn dct_in_place<T: Scalar>(data: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    DctPlan::named("dct_in_place", Wave::Cosine, kind, data.len())?.process_in_place(data, norm)
}

/// The cosine transform of a type of `input`.
///
/// # Errors
/// As [`dct_in_place`], and when `output` is not as long.
pub fn dct<T: Scalar>(input: &[T], output: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    let plan = DctPlan::named("dct", Wave::Cosine, kind, input.len())?;
    expect_len("dct", "output", output.len(), input.len())?;
    output.copy_from_slice(input);
    plan.process_in_place(output, norm)
}

/// Inverse of [`dct_in_place`].
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) when there is nothing, or one point of the cosine transform of type I.
pub fn idct_in_place<T: Scalar>(data: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    DctPlan::named("idct_in_place", Wave::Cosine, kind, data.len())?.invert_in_place(data, norm)
}

/// Inverse of [`dct`].
///
/// # Errors
/// As [`idct_in_place`], and when `output` is not as long.
pub fn idct<T: Scalar>(input: &[T], output: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    let plan = DctPlan::named("idct", Wave::Cosine, kind, input.len())?;
    expect_len("idct", "output", output.len(), input.len())?;
    output.copy_from_slice(input);
    plan.invert_in_place(output, norm)
}

/// The sine transform of a type, in place.
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) when there is nothing.
pub fn dst_in_place<T: Scalar>(data: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    DctPlan::named("dst_in_place", Wave::Sine, kind, data.len())?.process_in_place(data, norm)
}

/// The sine transform of a type of `input`.
///
/// # Errors
/// As [`dst_in_place`], and when `output` is not as long.
pub fn dst<T: Scalar>(input: &[T], output: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    let plan = DctPlan::named("dst", Wave::Sine, kind, input.len())?;
    expect_len("dst", "output", output.len(), input.len())?;
    output.copy_from_slice(input);
    plan.process_in_place(output, norm)
}

/// Inverse of [`dst_in_place`].
///
/// # Errors
/// [`InvalidArgument`](fft_core::Error::InvalidArgument) when there is nothing.
pub fn idst_in_place<T: Scalar>(data: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    DctPlan::named("idst_in_place", Wave::Sine, kind, data.len())?.invert_in_place(data, norm)
}

/// Inverse of [`dst`].
///
/// # Errors
/// As [`idst_in_place`], and when `output` is not as long.
pub fn idst<T: Scalar>(input: &[T], output: &mut [T], kind: DctType, norm: Norm) -> Result<()> {
    let plan = DctPlan::named("idst", Wave::Sine, kind, input.len())?;
    expect_len("idst", "output", output.len(), input.len())?;
    output.copy_from_slice(input);
    plan.invert_in_place(output, norm)
}
