//! What does not fit is refused, with the name of the function, the argument and its value.

use fft_core::stft::StftOptions;
use fft_core::{Complex, Complex32, ConvolveMode, DctType, Error, Norm, Result, Wave};
use fft_cpu::slices::{self, DctPlan, Plan, RealPlan};

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
fn lines_that_do_not_fit() {
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
        refused(slices::dct_in_place::<f32>(&mut [], kind, norm), "dct_in_place: n = 0");
        refused(slices::idst_in_place::<f64>(&mut [], kind, norm), "idst_in_place: n = 0");
        refused(slices::dct::<f32>(&[], &mut [], kind, norm), "dct: n = 0");
        refused(slices::dst(&x, &mut [0.0; 5], kind, norm), "dst: output = 5");
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
}

#[test]
fn arrays_that_do_not_fit() {
    let (norm, kind) = (Norm::Backward, DctType::II);
    let (mut z, mut x) = ([Complex32::default(); 6], [0f32; 6]);
    let mut none: [Complex32; 0] = [];
    refused(
        slices::fftn_in_place(&mut z, &[2, 2], &[0], norm),
        "fftn_in_place: data = 6: an array of shape [2, 2]",
    );
    refused(slices::fftn_in_place(&mut z, &[2, 3], &[2], norm), "fftn_in_place: axis = 2");
    refused(slices::ifftn_in_place(&mut z, &[2, 3], &[0, 0], norm), "ifftn_in_place: axes = [0, 0]");
    refused(slices::fft2_in_place(&mut none, [0, 3], norm), "fft2_in_place: n = 0");
    refused(slices::ifft2_in_place(&mut z, [3, 3], norm), "ifft2_in_place: data = 6");
    refused(
        slices::fftn_in_place(&mut z, &[usize::MAX, 7, usize::MAX], &[0], norm),
        "fftn_in_place: data = 6",
    );
    refused(slices::fftn_in_place(&mut none, &[0, usize::MAX], &[1], norm), "fftn_in_place: n = ");
    let short = &mut [Complex32::default(); 5];
    refused(slices::fftn(&z, &[2, 3], &[0], None, short, norm), "fftn: output = 5: 6 elements are needed");
    refused(slices::ifftn(&z, &[2, 4], &[0], None, short, norm), "ifftn: input = 6");
    refused(slices::fftn(&z, &[2, 3], &[1], Some(&[4]), short, norm), "fftn: output = 5: 8 elements");
    refused(slices::fft2(&z, [2, 3], Some([0, 2]), short, norm), "fft2: n = 0");
    refused(slices::ifft2(&z, [2, 3], None, short, norm), "ifft2: output = 5");
    refused(slices::rfftn(&x, &[2, 3], &[1], None, short, norm), "rfftn: output = 5: 4 elements");
    refused(slices::rfftn(&x, &[2, 3], &[], None, short, norm), "rfftn: axes = []");
    refused(slices::rfft2(&x, [3, 3], None, short, norm), "rfft2: input = 6");
    refused(slices::ihfftn(&x, &[2, 3], &[0, 1], Some(&[2]), short, norm), "ihfftn: n = [2]");
    refused(slices::ihfft2(&x, [2, 3], None, short, norm), "ihfft2: output = 5");
    refused(
        slices::irfftn(&z, &[2, 3], &[1], Some(&[6]), &mut x, norm),
        "irfftn: n = 6: 3 bins belong to 4 or 5 points",
    );
    refused(slices::irfftn(&z, &[2, 3], &[0, 1], None, &mut x, norm), "irfftn: output = 6: 8 elements");
    refused(slices::irfft2(&z, [6, 1], None, &mut x, norm), "irfft2: n = 0");
    refused(slices::hfftn(&z, &[2, 3], &[5], None, &mut x, norm), "hfftn: axis = 5");
    refused(slices::hfft2(&z, [2, 2], None, &mut x, norm), "hfft2: input = 6");
    let y = &mut [0f32; 5];
    refused(slices::dctn(&x, &[2, 3], kind, &[0], None, y, norm), "dctn: output = 5: 6 elements");
    refused(slices::idctn(&x, &[2, 3], kind, &[0, 0], None, y, norm), "idctn: axes = [0, 0]");
    refused(slices::dstn(&x, &[7], kind, &[0], None, y, norm), "dstn: input = 6");
    refused(slices::idstn(&x, &[2, 3], DctType::I, &[1], Some(&[0]), y, norm), "idstn: n = 0");
    for n in [usize::MAX, usize::MAX / 2, 1 << 60] {
        let n = [n];
        let name = |op: &str| format!("{op}: n = {}", n[0]);
        refused(slices::fftn(&z, &[2, 3], &[1], Some(&n), short, norm), &name("fftn"));
        refused(slices::rfftn(&x, &[2, 3], &[1], Some(&n), short, norm), &name("rfftn"));
        refused(slices::irfftn(&z, &[2, 3], &[1], Some(&n), &mut [0f32; 6], norm), &name("irfftn"));
        refused(slices::hfftn(&z, &[2, 3], &[0], Some(&n), &mut [0f32; 6], norm), &name("hfftn"));
        refused(slices::dctn(&x, &[2, 3], kind, &[1], Some(&n), y, norm), &name("dctn"));
    }
}

#[test]
fn sequences_that_do_not_fit() {
    let (full, options) = (ConvolveMode::Full, StftOptions::new(16));
    refused(slices::convolve::<f32>(&[], &[1.0], full), "convolve");
    refused(slices::correlate::<u8>(&[1], &[1], full), "correlate");
    refused(slices::convolve_nd(&[1f32; 4], &[2, 2], &[1.0; 3], &[2, 2], &[0], full), "convolve_nd: v = 3");
    refused(slices::correlate_nd(&[1f32; 4], &[2, 3], &[1.0; 4], &[2, 2], &[0], full), "correlate_nd: a = 4");
    refused(
        slices::convolve_nd(&[1f32; 4], &[2, 2], &[1.0; 4], &[2, 2], &[2], full),
        "convolve_nd: axis = 2",
    );
    refused(slices::stft(&[0f32; 5], &options), "stft: n_fft = 16");
    refused(slices::stft(&[Complex32::default(); 40], &options), "stft: onesided = true");
    refused(slices::stft(&[0f64; 40], &StftOptions::new(usize::MAX / 2)), "stft: n_fft = ");
    let z = [Complex32::default(); 27];
    refused(slices::istft::<f32>(&z, 2, &options, None), "istft: spectra = 27: 18 elements are needed");
    refused(slices::istft::<Complex32>(&z, 3, &options, None), "istft: onesided = true");
    refused(slices::istft::<f32>(&z, usize::MAX, &options, None), "istft: frames = ");
    refused(slices::istft::<f32>(&z, 3, &options, Some(100)), "istft: length = 100");
    refused(slices::istft::<f32>(&z[..0], 0, &StftOptions::new(0), None), "istft: n_fft = 0");
    let (x, mut y) = ([0u8; 6], [0u8; 5]);
    refused(slices::roll(&x, &[6], 0, 1, &mut y), "roll: output = 5: 6 elements");
    refused(slices::roll(&x, &[6], 1, 1, &mut [0; 6]), "roll: axis = 1");
    refused(slices::roll_in_place(&mut y, &[6], 0, 1), "roll_in_place: data = 5");
    refused(slices::fftshift(&x, &[7], &[0], &mut y), "fftshift: input = 6");
    refused(slices::ifftshift(&x, &[2, 3], &[0, 0], &mut [0; 6]), "ifftshift: axes = [0, 0]");
    refused(slices::fftshift_in_place(&mut y, &[5], &[1]), "fftshift_in_place: axis = 1");
    refused(slices::ifftshift_in_place(&mut y, &[4], &[0]), "ifftshift_in_place: data = 5");
    refused(slices::resize(&x, &[6], &mut y, &[6]), "resize: output = 5");
    refused(slices::resize(&x, &[5], &mut y, &[5]), "resize: input = 6");
    refused(slices::resize(&x, &[2, 3], &mut y, &[5]), "resize: n = [5]");
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
