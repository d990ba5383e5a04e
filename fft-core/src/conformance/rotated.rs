//! Rotated quantisation: the stored format by its definition, products, and what rounding costs.

use std::f64::consts::{SQRT_2, TAU};

use super::compare::{close_l2, ensure, relative_l2};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::spectral::{Bits, RotatedMatrix, RotatedOptions, Rotation};
use crate::{Complex64, DType, Device, Tensor, compose, f16, reference};

const PRODUCT: &[Operation] = &[Operation::RotatedProduct];

pub(super) const CASES: &[Case] = &[
    Case::new("rotated::products", PRODUCT, products),
    Case::new("rotated::large_batches", PRODUCT, large_batches),
    Case::new("rotated::long_vectors", PRODUCT, long_vectors),
    Case::new("rotated::error_of_rounding", PRODUCT, rounding),
    Case::new("rotated::extreme_magnitudes", PRODUCT, magnitudes),
    Case::new("rotated::saved_parts", PRODUCT, saved_parts),
    Case::new("rotated::bad_input", PRODUCT, bad_input),
];

/// `R_n`, row-major, by the definition.
fn rotation_matrix(rotation: Rotation, n: usize) -> Vec<f64> {
    let entry = |row: usize, col: usize| match rotation {
        Rotation::None => f64::from(u8::from(row == col)),
        Rotation::Hadamard => {
            let p = 1 << n.trailing_zeros();
            if row / p != col / p {
                return 0.0;
            }
            let sign = if ((row % p) & (col % p)).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            sign / (p as f64).sqrt()
        }
        Rotation::Fourier => {
            let bin = row.div_ceil(2);
            let turn = TAU * ((bin * col) % n) as f64 / n as f64;
            let scale = if bin == 0 || 2 * bin == n { 1.0 } else { SQRT_2 };
            scale / (n as f64).sqrt() * if row == 0 || row % 2 == 1 { turn.cos() } else { -turn.sin() }
        }
    };
    (0..n * n).map(|at| entry(at / n, at % n)).collect()
}

fn complex(values: &[f64]) -> Vec<Complex64> {
    values.iter().copied().map(Complex64::from).collect()
}

/// The matrix that saved parts stand for: `D R_out^T Q R_in D'`, all by the definition.
fn dense(w: &RotatedMatrix) -> crate::Result<Array> {
    let [rows, cols] = w.shape();
    let options = *w.options();
    let parts = w.parts();
    let codes = super::part(&parts, "codes")?;
    let words = codes.shape()[1];
    let codes = codes.to_vec::<u8>()?;
    let scales = super::part(&parts, "scales")?;
    let groups = scales.shape()[1];
    let scales = scales.to_vec::<f16>()?;
    let gain = f64::from(super::part(&parts, "gain")?.to_scalar::<f32>()?);
    let q: Vec<f64> = (0..rows * cols)
        .map(|at| {
            let (i, j) = (at / cols, at % cols);
            let per_word = 32 / options.bits.get();
            let word = ((i / 16) * words + j / per_word) * 16 + i % 16;
            let level = match options.bits {
                Bits::Eight => f64::from(codes[word * 4 + j % 4] as i8),
                Bits::Four => {
                    let byte = codes[word * 4 + j % 8 / 2];
                    f64::from(if j % 2 == 0 { byte & 15 } else { byte >> 4 }) - 7.5
                }
            };
            gain * scales[((i / 16) * groups + j / options.group) * 16 + i % 16].to_f64() * level
        })
        .collect();
    // SplitMix64 is the generator of the samples too.
    let mut random = Random::new(options.seed);
    let mut signs = |n: usize| -> Vec<f64> {
        let words: Vec<u64> = (0..n.div_ceil(64)).map(|_| random.bits()).collect();
        let bit = |j: usize| options.rotation != Rotation::None && words[j / 64] >> (j % 64) & 1 == 1;
        (0..n).map(|j| if bit(j) { -1.0 } else { 1.0 }).collect()
    };
    let (inputs, outputs) = (signs(cols), signs(rows));
    let right = rotation_matrix(options.rotation, cols);
    let left = rotation_matrix(options.rotation, rows);
    let left_t: Vec<f64> = (0..rows * rows).map(|at| left[at % rows * rows + at / rows]).collect();
    let half = reference::matmul(&complex(&q), &complex(&right), rows, cols, cols);
    let whole = reference::matmul(&complex(&left_t), &half, rows, rows, cols);
    let data = whole.iter().enumerate().map(|(at, w)| w * outputs[at / cols] * inputs[at % cols]).collect();
    Ok(Array { shape: vec![rows, cols], data })
}

fn product(w: &Array, x: &Array) -> Array {
    let (rows, cols, batch) = (w.shape[0], w.shape[1], x.shape[0]);
    let turned = Array::from_fn(&[cols, rows], |i| w.at(&[i[1], i[0]]));
    Array { shape: vec![batch, rows], data: reference::matmul(&x.data, &turned.data, batch, cols, rows) }
}

/// `5 eps log2(8 M N)`: the two transforms contribute `eps log2` of their lengths, the sums of random terms less.
fn bound(rows: usize, cols: usize) -> f64 {
    5.0 * f64::from(f32::EPSILON) * (8.0 * (rows * cols) as f64).log2()
}

/// Sides even, odd and prime, one row and one column, rows below, at and above multiples of a tile.
const SHAPES: [(usize, usize); 14] = [
    (1, 1),
    (1, 40),
    (40, 1),
    (2, 2),
    (13, 17),
    (16, 32),
    (17, 31),
    (15, 64),
    (48, 192),
    (64, 100),
    (96, 65),
    (130, 66),
    (192, 48),
    (31, 97),
];

fn products(device: &Device) -> Outcome {
    for (seed, (rows, cols)) in SHAPES.into_iter().enumerate() {
        for bits in [Bits::Eight, Bits::Four] {
            for rotation in [Rotation::Fourier, Rotation::Hadamard, Rotation::None] {
                if rotation == Rotation::Hadamard && (rows % 2 == 1 || cols % 2 == 1) {
                    continue;
                }
                let group = [8, 24, 32, 64][seed % 4];
                let options = RotatedOptions { bits, group, rotation, seed: seed as u64 + 1 };
                let what = format!("{rows} x {cols}, {options:?}");
                let mut random = Random::new(seed as u64);
                let matrix = random.array(&[rows, cols], DType::F32).to(device, DType::F32)?;
                let w = RotatedMatrix::from_dense(&matrix, &options)?;
                let oracle = dense(&w)?;
                close_l2(format_args!("{what}, dense"), &w.to_dense()?, &oracle, bound(rows, cols))?;
                for batch in [0, 1, 2, 3, 5] {
                    let x = random.array(&[batch, cols], DType::F32);
                    let want = product(&oracle, &x);
                    let guises = if batch == 3 { &Guise::ALL[..] } else { &Guise::ALL[..1] };
                    for &guise in guises {
                        let got = w.apply(&x.disguised(device, DType::F32, guise)?)?;
                        let what = format!("{what}, batch {batch}, {guise:?}");
                        close_l2(what, &got, &want, bound(rows, cols))?;
                    }
                }
                let x = random.array(&[2, 2, cols], DType::F32).to(device, DType::F32)?;
                let composed = Array::from(&compose::rotated_product(&w, &x)?)?;
                close_l2(format_args!("{what}, composed"), &w.apply(&x)?, &composed, bound(rows, cols))?;
            }
        }
    }
    Ok(())
}

fn large_batches(device: &Device) -> Outcome {
    for bits in [Bits::Eight, Bits::Four] {
        for (rows, cols) in [(70, 96), (256, 192), (40, 600)] {
            let mut random = Random::new(rows as u64);
            let matrix = random.array(&[rows, cols], DType::F32).to(device, DType::F32)?;
            let w = RotatedMatrix::from_dense(&matrix, &RotatedOptions::new(bits))?;
            let oracle = Array::from(&w.to_dense()?)?;
            for batch in [7, 8, 31, 70] {
                let x = random.array(&[batch, cols], DType::F32);
                let got = w.apply(&x.to(device, DType::F32)?)?;
                let what = format!("{rows} x {cols}, {bits:?}, batch {batch}");
                close_l2(what, &got, &product(&oracle, &x), 2.0 * bound(rows, cols))?;
            }
        }
    }
    Ok(())
}

/// Vectors longer than a workgroup of a GPU holds, on either side.
fn long_vectors(device: &Device) -> Outcome {
    for (rows, cols) in [(16, 8192), (8192, 10), (20, 6144)] {
        for rotation in [Rotation::Fourier, Rotation::Hadamard] {
            let mut random = Random::new(rows as u64);
            let matrix = random.array(&[rows, cols], DType::F32).to(device, DType::F32)?;
            let options = RotatedOptions { rotation, ..RotatedOptions::new(Bits::Four) };
            let w = RotatedMatrix::from_dense(&matrix, &options)?;
            let oracle = Array::from(&w.to_dense()?)?;
            for batch in [1, 3] {
                let x = random.array(&[batch, cols], DType::F32);
                let got = w.apply(&x.to(device, DType::F32)?)?;
                let what = format!("{rows} x {cols}, {rotation:?}, batch {batch}");
                close_l2(what, &got, &product(&oracle, &x), 2.0 * bound(rows, cols))?;
            }
        }
    }
    Ok(())
}

/// Gaussian by the sum of twelve uniform numbers.
fn gaussian(random: &mut Random, shape: &[usize]) -> Array {
    Array::from_fn(shape, |_| Complex64::from((0..12).map(|_| random.unit()).sum::<f64>() / 2.0))
}

fn rounding(device: &Device) -> Outcome {
    let mut random = Random::new(77);
    let plain = gaussian(&mut random, &[128, 192]);
    // One weight in a hundred is fifty times as large.
    let outliers = plain.map(|w| if random.below(100) == 0 { w * 50.0 } else { w });
    let error = |matrix: &Array, bits: Bits, rotation: Rotation| -> Result<f64, super::Failure> {
        let options = RotatedOptions { rotation, ..RotatedOptions::new(bits) };
        let w = RotatedMatrix::from_dense(&matrix.to(device, DType::F32)?, &options)?;
        Ok(relative_l2(&Array::from(&w.to_dense()?)?.data, &matrix.data))
    };
    for matrix in [&plain, &outliers] {
        for rotation in [Rotation::Fourier, Rotation::Hadamard] {
            // The optimal uniform quantiser of 16 levels has an error of sqrt(0.01154) = 0.107 on a Gaussian; the scale of a group follows its
            // own values, which is a little better. 8 bits over +-2.7 deviations: 2.7 / 127 / sqrt(12) = 0.006.
            let (four, eight) = (error(matrix, Bits::Four, rotation)?, error(matrix, Bits::Eight, rotation)?);
            ensure((0.07..0.107).contains(&four), || format!("4 bits, {rotation:?}: {four}"))?;
            ensure((0.003..0.0075).contains(&eight), || format!("8 bits, {rotation:?}: {eight}"))?;
        }
    }
    // Without rotation what is small beside an outlier is lost: measured on the weights that are not outliers.
    let options = |rotation| RotatedOptions { rotation, ..RotatedOptions::new(Bits::Four) };
    let inliers = |rotation| -> Result<f64, super::Failure> {
        let w = RotatedMatrix::from_dense(&outliers.to(device, DType::F32)?, &options(rotation))?;
        let got = Array::from(&w.to_dense()?)?;
        let kept = |a: &Array| -> Vec<Complex64> {
            a.data.iter().zip(&outliers.data).filter(|(_, w)| w.norm() < 6.0).map(|(a, _)| *a).collect()
        };
        Ok(relative_l2(&kept(&got), &kept(&outliers)))
    };
    let (with, without) = (inliers(Rotation::Fourier)?, inliers(Rotation::None)?);
    ensure(with < without, || format!("error of ordinary weights {with} with rotation, {without} without"))?;
    let w = RotatedMatrix::from_dense(&plain.to(device, DType::F32)?, &RotatedOptions::new(Bits::Four))?;
    let bits = 8.0 * w.bytes() as f64 / (128.0 * 192.0);
    ensure(bits < 4.53, || format!("{bits} bits a weight"))
}

fn magnitudes(device: &Device) -> Outcome {
    let matrix = Random::new(6).array(&[20, 48], DType::F32);
    for scale in [1e-30, 1e-9, 1e6, 1e30] {
        for (bits, bound) in [(Bits::Eight, 0.01), (Bits::Four, 0.12)] {
            let scaled = matrix.map(|w| Complex64::from((w.re * scale) as f32 as f64));
            let w = RotatedMatrix::from_dense(&scaled.to(device, DType::F32)?, &RotatedOptions::new(bits))?;
            let up = w.to_dense()?.scale(1.0 / scale)?;
            let want = scaled.map(|w| w / scale);
            close_l2(format_args!("{bits:?} scaled by {scale}"), &up, &want, bound)?;
        }
    }
    let zero = Tensor::zeros(device, &[20, 48], DType::F32)?;
    let w = RotatedMatrix::from_dense(&zero, &RotatedOptions::new(Bits::Four))?;
    ensure(w.to_dense()?.to_vec::<f32>()?.iter().all(|&v| v == 0.0), || "zeros do not stay zero".into())?;
    let y = w.apply(&Tensor::full(device, &[48], DType::F32, 3.0)?)?.to_vec::<f32>()?;
    ensure(y.len() == 20 && y.iter().all(|&v| v == 0.0), || "a product with zeros".into())
}

fn saved_parts(device: &Device) -> Outcome {
    let matrix = Random::new(2).array(&[20, 40], DType::F32).to(device, DType::F32)?;
    for bits in [Bits::Eight, Bits::Four] {
        let options = RotatedOptions { seed: 11, ..RotatedOptions::new(bits) };
        let w = RotatedMatrix::from_dense(&matrix, &options)?;
        let parts = w.parts();
        let load = |shape: [usize; 2], options: &RotatedOptions, parts: &[(&'static str, Tensor)]| {
            RotatedMatrix::from_parts(device, shape, options, &mut |name| super::part(parts, name))
        };
        let again = load([20, 40], &options, &parts)?;
        close_l2("loaded", &again.to_dense()?, &dense(&w)?, bound(20, 40))?;
        let other =
            RotatedOptions { bits: if bits == Bits::Four { Bits::Eight } else { Bits::Four }, ..options };
        for (shape, options) in [
            ([40, 40], options),
            ([20, 72], options),
            ([0, 40], options),
            ([20, 0], options),
            ([20, 40], RotatedOptions { group: 16, ..options }),
            ([20, 40], RotatedOptions { group: 0, ..options }),
            ([usize::MAX, usize::MAX], options),
            ([20, 40], other),
        ] {
            ensure(load(shape, &options, &parts).is_err(), || format!("loads as {shape:?}, {options:?}"))?;
        }
        let replaced = |name: &'static str, tensor: Tensor| -> Vec<(&'static str, Tensor)> {
            let keep = parts.iter().filter(|p| p.0 != name).cloned();
            keep.chain([(name, tensor)]).collect()
        };
        let mut scales = w.scales().to_vec::<f16>()?;
        for bad in [f16::NAN, f16::INFINITY, f16::from_f32(-1.0)] {
            scales[3] = bad;
            let lying = replaced("scales", Tensor::from_slice(device, &scales, w.scales().shape())?);
            ensure(load([20, 40], &options, &lying).is_err(), || format!("a scale of {bad}"))?;
        }
        for bad in [f32::NAN, f32::INFINITY, -1.0] {
            let lying = replaced("gain", Tensor::from_slice(device, &[bad], &[1])?);
            ensure(load([20, 40], &options, &lying).is_err(), || format!("a gain of {bad}"))?;
        }
        ensure(load([20, 40], &options, &parts[1..]).is_err(), || "a missing part".into())?;
    }
    Ok(())
}

fn bad_input(device: &Device) -> Outcome {
    let matrix = |values: &[f32], shape: &[usize]| Tensor::from_slice(device, values, shape);
    let options = RotatedOptions::new(Bits::Four);
    let hadamard = RotatedOptions { rotation: Rotation::Hadamard, ..options };
    ensure(RotatedMatrix::from_dense(&matrix(&[1.0; 15], &[5, 3])?, &hadamard).is_err(), || "odd".into())?;
    let group = RotatedOptions { group: 12, ..options };
    ensure(RotatedMatrix::from_dense(&matrix(&[1.0; 4], &[2, 2])?, &group).is_err(), || "group 12".into())?;
    ensure(RotatedMatrix::from_dense(&matrix(&[1.0; 4], &[4])?, &options).is_err(), || "one axis".into())?;
    ensure(RotatedMatrix::from_dense(&matrix(&[], &[0, 4])?, &options).is_err(), || "empty".into())?;
    let nan = matrix(&[0.0, 1.0, f32::INFINITY, 2.0], &[2, 2])?;
    let message = RotatedMatrix::from_dense(&nan, &options).err().map(|e| e.to_string()).unwrap_or_default();
    ensure(message.contains("[1, 0]"), || format!("infinity is not named: {message}"))?;
    let w = RotatedMatrix::from_dense(&matrix(&[1.0; 6], &[2, 3])?, &options)?;
    ensure(w.apply(&matrix(&[1.0; 4], &[2, 2])?).is_err(), || "a vector of another length".into())
}
