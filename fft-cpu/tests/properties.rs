//! Laws of transforms on random shapes, layouts and lengths.

use fft_core::stft::{Centre, StftOptions};
use fft_core::{Complex64, ConvolveMode, DType, DctType, Device, Norm, Result, Tensor};
use proptest::prelude::*;

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(2), ..Default::default() })
        .expect("a processor opens")
}

/// Complex numbers of both parts in -1..1 that the seed decides.
fn noise(device: &Device, shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let len: usize = shape.iter().product();
    let data: Vec<_> = (0..len).map(|_| Complex64::new(next(), next())).collect();
    Tensor::from_slice(device, &data, shape)
}

fn squares(x: &Tensor) -> Result<f64> {
    Ok(x.to_dtype(DType::C128)?.to_vec::<Complex64>()?.iter().map(|z| z.norm_sqr()).sum())
}

/// `|a - b| <= bound * |b|`, or of `size` where `b` may cancel.
fn near(a: &Tensor, b: &Tensor, size: f64, bound: f64) -> Result<bool> {
    Ok(a.shape() == b.shape() && squares(&a.sub(b)?)?.sqrt() <= bound * size.max(squares(b)?.sqrt()))
}

/// A shape, one of its axes and a seed.
fn tensors() -> impl Strategy<Value = (Vec<usize>, usize, u64)> {
    let shape = prop::collection::vec(1usize..24, 1..4);
    (shape, any::<prop::sample::Index>(), any::<u64>()).prop_map(|(shape, axis, seed)| {
        let axis = axis.index(shape.len());
        (shape, axis, seed)
    })
}

fn norms() -> impl Strategy<Value = Norm> {
    prop_oneof![Just(Norm::Backward), Just(Norm::Ortho), Just(Norm::Forward)]
}

/// `2 epsilon log2(2 n)` for a few transforms of `n` points, generously `n` of the whole tensor.
fn bound(x: &Tensor) -> f64 {
    8.0 * f64::EPSILON * (2.0 * x.len() as f64).log2().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transforms_are_linear((shape, axis, seed) in tensors(), norm in norms(), factor in -3.0..3.0f64) {
        let d = device();
        let (a, b) = (noise(&d, &shape, seed)?, noise(&d, &shape, seed ^ 1)?);
        let mixed = a.scale(factor)?.add(&b)?;
        type Transform = fn(&Tensor, usize, Norm) -> Result<Tensor>;
        let all: [Transform; 4] = [
            |x, axis, norm| x.fft(axis, None, norm),
            |x, axis, norm| x.hfft(axis, Some(2 * x.shape()[axis] - 1), norm),
            |x, axis, norm| x.real()?.ihfft(axis, None, norm),
            |x, axis, norm| x.dst(DctType::IV, axis, None, norm),
        ];
        for f in all {
            let want = f(&a, axis, norm)?.scale(factor)?.add(&f(&b, axis, norm)?)?;
            let size = squares(&f(&a, axis, norm)?)?.sqrt() * 4.0;
            prop_assert!(near(&f(&mixed, axis, norm)?, &want, size, bound(&a))?);
        }
    }

    #[test]
    fn a_shift_turns_phases((shape, axis, seed) in tensors(), shift in -40isize..40) {
        let d = device();
        let x = noise(&d, &shape, seed)?;
        let n = shape[axis];
        let turns: Vec<_> = (0..n)
            .map(|k| {
                let steps = (k as isize * shift).rem_euclid(n as isize);
                Complex64::cis(-std::f64::consts::TAU * steps as f64 / n as f64)
            })
            .collect();
        let mut along = vec![1; shape.len()];
        along[axis] = n;
        let phases = Tensor::from_slice(&d, &turns, &along)?;
        let want = x.fft(axis, None, Norm::Backward)?.mul(&phases)?;
        let got = x.roll(axis, shift)?.fft(axis, None, Norm::Backward)?;
        prop_assert!(near(&got, &want, 0.0, bound(&x))?);
        // And a spectrum shifted by half is that of a signal of alternating sign, for even lengths.
        if n.is_multiple_of(2) {
            let signs: Vec<_> = (0..n).map(|j| Complex64::from(if j % 2 == 0 { 1.0 } else { -1.0 })).collect();
            let alternating = x.mul(&Tensor::from_slice(&d, &signs, &along)?)?;
            let want = x.fft(axis, None, Norm::Backward)?.fftshift(&[axis])?;
            prop_assert!(near(&alternating.fft(axis, None, Norm::Backward)?, &want, 0.0, bound(&x))?);
        }
    }

    #[test]
    fn orthonormal_transforms_keep_the_norm((shape, axis, seed) in tensors()) {
        let d = device();
        let x = noise(&d, &shape, seed)?;
        let size = squares(&x)?;
        let axes: Vec<usize> = (0..shape.len()).collect();
        let kept = |y: &Tensor| -> Result<bool> { Ok((squares(y)? - size).abs() <= 4.0 * bound(&x) * size) };
        prop_assert!(kept(&x.fftn(&axes, None, Norm::Ortho)?)?);
        prop_assert!(kept(&x.ifft(axis, None, Norm::Ortho)?)?);
        for kind in DctType::ALL {
            prop_assert!(kept(&x.dstn(kind, &axes, None, Norm::Ortho)?)?, "{kind:?}");
            if shape[axis] > 1 || kind != DctType::I {
                prop_assert!(kept(&x.dct(kind, axis, None, Norm::Ortho)?)?, "{kind:?}");
            }
        }
    }

    #[test]
    fn transforms_are_undone((shape, axis, seed) in tensors(), norm in norms()) {
        let d = device();
        let z = noise(&d, &shape, seed)?;
        let (x, n) = (z.real()?, shape[axis]);
        let axes: Vec<usize> = (0..shape.len()).rev().collect();
        prop_assert!(near(&z.fftn(&axes, None, norm)?.ifftn(&axes, None, norm)?, &z, 0.0, bound(&z))?);
        let lengths: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
        let back = x.rfftn(&axes, None, norm)?.irfftn(&axes, Some(&lengths), norm)?;
        prop_assert!(near(&back, &x, 0.0, bound(&z))?);
        let back = x.ihfft(axis, None, norm)?.hfft(axis, Some(n), norm)?;
        prop_assert!(near(&back, &x, 0.0, bound(&z))?);
        prop_assert!(near(&z.fftshift(&axes)?.ifftshift(&axes)?, &z, 0.0, 0.0)?);
        for kind in DctType::ALL {
            let back = x.dst(kind, axis, None, norm)?.idst(kind, axis, None, norm)?;
            prop_assert!(near(&back, &x, 0.0, 4.0 * bound(&z))?, "{kind:?}");
            if n > 1 || kind != DctType::I {
                let back = x.dct(kind, axis, None, norm)?.idct(kind, axis, None, norm)?;
                prop_assert!(near(&back, &x, 0.0, 4.0 * bound(&z))?, "{kind:?}");
            }
        }
    }

    #[test]
    fn signals_return_from_their_spectrograms(
        n_fft in 1usize..40,
        part in 0.0..1.0f64,
        samples in 60usize..200,
        zeros in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let d = device();
        // A hop of at most a quarter of a frame: Hann windows cover every sample well.
        let hop = 1 + (part * (n_fft / 4) as f64) as usize;
        let hop = hop.min((n_fft / 4).max(1));
        prop_assume!(n_fft >= 4);
        let centre = if zeros { Centre::Zeros } else { Centre::Reflect };
        let options = StftOptions { hop, centre, ..StftOptions::new(n_fft) };
        let x = noise(&d, &[2, samples], seed)?.real()?;
        let back = x.stft(&options)?.istft(&options, Some(samples))?;
        prop_assert!(near(&back, &x, 0.0, 100.0 * bound(&x))?);
    }

    #[test]
    fn convolution_commutes_and_correlation_reverses(
        n in 1usize..60,
        m in 1usize..60,
        batch in 1usize..4,
        seed in any::<u64>(),
    ) {
        let d = device();
        let (a, v) = (noise(&d, &[batch, n], seed)?, noise(&d, &[m], seed ^ 1)?);
        let size = (squares(&a)? * squares(&v)?).sqrt();
        for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
            let y = a.convolve(&v, mode)?;
            prop_assert!(near(&v.convolve(&a, mode)?, &y, size, bound(&a))?);
            // The same sums with the kernel reversed and conjugate.
            let turned = v.step(0, -1)?.conj()?;
            if mode != ConvolveMode::Same || m <= n {
                prop_assert!(near(&a.correlate(&turned, mode)?, &y, size, bound(&a))?);
            }
        }
    }

    /// Any arguments: a result of the documented shape, or an error, but never a panic.
    #[test]
    fn any_arguments_are_answered(
        sizes in prop::collection::vec(0usize..20, 6),
        axes in prop::collection::vec(0usize..4, 0..4),
        flags in any::<[bool; 3]>(),
        norm in norms(),
    ) {
        let d = device();
        let shape = [sizes[0], sizes[1], sizes[2]];
        let z = Tensor::zeros(&d, &shape, DType::C64)?;
        let x = z.real()?;
        let n = &sizes[3..3 + axes.len()];
        for n in [None, Some(n)] {
            for result in [
                z.fftn(&axes, n, norm), z.irfftn(&axes, n, norm), x.rfftn(&axes, n, norm),
                z.hfftn(&axes, n, norm), x.ihfftn(&axes, n, norm), z.fftshift(&axes),
                x.dctn(DctType::I, &axes, n, norm), x.idctn(DctType::II, &axes, n, norm),
                x.dstn(DctType::III, &axes, n, norm), z.idstn(DctType::IV, &axes, n, norm),
            ] {
                let fits = |y: Tensor| (0..3).all(|a| axes.contains(&a) || y.shape()[a] == shape[a]);
                prop_assert!(result.map_or(true, fits));
            }
        }
        let centre = match (flags[0], flags[1]) {
            (true, _) => Centre::No,
            (_, true) => Centre::Zeros,
            _ => Centre::Reflect,
        };
        let (n_fft, hop, window_len) = (sizes[3], sizes[4], sizes[5]);
        let options = StftOptions { hop, window_len, centre, onesided: flags[2], ..StftOptions::new(n_fft) };
        for signal in [&x, &z] {
            if let Ok(spectra) = signal.stft(&options) {
                let bins = if flags[2] { n_fft / 2 + 1 } else { n_fft };
                let padded = shape[2] + if flags[0] { 0 } else { n_fft / 2 * 2 };
                prop_assert_eq!(spectra.shape(), [shape[0], shape[1], bins, 1 + (padded - n_fft) / hop]);
                let back = spectra.istft(&options, Some(sizes[0]));
                prop_assert!(back.map_or(true, |y| y.shape() == [shape[0], shape[1], sizes[0]]));
            }
        }
        prop_assert!(z.istft(&options, None).map_or(true, |y| y.rank() == 2));
        for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
            let v = Tensor::zeros(&d, &[sizes[3], sizes[4], sizes[5]], DType::F32)?;
            for result in [x.convolve(&v, mode), z.correlate(&v, mode), x.convolve_nd(&v, &axes, mode)] {
                prop_assert!(result.map_or(true, |y| y.rank() == 3));
            }
        }
    }
}
