//! The short-time Fourier transform and its inverse.
//!
//! Bound of spectra: that of a transform of `n_fft` points and one rounding more for the window. Bound of signals that went there and
//! back: the errors of both transforms, times the sums of weights over the least of them at a sample of the signal.

use super::compare::{close_l2, ensure, slices_close_l2};
use super::fft::{WIDE, bound};
use super::sample::{Array, Guise, Random};
use super::{Case, Failure, Operation, Outcome};
use crate::stft::{Centre, StftOptions, StftScaling, StftWindow};
use crate::window::Window;
use crate::{Complex64, DType, Device, Direction, Error, Tensor, reference};

const STFT: &[Operation] = &[Operation::Fft, Operation::Binary, Operation::Copy];

pub(super) const CASES: &[Case] = &[
    Case::new("stft::against_the_sum", STFT, |d| against_the_sum(d, DType::F32)),
    Case::new("stft::against_the_sum_f64", STFT, |d| against_the_sum(d, DType::F64)).needing(WIDE),
    Case::new("stft::there_and_back", STFT, |d| there_and_back(d, DType::F32)),
    Case::new("stft::there_and_back_f64", STFT, |d| there_and_back(d, DType::F64)).needing(WIDE),
    Case::new("stft::complex_signals", STFT, complex_signals),
    Case::new("stft::batches_and_layouts", STFT, batches_and_layouts),
    Case::new("stft::lengths", STFT, lengths),
    Case::new("stft::nan_stays_in_its_frames", STFT, nan_stays_in_its_frames),
];

/// Frames of different kinds: points, window, hop.
const SIZES: [(usize, usize, usize); 10] = [
    (16, 16, 4),
    (16, 16, 8),
    (16, 12, 5),
    (15, 15, 6),
    (15, 10, 3),
    (8, 8, 1),
    (1, 1, 1),
    (2, 2, 1),
    (32, 20, 20),
    (25, 7, 4),
];

const SCALINGS: [StftScaling; 4] =
    [StftScaling::None, StftScaling::Ortho, StftScaling::Spectrum, StftScaling::Density { rate: 8.0 }];

fn options(size: (usize, usize, usize), window: Window, centre: Centre) -> StftOptions {
    let (n_fft, window_len, hop) = size;
    StftOptions { window_len, hop, centre, window: StftWindow::Named(window), ..StftOptions::new(n_fft) }
}

/// The definition for one line: `[bins, frames]`.
fn oracle(x: &[Complex64], options: &StftOptions, window: Window) -> Result<Array, Failure> {
    let (n, pad) = (options.n_fft, if options.centre == Centre::No { 0 } else { options.n_fft / 2 });
    let w = window.values(options.window_len, true)?;
    let scale = match options.scaling {
        StftScaling::None => 1.0,
        StftScaling::Ortho => 1.0 / (n as f64).sqrt(),
        StftScaling::Spectrum => 1.0 / w.iter().sum::<f64>(),
        StftScaling::Density { rate } => 1.0 / (rate * w.iter().map(|w| w * w).sum::<f64>()).sqrt(),
    };
    let at = |i: isize| -> Complex64 {
        let last = x.len() as isize - 1;
        let inside = match options.centre {
            Centre::Reflect => {
                (if i < 0 {
                    -i
                } else if i > last {
                    2 * last - i
                } else {
                    i
                }) as usize
            }
            _ if (0..=last).contains(&i) => i as usize,
            _ => return Complex64::default(),
        };
        x[inside]
    };
    let count = 1 + (x.len() + 2 * pad - n) / options.hop;
    let offset = (n - options.window_len) / 2;
    let mut frames = Vec::new();
    for t in 0..count {
        let frame: Vec<Complex64> = (0..n)
            .map(|j| {
                let weight = j.checked_sub(offset).and_then(|j| w.get(j)).copied().unwrap_or(0.0);
                at((t * options.hop + j) as isize - pad as isize) * weight * scale
            })
            .collect();
        frames.push(reference::dft(&frame, Direction::Forward));
    }
    let bins = if options.onesided { n / 2 + 1 } else { n };
    Ok(Array::from_fn(&[bins, count], |i| frames[i[1]][i[0]]))
}

fn against_the_sum(device: &Device, dtype: DType) -> Outcome {
    let array = Random::new(1).array(&[50], dtype);
    let x = array.to(device, dtype)?;
    for size in SIZES {
        for window in [Window::Hamming, Window::Hann, Window::Kaiser { beta: 5.0 }] {
            for centre in [Centre::No, Centre::Reflect, Centre::Zeros] {
                for (scaling, onesided) in SCALINGS.into_iter().zip([true, false, true, false]) {
                    let options = StftOptions { scaling, onesided, ..options(size, window, centre) };
                    let want = oracle(&array.data, &options, window)?;
                    let what = format!("{size:?} {window:?} {centre:?} {scaling:?}");
                    let limit = bound(dtype, size.0) + 2.0 * dtype.epsilon();
                    let got = x.stft(&options)?;
                    ensure(got.dtype() == dtype.to_complex(), || format!("{what}: {}", got.dtype()))?;
                    close_l2(what, &got, &want, limit)?;
                }
            }
        }
    }
    // Weights of one's own.
    let weights = Window::Blackman.values(12, true)?;
    let values = Array::real(&[12], weights.iter().copied()).to(device, dtype)?;
    let own = StftOptions {
        window: StftWindow::Values(values),
        ..options((16, 12, 5), Window::Blackman, Centre::Reflect)
    };
    let want = oracle(&array.data, &own, Window::Blackman)?;
    close_l2("own weights", &x.stft(&own)?, &want, bound(dtype, 16) + 2.0 * dtype.epsilon())
}

/// Signals come back where the windows cover them, else the first sample that is lost is named.
fn there_and_back(device: &Device, dtype: DType) -> Outcome {
    let (mut returned, mut lost) = (0, 0);
    for size in SIZES {
        let (n_fft, window_len, hop) = size;
        for window in [Window::Rectangular, Window::Hann, Window::Hamming, Window::Kaiser { beta: 3.0 }] {
            for centre in [Centre::No, Centre::Reflect, Centre::Zeros] {
                for scaling in SCALINGS {
                    let options = StftOptions { scaling, ..options(size, window, centre) };
                    let array = Random::new(n_fft as u64).array(&[83], dtype);
                    let x = array.to(device, dtype)?;
                    let z = x.stft(&options)?;
                    let pad = if centre == Centre::No { 0 } else { n_fft / 2 };
                    let total = n_fft + (z.shape()[1] - 1) * hop;
                    let length = (total - pad).min(83).min(total - 2 * pad + hop / 2);
                    // What the windows give each sample, by the definition.
                    let w = window.values(window_len, true)?;
                    let mut sums = vec![0.0; total];
                    for t in 0..z.shape()[1] {
                        let first = t * hop + (n_fft - window_len) / 2;
                        w.iter().enumerate().for_each(|(j, w)| sums[first + j] += w * w);
                    }
                    let sums = &sums[pad..pad + length];
                    let what = format!("{size:?} {window:?} {centre:?} {scaling:?}, {length} samples");
                    match (sums.iter().position(|&s| s < 1e-9), z.istft(&options, Some(length))) {
                        (None, Ok(back)) => {
                            let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
                            let most = sums.iter().copied().fold(0.0, f64::max);
                            let limit = 2.0 * (bound(dtype, n_fft) + 2.0 * dtype.epsilon()) * most / least;
                            let want = Array::real(&[length], array.re().into_iter().take(length));
                            close_l2(what, &back, &want, limit)?;
                            returned += 1;
                        }
                        (Some(at), Err(error @ Error::InvalidArgument { .. })) => {
                            let message = error.to_string();
                            ensure(message.contains(&format!("0 at sample {at},")), || message)?;
                            lost += 1;
                        }
                        (_, Err(error)) => return Err(Failure::from(error).within(what)),
                        (Some(at), Ok(_)) => {
                            return Err(Failure::new(format!("{what}: sample {at} came from nowhere")));
                        }
                    }
                }
            }
        }
    }
    ensure(returned > 100 && lost > 20, || format!("{returned} signals returned, {lost} were lost"))
}

fn complex_signals(device: &Device) -> Outcome {
    let array = Random::new(4).array(&[60], DType::C64);
    let z = array.to(device, DType::C64)?;
    for size in [(16, 16, 4), (15, 9, 4)] {
        let options = StftOptions { onesided: false, ..options(size, Window::Hann, Centre::Reflect) };
        let spectra = z.stft(&options)?;
        let limit = bound(DType::C64, size.0) + 2.0 * DType::C64.epsilon();
        close_l2(format_args!("{size:?}"), &spectra, &oracle(&array.data, &options, Window::Hann)?, limit)?;
        let back = spectra.istft(&options, Some(60))?;
        close_l2(format_args!("{size:?} back"), &back, &array, 10.0 * limit)?;
    }
    Ok(())
}

fn batches_and_layouts(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let array = Random::new(5).array(&[2, 3, 40], dtype);
    let options = options((16, 16, 5), Window::Hann, Centre::Reflect);
    let line = |i: usize| array.data[i * 40..][..40].to_vec();
    let limit = bound(dtype, 16) + 2.0 * dtype.epsilon();
    for (guise, x) in array.guises(device, dtype)? {
        let spectra = x.stft(&options)?;
        let frames = 1 + 40 / 5;
        ensure(spectra.shape() == [2, 3, 9, frames], || format!("{guise:?}: {:?}", spectra.shape()))?;
        let all = Array::from(&spectra)?;
        for i in 0..6 {
            let want = oracle(&line(i), &options, Window::Hann)?;
            slices_close_l2(
                format_args!("{guise:?} {i}"),
                &all.data[i * 9 * frames..][..9 * frames],
                &want.data,
                limit,
            )?;
        }
        let turned = all.disguised(device, DType::C64, guise)?;
        for z in [spectra, turned] {
            close_l2(format_args!("{guise:?} back"), &z.istft(&options, Some(40))?, &array, 10.0 * limit)?;
        }
        ensure(Array::from(&x)? == array, || format!("{guise:?}: the source was changed"))?;
    }
    // Frames where they lie, without padding.
    let options = StftOptions { centre: Centre::No, ..options };
    for guise in Guise::ALL {
        let all = Array::from(&array.disguised(device, dtype, guise)?.stft(&options)?)?;
        let want = oracle(&line(0), &options, Window::Hann)?;
        slices_close_l2(
            format_args!("{guise:?}, not centred"),
            &all.data[..want.data.len()],
            &want.data,
            limit,
        )?;
    }
    let empty = Tensor::zeros(device, &[0, 40], dtype)?.stft(&options)?;
    ensure(empty.shape() == [0, 9, 5], || format!("an empty batch gives {:?}", empty.shape()))?;
    let options = StftOptions { centre: Centre::Zeros, ..options };
    let back = Tensor::zeros(device, &[0, 9, 5], DType::C64)?.istft(&options, None)?;
    ensure(back.shape() == [0, 20], || format!("an empty batch gives {:?}", back.shape()))
}

/// Every length that the frames reach, and not one more.
fn lengths(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let options = options((8, 8, 3), Window::Hamming, Centre::Zeros);
    for samples in 1..30 {
        let array = Random::new(samples as u64).array(&[samples], dtype);
        let z = array.to(device, dtype)?.stft(&options)?;
        let reached = 8 + (z.shape()[1] - 1) * 3 - 4;
        ensure(reached >= samples, || format!("{samples} samples, {reached} reached"))?;
        for length in 0..=reached {
            let want =
                Array::from_fn(
                    &[length],
                    |i| if i[0] < samples { array.at(i) } else { Complex64::default() },
                );
            let back = z.istft(&options, Some(length))?;
            close_l2(format_args!("{length} of {samples}"), &back, &want, 1e-5)?;
        }
        ensure(z.istft(&options, Some(reached + 1)).is_err(), || "a sample that no frame reaches".into())?;
    }
    Ok(())
}

fn nan_stays_in_its_frames(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let options = options((8, 8, 4), Window::Hamming, Centre::No);
    let clean = Random::new(6).array(&[2, 32], dtype);
    let mut array = clean.clone();
    array.data[32 + 13].re = f64::NAN;
    let got = Array::from(&array.to(device, dtype)?.stft(&options)?)?;
    let want = Array::from(&clean.to(device, dtype)?.stft(&options)?)?;
    for i in Array::indices(&got.shape) {
        // Frames 2 (samples 8 to 15) and 3 (12 to 19) of the second line.
        let hit = i[0] == 1 && (i[2] == 2 || i[2] == 3);
        let (g, w) = (got.at(&i), want.at(&i));
        let fits = if hit { g.re.is_nan() || g.im.is_nan() } else { (g - w).norm() <= 1e-5 };
        ensure(fits, || format!("element {i:?} is {g}"))?;
    }
    Ok(())
}
