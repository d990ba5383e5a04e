//! Operations of one operand.

use std::f64::consts::PI;

use super::compare::{close_each, close_l2, ensure, equal};
use super::every::UNARY;
use super::movement::dtypes;
use super::sample::{Array, Guise, Random, rounded, written};
use super::{Case, Operation, Outcome};
use crate::reference::{erf, gelu, gelu_tanh, sigmoid};
use crate::{Complex64, DType, Device, Slope, Tensor, UnaryOp, compose};

const UNARY_OP: &[Operation] = &[Operation::Unary];

pub(super) const CASES: &[Case] = &[
    Case::new("unary::real_values", UNARY_OP, real_values),
    Case::new("unary::complex_values", UNARY_OP, complex_values),
    Case::new("unary::signed_integers", UNARY_OP, signed_integers),
    Case::new("unary::infinities_and_nan", UNARY_OP, infinities_and_nan),
    Case::new("unary::layouts", UNARY_OP, layouts),
    Case::new("unary::rounding_ties", UNARY_OP, rounding_ties),
    Case::new("unary::slopes", &[Operation::UnaryBackward], slopes),
];

/// What each operation returns for a real number.
fn real_oracle(op: UnaryOp, x: f64) -> f64 {
    match op {
        UnaryOp::Neg => -x,
        UnaryOp::Abs => x.abs(),
        UnaryOp::AbsSquared | UnaryOp::Square => x * x,
        UnaryOp::Arg => {
            if x.is_nan() {
                x
            } else if x.is_sign_negative() {
                PI
            } else {
                0.0
            }
        }
        UnaryOp::Conj | UnaryOp::Real => x,
        UnaryOp::Imag => 0.0,
        UnaryOp::Exp => x.exp(),
        UnaryOp::Ln => x.ln(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Rsqrt => 1.0 / x.sqrt(),
        UnaryOp::Recip => 1.0 / x,
        UnaryOp::Sin => x.sin(),
        UnaryOp::Cos => x.cos(),
        UnaryOp::Tanh => x.tanh(),
        UnaryOp::Erf => erf(x),
        UnaryOp::Sigmoid => sigmoid(x),
        UnaryOp::Silu => x * sigmoid(x),
        UnaryOp::Gelu => gelu(x),
        UnaryOp::GeluTanh => gelu_tanh(x),
        UnaryOp::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        UnaryOp::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        UnaryOp::Round => x.round_ties_even(),
        UnaryOp::Floor => x.floor(),
        UnaryOp::Affine { mul, add } => mul * x + add,
        UnaryOp::Powf(e) => x.powf(e),
        UnaryOp::Clamp { min, max } => {
            if x.is_nan() {
                x
            } else {
                x.max(min).min(max)
            }
        }
    }
}

/// The same for a complex number, where the operation takes one.
fn complex_oracle(op: UnaryOp, z: Complex64) -> Option<Complex64> {
    Some(match op {
        UnaryOp::Neg => -z,
        UnaryOp::Abs => z.norm().into(),
        UnaryOp::AbsSquared => z.norm_sqr().into(),
        UnaryOp::Arg => z.im.atan2(z.re).into(),
        UnaryOp::Conj => z.conj(),
        UnaryOp::Real => z.re.into(),
        UnaryOp::Imag => z.im.into(),
        UnaryOp::Exp => z.exp(),
        UnaryOp::Ln => z.ln(),
        UnaryOp::Sqrt => z.sqrt(),
        UnaryOp::Recip => z.inv(),
        UnaryOp::Square => z * z,
        UnaryOp::Affine { mul, add } => z * mul + add,
        _ => return None,
    })
}

/// How far a result may be from `y = op(x)`, in units of epsilon.
///
/// A correctly rounded operation errs by half a unit of `|y|`. Functions get 4 units of `|y|`, and besides what their
/// arguments' own roundings cost: an exponential turns the rounding of its argument, a unit of `|x|`, into a unit of `|x y|`;
/// near a zero of the function only the absolute error is small.
fn units(op: UnaryOp, x: Complex64, y: Complex64) -> f64 {
    let (size, result) = (x.norm(), y.norm());
    match op {
        UnaryOp::Neg
        | UnaryOp::Abs
        | UnaryOp::Conj
        | UnaryOp::Real
        | UnaryOp::Imag
        | UnaryOp::Relu
        | UnaryOp::Sign
            if x.im == 0.0 =>
        {
            0.0
        }
        UnaryOp::Neg | UnaryOp::Conj | UnaryOp::Real | UnaryOp::Imag | UnaryOp::Round | UnaryOp::Floor => 0.0,
        // The limits are rounded to the type.
        UnaryOp::Clamp { .. } | UnaryOp::Relu | UnaryOp::Sign => 0.5 * result,
        UnaryOp::Abs | UnaryOp::AbsSquared | UnaryOp::Square | UnaryOp::Sqrt => 4.0 * result,
        UnaryOp::Recip | UnaryOp::Rsqrt | UnaryOp::Arg | UnaryOp::Tanh | UnaryOp::Erf => 4.0 * result,
        UnaryOp::Exp | UnaryOp::Sigmoid | UnaryOp::Silu => (4.0 + size) * result,
        UnaryOp::Ln => 4.0 * result + 1.0,
        UnaryOp::Sin | UnaryOp::Cos => 4.0,
        // 1 + erf and 1 + tanh cancel for negative arguments: absolute error of a unit, times |x|.
        UnaryOp::Gelu | UnaryOp::GeluTanh => 4.0 * size,
        UnaryOp::Affine { mul, add } => 2.0 * (mul.abs() * size + add.abs()),
        // e^(exponent ln x): the rounding of the product.
        UnaryOp::Powf(e) => (4.0 + 2.0 * (e * size.ln()).abs()) * result,
    }
}

/// The bound in a type: computed in it, or in `f32` and rounded once more for half precision (whose subnormals are coarse).
fn bound(op: UnaryOp, dtype: DType, x: Complex64, y: Complex64) -> f64 {
    let tiny = match dtype.to_real() {
        DType::F16 => 2f64.powi(-25),
        DType::F32 | DType::BF16 => 2f64.powi(-140),
        _ => 0.0,
    };
    match dtype {
        DType::F16 | DType::BF16 => {
            0.5 * dtype.epsilon() * y.norm() + DType::F32.epsilon() * units(op, x, y) + tiny
        }
        _ => dtype.epsilon() * units(op, x, y) + tiny,
    }
}

/// Whether the operation is tested on negative numbers: those without a real value there are not.
fn takes_negative(op: UnaryOp) -> bool {
    !matches!(op, UnaryOp::Ln | UnaryOp::Sqrt | UnaryOp::Rsqrt | UnaryOp::Powf(_))
}

fn check(what: String, got: &Tensor, op: UnaryOp, dtype: DType, x: &Array, want: &Array) -> Outcome {
    ensure(got.dtype() == if op.is_real_valued() { dtype.to_real() } else { dtype }, || {
        format!("{what}: the result is {}", got.dtype())
    })?;
    close_each(what, got, want, |i, y| bound(op, dtype, x.data[i], y))
}

fn real_values(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| d.is_float()) {
        for &op in UNARY {
            let mut random = Random::new(21);
            // Several magnitudes; enough for blocks of vectors and their rest.
            let mut values: Vec<f64> = (0..1000)
                .map(|i| random.unit() * [1.0, 8.0, 0.01, 40.0, 1e-6][i % 5])
                .map(|v| rounded(if takes_negative(op) { v } else { v.abs() + 1e-7 }, dtype))
                .collect();
            values.extend([1.0, 2.0, 0.25, 1.5, 3.0]);
            let x = Array::real(&[values.len()], values);
            let want = x.map(|z| {
                let y = real_oracle(op, z.re);
                // Overflow of the type is an infinity, which only an infinity equals.
                Complex64::from(if rounded(y, dtype).is_infinite() { rounded(y, dtype) } else { y })
            });
            let got = x.to(device, dtype)?.unary(op)?;
            check(format!("{op:?} of {dtype}"), &got, op, dtype, &x, &want)?;
        }
    }
    Ok(())
}

fn complex_values(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| d.is_complex()) {
        for &op in UNARY {
            let mut random = Random::new(22);
            let mut x = random.array(&[603], dtype);
            for (i, z) in x.data.iter_mut().enumerate() {
                let scale = [1.0, 6.0, 0.05][i % 3];
                *z = super::sample::rounded_complex(*z * scale, dtype);
            }
            let tensor = x.to(device, dtype)?;
            if !op.accepts_complex() {
                let refused = matches!(tensor.unary(op), Err(crate::Error::Unsupported { .. }));
                ensure(refused, || format!("{op:?} of {dtype} is not refused"))?;
                continue;
            }
            let want = x.map(|z| complex_oracle(op, z).unwrap_or(Complex64::new(f64::NAN, f64::NAN)));
            check(format!("{op:?} of {dtype}"), &tensor.unary(op)?, op, dtype, &x, &want)?;
        }
        // Numbers whose squares leave the type.
        let (large, small) = if dtype == DType::C64 { (1e30, 1e-30) } else { (1e200, 1e-200) };
        let x = Array {
            shape: vec![2],
            data: [(large, -large), (small, small)].map(|z| Complex64::new(z.0, z.1)).to_vec(),
        };
        let x = x.map(|z| super::sample::rounded_complex(z, dtype));
        let want = x.map(|z| z.re.hypot(z.im).into());
        let got = x.to(device, dtype)?.abs()?;
        check(format!("Abs of {dtype}, extreme"), &got, UnaryOp::Abs, dtype, &x, &want)?;
    }
    Ok(())
}

fn signed_integers(device: &Device) -> Outcome {
    for dtype in [DType::I8, DType::I64] {
        let x = Random::new(1).array(&[77], dtype);
        let tensor = x.to(device, dtype)?;
        equal(format_args!("Neg of {dtype}"), &tensor.neg()?, &x.map(|z| Complex64::from(-z.re)))?;
        equal(format_args!("Abs of {dtype}"), &tensor.abs()?, &x.map(|z| Complex64::from(z.re.abs())))?;
    }
    // The one number whose negative does not exist stays, as in two's complement.
    let least = Tensor::scalar(device, i8::MIN)?;
    ensure(least.neg()?.to_scalar::<i8>()? == i8::MIN, || "-(-128) is not -128".into())?;
    let least = Tensor::scalar(device, i64::MIN)?;
    ensure(least.abs()?.to_scalar::<i64>()? == i64::MIN, || "|-2^63| is not -2^63".into())
}

fn infinities_and_nan(device: &Device) -> Outcome {
    let values = [0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -1.0];
    for dtype in dtypes(device).into_iter().filter(|d| d.is_float()) {
        for &op in UNARY {
            // gelu and silu of -inf are 0 in the limit, but -inf * 0 by their formulas: either is accepted nowhere, so they
            // are left out there.
            let formula = matches!(op, UnaryOp::Silu | UnaryOp::Gelu | UnaryOp::GeluTanh);
            // The logarithm of a value below, the powers of negative ones: NaN, as in the standard library.
            let kept: Vec<f64> =
                values.into_iter().filter(|v| !(formula && *v == f64::NEG_INFINITY)).collect();
            // Among ordinary numbers, so that a vector holds both.
            let values: Vec<f64> = kept.iter().flat_map(|&v| [v, 1.0, 0.5]).collect();
            let x = Array::real(&[values.len()], values);
            let want = x.map(|z| Complex64::from(real_oracle(op, z.re)));
            let got = x.to(device, dtype)?.unary(op)?;
            check(format!("{op:?} of {dtype}"), &got, op, dtype, &x, &want)?;
        }
    }
    Ok(())
}

fn layouts(device: &Device) -> Outcome {
    for dtype in dtypes(device).into_iter().filter(|d| !d.is_integer()) {
        for &op in UNARY.iter().filter(|op| !dtype.is_complex() || op.accepts_complex()) {
            for shape in [&[][..], &[5, 7], &[3, 4, 5], &[1, 30]] {
                let mut x = Random::new(shape.len() as u64).array(shape, dtype);
                if !takes_negative(op) && !dtype.is_complex() {
                    x = x.map(|z| Complex64::from(z.re.abs() + 0.5));
                    x = x.map(|z| super::sample::rounded_complex(z, dtype));
                }
                let want = x.map(|z| match dtype.is_complex() {
                    true => complex_oracle(op, z).unwrap_or_default(),
                    false => real_oracle(op, z.re).into(),
                });
                let out = if op.is_real_valued() { dtype.to_real() } else { dtype };
                for (guise, tensor) in x.guises(device, dtype)? {
                    let what = format!("{op:?} of {dtype}, {guise:?} {shape:?}");
                    check(what.clone(), &tensor.unary(op)?, op, dtype, &x, &want)?;
                    for target in [Guise::Transposed, Guise::Stepped] {
                        let got =
                            written(device, shape, out, target, |dst| device.unary(op, tensor.view(), dst))
                                .map_err(|f| f.within(&what))?;
                        check(format!("{what} to {target:?}"), &got, op, dtype, &x, &want)?;
                    }
                }
            }
        }
    }
    let empty = Tensor::zeros(device, &[0, 3], DType::F32)?.exp()?;
    ensure(empty.shape() == [0, 3], || format!("of nothing: {:?}", empty.shape()))
}

fn rounding_ties(device: &Device) -> Outcome {
    let x = Tensor::from_slice(device, &[0.5f32, 1.5, 2.5, -0.5, -1.5, -2.5, 1e9, -1e-9], &[8])?;
    let got = x.round()?.to_vec::<f32>()?;
    ensure(got == [0.0, 2.0, 2.0, 0.0, -2.0, -2.0, 1e9, 0.0], || format!("round gives {got:?}"))?;
    let got = x.floor()?.to_vec::<f32>()?;
    ensure(got == [0.0, 1.0, 2.0, -1.0, -2.0, -3.0, 1e9, -1.0], || format!("floor gives {got:?}"))
}

/// Away from kinks, against quotients of the oracle of the fourth order with steps of 1e-3, whose own error is below 1e-9. In single precision
/// a result that was rounded, and the difference of it to 1, cost a few units.
fn slopes(device: &Device) -> Outcome {
    for dtype in [DType::F32, DType::F64].into_iter().filter(|&d| device.supports(d)) {
        for &op in UNARY {
            let Some(slope) = op.slope() else { continue };
            let mut random = Random::new(5);
            let away = |x: f64| if (x + 0.5).abs() < 0.01 || (x - 1.25).abs() < 0.01 { x + 0.03 } else { x };
            let value = |v: f64| {
                let v = if takes_negative(op) { v } else { v.abs() };
                rounded(away(v * 2.0 + v.signum() * 0.3), dtype)
            };
            let values: Vec<f64> = (0..700).map(|_| value(random.unit())).collect();
            let x = Array::real(&[7, 100], values);
            let grad = random.array(&[7, 100], dtype);
            let want = Array::from_fn(&[7, 100], |i| {
                let at = |step: f64| real_oracle(op, x.at(i).re + step);
                let slope = (8.0 * (at(1e-3) - at(-1e-3)) - at(2e-3) + at(-2e-3)) / 12e-3;
                Complex64::from(grad.at(i).re * slope)
            });
            let kept = match slope {
                Slope::Operand => x.clone(),
                Slope::Result => x.map(|z| rounded(real_oracle(op, z.re), dtype).into()),
            };
            let bound = if dtype == DType::F64 { 1e-8 } else { 20.0 * dtype.epsilon() };
            for (guise, t) in kept.guises(device, dtype)? {
                let g = grad.disguised(device, dtype, guise)?;
                for (way, got) in
                    [("fused", t.unary_backward(op, &g)?), ("composed", compose::unary_backward(op, &t, &g)?)]
                {
                    close_l2(format!("{op:?} of {dtype} {guise:?}, {way}"), &got, &want, bound)?;
                }
            }
        }
    }
    let x = Tensor::zeros(device, &[2], DType::F32)?;
    let refused = x.unary_backward(UnaryOp::Round, &x);
    ensure(refused.is_err(), || "a step function has a slope".to_owned())
}
