//! What transforms of arrays take beside the slices of the caller, counted by the device that they share: in a process of its own.

use fft_core::{Complex32, DctType, Norm, Result};
use fft_cpu::slices;

#[test]
fn arrays_are_transformed_where_they_lie() -> Result<()> {
    const N: usize = 128;
    let (shape, norm) = ([N; 3], Norm::Backward);
    let bytes = N * N * N * size_of::<Complex32>();
    let peak = || slices::device().map(|device| device.memory().usage().peak);
    let mut data = vec![Complex32::new(1.0, 0.0); N * N * N];
    slices::fftn_in_place(&mut data, &shape, &[0, 1, 2], norm)?;
    assert_eq!((data[0].re, data[1].re), ((N * N * N) as f32, 0.0));
    slices::ifftn_in_place(&mut data, &shape, &[2, 1, 0], norm)?;
    slices::fft2_in_place(&mut data, [N * N, N], norm)?;
    let mut output = vec![Complex32::default(); N * N * N];
    slices::fftn(&data, &shape, &[0, 1, 2], None, &mut output, norm)?;
    let real = vec![1f32; N * N * N];
    let half = &mut output[..N * N * (N / 2 + 1)];
    slices::rfftn(&real, &shape, &[0, 1, 2], None, half, norm)?;
    let scratch = peak()?;
    assert!(scratch <= bytes / 4, "{scratch} bytes of scratch for {bytes} bytes of data");
    // The measure sees what is copied: half a spectrum, and tensors.
    let mut back = vec![0f32; N * N * N];
    slices::irfftn(half, &[N, N, N / 2 + 1], &[0, 1, 2], None, &mut back, norm)?;
    let with_spectrum = peak()?;
    assert!((bytes / 2..bytes).contains(&with_spectrum), "{with_spectrum}");
    slices::dctn(&real, &shape, DctType::II, &[0, 1, 2], None, &mut back, norm)?;
    assert!(peak()? >= bytes, "{}", peak()?);
    assert_eq!(slices::device()?.memory().usage().in_use, 0);
    Ok(())
}
