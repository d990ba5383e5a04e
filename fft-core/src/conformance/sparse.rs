//! Products with sparse spectral matrices, and the gradients of their coefficients.
//!
//! Bound of a product: relative L2 error at most `5 epsilon log2(N)` against the dense matrix of the stored (rounded) values in
//! `f64`, with `N` the longer side: two transforms and sums of at most `N` terms. Results of one element may cancel, so they are
//! compared as batches.

use super::compare::{close_l2, ensure, slices_close_l2};
use super::sample::{Array, Random};
use super::{Case, Failure, Operation, Outcome};
use crate::spectral::{SparseSpectralMatrix, ValueFormat};
use crate::{Complex32, Complex64, DType, Device, Tensor, compose, reference};

const PRODUCT: &[Operation] = &[Operation::SparseSpectralProduct];
const GRADIENT: &[Operation] = &[Operation::SparseSpectralGradient];
const STREAMING: &[Operation] = &[Operation::Fft, Operation::Matmul, Operation::Alloc, Operation::Memory];

pub(super) const CASES: &[Case] = &[
    Case::new("sparse::product_against_dense", PRODUCT, |d| products(d, false)),
    Case::new("sparse::transposed_product_against_dense", PRODUCT, |d| products(d, true)),
    Case::new("sparse::product_composed", PRODUCT, composed),
    Case::new("sparse::product_of_views_and_nothing", PRODUCT, views_and_nothing),
    Case::new("sparse::streaming_against_dense", STREAMING, streaming),
    Case::new("sparse::streaming_scratch_is_one_block", STREAMING, streaming_scratch),
    Case::new("sparse::coefficient_gradient_by_differences", GRADIENT, gradient),
    Case::new("sparse::coefficient_gradient_of_batches", GRADIENT, gradient_of_batches),
    Case::new("sparse::positions_with_other_values", PRODUCT, other_values),
];

pub(super) fn bound(shape: [usize; 2]) -> f64 {
    5.0 * f64::from(f32::EPSILON) * (shape[0].max(shape[1]) as f64).log2().max(1.0)
}

/// A matrix with about `count` coefficients anywhere in the plane.
pub(super) fn matrix(
    device: &Device,
    shape: [usize; 2],
    count: usize,
    format: ValueFormat,
    seed: u64,
) -> crate::Result<SparseSpectralMatrix> {
    let mut random = Random::new(seed);
    let coefficients: Vec<_> = (0..count)
        .map(|_| {
            let (u, v) = (random.below(shape[0]), random.below(shape[1]));
            (u, v, Complex32::new(random.unit() as f32, random.unit() as f32))
        })
        .collect();
    SparseSpectralMatrix::from_coefficients(device, shape, &coefficients, format)
}

/// The dense matrix of the stored values, by the definition.
pub(super) fn dense(w: &SparseSpectralMatrix) -> Result<Vec<f64>, Failure> {
    let [m, n] = w.shape();
    let (positions, values) = w.coefficients()?;
    let coefficients: Vec<_> = positions
        .iter()
        .zip(values)
        .map(|(&p, c)| (p as usize / n, p as usize % n, Complex64::new(c.re.into(), c.im.into())))
        .collect();
    Ok(reference::half_plane_matrix(m, n, &coefficients))
}

/// `x W^T` or `x W` in `f64`.
fn oracle(w: &[f64], shape: [usize; 2], x: &Array, transpose: bool) -> Array {
    let [m, n] = shape;
    let (from, to) = if transpose { (m, n) } else { (n, m) };
    let mut out = x.shape.clone();
    if let Some(last) = out.last_mut() {
        *last = to;
    }
    let rows = x.data.chunks(from).flat_map(|row| {
        (0..to).map(move |i| {
            (0..from).map(|j| row[j].re * if transpose { w[j * n + i] } else { w[i * n + j] }).sum::<f64>()
        })
    });
    Array::real(&out, rows.collect::<Vec<_>>())
}

const SHAPES: [[usize; 2]; 14] = [
    [16, 16],
    [12, 10],
    [7, 9],
    [13, 17],
    [1, 12],
    [1, 13],
    [9, 1],
    [10, 1],
    [1, 1],
    [2, 3],
    [64, 96],
    [33, 40],
    [97, 31],
    [128, 127],
];
pub(super) const FORMATS: [ValueFormat; 3] = [ValueFormat::F32, ValueFormat::F16, ValueFormat::Log8];

fn products(device: &Device, transpose: bool) -> Outcome {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        for format in FORMATS {
            let count = (shape[0] * shape[1] / 8).clamp(2, 400);
            let w = matrix(device, shape, count, format, i as u64)?;
            let full = dense(&w)?;
            let from = shape[usize::from(!transpose)];
            // One and two vectors, less than a register, tiles with and without a rest, leading axes.
            for lead in [&[][..], &[2], &[3], &[5], &[9], &[2, 4], &[33], &[70]] {
                let single = lead.iter().product::<usize>() < 5;
                if single && shape[usize::from(transpose)] < 4 {
                    continue;
                }
                let x = Random::new(77 + i as u64).array(&[lead, &[from]].concat(), DType::F32);
                let y = device.sparse_spectral_product(&w, &x.to(device, DType::F32)?, transpose)?;
                let what = format!("{shape:?} {format:?} times {lead:?}, transposed {transpose}");
                close_l2(what, &y, &oracle(&full, shape, &x, transpose), bound(shape))?;
            }
        }
    }
    Ok(())
}

/// The composition is right as well, also where the device has a kernel.
fn composed(device: &Device) -> Outcome {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let w = matrix(device, shape, (shape[0] * shape[1] / 6).clamp(2, 400), FORMATS[i % 3], i as u64)?;
        let full = dense(&w)?;
        for transpose in [false, true] {
            let x = Random::new(5 + i as u64).array(&[70, shape[usize::from(!transpose)]], DType::F32);
            let y = compose::sparse_spectral_product(&w, &x.to(device, DType::F32)?, transpose)?;
            let what = format!("composed {shape:?}, transposed {transpose}");
            close_l2(what, &y, &oracle(&full, shape, &x, transpose), bound(shape))?;
        }
    }
    Ok(())
}

fn views_and_nothing(device: &Device) -> Outcome {
    let shape = [24, 18];
    let w = matrix(device, shape, 60, ValueFormat::F32, 3)?;
    let full = dense(&w)?;
    let x = Random::new(4).array(&[6, 18], DType::F32);
    for (guise, view) in x.guises(device, DType::F32)? {
        let y = w.apply(&view)?;
        close_l2(format!("{guise:?}"), &y, &oracle(&full, shape, &x, false), bound(shape))?;
    }
    let none = w.apply(&Tensor::zeros(device, &[0, 18], DType::F32)?)?;
    ensure(none.shape() == [0, 24], || format!("a batch of 0 gave {:?}", none.shape()))?;
    let empty = SparseSpectralMatrix::from_coefficients(device, shape, &[], ValueFormat::Log8)?;
    let zero = empty.apply(&x.to(device, DType::F32)?)?.to_vec::<f32>()?;
    ensure(zero.iter().all(|&v| v == 0.0), || "a matrix without coefficients is not zero".into())?;
    ensure(w.apply(&Tensor::zeros(device, &[3, 17], DType::F32)?).is_err(), || "17 columns passed".into())?;
    ensure(w.apply(&Tensor::zeros(device, &[18], DType::F16)?).is_err(), || "f16 passed".into())?;
    ensure(w.apply_transposed(&Tensor::zeros(device, &[], DType::F32)?).is_err(), || "no axes passed".into())
}

fn streaming(device: &Device) -> Outcome {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let w = matrix(device, shape, (shape[0] * shape[1] / 5).clamp(2, 400), FORMATS[i % 3], i as u64)?;
        let full = dense(&w)?;
        let x = Random::new(6).array(&[2, 5, shape[1]], DType::F32);
        let want = oracle(&full, shape, &x, false);
        for rows in [1, 3, 8, shape[0].max(1), usize::MAX] {
            let y = w.block_streaming_matmul(&x.to(device, DType::F32)?, rows)?;
            close_l2(format!("{shape:?} in blocks of {rows}"), &y, &want, bound(shape))?;
        }
        let x = Random::new(8).array(&[2, 5, shape[0]], DType::F32);
        let want = oracle(&full, shape, &x, true);
        for rows in [1, 3, 8, shape[0].max(1), usize::MAX] {
            let y = w.block_streaming_matmul_transposed(&x.to(device, DType::F32)?, rows)?;
            close_l2(format!("{shape:?} in blocks of {rows}, transposed"), &y, &want, bound(shape))?;
        }
    }
    let w = matrix(device, [4, 4], 3, ValueFormat::F32, 1)?;
    let x = Tensor::zeros(device, &[4], DType::F32)?;
    ensure(w.block_streaming_matmul(&x, 0).is_err(), || "blocks of 0 rows passed".into())?;
    ensure(w.block_streaming_matmul_transposed(&x, 0).is_err(), || "blocks of 0 rows passed".into())?;
    ensure(w.block_streaming_gradient(&x, &x, 0).is_err(), || "blocks of 0 rows passed".into())
}

fn streaming_scratch(device: &Device) -> Outcome {
    let (m, n) = (512, 384);
    let w = matrix(device, [m, n], 20_000, ValueFormat::F32, 9)?;
    let x = Random::new(2).array(&[4, n], DType::F32).to(device, DType::F32)?;
    let mut peaks = Vec::new();
    for rows in [16, 64] {
        device.memory().reset_peak();
        let before = device.memory().usage().in_use;
        let y = w.block_streaming_matmul(&x, rows)?;
        let scratch = device.memory().usage().peak - before - y.bytes();
        let block = rows * n * size_of::<f32>();
        // The block, its spectrum and the transform's input; pieces of columns and values of 16384 coefficients beside it.
        let most = 3 * block + block / 2 + 16384 * 12 + 65536;
        ensure(scratch >= block && scratch <= most, || {
            format!("{rows} rows: scratch of {scratch} bytes, the block has {block}, at most {most} expected")
        })?;
        ensure(scratch < m * n * size_of::<f32>(), || format!("{scratch} bytes are the whole matrix"))?;
        peaks.push(scratch);
    }
    ensure(peaks[0] < peaks[1], || format!("smaller blocks take no less: {peaks:?}"))
}

/// The loss is linear in the coefficients, so that differences of any size are exact but for rounding.
fn gradient(device: &Device) -> Outcome {
    for (m, n) in [(6, 8), (5, 7), (1, 9), (8, 1)] {
        let w = matrix(device, [m, n], 9, ValueFormat::F32, 31)?;
        let x = Random::new(32).array(&[2, 3, n], DType::F32);
        let dy = Random::new(33).array(&[2, 3, m], DType::F32);
        let (positions, values) = w.coefficients()?;
        let loss = |at: usize, change: Complex64| -> f64 {
            let changed: Vec<_> = (0..values.len())
                .map(|i| {
                    let c = Complex64::new(values[i].re.into(), values[i].im.into());
                    let p = positions[i] as usize;
                    (p / n, p % n, if i == at { c + change } else { c })
                })
                .collect();
            let y = oracle(&reference::half_plane_matrix(m, n, &changed), [m, n], &x, false);
            y.data.iter().zip(&dy.data).map(|(y, g)| y.re * g.re).sum()
        };
        let difference = |at, step: Complex64| (loss(at, step) - loss(at, -step)) / 2.0;
        let want: Vec<Complex64> = (0..values.len())
            .map(|at| Complex64::new(difference(at, 1.0.into()), difference(at, Complex64::i())))
            .collect();
        let got = w.coefficient_gradient(&x.to(device, DType::F32)?, &dy.to(device, DType::F32)?)?;
        slices_close_l2(format!("[{m}, {n}]"), &Array::from(&got)?.data, &want, 2.0 * bound([m, n]))?;
    }
    Ok(())
}

/// Against the transform of `dy^T x` at the stored positions, for batches that fill tiles and that do not.
fn gradient_of_batches(device: &Device) -> Outcome {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let [m, n] = shape;
        let w = matrix(device, shape, (m * n / 8).clamp(2, 300), ValueFormat::F32, i as u64)?;
        let (positions, _) = w.coefficients()?;
        let nothing = |features| Tensor::zeros(device, &[0, features], DType::F32);
        let zeros = w.coefficient_gradient(&nothing(n)?, &nothing(m)?)?.to_vec::<Complex32>()?;
        ensure(zeros.len() == w.count() && zeros.iter().all(|g| g.norm() == 0.0), || {
            format!("{shape:?}: the gradient of no vectors is {zeros:?}")
        })?;
        for lead in [&[][..], &[2], &[3], &[5], &[2, 4], &[33], &[50], &[300]] {
            let mut random = Random::new(90 + i as u64);
            let x = random.array(&[lead, &[n]].concat(), DType::F32);
            let dy = random.array(&[lead, &[m]].concat(), DType::F32);
            let batch: usize = lead.iter().product();
            // Both spectra of each vector by the definition; the bins that are needed.
            let spectra = |of: &Array, len: usize| -> Vec<Vec<Complex64>> {
                of.re().chunks(len).take(batch).map(reference::rdft).collect()
            };
            let (xs, gs) = (spectra(&x, n), spectra(&dy, m));
            let bin = |of: &[Complex64], len: usize, k: usize| {
                if k <= len / 2 { of[k] } else { of[len - k].conj() }
            };
            let want: Vec<Complex64> = positions
                .iter()
                .map(|&p| (p as usize / n, p as usize % n))
                .map(|(u, v)| xs.iter().zip(&gs).map(|(x, g)| bin(g, m, u) * bin(x, n, v)).sum::<Complex64>())
                .map(|sum| sum / (m * n) as f64)
                .collect();
            let (x, dy) = (x.to(device, DType::F32)?, dy.to(device, DType::F32)?);
            let what = format!("{shape:?}, {lead:?}");
            let got = device.sparse_spectral_gradient(&w, &x, &dy)?;
            slices_close_l2(&what, &Array::from(&got)?.data, &want, 2.0 * bound(shape))?;
            for rows in [1, 3, 8, usize::MAX] {
                let got = w.block_streaming_gradient(&x, &dy, rows)?;
                let what = format!("{what} in blocks of {rows}");
                slices_close_l2(what, &Array::from(&got)?.data, &want, 2.0 * bound(shape))?;
            }
            if batch < 10 {
                let composed = compose::sparse_spectral_gradient(&w, &x, &dy)?;
                slices_close_l2(what, &Array::from(&composed)?.data, &want, 2.0 * bound(shape))?;
            }
        }
    }
    Ok(())
}

fn other_values(device: &Device) -> Outcome {
    let shape = [12, 10];
    let positions = [[0u32, 3], [1, 0], [1, 9], [4, 4], [4, 4], [6, 2]];
    let zero = SparseSpectralMatrix::from_positions(device, shape, &positions)?;
    let values = Random::new(6).array(&[6], DType::C64);
    let coefficients: Vec<_> =
        positions.iter().zip(&values.data).map(|(p, &c)| (p[0] as usize, p[1] as usize, c)).collect();
    let full = reference::half_plane_matrix(12, 10, &coefficients);
    let x = Random::new(7).array(&[5, 10], DType::F32);
    for (guise, values) in values.guises(device, DType::C64)? {
        let w = zero.with_values(&values)?;
        let y = w.apply(&x.to(device, DType::F32)?)?;
        close_l2(format!("{guise:?}"), &y, &oracle(&full, shape, &x, false), bound(shape))?;
    }
    ensure(zero.with_values(&Tensor::zeros(device, &[5], DType::C64)?).is_err(), || "too few".into())?;
    ensure(zero.with_values(&Tensor::zeros(device, &[6], DType::F32)?).is_err(), || "real values".into())?;
    for wrong in [[[7, 0], [7, 1]], [[0, 10], [1, 0]], [[1, 0], [0, 3]], [[1, 4], [1, 3]]] {
        let refused = SparseSpectralMatrix::from_positions(device, shape, &wrong);
        ensure(refused.is_err(), || format!("positions {wrong:?}"))?;
    }
    Ok(())
}
