//! Operations on single elements and pairs of elements.

use fft_core::{BinaryOp, Complex64, DType, Device, Result, Slope, Tensor, UnaryOp};

use super::phasor::parts;
use super::sum_to;
use crate::autograd::Var;
use crate::autograd::check::{complex, real, real_dtype};
use crate::autograd::operation::{Context, Needs, Operation, not_differentiable};
use crate::autograd::registry::{Sample, Samples};
use crate::layers::from_values;

/// A function of each element.
#[derive(Debug, Clone, Copy)]
pub struct Unary(pub UnaryOp);

impl Operation for Unary {
    fn name(&self) -> &'static str {
        "unary"
    }

    fn needs(&self) -> Needs {
        match self.0 {
            UnaryOp::Neg | UnaryOp::Conj | UnaryOp::Real | UnaryOp::Imag | UnaryOp::Affine { .. } => {
                Needs::NOTHING
            }
            op if op.slope() == Some(Slope::Result) => Needs::OUTPUT,
            _ => Needs::INPUTS,
        }
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].unary(self.0)
    }

    /// For a holomorphic function `grad conj(f')`; the others as their real and imaginary parts say.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        use UnaryOp as U;
        let is_complex = context.dtype(0).is_complex();
        let grad = match self.0 {
            U::Neg => grad.neg()?,
            U::Conj => grad.conj()?,
            U::Affine { mul, .. } => grad.scale(mul)?,
            U::Real => grad.to_dtype(context.dtype(0))?,
            U::Imag if is_complex => {
                let zeros = Tensor::zeros(grad.device(), grad.shape(), grad.dtype())?;
                zeros.complex(grad)?
            }
            U::Abs if is_complex => {
                let (u, _) = parts(context.input(0)?)?;
                u.mul(&grad.to_dtype(u.dtype())?)?
            }
            U::AbsSquared if is_complex => {
                let x = context.input(0)?;
                x.mul(&grad.scale(2.0)?.to_dtype(x.dtype())?)?
            }
            U::Arg if is_complex => {
                // The angle grows across the radius: i u / |x| with u = x / |x|. The square of a small magnitude would be 0.
                let (u, over) = parts(context.input(0)?)?;
                let along = u.mul(&over.mul(&grad.to_dtype(u.dtype())?)?)?;
                along.imag()?.neg()?.complex(&along.real()?)?
            }
            // A constant, at 0 too, where the general slope is 0 times infinity.
            U::Powf(0.0) => Tensor::zeros(grad.device(), grad.shape(), grad.dtype())?,
            op if op.slope() == Some(Slope::Result) => context.output()?.unary_backward(op, grad)?,
            op if op.slope().is_some() => context.input(0)?.unary_backward(op, grad)?,
            U::Imag | U::Arg => grad.scale(0.0)?,
            _ => return Err(not_differentiable(unary_name(self.0), grad)),
        };
        Ok(vec![Some(grad)])
    }
}

fn unary_name(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Sign => "sign",
        UnaryOp::Round => "round",
        UnaryOp::Floor => "floor",
        _ => "unary",
    }
}

/// `a / b`, and 0 where `b` is 0: the choice of PyTorch for the slope of a magnitude at 0.
fn ratio(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let zero = Tensor::zeros(b.device(), &[], b.dtype())?;
    let broken = b.eq(&zero)?;
    Tensor::select(&broken, &zero.broadcast_to(b.shape())?, &a.div(b)?)
}

/// `grad` without the elements where `a < b`, halved where they are equal: a tie gives half to each operand, as in PyTorch.
fn chosen(a: &Tensor, b: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let shared = Tensor::select(&a.eq(b)?, &grad.scale(0.5)?, grad)?;
    Tensor::select(&a.lt(b)?, &Tensor::zeros(grad.device(), &[], grad.dtype())?, &shared)
}

impl Samples for Unary {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        use UnaryOp as U;
        let (x, z) = (real(device, &[2, 3], 1)?, complex(device, &[2, 3], 2)?);
        let positive = x.abs()?;
        let mut samples = Vec::new();
        let of_complex = [
            U::Neg,
            U::Abs,
            U::AbsSquared,
            U::Arg,
            U::Conj,
            U::Real,
            U::Imag,
            U::Exp,
            U::Ln,
            U::Sqrt,
            U::Recip,
            U::Square,
            U::Affine { mul: -1.75, add: 0.3 },
        ];
        samples.extend(of_complex.map(|op| Sample::new(Unary(op), [z.clone()])));
        let of_real = [
            U::Neg,
            U::Abs,
            U::AbsSquared,
            U::Arg,
            U::Conj,
            U::Real,
            U::Imag,
            U::Exp,
            U::Recip,
            U::Square,
            U::Sin,
            U::Cos,
            U::Tanh,
            U::Erf,
            U::Sigmoid,
            U::Silu,
            U::Gelu,
            U::GeluTanh,
            U::Relu,
            U::Affine { mul: 0.5, add: -2.0 },
            U::Clamp { min: -0.8, max: 0.9 },
            U::Powf(2.0),
        ];
        samples.extend(of_real.map(|op| Sample::new(Unary(op), [x.clone()])));
        let of_positive = [U::Ln, U::Sqrt, U::Rsqrt, U::Powf(1.7), U::Powf(-0.5)];
        samples.extend(of_positive.map(|op| Sample::new(Unary(op), [positive.clone()])));
        Ok(samples)
    }
}

/// A function of pairs of elements, with broadcasting.
#[derive(Debug, Clone, Copy)]
pub struct Binary(pub BinaryOp);

impl Operation for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn needs(&self) -> Needs {
        match self.0 {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Complex => Needs::NOTHING,
            _ => Needs::INPUTS,
        }
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].binary(self.0, &inputs[1])
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        use BinaryOp as B;
        let operand = |i: usize| context.input(i);
        let of_first = || match self.0 {
            B::Add | B::Sub => Ok(grad.clone()),
            B::Mul => grad.mul_conj(operand(1)?),
            B::MulConj => grad.mul(operand(1)?),
            B::Div => grad.div(&operand(1)?.conj()?),
            B::Max => chosen(operand(0)?, operand(1)?, grad),
            B::Min => chosen(operand(1)?, operand(0)?, grad),
            B::Pow => {
                // Where the exponent is 0 the power is constant, at 0 too.
                let (a, b) = (operand(0)?, operand(1)?);
                let slope = b.mul(&a.pow(&b.affine(1.0, -1.0)?)?)?;
                let zero = Tensor::zeros(b.device(), &[], b.dtype())?;
                grad.mul(&Tensor::select(&b.eq(&zero)?, &zero, &slope)?)
            }
            B::Atan2 => {
                let (a, b) = (operand(0)?, operand(1)?);
                ratio(&grad.mul(b)?, &a.square()?.add(&b.square()?)?)
            }
            B::Complex => grad.real(),
            // a e^(i b): along e^(i b).
            B::Polar => {
                let b = operand(1)?;
                grad.real()?.mul(&b.cos()?)?.add(&grad.imag()?.mul(&b.sin()?)?)
            }
            _ => Err(not_differentiable("a comparison", grad)),
        };
        let of_second = || match self.0 {
            B::Add => Ok(grad.clone()),
            B::Sub => grad.neg(),
            B::Mul => grad.mul_conj(operand(0)?),
            // a conj(b) is antiholomorphic in b: conj(grad) a.
            B::MulConj => operand(0)?.mul_conj(grad),
            B::Div => {
                let (a, b) = (operand(0)?, operand(1)?);
                grad.mul_conj(&a.div(&b.square()?)?)?.neg()
            }
            B::Max => chosen(operand(1)?, operand(0)?, grad),
            B::Min => chosen(operand(0)?, operand(1)?, grad),
            B::Pow => {
                // Powers of 0 are constant, as in PyTorch for exponents of at least 0.
                let (a, b) = (operand(0)?, operand(1)?);
                let zero = Tensor::zeros(b.device(), &[], b.dtype())?;
                let slope = a.pow(b)?.mul(&a.ln()?)?;
                let of_zero = Tensor::select(&b.lt(&zero)?, &slope, &zero)?;
                grad.mul(&Tensor::select(&a.eq(&zero)?, &of_zero, &slope)?)
            }
            B::Atan2 => {
                let (a, b) = (operand(0)?, operand(1)?);
                ratio(&grad.mul(a)?, &a.square()?.add(&b.square()?)?)?.neg()
            }
            B::Complex => grad.imag(),
            // a i e^(i b): across it.
            B::Polar => {
                let (a, b) = (operand(0)?, operand(1)?);
                let across = grad.imag()?.mul(&b.cos()?)?.sub(&grad.real()?.mul(&b.sin()?)?)?;
                across.mul(a)
            }
            _ => Err(not_differentiable("a comparison", grad)),
        };
        let first = context.wants(0).then(|| sum_to(&of_first()?, context.shape(0))).transpose()?;
        let second = context.wants(1).then(|| sum_to(&of_second()?, context.shape(1))).transpose()?;
        Ok(vec![first, second])
    }
}

impl Samples for Binary {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        use BinaryOp as B;
        let mut samples = Vec::new();
        for (a, b) in [(&[2, 3][..], &[2, 3][..]), (&[3], &[2, 3]), (&[2, 1, 3], &[4, 1])] {
            let (x, y) = (real(device, a, 1)?, real(device, b, 2)?);
            for op in
                [B::Add, B::Sub, B::Mul, B::Div, B::MulConj, B::Max, B::Min, B::Atan2, B::Complex, B::Polar]
            {
                samples.push(Sample::new(Binary(op), [x.clone(), y.clone()]));
            }
            samples.push(Sample::new(Binary(B::Pow), [x.abs()?, y.clone()]));
            let (x, y) = (complex(device, a, 3)?, complex(device, b, 4)?);
            for op in [B::Add, B::Sub, B::Mul, B::Div, B::MulConj] {
                samples.push(Sample::new(Binary(op), [x.clone(), y.clone()]));
            }
        }
        Ok(samples)
    }
}

/// A conversion among float and complex dtypes.
#[derive(Debug, Clone, Copy)]
pub struct ToDtype(pub DType);

impl Operation for ToDtype {
    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].to_dtype(self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        if self.0.is_integer() {
            return Err(not_differentiable("a conversion to integers", grad));
        }
        Ok(vec![Some(grad.to_dtype(context.dtype(0))?)])
    }
}

impl Samples for ToDtype {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![
            Sample::new(ToDtype(real_dtype(device).to_complex()), [real(device, &[5], 1)?]),
            Sample::new(ToDtype(real_dtype(device)), [complex(device, &[5], 2)?]),
        ])
    }
}

macro_rules! unary_methods {
    ($($name:ident => $op:ident),* $(,)?) => { impl Var {$(
        #[doc = concat!("[`UnaryOp::", stringify!($op), "`] of each element.")]
        ///
        /// # Errors
        /// As [`Tensor::unary`].
        pub fn $name(&self) -> Result<Self> { Var::apply(Unary(UnaryOp::$op), &[self]) }
    )*} };
}
unary_methods!(neg => Neg, abs => Abs, abs_squared => AbsSquared, arg => Arg, conj => Conj, real => Real, imag => Imag,
    exp => Exp, ln => Ln, sqrt => Sqrt, rsqrt => Rsqrt, recip => Recip, square => Square, sin => Sin, cos => Cos, tanh => Tanh,
    erf => Erf, sigmoid => Sigmoid, silu => Silu, gelu => Gelu, gelu_tanh => GeluTanh, relu => Relu, sign => Sign,
    round => Round, floor => Floor);

macro_rules! binary_methods {
    ($($name:ident => $op:ident),* $(,)?) => { impl Var {$(
        #[doc = concat!("[`BinaryOp::", stringify!($op), "`] of pairs of elements, with broadcasting.")]
        ///
        /// # Errors
        /// As [`Tensor::binary`].
        pub fn $name(&self, other: &Var) -> Result<Self> { Var::apply(Binary(BinaryOp::$op), &[self, other]) }
    )*} };
}
binary_methods!(add => Add, sub => Sub, mul => Mul, div => Div, mul_conj => MulConj, maximum => Max, minimum => Min, pow => Pow,
    atan2 => Atan2, complex => Complex, polar => Polar);

impl Var {
    /// `self * mul + add`.
    ///
    /// # Errors
    /// As [`Tensor::unary`].
    pub fn affine(&self, mul: f64, add: f64) -> Result<Self> {
        Var::apply(Unary(UnaryOp::Affine { mul, add }), &[self])
    }

    /// `self * factor`.
    ///
    /// # Errors
    /// As [`Tensor::unary`].
    pub fn scale(&self, factor: f64) -> Result<Self> {
        self.affine(factor, 0.0)
    }

    /// `self * factor` for a complex factor; the variable must be complex.
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn scale_complex(&self, factor: Complex64) -> Result<Self> {
        let factor = from_values(&self.device(), &[factor], &[], self.dtype())?;
        self.mul(&Var::constant(factor))
    }

    /// `self^exponent`, real.
    ///
    /// # Errors
    /// As [`Tensor::unary`].
    pub fn powf(&self, exponent: f64) -> Result<Self> {
        Var::apply(Unary(UnaryOp::Powf(exponent)), &[self])
    }

    /// Limited to `min..=max`, real; no gradient outside; at a limit itself it passes, as in PyTorch.
    ///
    /// # Errors
    /// As [`Tensor::unary`].
    pub fn clamp(&self, min: f64, max: f64) -> Result<Self> {
        Var::apply(Unary(UnaryOp::Clamp { min, max }), &[self])
    }

    /// Converted to another element type.
    ///
    /// # Errors
    /// As [`Tensor::to_dtype`].
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype() { Ok(self.clone()) } else { Var::apply(ToDtype(dtype), &[self]) }
    }
}
