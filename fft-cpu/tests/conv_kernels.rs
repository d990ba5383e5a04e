//! What convolutions promise beside their values: the same bits for any number of threads, nothing made twice, and what is not a number stays
//! where the definition puts it.

use fft_core::convolution::{ConvGeometry, ConvSpec};
use fft_core::{DType, Device, Result, Tensor};
use fft_cpu::CpuOptions;

fn device(threads: usize) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() }).expect("opens")
}

fn noise(device: &Device, shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed | 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_slice(device, &values, shape).expect("fits")
}

/// Shapes of input and weight, groups, and tiles for the spectral way.
type Problem = (Vec<usize>, Vec<usize>, usize, Vec<usize>);

/// Every kernel, with sizes large enough to be cut.
fn problems() -> Vec<Problem> {
    vec![
        (vec![2, 24, 60, 61], vec![30, 24, 3, 3], 1, vec![32, 40]),
        (vec![1, 8, 150, 170], vec![8, 1, 5, 5], 8, vec![64, 64]),
        (vec![1, 1, 400, 300], vec![1, 1, 9, 9], 1, vec![60, 50]),
        (vec![1, 1, 100_000], vec![1, 1, 65], 1, vec![512]),
        (vec![1, 1, 100_000], vec![2, 1, 65], 1, vec![8192]),
        (vec![1, 1, 100_000], vec![1, 1, 65], 1, vec![8192]),
        (vec![3, 12, 5000], vec![18, 4, 33], 3, vec![256]),
        // Spectra of inputs that all threads share: one tile of many channels, and more tiles than are transformed at once.
        (vec![1, 70, 64, 64], vec![9, 70, 9, 9], 1, vec![72, 72]),
        (vec![7, 40, 40, 90], vec![3, 40, 9, 9], 1, vec![48, 100]),
        (vec![1, 40, 900], vec![40, 1, 33], 40, vec![256]),
        (vec![1, 4, 20, 21, 22], vec![6, 4, 3, 3, 3], 1, vec![8, 8, 8]),
        (vec![1, 30, 12, 20, 31], vec![4, 30, 3, 5, 5], 1, vec![14, 24, 36]),
    ]
}

fn geometry(x: &[usize], w: &[usize], groups: usize) -> ConvGeometry {
    let padding: Vec<[usize; 2]> = w[2..].iter().map(|k| [(k - 1) / 2, k / 2]).collect();
    let spec = ConvSpec::new(padding.len()).padding_sides(&padding).groups(groups);
    ConvGeometry::new("conv", x, w, &spec).expect("valid")
}

fn both(device: &Device, x: &[usize], w: &[usize], groups: usize, tile: &[usize]) -> Result<[Vec<u8>; 2]> {
    let g = geometry(x, w, groups);
    let (x, bias) = (noise(device, x, 3), noise(device, &w[..1], 9));
    let w = noise(device, w, 5);
    let spectrum = device.conv_spectrum(&w, &g, tile)?;
    Ok([
        device.conv_direct(&x, &w, Some(&bias), &g)?.to_bytes()?,
        device.conv_fft(&x, &spectrum, Some(&bias), &g, tile)?.to_bytes()?,
    ])
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let devices = [1, 2, 3].map(device);
    for (x, w, groups, tile) in problems() {
        let [one, two, three] =
            devices.each_ref().map(|device| both(device, &x, &w, groups, &tile).expect("computes"));
        assert!(one == two && one == three, "{x:?} by {w:?}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_with_taps_far_apart() {
    let devices = [1, 2].map(device);
    for (x, w, dilation, groups) in [
        (vec![1, 16, 40_000], vec![16, 16, 3], vec![8192], 1),
        (vec![1, 64, 8192], vec![40, 64, 3], vec![512], 1),
        (vec![1, 1, 300_000], vec![1, 1, 3], vec![100_000], 1),
        (vec![1, 16, 20, 2048], vec![8, 16, 3, 3], vec![2, 512], 1),
        (vec![1, 8, 60, 9000], vec![8, 1, 3, 3], vec![1, 3000], 8),
    ] {
        let padding: Vec<usize> = w[2..].iter().zip(&dilation).map(|(k, d)| (k - 1) * d / 2).collect();
        let spec = ConvSpec::new(dilation.len()).dilation(&dilation).padding(&padding).groups(groups);
        let g = ConvGeometry::new("conv", &x, &w, &spec).expect("valid");
        let [one, two] = devices.each_ref().map(|device| {
            let (x, bias, w) = (noise(device, &x, 3), noise(device, &w[..1], 9), noise(device, &w, 5));
            device.conv_direct(&x, &w, Some(&bias), &g).and_then(|y| y.to_bytes()).expect("computes")
        });
        assert!(one == two, "{x:?} by {w:?}");
    }
}

#[test]
fn both_ways_agree() {
    let device = device(2);
    for (x, w, groups, tile) in problems() {
        let [direct, spectral] = both(&device, &x, &w, groups, &tile).expect("computes");
        let numbers = |bytes: &[u8]| -> Vec<f32> {
            bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_ne_bytes(four)).collect()
        };
        let (direct, spectral) = (numbers(&direct), numbers(&spectral));
        let norm: f64 = direct.iter().map(|&v| f64::from(v).powi(2)).sum();
        let off: f64 = direct.iter().zip(&spectral).map(|(&a, &b)| f64::from(a - b).powi(2)).sum();
        // Three transforms of at most 2^16 points and channels, each with an error of at most epsilon for each doubling.
        let bound = f64::from(f32::EPSILON) * 48.0;
        assert!(off.sqrt() <= bound * norm.sqrt(), "{x:?} by {w:?}: {:e}", (off / norm).sqrt());
    }
}

#[test]
fn a_second_call_makes_nothing_new() {
    for threads in [1, 2] {
        let device = device(threads);
        for (x, w, groups, tile) in problems() {
            let g = geometry(&x, &w, groups);
            let (x, w) = (noise(&device, &x, 3), noise(&device, &w, 5));
            let spectrum = device.conv_spectrum(&w, &g, &tile).expect("computes");
            let work = || {
                device.conv_direct(&x, &w, None, &g).expect("computes");
                device.conv_fft(&x, &spectrum, None, &g, &tile).expect("computes");
            };
            work();
            work();
            let before = device.cache_stats();
            (0..5).for_each(|_| work());
            assert_eq!(device.cache_stats(), before, "{threads} threads, {g:?}");
        }
    }
}

#[test]
fn not_a_number_stays_in_the_windows_that_see_it() {
    let device = device(2);
    for (x, w, groups) in [
        (vec![1, 3, 9, 37], vec![11, 3, 3, 3], 1),
        (vec![1, 2, 9, 37], vec![2, 1, 3, 3], 2),
        (vec![1, 2, 200], vec![2, 1, 5], 2),
    ] {
        let g = geometry(&x, &w, groups);
        let line = x[x.len() - 1];
        let size: usize = x[2..].iter().product();
        for at in [0, line - 1, size / 2, size - 1] {
            let mut values = noise(&device, &x, 3).to_vec::<f32>().expect("reads");
            values[at] = f32::NAN;
            let input = Tensor::from_slice(&device, &values, &x).expect("fits");
            let weight = noise(&device, &w, 5);
            let y = device.conv_direct(&input, &weight, None, &g).expect("computes");
            let y = y.to_vec::<f32>().expect("reads");
            let near = |o: usize, i: usize, taps: usize| {
                let first = o as isize - (taps as isize - 1) / 2;
                (first..first + taps as isize).contains(&(i as isize))
            };
            for (o, y) in y.iter().enumerate() {
                let (channel, o) = (o / size, o % size);
                let rows = if x.len() == 4 { near(o / line, at / line, w[2]) } else { true };
                let sees = rows && near(o % line, at % line, w[w.len() - 1]);
                // The value is in the first input channel, which other groups do not see.
                let sees = sees && (groups == 1 || channel == 0);
                assert_eq!(y.is_nan(), sees, "{x:?}, input {at}, channel {channel}, output {o}");
            }
        }
    }
}

#[test]
fn double_precision_agrees_with_single() {
    let device = device(2);
    for (x, w, groups, tile) in problems() {
        let g = geometry(&x, &w, groups);
        let (x, w) = (noise(&device, &x, 3), noise(&device, &w, 5));
        let (wide_x, wide_w) = (x.to_dtype(DType::F64).expect("fits"), w.to_dtype(DType::F64).expect("fits"));
        let want = device.conv_direct(&wide_x, &wide_w, None, &g).expect("computes");
        let want = want.to_vec::<f64>().expect("reads");
        let spectrum = device.conv_spectrum(&wide_w, &g, &tile).expect("computes");
        let y = device.conv_fft(&wide_x, &spectrum, None, &g, &tile).expect("computes");
        let y = y.to_vec::<f64>().expect("reads");
        let norm: f64 = want.iter().map(|v| v * v).sum();
        let off: f64 = want.iter().zip(&y).map(|(a, b)| (a - b) * (a - b)).sum();
        assert!(off.sqrt() <= f64::EPSILON * 64.0 * norm.sqrt(), "{g:?}: {:e}", (off / norm).sqrt());
        let direct = device.conv_direct(&x, &w, None, &g).and_then(|y| y.to_vec::<f32>()).expect("computes");
        let off: f64 = want.iter().zip(&direct).map(|(a, &b)| (a - f64::from(b)).powi(2)).sum();
        let terms = (g.channels_in * g.kernel.iter().product::<usize>()) as f64;
        let bound = f64::from(f32::EPSILON) * terms.sqrt().max(2.0);
        assert!(off.sqrt() <= bound * norm.sqrt(), "{g:?}: {:e}", (off / norm).sqrt());
    }
}
