//! Convolution and correlation of sequences.
//!
//! Bound: three transforms and a product have the error `(3 log2 n + 2) epsilon` relative to `|a| |v|` in L2 (the bound of
//! [`super::fft`] thrice); a direct sum of `m` products `(m + 1) epsilon`, less for the few terms here. Of random sequences the full
//! result has about the norm `|a| |v|`; parts of it have less, so errors are compared with the norm of the full result.

use super::compare::{ensure, relative_l2};
use super::sample::{Array, Random};
use super::{Case, Failure, Operation, Outcome};
use crate::{Complex64, ConvolveMode, DType, Device, Tensor, reference};

const SUMS: &[Operation] = &[Operation::Fft, Operation::FftNd, Operation::Matmul];

pub(super) const CASES: &[Case] = &[
    Case::new("convolve::against_the_sum", SUMS, |d| against_the_sum(d, [DType::F32, DType::C64])),
    Case::new("convolve::against_the_sum_f64", SUMS, |d| against_the_sum(d, [DType::F64, DType::C128]))
        .needing(super::fft::WIDE),
    Case::new("convolve::batches_and_layouts", SUMS, batches_and_layouts),
    Case::new("convolve::several_axes", SUMS, several_axes),
    Case::new("convolve::exact_integers", SUMS, exact_integers),
];

const MODES: [ConvolveMode; 3] = [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid];

fn bound(dtype: DType, n: usize) -> f64 {
    2.0 * (3.0 * (n as f64).log2().max(1.0) + 2.0) * dtype.epsilon()
}

/// The part of the full sums, with NumPy's middle.
fn part(full: &[Complex64], n: usize, m: usize, mode: ConvolveMode, correlate: bool) -> Vec<Complex64> {
    let (long, short) = (n.max(m), n.min(m));
    let (start, len) = match mode {
        ConvolveMode::Full => (0, full.len()),
        ConvolveMode::Same if correlate && m > n => (short / 2, long),
        ConvolveMode::Same => ((short - 1) / 2, long),
        ConvolveMode::Valid => (short - 1, long - short + 1),
    };
    full[start..start + len].to_vec()
}

fn close(what: &str, got: &Tensor, want: &[Complex64], size: f64, limit: f64) -> Outcome {
    let got = Array::from(got)?.data;
    ensure(got.len() == want.len(), || format!("{what}: {} sums instead of {}", got.len(), want.len()))?;
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).norm_sqr()).sum::<f64>().sqrt();
    let zeros: f64 = want.iter().map(|w| w.norm_sqr()).sum::<f64>().sqrt();
    ensure(zeros > limit * size, || format!("{what}: the comparison is void, zeros would pass"))?;
    ensure(error <= limit * size, || format!("{what}: error {:.3e} exceeds {limit:.3e}", error / size))
}

fn against_the_sum(device: &Device, [real, complex]: [DType; 2]) -> Outcome {
    let lengths = [
        (1, 1),
        (1, 7),
        (7, 1),
        (2, 2),
        (5, 3),
        (3, 5),
        (5, 4),
        (4, 5),
        (6, 6),
        (40, 16),
        (16, 40),
        (40, 17),
        (17, 40),
        (33, 33),
        (100, 31),
        (64, 65),
        (1000, 9),
        (9, 1001),
        (700, 300),
        (257, 256),
    ];
    for (seed, (n, m)) in lengths.into_iter().enumerate() {
        for (da, dv) in [(real, real), (complex, complex), (real, complex), (complex, real)] {
            let mut random = Random::new(seed as u64);
            let (a, v) = (random.array(&[n], da), random.array(&[m], dv));
            let (at, vt) = (a.to(device, da)?, v.to(device, dv)?);
            for correlate in [false, true] {
                let full =
                    if correlate { reference::correlate } else { reference::convolve }(&a.data, &v.data);
                let size = full.iter().map(|w| w.norm_sqr()).sum::<f64>().sqrt();
                for mode in MODES {
                    let got = if correlate { at.correlate(&vt, mode)? } else { at.convolve(&vt, mode)? };
                    let what = format!("{n} {da} with {m} {dv}, {mode:?}, correlate {correlate}");
                    let is_complex = da.is_complex() || dv.is_complex();
                    ensure(got.dtype().is_complex() == is_complex, || format!("{what}: {}", got.dtype()))?;
                    close(&what, &got, &part(&full, n, m, mode, correlate), size, bound(da, n + m - 1))?;
                }
            }
        }
    }
    Ok(())
}

/// Lines of two batches, broadcast.
fn batches_and_layouts(device: &Device) -> Outcome {
    let dtype = DType::F32;
    for (n, m) in [(12, 5), (40, 30), (5, 12), (30, 40)] {
        let mut random = Random::new(n as u64);
        for (a_lead, v_lead) in
            [(&[2, 3][..], &[3][..]), (&[1], &[4]), (&[], &[2, 1]), (&[3], &[3]), (&[2, 1], &[1, 3])]
        {
            let a = random.array(&[a_lead, &[n]].concat(), dtype);
            let v = random.array(&[v_lead, &[m]].concat(), dtype);
            let lead = crate::layout::broadcast_shapes("convolve", a_lead, v_lead)?;
            let mut want = Vec::new();
            for index in Array::indices(&lead) {
                let line = |x: &Array, len: usize| -> Vec<Complex64> {
                    let skip = index.len() + 1 - x.shape.len();
                    (0..len).map(|j| x.at(&[&index[skip..], &[j]].concat())).collect()
                };
                want.extend(reference::correlate(&line(&a, n), &line(&v, m)));
            }
            let size = want.iter().map(|w| w.norm_sqr()).sum::<f64>().sqrt();
            for (guise, at) in a.guises(device, dtype)? {
                let got = at.correlate(&v.disguised(device, dtype, guise)?, ConvolveMode::Full)?;
                let what = format!("{guise:?} {:?} with {:?}", a.shape, v.shape);
                let shape = [lead.as_slice(), &[n + m - 1]].concat();
                ensure(got.shape() == shape, || format!("{what}: {:?}", got.shape()))?;
                close(&what, &got, &want, size, bound(dtype, n + m - 1))?;
            }
        }
    }
    let (empty, v) = (Tensor::zeros(device, &[0, 9], dtype)?, Tensor::zeros(device, &[4], dtype)?);
    let shape = empty.convolve(&v, ConvolveMode::Same)?;
    ensure(shape.shape() == [0, 9], || format!("an empty batch gives {:?}", shape.shape()))
}

fn several_axes(device: &Device) -> Outcome {
    for dtype in [DType::F32, DType::C64] {
        for (a_shape, v_shape) in [([2, 7, 9], [1, 3, 4]), ([1, 3, 4], [2, 7, 9]), ([3, 5, 20], [3, 5, 18])] {
            let mut random = Random::new(11);
            let (a, v) = (random.array(&a_shape, dtype), random.array(&v_shape, dtype));
            let (n, m) = ([a_shape[1], a_shape[2]], [v_shape[1], v_shape[2]]);
            let shape = [a_shape[0].max(v_shape[0]), n[0] + m[0] - 1, n[1] + m[1] - 1];
            let full = Array::from_fn(&shape, |i| {
                let mut sum = Complex64::default();
                for j in Array::indices(&[m[0], m[1]]) {
                    let (y, x) = (i[1].wrapping_sub(j[0]), i[2].wrapping_sub(j[1]));
                    if y < n[0] && x < n[1] {
                        sum += a.at(&[i[0], y, x]) * v.at(&[i[0], j[0], j[1]]);
                    }
                }
                sum
            });
            let size = full.data.iter().map(|w| w.norm_sqr()).sum::<f64>().sqrt();
            let (at, vt) = (a.to(device, dtype)?, v.to(device, dtype)?);
            for mode in MODES {
                let one = |n: usize, m: usize| {
                    let places: Vec<_> = (0..n + m - 1).map(|k| Complex64::from(k as f64)).collect();
                    let part = part(&places, n, m, mode, false);
                    (part[0].re as usize, part.len())
                };
                let ((y, h), (x, w)) = (one(n[0], m[0]), one(n[1], m[1]));
                let want = Array::from_fn(&[shape[0], h, w], |i| full.at(&[i[0], i[1] + y, i[2] + x]));
                let got = at.convolve_nd(&vt, &[1, 2], mode)?;
                let what = format!("{dtype} {a_shape:?} with {v_shape:?} {mode:?}");
                ensure(got.shape() == want.shape, || format!("{what}: {:?}", got.shape()))?;
                close(&what, &got, &want.data, size, bound(dtype, shape[1] * shape[2]))?;
                // A correlation is a convolution with the kernel reversed and conjugate; only a swapped middle differs.
                if mode != ConvolveMode::Same {
                    let turned = vt.step(1, -1)?.step(2, -1)?.conj()?;
                    let error = relative_l2(
                        &Array::from(&at.correlate_nd(&turned, &[1, 2], mode)?)?.data,
                        &want.data,
                    );
                    ensure(error <= 1e-4, || format!("{what}: correlation off by {error:e}"))?;
                }
            }
        }
    }
    Ok(())
}

/// Short sequences of integers have exact sums, also beside what is not finite.
fn exact_integers(device: &Device) -> Outcome {
    let a = Array::real(&[30], (0..30).map(|j| f64::from(j * j % 11) - 5.0));
    let v = Array::real(&[4], [1.0, -2.0, 3.0, 4.0]);
    let want = reference::convolve(&a.data, &v.data);
    let vt = v.to(device, DType::F32)?;
    let got = a.to(device, DType::F32)?.convolve(&vt, ConvolveMode::Full)?;
    super::compare::equal("integers", &got, &Array { shape: vec![33], data: want.clone() })?;
    let mut broken = a.clone();
    broken.data[10].re = f64::NAN;
    let got = Array::from(&broken.to(device, DType::F32)?.convolve(&vt, ConvolveMode::Full)?)?;
    for (k, (g, w)) in got.data.iter().zip(&want).enumerate() {
        let fits = if (10..14).contains(&k) { g.re.is_nan() } else { g == w };
        if !fits {
            return Err(Failure::new(format!("sum {k} beside NaN is {g} instead of {w}")));
        }
    }
    Ok(())
}
