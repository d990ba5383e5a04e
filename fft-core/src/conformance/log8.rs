//! Log8 codes of tensors, and products with log8 spectra.

use super::compare::{close_each, close_l2, ensure};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::spectral::{LogSpectrumMatrix, LogSpectrumOptions, log8};
use crate::{Complex64, DType, Device, Tensor, compose, reference};

const CODES: &[Operation] = &[Operation::Log8Encode, Operation::Log8Decode];
const PRODUCT: &[Operation] = &[Operation::LogSpectrumProduct];

pub(super) const CASES: &[Case] = &[
    Case::new("log8::round_trip_within_its_bound", CODES, round_trip),
    Case::new("log8::every_code", CODES, every_code),
    Case::new("log8::bad_input", CODES, bad_input),
    Case::new("log_spectrum::products", PRODUCT, products),
    Case::new("log_spectrum::keeps_the_matrix", PRODUCT, keeps_the_matrix),
    Case::new("log_spectrum::saved_parts", PRODUCT, saved_parts),
];

const SHAPES: [(&[usize], usize); 7] =
    [(&[1], 1), (&[7], 3), (&[130], 64), (&[4, 33], 8), (&[2, 3, 64], 64), (&[5, 1], 4), (&[3, 100], 1000)];

fn round_trip(device: &Device) -> Outcome {
    for (seed, (shape, group)) in SHAPES.into_iter().enumerate() {
        let x = Random::new(seed as u64).array(shape, DType::F32);
        for (guise, input) in x.guises(device, DType::F32)? {
            let what = format!("{shape:?}, groups of {group}, {guise:?}");
            let (codes, ranges) = device.log8_encode(&input, group)?;
            let n = shape[shape.len() - 1];
            let mut expected = shape.to_vec();
            expected[shape.len() - 1] = n.div_ceil(group);
            expected.push(2);
            ensure(codes.shape() == shape && ranges.shape() == expected, || format!("{what}: shapes"))?;
            let got = device.log8_decode(&codes, &ranges, group)?;
            let ranges = log8::ranges_from_flat(&ranges.to_vec()?)?;
            let per_row = n.div_ceil(group);
            close_each(what, &got, &x, |i, want| {
                let range = ranges[i / n * per_row + i % n / group];
                let inside = want.re.abs() >= f64::from(range.min());
                let stated =
                    if inside { range.relative_error() * want.re.abs() } else { range.absolute_error() };
                // The decoder may differ by 2e-6.
                stated + 3e-6 * want.re.abs()
            })?;
        }
    }
    Ok(())
}

fn every_code(device: &Device) -> Outcome {
    for (max, step) in [(1.0f32, 0.05f32), (3e-20, 0.2), (7e18, 0.0), (0.0, 0.0)] {
        let range = log8::Range::new(max, step)?;
        let codes: Vec<u8> = (0..=255).collect();
        let codes = Tensor::from_slice(device, &codes, &[256])?;
        let ranges = Tensor::from_slice(device, &[range.max, range.step], &[1, 2])?;
        let got = device.log8_decode(&codes, &ranges, 256)?;
        let want = Array::real(&[256], (0..=255u8).map(|c| range.decode(c).into()));
        close_each(format_args!("{range:?}"), &got, &want, |_, want| 2e-6 * want.norm())?;
        let composed = compose::log8_decode(&codes, &ranges, 256)?;
        close_each(format_args!("{range:?} composed"), &composed, &want, |_, want| 2e-6 * want.norm())?;
    }
    Ok(())
}

fn bad_input(device: &Device) -> Outcome {
    let x = Tensor::from_slice(device, &[1.0f32, 2.0, f32::NAN, 4.0], &[2, 2])?;
    let message = device.log8_encode(&x, 2).err().map(|e| e.to_string()).unwrap_or_default();
    ensure(message.contains("index 2"), || format!("NaN is not named: {message}"))?;
    let x = Tensor::from_slice(device, &[1.0f32, 2.0], &[2])?;
    ensure(device.log8_encode(&x, 0).is_err(), || "a group of 0".into())?;
    let (codes, ranges) = device.log8_encode(&x, 1)?;
    ensure(device.log8_decode(&codes, &ranges, 2).is_err(), || "ranges of other groups".into())?;
    ensure(device.log8_decode(&ranges, &ranges, 1).is_err(), || "codes of another type".into())
}

/// Sides even, odd and prime, one row, one column; groups that do and do not divide a row.
const MATRICES: [(usize, usize, usize); 12] = [
    (1, 1, 4),
    (1, 12, 4),
    (12, 1, 4),
    (2, 3, 8),
    (7, 13, 5),
    (16, 24, 16),
    (13, 16, 64),
    (32, 17, 128),
    (20, 66, 32),
    (5, 67, 16),
    (9, 130, 64),
    (31, 53, 24),
];

/// The matrix that the saved codes stand for, by the definition.
fn dense(w: &LogSpectrumMatrix, group: usize) -> crate::Result<Array> {
    let [rows, cols] = w.shape();
    let parts = w.parts();
    let codes = super::part(&parts, "codes")?.to_vec::<u8>()?;
    let ranges = log8::ranges_from_flat(&super::part(&parts, "ranges")?.to_vec()?)?;
    let groups = cols.div_ceil(group);
    let value = |u: usize, part: usize, v: usize| {
        let row = u * 2 + part;
        f64::from(ranges[row * groups + v / group].decode(codes[row * cols + v]))
    };
    let coefficients: Vec<_> = (0..(rows / 2 + 1) * cols)
        .map(|at| (at / cols, at % cols))
        .map(|(u, v)| (u, v, Complex64::new(value(u, 0, v), value(u, 1, v))))
        .collect();
    Ok(Array::real(&[rows, cols], reference::half_plane_matrix(rows, cols, &coefficients)))
}

/// `5 eps log2(8 M N)`: the transforms contribute `eps log2` of their lengths, the sums of random terms less, decoding `2e-6 < 20 eps`.
fn bound(rows: usize, cols: usize) -> f64 {
    f64::from(f32::EPSILON) * (5.0 * (8.0 * (rows * cols) as f64).log2() + 20.0)
}

fn products(device: &Device) -> Outcome {
    for (seed, (rows, cols, group)) in MATRICES.into_iter().enumerate() {
        let mut random = Random::new(seed as u64);
        let matrix = random.array(&[rows, cols], DType::F32).to(device, DType::F32)?;
        let w = LogSpectrumMatrix::from_dense(&matrix, &LogSpectrumOptions { group })?;
        let what = format!("{rows} x {cols}, groups of {group}");
        let oracle = dense(&w, group)?;
        close_l2(format_args!("{what}, dense"), &w.to_dense()?, &oracle, bound(rows, cols))?;
        let turned = Array::from_fn(&[cols, rows], |i| oracle.at(&[i[1], i[0]]));
        for batch in [0, 1, 3, 7, 20, 40] {
            let x = random.array(&[batch, cols], DType::F32);
            let data = reference::matmul(&x.data, &turned.data, batch, cols, rows);
            let want = Array { shape: vec![batch, rows], data };
            let guises = if batch == 3 { &Guise::ALL[..] } else { &Guise::ALL[..1] };
            for &guise in guises {
                let got = w.apply(&x.disguised(device, DType::F32, guise)?)?;
                close_l2(format_args!("{what}, batch {batch}, {guise:?}"), &got, &want, bound(rows, cols))?;
            }
            let composed = compose::log_spectrum_product(&w, &x.to(device, DType::F32)?)?;
            close_l2(format_args!("{what}, batch {batch}, composed"), &composed, &want, bound(rows, cols))?;
        }
    }
    Ok(())
}

fn keeps_the_matrix(device: &Device) -> Outcome {
    for (rows, cols) in [(40, 100), (33, 65), (64, 64)] {
        let matrix = Random::new(rows as u64).array(&[rows, cols], DType::F32);
        let w =
            LogSpectrumMatrix::from_dense(&matrix.to(device, DType::F32)?, &LogSpectrumOptions::default())?;
        // Spectra of random matrices are Gaussian, and log8 keeps those to about 1%.
        close_l2(format_args!("{rows} x {cols}"), &w.to_dense()?, &matrix, 0.013)?;
        let bits = 8.0 * w.bytes() as f64 / (rows * cols) as f64;
        // 8 bits, ranges of 64 bits for every started group of 128, and the two self-mirrored rows that are stored whole.
        let stated = (8.0 + 64.0 * cols.div_ceil(128) as f64 / cols as f64) * (1.0 + 2.0 / rows as f64);
        ensure(bits <= stated + 1e-9, || format!("{bits} bits a weight, stated {stated}"))?;
    }
    let nan = Tensor::from_slice(device, &[1.0f32, f32::NAN], &[1, 2])?;
    let message = LogSpectrumMatrix::from_dense(&nan, &LogSpectrumOptions::default())
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default();
    ensure(message.contains("[0, 1]"), || format!("NaN is not named: {message}"))
}

fn saved_parts(device: &Device) -> Outcome {
    let matrix = Random::new(4).array(&[6, 10], DType::F32).to(device, DType::F32)?;
    let options = LogSpectrumOptions { group: 4 };
    let w = LogSpectrumMatrix::from_dense(&matrix, &options)?;
    let load = |shape: [usize; 2], group: usize, parts: &[(&'static str, Tensor)]| {
        LogSpectrumMatrix::from_parts(device, shape, &LogSpectrumOptions { group }, &mut |name| {
            super::part(parts, name)
        })
    };
    let parts = w.parts();
    let again = load([6, 10], 4, &parts)?;
    close_l2("loaded", &again.to_dense()?, &dense(&w, 4)?, bound(6, 10))?;
    for (shape, group) in [([8, 10], 4), ([6, 11], 4), ([6, 10], 5), ([6, 10], 0), ([0, 10], 4), ([6, 0], 4)]
    {
        ensure(load(shape, group, &parts).is_err(), || format!("loads as {shape:?} with groups of {group}"))?;
    }
    ensure(load([6, 10], 4, &parts[..1]).is_err(), || "a missing part".into())?;
    let mut ranges = w.ranges().to_vec::<f32>()?;
    for bad in [f32::NAN, f32::INFINITY, -1.0] {
        ranges[5] = bad;
        let lying = Tensor::from_slice(device, &ranges, w.ranges().shape())?;
        let lying = [("codes", w.codes().clone()), ("ranges", lying)];
        ensure(load([6, 10], 4, &lying).is_err(), || format!("a range of {bad}"))?;
    }
    Ok(())
}
