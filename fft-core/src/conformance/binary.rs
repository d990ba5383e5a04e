//! Operations of two operands.

use super::compare::{close_each, ensure};
use super::every::BINARY;
use super::movement::dtypes;
use super::sample::{Array, Guise, Random, rounded, rounded_complex, written};
use super::{Case, Operation, Outcome};
use crate::{BinaryOp, Complex64, DType, Device, Error, Tensor};

const BINARY_OP: &[Operation] = &[Operation::Binary];

pub(super) const CASES: &[Case] = &[
    Case::new("binary::every_dtype", BINARY_OP, every_dtype),
    Case::new("binary::broadcast", BINARY_OP, broadcast),
    Case::new("binary::layouts", BINARY_OP, layouts),
    Case::new("binary::nan_and_infinities", BINARY_OP, nan_and_infinities),
    Case::new("binary::integers_wrap", BINARY_OP, integers_wrap),
    Case::new("binary::extreme_quotients", BINARY_OP, extreme_quotients),
];

/// What each operation returns, or nothing where the dtype is refused.
fn oracle(op: BinaryOp, dtype: DType, a: Complex64, b: Complex64) -> Option<Complex64> {
    let truth = |t: bool| Complex64::from(if t { 1.0 } else { 0.0 });
    let (float, complex) = (dtype.is_float(), dtype.is_complex());
    let wide = matches!(dtype, DType::F32 | DType::F64);
    // NaN wins over every number.
    let pick = |first: bool| {
        Complex64::from(if a.re.is_nan() || b.re.is_nan() {
            f64::NAN
        } else if first {
            a.re
        } else {
            b.re
        })
    };
    Some(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => {
            if complex {
                a * b
            } else {
                (a.re * b.re).into()
            }
        }
        BinaryOp::Div if complex => a / b,
        BinaryOp::Div if float => (a.re / b.re).into(),
        BinaryOp::MulConj => {
            if complex {
                a * b.conj()
            } else {
                (a.re * b.re).into()
            }
        }
        BinaryOp::Max if !complex => pick(a.re >= b.re),
        BinaryOp::Min if !complex => pick(a.re <= b.re),
        BinaryOp::Pow if float => a.re.powf(b.re).into(),
        BinaryOp::Atan2 if float => a.re.atan2(b.re).into(),
        BinaryOp::Complex if wide => Complex64::new(a.re, b.re),
        BinaryOp::Polar if wide => Complex64::new(a.re * b.re.cos(), a.re * b.re.sin()),
        BinaryOp::Eq => truth(a == b),
        BinaryOp::Lt if !complex => truth(a.re < b.re),
        BinaryOp::Le if !complex => truth(a.re <= b.re),
        BinaryOp::Div | BinaryOp::Max | BinaryOp::Min | BinaryOp::Pow | BinaryOp::Atan2 => return None,
        BinaryOp::Complex | BinaryOp::Polar | BinaryOp::Lt | BinaryOp::Le => return None,
    })
}

fn result_type(op: BinaryOp, dtype: DType) -> DType {
    match op {
        BinaryOp::Complex | BinaryOp::Polar => dtype.to_complex(),
        BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le => DType::U8,
        _ => dtype,
    }
}

/// How far a result may be off: a real operation is rounded once (half a unit); a complex product or quotient has a few
/// roundings of the size of `|a| |b|` or `|a / b|`; functions get 4 units, powers the rounding of `b ln a` besides.
fn bound(op: BinaryOp, dtype: DType, a: Complex64, b: Complex64, y: Complex64) -> f64 {
    let result = y.norm();
    let units = match op {
        BinaryOp::Max | BinaryOp::Min | BinaryOp::Complex | BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le => 0.0,
        BinaryOp::Add | BinaryOp::Sub => 0.5 * result,
        BinaryOp::Mul | BinaryOp::MulConj | BinaryOp::Div if !dtype.is_complex() => {
            if op == BinaryOp::Div {
                3.0 * result
            } else {
                0.5 * result
            }
        }
        BinaryOp::Mul | BinaryOp::MulConj => 2.0 * result,
        BinaryOp::Div => 6.0 * result,
        BinaryOp::Atan2 => 4.0 * result,
        BinaryOp::Pow => (4.0 + 2.0 * (b.re * a.re.abs().max(1e-300).ln()).abs()) * result,
        BinaryOp::Polar => 4.0 * a.norm(),
    };
    match dtype {
        DType::F16 => 0.5 * dtype.epsilon() * result + DType::F32.epsilon() * units + 2f64.powi(-25),
        DType::BF16 => 0.5 * dtype.epsilon() * result + DType::F32.epsilon() * units + 2f64.powi(-134),
        _ => dtype.epsilon() * units,
    }
}

/// Values for one operation: positive bases of powers, divisors away from 0, small integers whose results stay in the type.
fn operands(op: BinaryOp, dtype: DType, shape: &[usize], random: &mut Random) -> (Array, Array) {
    let (mut a, mut b) = (random.array(shape, dtype), random.array(shape, dtype));
    if dtype.is_integer() {
        let small = |z: Complex64| Complex64::from((z.re.abs() % 11.0).trunc());
        (a, b) = (a.map(small), b.map(small));
        if matches!(op, BinaryOp::Sub) {
            a = a.map(|z| z + 10.0);
        }
    } else {
        a = a.map(|z| rounded_complex(z * 4.0, dtype));
        b = b.map(|z| rounded_complex(z * 4.0, dtype));
        if op == BinaryOp::Pow {
            a = a.map(|z| Complex64::from(rounded(z.re.abs() + 0.01, dtype)));
        }
        if matches!(op, BinaryOp::Eq | BinaryOp::Le | BinaryOp::Lt) {
            // Some equal pairs.
            let mut toss = random.clone();
            b = Array::from_fn(shape, |i| if toss.below(3) == 0 { a.at(i) } else { b.at(i) });
        }
    }
    (a, b)
}

fn check(
    what: impl std::fmt::Display,
    got: &Tensor,
    op: BinaryOp,
    dtype: DType,
    a: &Array,
    b: &Array,
) -> Outcome {
    let out = result_type(op, dtype);
    ensure(got.dtype() == out, || format!("{what}: the result is {}", got.dtype()))?;
    let shape = got.shape().to_vec();
    let (a, b) = (Array::from_fn(&shape, |i| a.at(i)), Array::from_fn(&shape, |i| b.at(i)));
    let want = Array::from_fn(&shape, |i| {
        let y = oracle(op, dtype, a.at(i), b.at(i)).unwrap_or_default();
        // Overflow of the type is an infinity, which only an infinity equals.
        if result_type(op, dtype).is_float() && rounded(y.re, dtype).is_infinite() {
            rounded(y.re, dtype).into()
        } else {
            y
        }
    });
    close_each(what, got, &want, |i, y| bound(op, dtype, a.data[i], b.data[i], y))
}

fn every_dtype(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for &op in BINARY {
            let (a, b) = operands(op, dtype, &[777], &mut Random::new(31));
            let result = a.to(device, dtype)?.binary(op, &b.to(device, dtype)?);
            if oracle(op, dtype, a.data[0], b.data[0]).is_none() {
                let refused = matches!(result, Err(Error::Unsupported { .. }));
                ensure(refused, || format!("{op:?} of {dtype} is not refused"))?;
                continue;
            }
            check(format!("{op:?} of {dtype}"), &result?, op, dtype, &a, &b)?;
        }
    }
    Ok(())
}

fn broadcast(device: &Device) -> Outcome {
    let pairs: [(&[usize], &[usize]); 9] = [
        (&[], &[5]),
        (&[4, 1], &[1, 6]),
        (&[3, 4, 5], &[5]),
        (&[3, 4, 5], &[4, 1]),
        (&[1], &[2, 3]),
        (&[2, 1, 3, 1], &[4, 1, 5]),
        (&[64, 1], &[64, 200]),
        (&[1, 200], &[64, 200]),
        (&[7, 1, 9], &[1, 8, 1]),
    ];
    for dtype in dtypes(device) {
        for &op in BINARY {
            for (left, right) in pairs {
                let mut random = Random::new(left.len() as u64);
                let (a, b) =
                    (operands(op, dtype, left, &mut random).0, operands(op, dtype, right, &mut random).1);
                if oracle(op, dtype, a.data[0], b.data[0]).is_none() {
                    continue;
                }
                let got = a.to(device, dtype)?.binary(op, &b.to(device, dtype)?)?;
                let shape = crate::layout::broadcast_shapes("binary", left, right)?;
                ensure(got.shape() == shape.as_slice(), || {
                    format!("{left:?} with {right:?}: {:?}", got.shape())
                })?;
                check(format!("{op:?} of {dtype}, {left:?} with {right:?}"), &got, op, dtype, &a, &b)?;
            }
        }
    }
    let empty =
        Tensor::zeros(device, &[0, 3], DType::F32)?.add(&Tensor::zeros(device, &[1, 3], DType::F32)?)?;
    ensure(empty.shape() == [0, 3], || format!("nothing and a row: {:?}", empty.shape()))
}

fn layouts(device: &Device) -> Outcome {
    let shape = [3, 5, 8];
    for dtype in dtypes(device) {
        for &op in BINARY {
            let (a, b) = operands(op, dtype, &shape, &mut Random::new(33));
            if oracle(op, dtype, a.data[0], b.data[0]).is_none() {
                continue;
            }
            for (guise, x) in a.guises(device, dtype)? {
                for (other, y) in b.guises(device, dtype)? {
                    let what = format!("{op:?} of {dtype}, {guise:?} and {other:?}");
                    check(&what, &x.binary(op, &y)?, op, dtype, &a, &b)?;
                }
                let y = b.disguised(device, dtype, guise)?;
                let what = format!("{op:?} of {dtype}, {guise:?} destination");
                for target in Guise::ALL {
                    let out = result_type(op, dtype);
                    let got = written(device, &shape, out, target, |dst| {
                        device.binary(op, x.view(), y.view(), dst)
                    })
                    .map_err(|f| f.within(&what))?;
                    check(&what, &got, op, dtype, &a, &b)?;
                }
            }
            // A tensor with itself.
            let x = a.to(device, dtype)?;
            check(format!("{op:?} of {dtype} with itself"), &x.binary(op, &x)?, op, dtype, &a, &a)?;
        }
    }
    Ok(())
}

fn nan_and_infinities(device: &Device) -> Outcome {
    let edges = [0.0, 1.0, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let a = Array::from_fn(&[6, 6], |i| edges[i[0]].into());
    let b = Array::from_fn(&[6, 6], |i| edges[i[1]].into());
    for dtype in dtypes(device).into_iter().filter(|d| d.is_float()) {
        for &op in BINARY {
            if oracle(op, dtype, a.data[0], b.data[0]).is_none() {
                continue;
            }
            let got = a.to(device, dtype)?.binary(op, &b.to(device, dtype)?)?;
            check(format!("{op:?} of {dtype}"), &got, op, dtype, &a, &b)?;
        }
    }
    Ok(())
}

fn integers_wrap(device: &Device) -> Outcome {
    let pair = |a: &[u8], b: &[u8]| -> crate::Result<(Tensor, Tensor)> {
        Ok((Tensor::from_slice(device, a, &[a.len()])?, Tensor::from_slice(device, b, &[b.len()])?))
    };
    let (a, b) = pair(&[250, 3, 16], &[10, 5, 16])?;
    let got = [a.add(&b)?.to_vec::<u8>()?, a.sub(&b)?.to_vec()?, a.mul(&b)?.to_vec()?];
    let want: [Vec<u8>; 3] = [vec![4, 8, 32], vec![240, 254, 0], vec![196, 15, 0]];
    ensure(got == want, || format!("u8 arithmetic gives {got:?}, modulo 256 it is {want:?}"))?;
    let x = Tensor::scalar(device, i64::MAX)?;
    let got = x.add(&x)?.to_scalar::<i64>()?;
    ensure(got == -2, || format!("(2^63 - 1) + (2^63 - 1) gives {got}"))?;
    // Comparisons of what an f64 does not tell apart.
    let y = Tensor::scalar(device, i64::MAX - 1)?;
    let lt = y.lt(&x)?.to_scalar::<u8>()?;
    ensure(lt == 1 && x.eq(&y)?.to_scalar::<u8>()? == 0, || "i64 is compared through floats".into())
}

fn extreme_quotients(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| d.is_complex()) {
        let s = if dtype == DType::C64 { 1e25 } else { 1e180 };
        let data = [
            (s, s, s, -s),
            (1.0 / s, 2.0 / s, 1.0 / s, 1.0 / s),
            (1.0, 2.0, 0.0, 4.0),
            (1.0, 2.0, -4.0, 0.0),
        ];
        let a = Array { shape: vec![4], data: data.map(|v| Complex64::new(v.0, v.1)).to_vec() };
        let b = Array { shape: vec![4], data: data.map(|v| Complex64::new(v.2, v.3)).to_vec() };
        let (a, b) = (a.map(|z| rounded_complex(z, dtype)), b.map(|z| rounded_complex(z, dtype)));
        let got = a.to(device, dtype)?.div(&b.to(device, dtype)?)?;
        let scaled = |x: &Array| Array::from_fn(&[4], |i| x.at(i) * [1.0 / s, s, 1.0, 1.0][i[0]]);
        let (a, b) = (scaled(&a), scaled(&b));
        check(
            format!("quotients of {dtype} whose squares leave the type"),
            &got,
            BinaryOp::Div,
            dtype,
            &a,
            &b,
        )?;
    }
    Ok(())
}
