//! The ways back of functions of elements.

use crate::{Result, Tensor, UnaryOp};

/// `grad conj(f')`, for operations with a [slope](UnaryOp::slope); `kept` is the operand or the result, as that says. Where an absolute value,
/// a limit or `max(x, 0)` has a kink the slope is 0.
///
/// # Errors
/// Memory and device errors.
pub fn unary_backward(op: UnaryOp, kept: &Tensor, grad: &Tensor) -> Result<Tensor> {
    use UnaryOp as U;
    // `mul_conj` and `conj` leave real numbers as they are.
    match op {
        U::Exp => grad.mul_conj(kept),
        U::Ln => grad.div(&kept.conj()?),
        U::Sqrt => grad.div(&kept.conj()?.scale(2.0)?),
        U::Recip => grad.mul_conj(&kept.square()?)?.neg(),
        U::Square | U::AbsSquared => grad.mul_conj(kept)?.scale(2.0),
        U::Rsqrt => grad.mul(&kept.square()?.mul(kept)?)?.scale(-0.5),
        U::Tanh => grad.mul(&kept.square()?.affine(-1.0, 1.0)?),
        U::Sigmoid => grad.mul(&kept.mul(&kept.affine(-1.0, 1.0)?)?),
        U::Sin => grad.mul(&kept.cos()?),
        U::Cos => grad.mul(&kept.sin()?)?.neg(),
        U::Abs => grad.mul(&kept.sign()?),
        U::Erf => {
            let bell = kept.square()?.neg()?.exp()?;
            grad.mul(&bell)?.scale(std::f64::consts::FRAC_2_SQRT_PI)
        }
        U::Silu => {
            let s = kept.sigmoid()?;
            grad.mul(&s.mul(&kept.mul(&s.affine(-1.0, 1.0)?)?.affine(1.0, 1.0)?)?)
        }
        U::Gelu => {
            // Phi(x) + x phi(x).
            let below = kept.scale(std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?;
            let bell = kept.square()?.scale(-0.5)?.exp()?;
            let density = 0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
            grad.mul(&below.add(&kept.mul(&bell)?.scale(density)?)?)
        }
        U::GeluTanh => {
            // 0.5 x (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2 / pi).
            let c = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
            let square = kept.square()?;
            let tanh = kept.mul(&square.affine(0.044_715, 1.0)?)?.scale(c)?.tanh()?;
            let slope = square.affine(3.0 * 0.044_715 * c, c)?;
            let rest = kept.mul(&tanh.square()?.affine(-1.0, 1.0)?)?.mul(&slope)?;
            grad.mul(&tanh.affine(0.5, 0.5)?.add(&rest.scale(0.5)?)?)
        }
        U::Relu | U::Clamp { .. } => {
            let zero = Tensor::zeros(kept.device(), &[], kept.dtype())?;
            let passes = if op == U::Relu { zero.lt(kept)? } else { kept.eq(&kept.unary(op)?)? };
            Tensor::select(&passes, grad, &zero)
        }
        U::Powf(exponent) => grad.mul(&kept.unary(U::Powf(exponent - 1.0))?)?.scale(exponent),
        // The tensor let only the operations above through.
        _ => Ok(grad.clone()),
    }
}
