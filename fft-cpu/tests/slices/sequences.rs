//! Convolutions, short-time transforms, and elements moved.

use fft_core::stft::{Centre, StftOptions, StftScaling, StftWindow};
use fft_core::{Complex64, ConvolveMode, Result, Tensor};
use fft_cpu::slices::{self, Window};

use crate::{bound, close, complex, device, noise, reals};

#[test]
fn convolutions_are_those_of_tensors() -> Result<()> {
    let (z, d) = (complex(120, 9), device());
    let (a, v) = (&z[..70], &z[70..110]);
    let (at, vt) = (Tensor::from_slice(&d, a, &[70])?, Tensor::from_slice(&d, v, &[40])?);
    let (b, w) = (Tensor::from_slice(&d, &z, &[4, 5, 6])?, Tensor::from_slice(&d, &z[..24], &[1, 4, 6])?);
    for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
        close("convolve", &slices::convolve(a, v, mode)?, &at.convolve(&vt, mode)?.to_vec()?, bound(128));
        close("correlate", &slices::correlate(a, v, mode)?, &at.correlate(&vt, mode)?.to_vec()?, bound(128));
        for axes in [&[1, 2][..], &[0, 1, 2]] {
            let (y, shape) = slices::convolve_nd(&z, &[4, 5, 6], &z[..24], &[1, 4, 6], axes, mode)?;
            let want = b.convolve_nd(&w, axes, mode)?;
            assert_eq!(shape, want.shape());
            close("convolve_nd", &y, &want.to_vec()?, bound(512));
            let (y, shape) = slices::correlate_nd(&z, &[4, 5, 6], &z[..24], &[1, 4, 6], axes, mode)?;
            let want = b.correlate_nd(&w, axes, mode)?;
            assert_eq!(shape, want.shape());
            close("correlate_nd", &y, &want.to_vec()?, bound(512));
        }
    }
    Ok(())
}

#[test]
fn short_time_transforms_are_those_of_tensors() -> Result<()> {
    let (x, z, d) = (noise(300, 3), complex(300, 9), device());
    let (xt, zt) = (Tensor::from_slice(&d, &x, &[300])?, Tensor::from_slice(&d, &z, &[300])?);
    // The weights are on a device that the functions do not know.
    let own = StftWindow::Values(Tensor::from_slice(&d, &Window::Hamming.values(30, true)?, &[30])?);
    for options in [
        StftOptions::new(32),
        StftOptions { hop: 10, window_len: 30, window: own, ..StftOptions::new(45) },
        StftOptions {
            centre: Centre::Zeros,
            scaling: StftScaling::Density { rate: 8.0 },
            ..StftOptions::new(64)
        },
    ] {
        let spectra = slices::stft(&x, &options)?;
        let want = xt.stft(&options)?;
        assert_eq!([spectra.bins, spectra.frames], want.shape());
        close("stft", &spectra.values, &want.to_vec()?, bound(64));
        let back: Vec<f64> = slices::istft(&spectra.values, spectra.frames, &options, Some(290))?;
        close("istft", &reals(&back), &reals(&x[..290]), 8.0 * bound(64));
        let whole = StftOptions { onesided: false, ..options };
        let spectra = slices::stft(&z, &whole)?;
        close("complex stft", &spectra.values, &zt.stft(&whole)?.to_vec()?, bound(64));
        let back: Vec<Complex64> = slices::istft(&spectra.values, spectra.frames, &whole, None)?;
        close("complex istft", &back, &z[..back.len()], 8.0 * bound(64));
    }
    Ok(())
}

#[test]
fn shifts_are_those_of_tensors() -> Result<()> {
    let x = noise(210, 3);
    for shape in [&[210][..], &[5, 42], &[2, 3, 7, 5], &[7, 1, 30]] {
        let xt = Tensor::from_slice(&device(), &x, shape)?;
        let mut y = vec![0.0; 210];
        for axis in 0..shape.len() {
            for shift in [0, 1, -1, 3, -4, 1000, isize::MAX, isize::MIN] {
                let want = xt.roll(axis, shift)?.to_vec::<f64>()?;
                slices::roll(&x, shape, axis, shift, &mut y)?;
                assert_eq!(y, want, "{shape:?} {axis} {shift}");
                // By the definition.
                let together: usize = shape[axis + 1..].iter().product();
                let from = (0 - shift as i128).rem_euclid(shape[axis] as i128) as usize;
                assert_eq!(y[0], x[from * together]);
                y.copy_from_slice(&x);
                slices::roll_in_place(&mut y, shape, axis, shift)?;
                assert_eq!(y, want);
            }
        }
        let axes: Vec<usize> = (0..shape.len()).rev().collect();
        let want = xt.fftshift(&axes)?.to_vec::<f64>()?;
        slices::fftshift(&x, shape, &axes, &mut y)?;
        assert_eq!(y, want);
        slices::ifftshift_in_place(&mut y, shape, &axes)?;
        assert_eq!(y, x);
        slices::fftshift_in_place(&mut y, shape, &axes)?;
        assert_eq!(y, want);
        slices::ifftshift(&x, shape, &axes, &mut y)?;
        assert_eq!(y, xt.ifftshift(&axes)?.to_vec::<f64>()?);
    }
    let mut words = ["c", "a", "b"];
    slices::roll_in_place(&mut words, &[3], 0, -1)?;
    assert_eq!(words, ["a", "b", "c"]);
    let none: &mut [u8] = &mut [];
    slices::roll_in_place(none, &[3, 0], 1, 7)?;
    slices::fftshift_in_place(none, &[usize::MAX, 0], &[0, 1])
}

#[test]
fn resized_arrays_are_those_of_tensors() -> Result<()> {
    let x = noise(60, 3);
    let shape = [3, 4, 5];
    for n in
        [[3, 4, 5], [3, 4, 9], [3, 4, 2], [2, 4, 5], [7, 4, 5], [5, 1, 6], [1, 6, 2], [0, 4, 5], [4, 4, 0]]
    {
        let mut want = Tensor::from_slice(&device(), &x, &shape)?;
        for (axis, &n) in n.iter().enumerate() {
            want = want.resize(axis, n)?;
        }
        let mut y = vec![f64::NAN; want.len()];
        slices::resize(&x, &shape, &mut y, &n)?;
        assert_eq!(y, want.to_vec::<f64>()?, "{n:?}");
    }
    let mut zeros = [1u8; 4];
    slices::resize(&[0u8; 0], &[0, 2], &mut zeros, &[2, 2])?;
    assert_eq!(zeros, [0; 4]);
    let mut one = [0i64];
    slices::resize(&[5i64], &[], &mut one, &[])?;
    assert_eq!(one, [5]);
    Ok(())
}

#[test]
fn frequencies_and_lengths_are_at_hand() -> Result<()> {
    assert_eq!(slices::fftfreq(4, 1.0)?, [0.0, 0.25, -0.5, -0.25]);
    assert_eq!(slices::rfftfreq(4, 1.0)?, [0.0, 0.25, 0.5]);
    assert_eq!(slices::next_fast_len(1009, false)?, 1024);
    Ok(())
}
