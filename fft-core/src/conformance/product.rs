//! Matrix products.
//!
//! Bound of each element: a sum of `k` products in any order errs by at most `k eps` of `sum |a| |b|` to first order
//! (Higham 2002, section 3.5), of which `eps / 2` a product and `eps / 2` an addition; complex products twice that. Half
//! precision results are rounded once more.

use super::compare::{close_each, close_l2, ensure};
use super::movement::dtypes;
use super::sample::{Array, Guise, Random, written};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, Error, Tensor, reference};

const MATMUL: &[Operation] = &[Operation::Matmul];

pub(super) const CASES: &[Case] = &[
    Case::new("matmul::every_pair_of_dtypes", MATMUL, every_pair_of_dtypes),
    Case::new("matmul::shapes", MATMUL, shapes),
    Case::new("matmul::batches", MATMUL, batches),
    Case::new("matmul::weights", MATMUL, weights),
    Case::new("matmul::layouts", MATMUL, layouts),
    Case::new("matmul::long_inner_axis", MATMUL, long_inner_axis),
    Case::new("matmul::nan_and_infinities", MATMUL, nan_and_infinities),
    Case::new("matmul::empty", MATMUL, empty),
    Case::new("matmul::deterministic", MATMUL, deterministic),
    Case::new("matmul::frequency_linear", &[Operation::Matmul, Operation::Fft], frequency_linear),
];

/// The product, and the product of absolute values that scales the bound.
fn oracle(a: &Array, b: &Array) -> (Array, Vec<f64>) {
    let (m, k) = (a.shape[a.shape.len() - 2], a.shape[a.shape.len() - 1]);
    let n = b.shape[b.shape.len() - 1];
    let lead = |x: &Array| x.shape[..x.shape.len() - 2].to_vec();
    let batch = crate::layout::broadcast_shapes("oracle", &lead(a), &lead(b)).unwrap_or_default().to_vec();
    let size = |x: &Array| x.map(|z| z.norm().into());
    let (mut data, mut sizes) = (Vec::new(), Vec::new());
    for index in Array::indices(&batch) {
        let block = |x: &Array, rows: usize, columns: usize| {
            Array::from_fn(&[rows, columns], |i| x.at(&[index.as_slice(), i].concat()))
        };
        let (x, y) = (block(a, m, k), block(b, k, n));
        data.extend(reference::matmul(&x.data, &y.data, m, k, n));
        sizes.extend(reference::matmul(&size(&x).data, &size(&y).data, m, k, n).into_iter().map(|z| z.re));
    }
    (Array { shape: [batch, vec![m, n]].concat(), data }, sizes)
}

fn check(what: impl std::fmt::Display, got: &Tensor, a: &Array, b: &Array) -> Outcome {
    let k = a.shape[a.shape.len() - 1] as f64;
    let (want, sizes) = oracle(a, b);
    let dtype = got.dtype();
    let (eps, last) = match dtype {
        DType::F16 | DType::BF16 => (DType::F32.epsilon(), 0.5 * dtype.epsilon()),
        _ => (dtype.epsilon(), 0.0),
    };
    let factor = if dtype.is_complex() { 2.0 } else { 1.0 };
    let tiny = if dtype == DType::F16 { 2f64.powi(-25) } else { 0.0 };
    close_each(what, got, &want, |i, y| factor * k * eps * sizes[i] + last * y.norm() + tiny)
}

fn every_pair_of_dtypes(device: &Device) -> Outcome {
    let mixed = |d| matches!(d, DType::F32 | DType::F16 | DType::BF16);
    for left in dtypes(device) {
        for right in dtypes(device) {
            for (m, k, n) in [(5, 7, 3), (1, 40, 33), (33, 64, 17)] {
                let mut random = Random::new(m as u64);
                let (a, b) = (random.array(&[m, k], left), random.array(&[k, n], right));
                let got = a.to(device, left)?.matmul(&b.to(device, right)?);
                let expected = match (left, right) {
                    _ if left == right && !left.is_integer() => Some(left),
                    _ if mixed(left) && mixed(right) => Some(DType::F32),
                    _ => None,
                };
                let Some(dtype) = expected else {
                    let refused = matches!(got, Err(Error::DTypeMismatch { .. }));
                    ensure(refused, || format!("{left} times {right} is not refused"))?;
                    continue;
                };
                let got = got?;
                ensure(got.dtype() == dtype, || format!("{left} times {right} is {}", got.dtype()))?;
                check(format!("{left} times {right}, {m} x {k} x {n}"), &got, &a, &b)?;
                if mixed(left) && mixed(right) {
                    let got = a.to(device, left)?.matmul_to(&b.to(device, right)?, DType::F32)?;
                    ensure(got.dtype() == DType::F32, || format!("asked for f32: {}", got.dtype()))?;
                    check(format!("{left} times {right} as f32, {m} x {k} x {n}"), &got, &a, &b)?;
                }
            }
        }
    }
    Ok(())
}

/// The element types with products of their own.
fn own(device: &Device) -> Vec<DType> {
    dtypes(device).into_iter().filter(|d| !d.is_integer()).collect()
}

fn shapes(device: &Device) -> Outcome {
    let sizes = [
        (1, 1, 1),
        (1, 5, 1),
        (7, 1, 9),
        (1, 300, 4),
        (300, 3, 1),
        (1, 1, 50),
        (2, 2, 2),
        (4, 8, 16),
        (17, 19, 23),
        (31, 32, 33),
        (64, 64, 64),
        (65, 63, 66),
        (1, 128, 257),
        (129, 130, 1),
        (130, 33, 140),
        (8, 257, 100),
        (3, 1000, 5),
    ];
    for dtype in own(device) {
        for (m, k, n) in sizes {
            let mut random = Random::new((m * k * n) as u64);
            let (a, b) = (random.array(&[m, k], dtype), random.array(&[k, n], dtype));
            let got = a.to(device, dtype)?.matmul(&b.to(device, dtype)?)?;
            check(format!("{dtype} {m} x {k} x {n}"), &got, &a, &b)?;
            // A matrix stored by columns, as weights [out, in] are used.
            let by_columns = b.disguised(device, dtype, Guise::Transposed)?;
            let got = a.to(device, dtype)?.matmul(&by_columns)?;
            check(format!("{dtype} {m} x {k} x {n}, second transposed"), &got, &a, &b)?;
        }
    }
    Ok(())
}

/// A few rows times matrices of every floating-point type that lie along the inner axis, from their first element and from one within.
fn weights(device: &Device) -> Outcome {
    let held = |d: &DType| matches!(d, DType::F32 | DType::F16 | DType::BF16);
    for right in dtypes(device).into_iter().filter(held) {
        for (m, k, n) in [(1, 128, 257), (2, 64, 5), (3, 72, 50), (7, 70, 9), (8, 1032, 33), (9, 128, 65)] {
            let mut random = Random::new((m * k * n) as u64);
            let (a, b) = (random.array(&[m, k], DType::F32), random.array(&[k, n], right));
            let x = a.to(device, DType::F32)?;
            let w = b.disguised(device, right, Guise::Transposed)?;
            check(format!("{m} x {k} x {n}, {right}"), &x.matmul_to(&w, DType::F32)?, &a, &b)?;
            for skipped in [1, 4, 8] {
                let (rows, columns) = (k - skipped, n - 1);
                let part = Array::from_fn(&[rows, columns], |i| b.at(&[i[0] + skipped, i[1] + 1]));
                let cut = Array::from_fn(&[m, rows], |i| a.at(&[i[0], i[1] + skipped]));
                let (x, w) =
                    (x.narrow(1, skipped, rows)?, w.narrow(0, skipped, rows)?.narrow(1, 1, columns)?);
                let what = format!("{m} x {rows} x {columns} behind {skipped}, {right}");
                check(what, &x.matmul_to(&w, DType::F32)?, &cut, &part)?;
            }
        }
    }
    Ok(())
}

fn batches(device: &Device) -> Outcome {
    let pairs: [(&[usize], &[usize]); 8] = [
        (&[3, 4, 5], &[3, 5, 6]),
        (&[3, 4, 5], &[5, 6]),
        (&[4, 5], &[3, 5, 6]),
        (&[2, 1, 4, 5], &[3, 5, 1]),
        (&[2, 1, 4, 5], &[1, 3, 5, 6]),
        (&[1, 1, 1, 9], &[2, 7, 9, 3]),
        (&[40, 1, 16], &[40, 16, 16]),
        (&[100, 2, 3], &[1, 3, 2]),
    ];
    for dtype in own(device) {
        for (left, right) in pairs {
            let mut random = Random::new(left.len() as u64);
            let (a, b) = (random.array(left, dtype), random.array(right, dtype));
            for guise in [Guise::Contiguous, Guise::Narrowed, Guise::Transposed] {
                let got = a.disguised(device, dtype, guise)?.matmul(&b.disguised(device, dtype, guise)?)?;
                check(format!("{dtype} {left:?} times {right:?}, {guise:?}"), &got, &a, &b)?;
            }
        }
    }
    Ok(())
}

fn layouts(device: &Device) -> Outcome {
    for dtype in own(device) {
        for (m, k, n) in [(6, 10, 7), (1, 24, 9), (9, 5, 1)] {
            let mut random = Random::new(m as u64);
            let (a, b) = (random.array(&[2, m, k], dtype), random.array(&[2, k, n], dtype));
            for (guise, x) in a.guises(device, dtype)? {
                for (other, y) in b.guises(device, dtype)? {
                    let what = format!("{dtype} {m} x {k} x {n}, {guise:?} times {other:?}");
                    check(&what, &x.matmul(&y)?, &a, &b)?;
                }
                let y = b.to(device, dtype)?;
                for target in Guise::ALL {
                    let what = format!("{dtype} {m} x {k} x {n}, {guise:?} to {target:?}");
                    let got = written(device, &[2, m, n], dtype, target, |dst| {
                        device.matmul(x.view(), y.view(), dst)
                    })
                    .map_err(|f| f.within(&what))?;
                    check(what, &got, &a, &b)?;
                }
            }
            // Columns that repeat: strides of 0 within the matrix.
            let row = random.array(&[1, k], dtype);
            let full = Array::from_fn(&[m, k], |i| row.at(i));
            let x = row.to(device, dtype)?.broadcast_to(&[m, k])?;
            let y = Array::from_fn(&[k, n], |i| b.at(&[0, i[0], i[1]]));
            check(format!("{dtype} repeated rows"), &x.matmul(&y.to(device, dtype)?)?, &full, &y)?;
        }
    }
    Ok(())
}

/// The bound grows with `k`, so that it says little about one long sum; a random walk of rounding errors grows with its root.
/// Half precision would lose everything if it summed in its own type.
fn long_inner_axis(device: &Device) -> Outcome {
    for dtype in own(device) {
        let (m, k, n) = (3, 20_000, 4);
        let mut random = Random::new(8);
        let (a, b) = (random.array(&[m, k], dtype), random.array(&[k, n], dtype));
        let (want, sizes) = oracle(&a, &b);
        let got = a.to(device, dtype)?.matmul(&b.to(device, dtype)?)?;
        let eps =
            if matches!(dtype, DType::F16 | DType::BF16) { DType::F32.epsilon() } else { dtype.epsilon() };
        let last = if eps == dtype.epsilon() { 0.0 } else { 0.5 * dtype.epsilon() };
        // Four standard deviations of a walk of k steps of at most eps / 2 of the partial sums.
        let walk = 4.0 * (k as f64).sqrt() * 0.5 * eps;
        close_each(format!("{dtype}, k = {k}"), &got, &want, |i, y| walk * sizes[i] + last * y.norm())?;
    }
    Ok(())
}

fn nan_and_infinities(device: &Device) -> Outcome {
    for (m, k, n) in [(3, 4, 5), (33, 40, 35), (1, 64, 64), (2, 3, 1)] {
        let mut random = Random::new(k as u64);
        let (a, b) = (random.array(&[m, k], DType::F32), random.array(&[k, n], DType::F32));
        for poison in [f64::NAN, f64::INFINITY] {
            let mut dirty = a.clone();
            dirty.data[k / 2] = poison.into();
            let got = Array::from(&dirty.to(device, DType::F32)?.matmul(&b.to(device, DType::F32)?)?)?;
            let row = got.data[..n].iter().all(|z| !z.re.is_finite());
            let rest = got.data[n..].iter().all(|z| z.re.is_finite());
            ensure(row && rest, || format!("{m} x {k} x {n}: {poison} in row 0 does not show there alone"))?;
        }
    }
    // 0 times infinity is NaN: nothing is skipped because it is 0.
    let zero = Tensor::zeros(device, &[1, 2], DType::F32)?;
    let infinite = Tensor::full(device, &[2, 1], DType::F32, f64::INFINITY)?;
    ensure(zero.matmul(&infinite)?.to_vec::<f32>()?[0].is_nan(), || "0 times infinity is a number".into())
}

fn empty(device: &Device) -> Outcome {
    for (a, b, want) in [
        (&[0, 3][..], &[3, 2][..], &[0, 2][..]),
        (&[2, 3], &[3, 0], &[2, 0]),
        (&[2, 0], &[0, 3], &[2, 3]),
        (&[0, 2, 3], &[3, 4], &[0, 2, 4]),
    ] {
        for dtype in own(device) {
            let got = Tensor::zeros(device, a, dtype)?.matmul(&Tensor::zeros(device, b, dtype)?)?;
            let zeros = Array::from(&got)?.data.iter().all(|z| *z == Complex64::default());
            ensure(got.shape() == want && zeros, || format!("{a:?} times {b:?}: {got:?}"))?;
        }
    }
    Ok(())
}

fn deterministic(device: &Device) -> Outcome {
    let mut random = Random::new(2);
    let (a, b) = (random.array(&[97, 301], DType::F32), random.array(&[301, 203], DType::F32));
    let (a, b) = (a.to(device, DType::F32)?, b.to(device, DType::F32)?);
    let first = a.matmul(&b)?.to_bytes()?;
    for _ in 0..4 {
        ensure(a.matmul(&b)?.to_bytes()? == first, || "two products differ".into())?;
    }
    Ok(())
}

/// The product of spectra is that of the rows. Bound: the transforms err by `epsilon log2(n)` of each row's norm, the sum of products by the
/// square root of its terms.
fn frequency_linear(device: &Device) -> Outcome {
    for (seed, &n) in [1, 2, 3, 8, 15, 64, 101].iter().enumerate() {
        let mut random = Random::new(seed as u64);
        let (x, w, bias) = (
            random.array(&[3, 4, n], DType::F32),
            random.array(&[3, 5, n], DType::F32),
            random.array(&[3, 5], DType::F32),
        );
        let transposed = Array::from_fn(&[3, n, 5], |i| w.at(&[i[0], i[2], i[1]]));
        let product = oracle(&x, &transposed).0;
        let want = Array::from_fn(&product.shape, |i| product.at(i) + bias.at(&[i[0], i[2]]));
        let bound = DType::F32.epsilon() * (4.0 * (2.0 * n as f64).log2() + 4.0 * (n as f64).sqrt() + 4.0);
        let (weight, offset) = (w.to(device, DType::F32)?, bias.to(device, DType::F32)?);
        let rows = x.clone();
        for (guise, x) in x.guises(device, DType::F32)? {
            let what = format!("{n} elements, {guise:?}");
            close_l2(&what, &x.frequency_linear_batched(&weight, None)?, &product, bound)?;
            let got = x.frequency_linear_batched(&weight, Some(&offset))?;
            close_l2(&what, &got, &want, bound)?;
            // The first matrix for every row.
            let shared = Array::from_fn(&[3, n, 5], |i| w.at(&[0, i[2], i[1]]));
            let got = x.frequency_linear(&weight.narrow(0, 0, 1)?.squeeze(0)?, None)?;
            close_l2(&what, &got, &oracle(&rows, &shared).0, bound)?;
        }
    }
    Ok(())
}
