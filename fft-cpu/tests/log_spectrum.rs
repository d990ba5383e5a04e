//! Products with log8 spectra on the processor: each way of forming them is the composition, at sizes of several tasks.

use fft_core::spectral::{LogSpectrumMatrix, LogSpectrumOptions};
use fft_core::{DType, Device, Result, Tensor, compose};
use fft_cpu::CpuOptions;

fn cpu(threads: usize) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() }).unwrap()
}

/// Deterministic 32-bit words.
fn words(seed: u64) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), |state| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .map(|state| (state >> 32) as u32)
}

/// Numbers in -1..1.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    words(seed).take(n).map(|w| (w >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Any codes, with ranges from a single magnitude to more octaves than `f32` has, and some of zeros.
fn matrix(device: &Device, [m, n]: [usize; 2], group: usize) -> Result<LogSpectrumMatrix> {
    let (half, groups) = (m / 2 + 1, n.div_ceil(group));
    let codes: Vec<u8> = words(1).take(half * 2 * n).map(|w| (w >> 9) as u8).collect();
    let ranges: Vec<f32> = words(2)
        .take(half * 2 * groups)
        .flat_map(|w| {
            let max = [1.0, 0.3, 7.5, 1e-3, 0.0][w as usize % 5];
            [max, [0.05, 0.0471, 0.0, 0.19, 2.2][(w >> 8) as usize % 5]]
        })
        .collect();
    LogSpectrumMatrix::from_parts(device, [m, n], &LogSpectrumOptions { group }, &mut |name| match name {
        "codes" => Tensor::from_slice(device, &codes, &[half, 2, n]),
        _ => Tensor::from_slice(device, &ranges, &[half, 2, groups, 2]),
    })
}

const SHAPES: [([usize; 2], usize); 5] =
    [([300, 500], 128), ([401, 257], 7), ([2, 4099], 64), ([1031, 3], 2), ([512, 192], 1000)];

#[test]
fn products_are_those_of_the_composition() {
    let device = cpu(2);
    for ([m, n], group) in SHAPES {
        let w = matrix(&device, [m, n], group).unwrap();
        for batch in [1, 2, 7, 15, 16, 45] {
            let x = Tensor::from_slice(&device, &noise(batch * n, 5), &[batch, n]).unwrap();
            let got = w.apply(&x).unwrap().to_vec::<f32>().unwrap();
            let want = compose::log_spectrum_product(&w, &x).unwrap().to_vec::<f32>().unwrap();
            let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
            let error = square(&mut got.iter().zip(&want).map(|(&a, &b)| f64::from(a) - f64::from(b)));
            let size = square(&mut want.iter().map(|&v| f64::from(v)));
            assert!(size > 0.0);
            // Two times what either may be off: 5 epsilon log2 of the size for the transforms and sums.
            let bound = 10.0 * f64::from(f32::EPSILON) * ((m * n) as f64).log2();
            let error = (error / size).sqrt();
            assert!(error <= bound, "{m} x {n}, groups of {group}, {batch} vectors: {error:e} > {bound:e}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for batch in [1, 3, 40] {
        let results = [1, 2, 3].map(|threads| {
            let device = cpu(threads);
            let w = matrix(&device, [1100, 900], 128).unwrap();
            let x = Tensor::from_slice(&device, &noise(batch * 900, 7), &[batch, 900]).unwrap();
            w.apply(&x).unwrap().to_bytes().unwrap()
        });
        assert!(results[0] == results[1] && results[0] == results[2], "{batch} vectors");
    }
}

#[test]
fn later_products_allocate_nothing() {
    let device = cpu(1);
    let w = matrix(&device, [192, 130], 64).unwrap();
    let inputs = [1, 2, 4, 30]
        .map(|batch| Tensor::from_slice(&device, &noise(batch * 130, 3), &[batch, 130]).unwrap());
    let all = || inputs.iter().for_each(|x| drop(w.apply(x).unwrap()));
    all();
    let before = device.cache_stats();
    all();
    assert_eq!(device.cache_stats(), before);
}

#[test]
fn wrong_operands_are_errors() {
    let device = cpu(1);
    let w = matrix(&device, [6, 10], 4).unwrap();
    for (shape, dtype) in
        [(&[3, 9][..], DType::F32), (&[], DType::F32), (&[3, 10], DType::F16), (&[10], DType::C64)]
    {
        let x = Tensor::zeros(&device, shape, dtype).unwrap();
        assert!(w.apply(&x).is_err(), "{shape:?} {dtype:?}");
    }
    let elsewhere = Tensor::zeros(&cpu(1), &[10], DType::F32).unwrap();
    assert!(w.apply(&elsewhere).is_err());
}
