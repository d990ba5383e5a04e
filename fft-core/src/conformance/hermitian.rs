//! Transforms of Hermitian signals and along two axes, and the lengths that an inverse real transform accepts.
//!
//! Bounds are those of [`super::fft`] and [`super::fft_nd`]: the transforms are the same.

use super::compare::{close_l2, ensure, equal};
use super::fft::{WIDE, bound};
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, Direction, Error, Norm, Tensor, reference};

const FFT: &[Operation] = &[Operation::Fft, Operation::FftNd];

pub(super) const CASES: &[Case] = &[
    Case::new("hfft::against_the_sum", FFT, |d| against_the_sum(d, DType::C64)),
    Case::new("hfft::against_the_sum_f64", FFT, |d| against_the_sum(d, DType::C128)).needing(WIDE),
    Case::new("hfft::axes", FFT, axes),
    Case::new("fft_nd::two_axes", FFT, two_axes),
    Case::new("fft::irfft_lengths", FFT, irfft_lengths),
];

const NORMS: [Norm; 3] = [Norm::Backward, Norm::Ortho, Norm::Forward];

/// `hfft` is the forward transform of the whole Hermitian signal; `ihfft` takes it back.
fn against_the_sum(device: &Device, dtype: DType) -> Outcome {
    for n in 1..=40 {
        let points = n / 2 + 1;
        let array = Random::new(n as u64).array(&[points], dtype);
        let x = array.to(device, dtype)?;
        let whole = reference::dft(&reference::hermitian(&array.data, n), Direction::Forward);
        for norm in NORMS {
            let factor = norm.scale(Direction::Forward, n);
            let want = Array::real(&[n], whole.iter().map(|z| z.re * factor));
            let bins = x.hfft(0, Some(n), norm)?;
            close_l2(format_args!("hfft {norm:?}, n = {n}"), &bins, &want, bound(dtype, n))?;
            let mut half = array.clone();
            half.data[0].im = 0.0;
            if n.is_multiple_of(2) {
                half.data[n / 2].im = 0.0;
            }
            let back = bins.ihfft(0, None, norm)?;
            close_l2(format_args!("ihfft {norm:?}, n = {n}"), &back, &half, 2.0 * bound(dtype, n))?;
        }
        if n > 1 && n.is_multiple_of(2) {
            ensure(x.hfft(0, None, Norm::Backward)?.shape() == [n], || {
                format!("{points} points: default n")
            })?;
        }
    }
    Ok(())
}

/// Along several axes: the forward transform along each, whatever the order of the others.
fn axes(device: &Device) -> Outcome {
    let dtype = DType::C64;
    let array = Random::new(3).array(&[3, 4, 5], dtype);
    let x = array.to(device, dtype)?;
    let limit = bound(dtype, 3) + bound(dtype, 4) + bound(dtype, 8);
    for norm in NORMS {
        let steps = x.fft(0, None, norm)?.fft(1, None, norm)?.hfft(2, Some(8), norm)?;
        let got = x.hfftn(&[0, 1, 2], Some(&[3, 4, 8]), norm)?;
        close_l2(format_args!("hfftn {norm:?}"), &got, &Array::from(&steps)?, 2.0 * limit)?;
        let back = got.ihfftn(&[0, 1, 2], None, norm)?.hfftn(&[0, 1, 2], None, norm)?;
        close_l2(format_args!("there and back {norm:?}"), &back, &Array::from(&got)?, 2.0 * limit)?;
        let two = x.hfft2([1, 2], Some([4, 8]), norm)?;
        equal(format_args!("hfft2 {norm:?}"), &two, &Array::from(&x.hfftn(&[1, 2], None, norm)?)?)?;
        let two = two.ihfft2([1, 2], None, norm)?;
        ensure(two.shape() == [3, 4, 5], || format!("ihfft2 has shape {:?}", two.shape()))?;
    }
    Ok(())
}

/// The forms for two axes are those for several.
fn two_axes(device: &Device) -> Outcome {
    let array = Random::new(5).array(&[2, 6, 9], DType::C64);
    let z = array.to(device, DType::C64)?;
    let x = z.real()?;
    let (axes, n) = ([2, 1], [10, 4]);
    for norm in NORMS {
        let pairs: [(&str, Tensor, Tensor); 4] = [
            ("fft2", z.fft2(axes, Some(n), norm)?, z.fftn(&axes, Some(&n), norm)?),
            ("ifft2", z.ifft2(axes, None, norm)?, z.ifftn(&axes, None, norm)?),
            ("rfft2", x.rfft2(axes, Some(n), norm)?, x.rfftn(&axes, Some(&n), norm)?),
            ("irfft2", z.irfft2(axes, Some(n), norm)?, z.irfftn(&axes, Some(&n), norm)?),
        ];
        for (name, got, want) in pairs {
            equal(format_args!("{name} {norm:?}"), &got, &Array::from(&want)?)?;
        }
    }
    Ok(())
}

/// The two lengths of a half spectrum are accepted, their neighbours refused, all others crop or pad.
fn irfft_lengths(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for bins in 1..=9usize {
        let array = Random::new(bins as u64).array(&[bins], dtype);
        let x = array.to(device, dtype)?;
        for n in 1..=30usize {
            let refused = n == 2 * bins || n + 3 == 2 * bins;
            match x.irfft(0, Some(n), Norm::Backward) {
                Err(error @ Error::InvalidArgument { .. }) if refused => {
                    let text = error.to_string();
                    ensure(text.starts_with(&format!("irfft: n = {n}: {bins} bins belong to")), || text)?;
                }
                Ok(got) if !refused => {
                    let mut half = array.data.clone();
                    half.resize(n / 2 + 1, Complex64::default());
                    let want = Array::real(&[n], reference::irdft(&half, n));
                    close_l2(format_args!("{bins} bins to {n} points"), &got, &want, bound(dtype, n))?;
                }
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(super::Failure::new(format!("{bins} bins made {n} points"))),
            }
            // What is meant is said by resizing.
            let resized = x.resize(0, n / 2 + 1)?.irfft(0, Some(n), Norm::Backward)?;
            ensure(resized.shape() == [n], || format!("resized: {:?}", resized.shape()))?;
        }
    }
    Ok(())
}
