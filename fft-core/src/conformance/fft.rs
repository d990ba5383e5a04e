//! Transforms along one axis.
//!
//! Bound of every comparison unless stated: relative L2 error at most `epsilon * max(1, log2 n)`, the promise of
//! [`SpectralBackend::fft`](crate::SpectralBackend::fft). The first-order analysis of a fast transform gives a multiple of
//! `epsilon log2 n` in the worst case and of `epsilon sqrt(log2 n)` on average (Gentleman and Sande 1966).

use super::compare::{ensure, slices_close_l2};
use super::sample::{Array, Guise, Random, written};
use super::{Case, Failure, Operation, Outcome};
use crate::Direction::{Forward, Inverse};
use crate::{Complex64, DType, Device, Direction, FftKind, FftSpec, Norm, Tensor, reference};

pub(super) const FFT: &[Operation] = &[Operation::Fft];

pub(super) const CASES: &[Case] = &[
    Case::new("fft::axes_and_layouts", FFT, |d| axes_and_layouts(d, DType::C64)),
    Case::new("fft::axes_and_layouts_f64", FFT, |d| axes_and_layouts(d, DType::C128)).needing(WIDE),
    Case::new("fft::crop_and_pad", FFT, crop_and_pad),
    Case::new("fft::strided_destinations", FFT, strided_destinations),
    Case::new("fft::batches", FFT, batches),
    Case::new("fft::norms_and_scale", FFT, norms_and_scale),
    Case::new("fft::nan_stays_in_its_row", FFT, nan_stays_in_its_row),
    Case::new("fft::dirty_memory", FFT, dirty_memory),
    Case::new("fft::properties", FFT, properties),
];

pub(super) const WIDE: &[DType] = &[DType::F64, DType::C128];

/// The bound for `n` points.
pub(super) fn bound(dtype: DType, n: usize) -> f64 {
    dtype.epsilon() * (n as f64).log2().max(1.0)
}

pub(super) fn spec(kind: FftKind, direction: Direction, axis: usize, n: usize, scale: f64) -> FftSpec {
    FftSpec { kind, direction, axis, n, scale }
}

pub(super) fn tensor(device: &Device, data: &[Complex64], dtype: DType) -> Result<Tensor, Failure> {
    Ok(Array { shape: vec![data.len()], data: data.to_vec() }.to(device, dtype)?)
}

/// `array` with `f` applied to each line along `axis`, whose length may change.
fn along(array: &Array, axis: usize, f: impl Fn(&[Complex64]) -> Vec<Complex64>) -> Array {
    let n = array.shape[axis];
    let inner: usize = array.shape[axis + 1..].iter().product();
    let outer: usize = array.shape[..axis].iter().product();
    let mut shape = array.shape.clone();
    let mut lines = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        for i in 0..inner {
            let line: Vec<Complex64> = (0..n).map(|j| array.data[(o * n + j) * inner + i]).collect();
            lines.push(f(&line));
        }
    }
    shape[axis] = lines.first().map_or(0, Vec::len);
    let data = (0..outer)
        .flat_map(|o| (0..shape[axis]).flat_map(move |j| (0..inner).map(move |i| (o * inner + i, j))))
        .map(|(line, j)| lines[line][j])
        .collect();
    Array { shape, data }
}

/// `line` with zeros after it or its end cut off.
fn resized(line: &[Complex64], n: usize) -> Vec<Complex64> {
    (0..n).map(|j| line.get(j).copied().unwrap_or_default()).collect()
}

/// What a transform of `x` along `axis` should return.
pub(super) fn oracle(x: &Array, spec: FftSpec) -> Array {
    let scaled = |z: Complex64| z * spec.scale;
    along(x, spec.axis, |line| match spec.kind {
        FftKind::C2C => {
            reference::dft(&resized(line, spec.n), spec.direction).into_iter().map(scaled).collect()
        }
        FftKind::R2C => {
            let full = reference::dft(&resized(line, spec.n), Forward);
            reference::half_spectrum(&full).into_iter().map(scaled).collect()
        }
        FftKind::C2R => {
            let half = resized(line, spec.n / 2 + 1);
            let full = reference::dft(&reference::hermitian(&half, spec.n), Inverse);
            full.into_iter().map(|z| Complex64::from(z.re * spec.scale)).collect()
        }
    })
}

/// The element types of source and destination.
fn types(kind: FftKind, complex: DType) -> (DType, DType) {
    match kind {
        FftKind::C2C => (complex, complex),
        FftKind::R2C => (complex.to_real(), complex),
        FftKind::C2R => (complex, complex.to_real()),
    }
}

const WAYS: [(FftKind, Direction); 4] =
    [(FftKind::C2C, Forward), (FftKind::C2C, Inverse), (FftKind::R2C, Forward), (FftKind::C2R, Inverse)];

/// The length along the axis that makes a source of `len` a transform of all its elements.
fn points(kind: FftKind, len: usize) -> usize {
    if kind == FftKind::C2R { 2 * len - 1 } else { len }
}

fn compare(what: impl std::fmt::Display, got: &Tensor, want: &Array, limit: f64) -> Outcome {
    super::compare::close_l2(what, got, want, limit)
}

fn axes_and_layouts(device: &Device, dtype: DType) -> Outcome {
    let shapes: [&[usize]; 7] =
        [&[12], &[5, 8], &[3, 16, 7], &[2, 3, 4, 5], &[1, 13, 1], &[64, 48], &[2, 1, 2, 1, 6]];
    for (seed, shape) in shapes.into_iter().enumerate() {
        for (kind, direction) in WAYS {
            let (src, _) = types(kind, dtype);
            let array = Random::new(seed as u64).array(shape, src);
            for axis in 0..shape.len() {
                let spec = spec(kind, direction, axis, points(kind, shape[axis]), 1.0);
                let want = oracle(&array, spec);
                for (guise, x) in array.guises(device, src)? {
                    let got = x.fft_primitive(spec)?;
                    let what = format!("{kind:?} {direction:?}, {guise:?} {shape:?}, axis {axis}");
                    compare(what, &got, &want, bound(dtype, spec.n))?;
                }
            }
        }
    }
    // A source that repeats: strides of 0 along the transformed axis, or along another.
    let row = Random::new(1).array(&[1, 6], dtype);
    for (shape, axis) in [([4, 6], 0), ([4, 6], 1)] {
        let full = Array::from_fn(&shape, |i| row.at(i));
        let x = row.to(device, dtype)?.broadcast_to(&shape)?;
        let spec = spec(FftKind::C2C, Forward, axis, shape[axis], 1.0);
        let what = format!("repeated rows, axis {axis}");
        compare(what, &x.fft_primitive(spec)?, &oracle(&full, spec), bound(dtype, 6))?;
    }
    Ok(())
}

fn crop_and_pad(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for (kind, direction) in WAYS {
        let (src, _) = types(kind, dtype);
        for axis in 0..2 {
            let array = Random::new(3).array(&[9, 10], src);
            for n in [1, 2, 3, 5, 8, 9, 10, 11, 16, 17, 19, 20, 37, 64] {
                let spec = spec(kind, direction, axis, n, 0.5);
                let want = oracle(&array, spec);
                for guise in [Guise::Contiguous, Guise::Narrowed, Guise::Reversed] {
                    let got = array.disguised(device, src, guise)?.fft_primitive(spec)?;
                    compare(
                        format!("{kind:?} {guise:?}, axis {axis}, n = {n}"),
                        &got,
                        &want,
                        bound(dtype, n),
                    )?;
                }
            }
        }
    }
    // Nothing but padding.
    let none = Tensor::zeros(device, &[2, 0], dtype)?.fft(1, Some(4), Norm::Backward)?;
    ensure(
        none.shape() == [2, 4] && none.to_vec::<crate::Complex32>()?.iter().all(|z| z.norm() == 0.0),
        || "the transform of padding alone is not 0".into(),
    )
}

fn strided_destinations(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for (kind, direction) in WAYS {
        let (src, dst) = types(kind, dtype);
        let array = Random::new(8).array(&[6, 15, 4], src);
        for axis in 0..3 {
            let spec = spec(kind, direction, axis, points(kind, array.shape[axis]), 1.0);
            let want = oracle(&array, spec);
            for guise in Guise::ALL {
                let x = array.disguised(device, src, guise)?;
                for target in Guise::ALL {
                    let what = format!("{kind:?} {direction:?}, {guise:?} to {target:?}, axis {axis}");
                    let got =
                        written(device, &want.shape, dst, target, |out| device.fft(spec, x.view(), out))
                            .map_err(|f| f.within(&what))?;
                    compare(what, &got, &want, bound(dtype, spec.n))?;
                }
            }
        }
    }
    Ok(())
}

fn batches(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for (kind, direction) in WAYS {
        let (src, out) = types(kind, dtype);
        for (batch, len) in
            [(0, 8), (1, 8), (3, 8), (3, 1009), (7, 31), (33, 64), (1000, 12), (257, 5), (64, 1), (5, 2)]
        {
            let spec = spec(kind, direction, 1, points(kind, len), 1.0);
            let array = Random::new(batch as u64).array(&[batch, len], src);
            let got = array.to(device, src)?.fft_primitive(spec)?;
            if batch == 0 {
                let want = if kind == FftKind::R2C { spec.n / 2 + 1 } else { spec.n };
                let fits = got.shape() == [0, want] && got.dtype() == out;
                ensure(fits, || format!("{kind:?}: {:?} of an empty batch", got.shape()))?;
                continue;
            }
            compare(format!("{kind:?} {batch} x {len}"), &got, &oracle(&array, spec), bound(dtype, spec.n))?;
            // And with the batch as the inner axis, where lines are columns.
            let columns = Random::new(batch as u64 + 1).array(&[len, batch], src);
            let spec = FftSpec { axis: 0, ..spec };
            let got = columns.to(device, src)?.fft_primitive(spec)?;
            let what = format!("{kind:?} columns {len} x {batch}");
            compare(what, &got, &oracle(&columns, spec), bound(dtype, spec.n))?;
        }
    }
    Ok(())
}

fn norms_and_scale(device: &Device) -> Outcome {
    let dtype = DType::C64;
    let array = Random::new(4).array(&[3, 10], dtype);
    let x = array.to(device, dtype)?;
    for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
        for n in [7, 10] {
            // The factor by the definition in the documentation of `Norm`.
            let (there, back) = match norm {
                Norm::Backward => (1.0, 1.0 / n as f64),
                Norm::Ortho => ((n as f64).powf(-0.5), (n as f64).powf(-0.5)),
                Norm::Forward => (1.0 / n as f64, 1.0),
            };
            let limit = bound(dtype, n);
            let want = oracle(&array, spec(FftKind::C2C, Forward, 1, n, there));
            compare(format!("fft {norm:?}, n = {n}"), &x.fft(1, Some(n), norm)?, &want, limit)?;
            let want = oracle(&array, spec(FftKind::C2C, Inverse, 1, n, back));
            compare(format!("ifft {norm:?}, n = {n}"), &x.ifft(1, Some(n), norm)?, &want, limit)?;
            let real = Array::real(&array.shape, array.re());
            let want = oracle(&real, spec(FftKind::R2C, Forward, 1, n, there));
            let got = x.real()?.rfft(1, Some(n), norm)?;
            compare(format!("rfft {norm:?}, n = {n}"), &got, &want, limit)?;
            let want = oracle(&array, spec(FftKind::C2R, Inverse, 1, n, back));
            compare(format!("irfft {norm:?}, n = {n}"), &x.irfft(1, Some(n), norm)?, &want, limit)?;
        }
    }
    for scale in [-2.5, 1e-20, 1e20] {
        for (kind, direction) in WAYS {
            let (src, _) = types(kind, dtype);
            let array = Random::new(5).array(&[2, 24], src);
            let spec = spec(kind, direction, 1, 24, scale);
            let got = array.to(device, src)?.fft_primitive(spec)?;
            compare(format!("{kind:?} scaled by {scale:e}"), &got, &oracle(&array, spec), bound(dtype, 24))?;
        }
    }
    Ok(())
}

fn nan_stays_in_its_row(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for n in [1, 2, 3, 4, 5, 7, 8, 16, 30, 37, 64, 101, 127, 1009, 1024, 2 * 1009] {
        for (kind, direction) in WAYS {
            for poison in [f64::NAN, f64::INFINITY] {
                let (src, _) = types(kind, dtype);
                let len = if kind == FftKind::C2R { n / 2 + 1 } else { n };
                let clean = Random::new(n as u64).array(&[3, len], src);
                let mut array = clean.clone();
                // Where no weight of the sum is 0: a real output of C2R may take nothing from the real part of a bin.
                let place = if kind == FftKind::C2R { 0 } else { len / 3 };
                array.data[len + place].re = poison;
                let spec = spec(kind, direction, 1, n, 1.0);
                let got = Array::from(&array.to(device, src)?.fft_primitive(spec)?)?;
                let want = oracle(&clean, spec);
                let width = want.shape[1];
                for row in [0, 2] {
                    let range = row * width..(row + 1) * width;
                    let what = format_args!("{kind:?} n = {n}: row {row} beside one with {poison}");
                    slices_close_l2(what, &got.data[range.clone()], &want.data[range], bound(dtype, n))?;
                }
                // Every bin is a sum over all elements. A complex product may turn an infinity into NaN, not into a number.
                let finite = got.data[width..2 * width]
                    .iter()
                    .filter(|z| z.re.is_finite() && z.im.is_finite())
                    .count();
                ensure(finite == 0, || {
                    format!("{kind:?} n = {n}: {poison} vanished from {finite} of {width} bins")
                })?;
            }
        }
    }
    Ok(())
}

fn dirty_memory(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for n in [6, 64, 100, 1009, 4096] {
        let array = Random::new(n as u64).array(&[3, n], dtype);
        let x = array.to(device, dtype)?;
        let half = n / 2;
        let pad = spec(FftKind::C2C, Forward, 1, n + half, 1.0);
        for _ in 0..3 {
            // Freed blocks full of NaN: whatever the next operations reuse is dirty.
            for len in [3 * n, 3 * (n + half), n + half, 4 * n, 8 * n] {
                drop(Tensor::full(device, &[len], dtype, f64::NAN)?);
            }
            let got = x.fft_primitive(pad)?;
            let line = Array::from_fn(&[1, n], |i| array.data[i[1]]);
            let row = Array { shape: vec![1, n + half], data: Array::from(&got)?.data[..n + half].to_vec() };
            let want = along(&line, 1, |line| reference::fast_dft(&resized(line, n + half), Forward));
            slices_close_l2(format_args!("n = {n}"), &row.data, &want.data, bound(dtype, n + half))?;
            let all = Array::from(&got)?;
            ensure(all.data.iter().all(|z| z.re.is_finite() && z.im.is_finite()), || {
                format!("n = {n}: memory that was not cleared shows in the result")
            })?;
        }
    }
    Ok(())
}

/// Linearity, the shift theorem, Parseval's theorem: each within the errors of the transforms it compares.
fn properties(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for n in [17, 96, 1000, 1009, 8192, 10007] {
        let mut random = Random::new(n as u64);
        let (a, b) = (random.array(&[n], dtype), random.array(&[n], dtype));
        let transform = |x: &Array| -> Result<Array, Failure> {
            let x = x.to(device, dtype)?;
            Ok(Array::from(&x.fft_primitive(spec(FftKind::C2C, Forward, 0, n, 1.0))?)?)
        };
        let (fa, fb) = (transform(&a)?, transform(&b)?);
        // Halves and sums of multiples of 2^-23 below 1 are exact, so only the transforms err: three of them, each on a
        // spectrum no larger than twice the sum's.
        let sum = Array::from_fn(&[n], |i| (a.data[i[0]] + b.data[i[0]]) / 2.0);
        let want: Vec<_> = fa.data.iter().zip(&fb.data).map(|(a, b)| (a + b) / 2.0).collect();
        slices_close_l2(
            format_args!("linearity, n = {n}"),
            &transform(&sum)?.data,
            &want,
            4.0 * bound(dtype, n),
        )?;
        let shift = n / 3;
        let shifted = Array::from_fn(&[n], |i| a.data[(i[0] + n - shift) % n]);
        let turn = |k: usize| Complex64::cis(-std::f64::consts::TAU * (k * shift % n) as f64 / n as f64);
        let want: Vec<_> = fa.data.iter().enumerate().map(|(k, z)| z * turn(k)).collect();
        slices_close_l2(
            format_args!("shift, n = {n}"),
            &transform(&shifted)?.data,
            &want,
            2.0 * bound(dtype, n),
        )?;
        let energy = |x: &Array| x.data.iter().map(|z| z.norm_sqr()).sum::<f64>();
        let ratio = energy(&fa) / (n as f64 * energy(&a));
        ensure((ratio - 1.0).abs() <= 2.0 * bound(dtype, n), || format!("Parseval, n = {n}: ratio {ratio}"))?;
    }
    Ok(())
}
