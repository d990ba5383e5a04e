//! Transforms against the definition, along any axis of strided tensors.

use fft_core::{Complex32, Complex64, Device, Norm, Tensor};

fn cpu(threads: usize) -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(threads), ..Default::default() }).unwrap()
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

/// The definition, in double precision.
fn dft(x: &[Complex64], sign: f64) -> Vec<Complex64> {
    let n = x.len();
    let roots: Vec<_> =
        (0..n).map(|i| Complex64::cis(sign * std::f64::consts::TAU * i as f64 / n as f64)).collect();
    (0..n).map(|k| (0..n).map(|t| x[t] * roots[k * t % n]).sum()).collect()
}

fn relative(got: &[Complex64], want: &[Complex64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(a, b)| (a - b).norm_sqr()).sum();
    let size: f64 = want.iter().map(|b| b.norm_sqr()).sum();
    (error / size).sqrt()
}

fn wide(zs: &[Complex32]) -> Vec<Complex64> {
    zs.iter().map(|z| Complex64::new(z.re as f64, z.im as f64)).collect()
}

#[test]
fn any_length_any_axis() {
    let device = cpu(2);
    for n in (1..=40).chain([64, 97, 100, 121, 128, 251, 256, 509, 1000, 1024]) {
        let rows = 19;
        let data: Vec<f32> = noise(n * rows, n as u64).iter().map(|&x| x as f32).collect();
        let x = Tensor::from_slice(&device, &data, &[rows, n]).unwrap();
        // The same lines along the first axis, and as every other element of a larger tensor.
        let turned = x.transpose(0, 1).unwrap().contiguous().unwrap();
        let doubled = Tensor::cat(&[x.unsqueeze(2).unwrap(), x.unsqueeze(2).unwrap()], 2).unwrap();
        let stepped = doubled.narrow(2, 1, 1).unwrap().squeeze(2).unwrap();
        let spectra = [
            x.rfft(1, None, Norm::Backward).unwrap(),
            turned.rfft(0, None, Norm::Backward).unwrap().transpose(0, 1).unwrap(),
            stepped.rfft(1, None, Norm::Backward).unwrap(),
            turned.transpose(0, 1).unwrap().rfft(1, None, Norm::Backward).unwrap(),
        ];
        let full = turned.fft(0, None, Norm::Backward).unwrap().transpose(0, 1).unwrap();
        let bound = f32::EPSILON as f64 * (n as f64).log2().max(1.0);
        for row in 0..rows {
            let line: Vec<_> =
                data[row * n..(row + 1) * n].iter().map(|&v| Complex64::new(v as f64, 0.0)).collect();
            let want = dft(&line, -1.0);
            for s in &spectra {
                let got: Vec<Complex32> = s.narrow(0, row, 1).unwrap().to_vec().unwrap();
                assert!(relative(&wide(&got), &want[..n / 2 + 1]) <= bound, "n = {n}");
            }
            let got: Vec<Complex32> = full.narrow(0, row, 1).unwrap().to_vec().unwrap();
            assert!(relative(&wide(&got), &want) <= bound, "n = {n}");
        }
        for s in &spectra {
            let back = s.irfft(1, Some(n), Norm::Backward).unwrap().to_vec::<f32>().unwrap();
            let error: f64 = back.iter().zip(&data).map(|(a, b)| (a - b).powi(2) as f64).sum();
            assert!((error / (n * rows) as f64).sqrt() <= 2.0 * bound, "n = {n}");
            let strided = s.transpose(0, 1).unwrap().contiguous().unwrap();
            let again = strided.irfft(0, Some(n), Norm::Backward).unwrap().transpose(0, 1).unwrap();
            let again = again.to_vec::<f32>().unwrap();
            assert!(again.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-6), "n = {n}");
        }
    }
}

#[test]
fn cropping_padding_and_ignored_imaginary_parts() {
    let device = cpu(1);
    let data: Vec<f32> = noise(3 * 10, 5).iter().map(|&x| x as f32).collect();
    let x = Tensor::from_slice(&device, &data, &[3, 10]).unwrap();
    for n in [1, 7, 10, 13, 16] {
        let padded: Vec<f32> = (0..3)
            .flat_map(|r| (0..n).map(move |i| (r, i)))
            .map(|(r, i)| if i < 10 { data[r * 10 + i] } else { 0.0 })
            .collect();
        let want = Tensor::from_slice(&device, &padded, &[3, n]).unwrap();
        for (a, b) in [
            (x.rfft(1, Some(n), Norm::Ortho), want.rfft(1, None, Norm::Ortho)),
            (x.fft(1, Some(n), Norm::Forward), want.fft(1, None, Norm::Forward)),
        ] {
            assert_eq!(a.unwrap().to_vec::<Complex32>().unwrap(), b.unwrap().to_vec::<Complex32>().unwrap());
        }
    }
    // Imaginary parts of the outer bins do not count, and do not make an error.
    let spectrum = |im: f32| -> Vec<f32> {
        let bins = [Complex32::new(1.0, im), Complex32::new(0.5, 0.25), Complex32::new(-2.0, -im)];
        let s = Tensor::from_slice(&device, &bins, &[3]).unwrap();
        s.irfft(0, Some(4), Norm::Backward).unwrap().to_vec().unwrap()
    };
    assert_eq!(spectrum(0.0), spectrum(7.0));
}

#[test]
fn what_is_not_finite_passes_through() {
    let device = cpu(1);
    let mut data = vec![1f32; 16];
    data[3] = f32::NAN;
    let x = Tensor::from_slice(&device, &data, &[2, 8]).unwrap();
    let s: Vec<Complex32> = x.rfft(1, None, Norm::Backward).unwrap().to_vec().unwrap();
    // One part may stay finite: where the twiddle is a quarter turn, the other part alone takes the number.
    assert!(s[..5].iter().all(|z| z.re.is_nan() || z.im.is_nan()));
    assert!(s[5..].iter().all(|z| z.re.is_finite() && z.im.is_finite()));
}

#[test]
fn planes_are_transformed_like_one_axis_after_the_other() {
    for threads in [1, 2] {
        let device = cpu(threads);
        // More than two megabytes of planes, small ones, with the contiguous axis among them or not.
        for (shape, axes) in [
            ([20, 120, 130], &[0usize, 1, 2][..]),
            ([20, 120, 130], &[1, 2]),
            ([120, 20, 130], &[0, 2]),
            ([120, 130, 20], &[0, 1]),
        ] {
            let data: Vec<f32> = noise(shape.iter().product(), 7).iter().map(|&x| x as f32).collect();
            let re = Tensor::from_slice(&device, &data, &shape).unwrap();
            let x = re.complex(&re.step(0, -1).unwrap()).unwrap();
            let turned = x.permute(&[2, 0, 1]).unwrap().contiguous().unwrap().permute(&[1, 2, 0]).unwrap();
            let last = axes.len() - 1;
            // Either way errs by as much as its axes do.
            let bits: f64 = axes.iter().map(|&a| (shape[a] as f64).log2()).sum();
            let limit = 2.0 * f64::from(f32::EPSILON) * bits;
            let one_by_one = |first: Tensor| {
                axes[..last].iter().rev().fold(first, |x, &a| x.fft(a, None, Norm::Ortho).unwrap())
            };
            let want =
                one_by_one(x.fft(axes[last], None, Norm::Ortho).unwrap()).to_vec::<Complex32>().unwrap();
            for x in [&x, &turned] {
                let got = x.fftn(axes, None, Norm::Ortho).unwrap().to_vec::<Complex32>().unwrap();
                assert!(relative(&wide(&got), &wide(&want)) <= limit, "C2C {shape:?} {axes:?}");
            }
            let want =
                one_by_one(re.rfft(axes[last], None, Norm::Ortho).unwrap()).to_vec::<Complex32>().unwrap();
            let got = re.rfftn(axes, None, Norm::Ortho).unwrap().to_vec::<Complex32>().unwrap();
            assert!(relative(&wide(&got), &wide(&want)) <= limit, "R2C {shape:?} {axes:?}");
        }
    }
}

/// Many real lines behind each other are transformed together, few one by one: lengths on both sides of where that changes, cropped and padded.
#[test]
fn many_real_lines_behind_each_other() {
    let device = cpu(2);
    for rows in [63, 67, 96] {
        for n in [510, 512, 514, 600, 1000, 1001, 1024, 2046, 2048, 2050] {
            for have in [n, n - 3, n + 5] {
                let data: Vec<f32> = noise(have * rows, n as u64).iter().map(|&x| x as f32).collect();
                let x = Tensor::from_slice(&device, &data, &[rows, have]).unwrap();
                let got = x.rfft(1, Some(n), Norm::Ortho).unwrap().to_vec::<Complex32>().unwrap();
                let whole = x.to_dtype(fft_core::DType::C128).unwrap().fft(1, Some(n), Norm::Ortho).unwrap();
                let half = whole.narrow(1, 0, n / 2 + 1).unwrap().contiguous().unwrap();
                let error = relative(&wide(&got), &half.to_vec::<Complex64>().unwrap());
                let bound = f64::from(f32::EPSILON) * (n as f64).log2();
                assert!(error <= bound, "{rows} lines of {have}, n = {n}: {error} > {bound}");
            }
        }
    }
    // What is not finite stays in its line.
    let mut data: Vec<f32> = noise(64 * 512, 1).iter().map(|&x| x as f32).collect();
    data[5 * 512 + 7] = f32::NAN;
    let x = Tensor::from_slice(&device, &data, &[64, 512]).unwrap();
    let got = x.rfft(1, None, Norm::Backward).unwrap().to_vec::<Complex32>().unwrap();
    for (line, bins) in got.chunks(257).enumerate() {
        assert!(bins.iter().all(|z| z.re.is_nan() == (line == 5)), "line {line}");
    }
}
