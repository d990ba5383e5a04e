//! Transforms of plain slices: the same numbers as those of tensors, and errors where slices do not fit.

use fft_core::{
    Complex, Complex32, Complex64, ConvolveMode, DctType, Device, Error, Norm, Result, Tensor, Wave,
};
use fft_cpu::slices::{self, DctPlan, Plan, RealPlan};

const NORMS: [Norm; 3] = [Norm::Backward, Norm::Ortho, Norm::Forward];

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), ..Default::default() })
        .expect("a processor opens")
}

/// Deterministic numbers in -1..1.
fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

fn complex(n: usize, seed: u64) -> Vec<Complex64> {
    noise(n, seed).into_iter().zip(noise(n, seed + 1)).map(|(re, im)| Complex64::new(re, im)).collect()
}

fn single(x: &[Complex64]) -> Vec<Complex32> {
    x.iter().map(|z| Complex32::new(z.re as f32, z.im as f32)).collect()
}

/// The relative L2 error is at most `bound`.
fn close(what: &str, got: &[Complex64], want: &[Complex64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let error: f64 = got.iter().zip(want).map(|(a, b)| (a - b).norm_sqr()).sum();
    let size: f64 = want.iter().map(|b| b.norm_sqr()).sum();
    assert!((error / size).sqrt() <= bound, "{what}: {:e}", (error / size).sqrt());
}

fn reals(x: &[f64]) -> Vec<Complex64> {
    x.iter().copied().map(Complex64::from).collect()
}

fn bound(n: usize) -> f64 {
    2.0 * f64::EPSILON * (n as f64).log2().max(1.0)
}

#[test]
fn lines_are_those_of_tensors() -> Result<()> {
    let d = device();
    for n in [1, 2, 3, 4, 5, 8, 16, 37, 60, 64, 100, 127, 1000] {
        let (z, x) = (complex(n, 3), noise(n, 5));
        let (zt, xt) = (Tensor::from_slice(&d, &z, &[n])?, Tensor::from_slice(&d, &x, &[n])?);
        for norm in NORMS {
            let what = format!("n = {n}, {norm:?}");
            let mut y = vec![Complex64::default(); n];
            slices::fft(&z, &mut y, norm)?;
            close(&what, &y, &zt.fft(0, None, norm)?.to_vec()?, bound(n));
            slices::ifft_in_place(&mut y, norm)?;
            close(&what, &y, &z, 2.0 * bound(n));
            slices::ifft(&z, &mut y, norm)?;
            close(&what, &y, &zt.ifft(0, None, norm)?.to_vec()?, bound(n));
            slices::fft_in_place(&mut y, norm)?;
            close(&what, &y, &z, 2.0 * bound(n));
            let mut half = vec![Complex64::default(); n / 2 + 1];
            let mut back = vec![0.0; n];
            slices::rfft(&x, &mut half, norm)?;
            close(&what, &half, &xt.rfft(0, None, norm)?.to_vec()?, bound(n));
            slices::irfft(&half, &mut back, norm)?;
            close(&what, &reals(&back), &reals(&x), 2.0 * bound(n));
            slices::ihfft(&x, &mut half, norm)?;
            close(&what, &half, &xt.ihfft(0, None, norm)?.to_vec()?, bound(n));
            slices::hfft(&half, &mut back, norm)?;
            close(&what, &reals(&back), &reals(&x), 2.0 * bound(n));
            for kind in DctType::ALL.into_iter().filter(|&kind| n > 1 || kind != DctType::I) {
                back.copy_from_slice(&x);
                slices::dct_in_place(&mut back, kind, norm)?;
                close(&what, &reals(&back), &reals(&xt.dct(kind, 0, None, norm)?.to_vec()?), bound(4 * n));
                slices::idct_in_place(&mut back, kind, norm)?;
                close(&what, &reals(&back), &reals(&x), 3.0 * bound(4 * n));
                slices::dst_in_place(&mut back, kind, norm)?;
                slices::idst_in_place(&mut back, kind, norm)?;
                close(&what, &reals(&back), &reals(&x), 5.0 * bound(4 * n));
            }
        }
    }
    Ok(())
}

#[test]
fn plans_take_many_lines_and_threads() -> Result<()> {
    for n in [7, 64, 101] {
        let (plan, real, cosine) = (
            Plan::<f32>::new(n)?,
            RealPlan::<f32>::new(n)?,
            DctPlan::<f32>::new(Wave::Cosine, DctType::II, n)?,
        );
        assert_eq!((plan.len(), real.len(), real.bins(), cosine.len()), (n, n, n / 2 + 1, n));
        let z = single(&complex(5 * n, 7));
        let x: Vec<f32> = z.iter().map(|z| z.re).collect();
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    let mut y = vec![Complex32::default(); 5 * n];
                    plan.fft(&z, &mut y, Norm::Ortho).expect("five lines");
                    let mut half = vec![Complex32::default(); 5 * real.bins()];
                    real.rfft(&x, &mut half, Norm::Ortho).expect("five lines");
                    let mut c = x.clone();
                    cosine.process_in_place(&mut c, Norm::Ortho).expect("five lines");
                    for line in 0..5 {
                        let range = line * n..(line + 1) * n;
                        let mut one = z[range.clone()].to_vec();
                        plan.fft_in_place(&mut one, Norm::Ortho).expect("one line");
                        // Several lines may run through other instructions than one, so not the same bits.
                        assert!(one.iter().zip(&y[range.clone()]).all(|(a, b)| (a - b).norm() < 1e-5));
                        let mut one = vec![Complex32::default(); real.bins()];
                        real.rfft(&x[range.clone()], &mut one, Norm::Ortho).expect("one line");
                        assert_eq!(one, half[line * real.bins()..][..real.bins()]);
                        let mut one = x[range.clone()].to_vec();
                        cosine.clone().process_in_place(&mut one, Norm::Ortho).expect("one line");
                        assert_eq!(one, c[range]);
                    }
                    plan.clone().ifft_in_place(&mut y, Norm::Ortho).expect("five lines");
                    assert!(y.iter().zip(&z).all(|(a, b)| (a - b).norm() < 1e-5));
                });
            }
        });
    }
    Ok(())
}

#[test]
fn arrays_and_convolutions() -> Result<()> {
    let d = device();
    let shape = [4, 5, 6];
    let z = complex(120, 9);
    let zt = Tensor::from_slice(&d, &z, &shape)?;
    let x: Vec<f64> = z.iter().map(|z| z.re).collect();
    for norm in NORMS {
        for axes in [&[0, 1, 2][..], &[2, 0], &[1]] {
            let mut y = z.clone();
            slices::fftn_in_place(&mut y, &shape, axes, norm)?;
            close("fftn", &y, &zt.fftn(axes, None, norm)?.to_vec()?, bound(120));
            slices::ifftn_in_place(&mut y, &shape, axes, norm)?;
            close("ifftn", &y, &z, 2.0 * bound(120));
            let mut half_shape = shape;
            let last = axes[axes.len() - 1];
            half_shape[last] = shape[last] / 2 + 1;
            let mut half = vec![Complex64::default(); half_shape.iter().product()];
            slices::rfftn(&x, &shape, axes, &mut half, norm)?;
            let mut back = vec![0.0; 120];
            slices::irfftn(&half, &shape, axes, &mut back, norm)?;
            close("irfftn", &reals(&back), &reals(&x), 2.0 * bound(120));
        }
        let mut y = z.clone();
        slices::fft2_in_place(&mut y, [10, 12], norm)?;
        slices::ifft2_in_place(&mut y, [10, 12], norm)?;
        close("fft2", &y, &z, 2.0 * bound(120));
    }
    let (a, v) = (&z[..70], &z[70..110]);
    let [at, vt] = [a, v].map(|x| Tensor::from_slice(&d, x, &[x.len()]));
    let (at, vt) = (at?, vt?);
    for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
        close("convolve", &slices::convolve(a, v, mode)?, &at.convolve(&vt, mode)?.to_vec()?, bound(128));
        close("correlate", &slices::correlate(a, v, mode)?, &at.correlate(&vt, mode)?.to_vec()?, bound(128));
    }
    Ok(())
}

/// The call fails with an error whose message has these words.
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    let error = result.expect_err(words);
    assert!(matches!(
        error,
        Error::InvalidArgument { .. } | Error::ShapeMismatch { .. } | Error::DTypeMismatch { .. }
    ));
    assert!(error.to_string().contains(words), "{words}: {error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let norm = Norm::Backward;
    let (mut none, mut z, mut x): ([Complex<f32>; 0], _, _) = ([], [Complex32::default(); 6], [0f32; 6]);
    let mut short = [Complex32::default(); 5];
    refused(slices::fft_in_place(&mut none, norm), "fft_in_place: n = 0");
    refused(slices::ifft_in_place(&mut none, norm), "ifft_in_place: n = 0");
    refused(slices::fft(&none, &mut none.clone(), norm), "fft: n = 0");
    refused(slices::fft(&z, &mut short, norm), "fft: output = 5");
    refused(slices::ifft(&z, &mut short, norm), "ifft: output = 5");
    refused(slices::rfft(&[], &mut short, norm), "rfft: n = 0");
    refused(slices::rfft(&x, &mut short, norm), "rfft: output = 5");
    refused(slices::irfft(&short, &mut x, norm), "irfft: input = 5: 4 elements are needed");
    refused(slices::irfft(&short[..1], &mut [], norm), "irfft: n = 0");
    refused(slices::hfft(&short, &mut x, norm), "hfft: input = 5");
    refused(slices::hfft(&short, &mut [], norm), "hfft: n = 0");
    refused(slices::ihfft(&x, &mut short, norm), "ihfft: output = 5");
    refused(slices::ihfft(&[], &mut short, norm), "ihfft: n = 0");
    for kind in DctType::ALL {
        refused(slices::dct_in_place::<f32>(&mut [], kind, norm), "n = 0");
        refused(slices::idst_in_place::<f64>(&mut [], kind, norm), "n = 0");
    }
    refused(slices::dct_in_place(&mut [1f32], DctType::I, norm), "n = 1: type I needs at least 2 points");
    slices::dst_in_place(&mut [1f32], DctType::I, norm).expect("one point");
    refused(Plan::<f32>::new(0), "Plan::new: n = 0");
    refused(RealPlan::<f64>::new(0), "RealPlan::new: n = 0");
    let (plan, real) = (Plan::new(4).expect("a plan"), RealPlan::new(4).expect("a plan"));
    refused(plan.fft_in_place(&mut z, norm), "data = 6: a whole number of lines of 4");
    refused(plan.fft(&z, &mut short, norm), "input = 6");
    refused(real.rfft(&x, &mut short, norm), "rfft: input = 6");
    refused(real.irfft(&z, &mut x, norm), "irfft: output = 6");
    plan.fft_in_place(&mut none, norm).expect("no lines are a whole number of lines");
    refused(slices::fftn_in_place(&mut z, &[2, 2], &[0], norm), "number of elements");
    refused(slices::fftn_in_place(&mut z, &[2, 3], &[2], norm), "fft: axis = 2");
    refused(slices::fftn_in_place(&mut z, &[2, 3], &[0, 0], norm), "repeated");
    refused(slices::fft2_in_place(&mut none, [0, 3], norm), "n = 0");
    refused(slices::irfftn(&z, &[2, 4], &[5], &mut x, norm), "number of elements");
    refused(slices::irfftn(&z, &[2, 4], &[0, 1], &mut x, norm), "number of elements");
    refused(slices::convolve::<f32>(&[], &[1.0], ConvolveMode::Full), "convolve");
    refused(slices::correlate::<u8>(&[1], &[1], ConvolveMode::Full), "correlate");
}

#[test]
fn what_is_not_finite_passes_through() -> Result<()> {
    for n in [1, 2, 5, 16, 31] {
        for poison in [f64::NAN, f64::INFINITY] {
            let mut z = complex(n, 1);
            z[n / 2].re = poison;
            slices::fft_in_place(&mut z, Norm::Ortho)?;
            assert!(z.iter().all(|z| !(z.re.is_finite() && z.im.is_finite())), "{n}");
        }
    }
    Ok(())
}

#[test]
fn absurd_lengths_are_errors() {
    // All are beyond the memory of machines that are, so none of them may reach a planner or an allocator that aborts.
    for n in [1 << 40, 1 << 60, 1 << 61, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let errors = [
            Plan::<f32>::new(n).err(),
            Plan::<f64>::new(n).err(),
            RealPlan::<f32>::new(n).err(),
            RealPlan::<f64>::new(n).err(),
        ];
        let waves = [Wave::Cosine, Wave::Sine].into_iter();
        let kinds = [DctType::I, DctType::II, DctType::III, DctType::IV];
        let waves = waves.flat_map(|wave| kinds.map(|kind| DctPlan::<f32>::new(wave, kind, n).err()));
        for error in errors.into_iter().chain(waves) {
            let error = error.unwrap_or_else(|| panic!("{n} points were planned")).to_string();
            assert!(error.contains("Plan::new: n = ") && error.contains(&n.to_string()), "{error}");
        }
    }
}
