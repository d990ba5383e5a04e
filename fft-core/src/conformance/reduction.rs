//! Sums, means, products, extrema and their positions.

use super::compare::{close_each, ensure};
use super::every::REDUCE;
use super::movement::dtypes;
use super::sample::{Array, Guise, Random, rounded, written};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, Error, ReduceOp, Tensor};

const REDUCE_OP: &[Operation] = &[Operation::Reduce];

pub(super) const CASES: &[Case] = &[
    Case::new("reduce::axes_and_layouts", REDUCE_OP, axes_and_layouts),
    Case::new("reduce::long_axes", REDUCE_OP, long_axes),
    Case::new("reduce::nan", REDUCE_OP, nan),
    Case::new("reduce::first_of_equals", REDUCE_OP, first_of_equals),
    Case::new("reduce::of_nothing", REDUCE_OP, of_nothing),
    Case::new("reduce::half_precision_sums", REDUCE_OP, half_precision_sums),
    Case::new("reduce::deterministic", REDUCE_OP, deterministic),
    Case::new("reduce::integers", REDUCE_OP, integers),
];

/// Whether the operation takes the type.
fn takes(op: ReduceOp, dtype: DType) -> bool {
    match op {
        ReduceOp::Sum => true,
        ReduceOp::Mean | ReduceOp::Prod => !dtype.is_integer(),
        ReduceOp::Max | ReduceOp::Min | ReduceOp::ArgMax | ReduceOp::ArgMin => !dtype.is_complex(),
    }
}

/// One reduced value; NaN counts as the largest and the smallest.
fn fold(op: ReduceOp, values: &[Complex64]) -> Complex64 {
    let best = |better: fn(f64, f64) -> bool| {
        (1..values.len()).fold(0, |best, i| {
            let (x, y) = (values[i].re, values[best].re);
            if !y.is_nan() && (x.is_nan() || better(x, y)) { i } else { best }
        })
    };
    match op {
        ReduceOp::Sum => values.iter().sum(),
        ReduceOp::Mean => values.iter().sum::<Complex64>() / values.len() as f64,
        // A complex product of real numbers would make an imaginary NaN of a real one.
        ReduceOp::Prod if values.iter().all(|z| z.im == 0.0) => {
            values.iter().map(|z| z.re).product::<f64>().into()
        }
        ReduceOp::Prod => values.iter().product(),
        ReduceOp::Max => values[best(|x, y| x > y)],
        ReduceOp::Min => values[best(|x, y| x < y)],
        ReduceOp::ArgMax => Complex64::from(best(|x, y| x > y) as f64),
        ReduceOp::ArgMin => Complex64::from(best(|x, y| x < y) as f64),
    }
}

/// The oracle, and for each result the elements that entered it.
fn oracle(op: ReduceOp, x: &Array, axes: &[usize]) -> (Array, Vec<Vec<Complex64>>) {
    let mut shape = x.shape.clone();
    axes.iter().for_each(|&a| shape[a] = 1);
    let mut groups = vec![Vec::new(); shape.iter().product()];
    for (flat, index) in Array::indices(&x.shape).into_iter().enumerate() {
        let at = index.iter().zip(&shape).fold(0, |at, (&i, &n)| at * n + i.min(n - 1));
        groups[at].push(x.data[flat]);
    }
    let data = groups.iter().map(|g| fold(op, g)).collect();
    (Array { shape, data }, groups)
}

/// How far a result may be off. A sum of `n` terms in any fixed tree of depth `d` errs by at most `d eps / 2` of the sum of
/// absolute values (Higham 1993); backends need only be as good as the plain loop up to 32 terms and as blocks of 32
/// above: `d <= 32 + n / 32`. A product errs by half a unit a factor. Half precision is rounded once at the end.
fn bound(op: ReduceOp, dtype: DType, group: &[Complex64], y: Complex64) -> f64 {
    let n = group.len() as f64;
    let size: f64 = group.iter().map(|z| z.norm()).sum();
    let depth = n.min(32.0 + n / 32.0);
    let half = matches!(dtype, DType::F16 | DType::BF16);
    let eps = if half { DType::F32.epsilon() } else { dtype.epsilon() };
    let last = if half { 0.5 * dtype.epsilon() * y.norm() + 2f64.powi(-25) } else { 0.0 };
    last + match op {
        ReduceOp::Sum => 0.5 * eps * depth * size,
        ReduceOp::Mean => (0.5 * eps * depth * size) / n + eps * y.norm(),
        // A complex product has a few roundings.
        ReduceOp::Prod => 2.0 * eps * n * y.norm(),
        ReduceOp::Max | ReduceOp::Min | ReduceOp::ArgMax | ReduceOp::ArgMin => return 0.0,
    }
}

fn check(
    what: impl std::fmt::Display,
    got: &Tensor,
    op: ReduceOp,
    dtype: DType,
    x: &Array,
    axes: &[usize],
) -> Outcome {
    let out = if matches!(op, ReduceOp::ArgMax | ReduceOp::ArgMin) { DType::I64 } else { dtype };
    ensure(got.dtype() == out, || format!("{what}: the result is {}", got.dtype()))?;
    let (want, groups) = oracle(op, x, axes);
    close_each(what, got, &want, |i, y| bound(op, dtype, &groups[i], y))
}

fn values(shape: &[usize], dtype: DType, op: ReduceOp, seed: u64) -> Array {
    let x = Random::new(seed).array(shape, dtype);
    match op {
        // Factors near 1, whose product stays in the type.
        ReduceOp::Prod => x.map(|z| super::sample::rounded_complex(z * 0.25 + 1.0, dtype)),
        ReduceOp::Sum if dtype.is_integer() => x.map(|z| Complex64::from(rounded(z.re.abs() % 3.0, dtype))),
        _ => x,
    }
}

fn axes_and_layouts(device: &Device) -> Outcome {
    let cases: [(&[usize], &[&[usize]]); 6] = [
        (&[], &[&[]]),
        (&[37], &[&[], &[0]]),
        (&[6, 11], &[&[], &[0], &[1], &[0, 1]]),
        (&[3, 4, 5], &[&[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]]),
        (&[2, 3, 1, 4], &[&[0, 3], &[1, 2], &[0, 1, 2, 3], &[2]]),
        (&[40, 33], &[&[0], &[1]]),
    ];
    for dtype in dtypes(device) {
        for &op in REDUCE {
            let arg = matches!(op, ReduceOp::ArgMax | ReduceOp::ArgMin);
            for (shape, sets) in cases {
                let x = values(shape, dtype, op, shape.len() as u64);
                for axes in sets.iter().filter(|axes| !arg || axes.len() == 1) {
                    if !takes(op, dtype) {
                        let refused = x.to(device, dtype)?.reduce(op, axes);
                        let refused = matches!(refused, Err(Error::Unsupported { .. }));
                        ensure(refused, || format!("{op:?} of {dtype} is not refused"))?;
                        continue;
                    }
                    for (guise, tensor) in x.guises(device, dtype)? {
                        let what = format!("{op:?} of {dtype}, {guise:?} {shape:?} over {axes:?}");
                        let got = tensor.reduce(op, axes)?;
                        check(&what, &got, op, dtype, &x, axes)?;
                        let strided = written(device, got.shape(), got.dtype(), Guise::Stepped, |dst| {
                            device.reduce(op, tensor.view(), axes, dst)
                        })
                        .map_err(|f| f.within(&what))?;
                        check(format!("{what}, strided destination"), &strided, op, dtype, &x, axes)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn long_axes(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| !d.is_integer()) {
        for &op in REDUCE.iter().filter(|&&op| takes(op, dtype) && op != ReduceOp::Prod) {
            for (shape, axis) in
                [([100_003, 1], 0), ([3, 70_001], 1), ([50_000, 3], 0), ([257, 513], 0), ([257, 513], 1)]
            {
                let x = values(&shape, dtype, op, 5);
                let got = x.to(device, dtype)?.reduce(op, &[axis])?;
                check(format!("{op:?} of {dtype}, {shape:?} over {axis}"), &got, op, dtype, &x, &[axis])?;
            }
        }
    }
    Ok(())
}

fn nan(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| d.is_float()) {
        for &op in REDUCE {
            for (n, place) in [(1, 0), (5, 0), (5, 4), (67, 33), (1000, 999), (1000, 500)] {
                let mut x = values(&[2, n], dtype, op, 6);
                x.data[place] = f64::NAN.into();
                // A second one, later: the first counts.
                x.data[n - 1] = f64::NAN.into();
                for axis in [0, 1] {
                    let got = x.to(device, dtype)?.reduce(op, &[axis])?;
                    let what = format!("{op:?} of {dtype}, NaN at {place} of {n}, over axis {axis}");
                    check(what, &got, op, dtype, &x, &[axis])?;
                }
            }
        }
    }
    Ok(())
}

fn first_of_equals(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| !d.is_complex()) {
        for op in [ReduceOp::ArgMax, ReduceOp::ArgMin] {
            for n in [2, 9, 64, 1001] {
                let x = Array::from_fn(&[3, n], |i| Complex64::from(((i[1] * 7 + i[0]) % 3) as f64));
                for axis in [0, 1] {
                    let got = x.to(device, dtype)?.reduce(op, &[axis])?;
                    check(format!("{op:?} of {dtype}, {n} over {axis}"), &got, op, dtype, &x, &[axis])?;
                }
            }
        }
    }
    // Zeros of both signs are equal.
    let x = Tensor::from_slice(device, &[0f32, -0.0, 0.0], &[3])?;
    let got = [x.argmax(0)?.to_scalar::<i64>()?, x.argmin(0)?.to_scalar()?];
    ensure(got == [0, 0], || format!("positions among zeros of both signs: {got:?}"))
}

fn of_nothing(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        let x = Tensor::zeros(device, &[2, 0], dtype)?;
        let sum = Array::from(&x.reduce(ReduceOp::Sum, &[1])?)?;
        ensure(sum.shape == [2, 1] && sum.data.iter().all(|z| z.norm() == 0.0), || {
            format!("{dtype}: sum {sum:?}")
        })?;
        let none = x.reduce(ReduceOp::Sum, &[0])?;
        ensure(none.shape() == [1, 0], || format!("{dtype}: {:?}", none.shape()))?;
        if !dtype.is_integer() {
            let mean = Array::from(&x.reduce(ReduceOp::Mean, &[1])?)?;
            ensure(mean.data.iter().all(|z| z.re.is_nan()), || format!("{dtype}: mean {mean:?}"))?;
            let product = Array::from(&x.reduce(ReduceOp::Prod, &[1])?)?;
            let one = product.data.iter().all(|z| *z == Complex64::from(1.0));
            ensure(one, || format!("{dtype}: product {product:?}"))?;
        }
    }
    Ok(())
}

/// A sum of 4096 ones and one of 4096 tenths: an accumulator of the type itself would stop at 2048 or 256.
fn half_precision_sums(device: &Device) -> Outcome {
    for dtype in [DType::F16, DType::BF16].into_iter().filter(|&d| device.supports(d)) {
        for (value, n) in [(1.0, 4096), (rounded(0.1, dtype), 4096), (1.0, 60_000)] {
            let x = Array::from_fn(&[1, n], |_| value.into());
            for op in [ReduceOp::Sum, ReduceOp::Mean] {
                let got = x.to(device, dtype)?.reduce(op, &[1])?;
                check(format!("{op:?} of {n} times {value} in {dtype}"), &got, op, dtype, &x, &[1])?;
            }
            let columns = Array::from_fn(&[n, 3], |_| value.into());
            let got = columns.to(device, dtype)?.reduce(ReduceOp::Sum, &[0])?;
            check(format!("columns of {n} times {value}"), &got, ReduceOp::Sum, dtype, &columns, &[0])?;
        }
    }
    Ok(())
}

fn deterministic(device: &Device) -> Outcome {
    let x = Random::new(9).array(&[300, 1009], DType::F32).to(device, DType::F32)?;
    for axes in [&[0][..], &[1], &[0, 1]] {
        let first = x.reduce(ReduceOp::Sum, axes)?.to_bytes()?;
        for _ in 0..4 {
            let again = x.reduce(ReduceOp::Sum, axes)?.to_bytes()?;
            ensure(first == again, || format!("two sums over {axes:?} differ"))?;
        }
    }
    Ok(())
}

fn integers(device: &Device) -> Outcome {
    let big = [i64::MAX - 1, i64::MAX, i64::MIN, i64::MIN + 1];
    let x = Tensor::from_slice(device, &big, &[4])?;
    let got = [
        x.max(0)?.to_scalar::<i64>()?,
        x.min(0)?.to_scalar()?,
        x.argmax(0)?.to_scalar()?,
        x.argmin(0)?.to_scalar()?,
    ];
    ensure(got == [i64::MAX, i64::MIN, 1, 2], || format!("extrema of 64-bit integers: {got:?}"))?;
    let x = Tensor::from_slice(device, &[(1i64 << 53) + 1, 2], &[2])?;
    let sum = x.sum(0)?.to_scalar::<i64>()?;
    ensure(sum == (1 << 53) + 3, || format!("an i64 sum through floats: {sum}"))?;
    // Sums wrap as additions do.
    let x = Tensor::from_slice(device, &[200u8, 100], &[2])?;
    let sum = x.sum(0)?.to_scalar::<u8>()?;
    ensure(sum == 44, || format!("200 + 100 in u8 is {sum}, modulo 256 it is 44"))
}
