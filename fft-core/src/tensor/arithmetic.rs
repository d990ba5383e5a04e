//! Element-by-element operations.

use crate::layout::broadcast_shapes;
use crate::{BinaryOp, DType, Error, Result, Tensor, UnaryOp};

impl Tensor {
    /// `op` applied to each element.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the operation does not take this dtype (see [`UnaryOp`]).
    pub fn unary(&self, op: UnaryOp) -> Result<Self> {
        const OP: &str = "unary";
        let allowed = match self.dtype() {
            d if d.is_float() => true,
            d if d.is_complex() => op.accepts_complex(),
            DType::I8 | DType::I64 => matches!(op, UnaryOp::Neg | UnaryOp::Abs),
            _ => false,
        };
        if !allowed {
            let device = self.device().info().id.clone();
            let reason = format!("{op:?} does not take {}", self.dtype());
            return Err(Error::Unsupported { op: OP, device, reason });
        }
        let dtype = if op.is_real_valued() { self.dtype().to_real() } else { self.dtype() };
        Tensor::build(self.device(), OP, self.shape(), dtype, |dst| self.device().unary(op, self.view(), dst))
    }

    /// The gradient in the operand of [`unary`](Self::unary) from that in its result and what the [slope](UnaryOp::slope) is computed from (this
    /// tensor): the operand or the result.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an operation without a slope, or that does not take the dtype; mismatches of shape, dtype or device.
    pub fn unary_backward(&self, op: UnaryOp, grad: &Tensor) -> Result<Self> {
        const OP: &str = "unary_backward";
        self.same_device(OP, grad)?;
        grad.expect_dtype(OP, self.dtype())?;
        let complex = self.dtype().is_complex();
        let takes = self.dtype().is_float() || (complex && op.accepts_complex() && !op.is_real_valued());
        if op.slope().is_none() || !takes {
            let device = self.device().info().id.clone();
            let reason = format!("{op:?} of {} has no slope", self.dtype());
            return Err(Error::Unsupported { op: OP, device, reason });
        }
        if self.shape() != grad.shape() {
            return Err(Error::shapes(OP, self.shape(), grad.shape(), "they must be equal"));
        }
        self.device().unary_backward(op, self, grad)
    }

    /// `op` applied to pairs of elements, with broadcasting.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::Unsupported`] when the operation does not take this dtype
    /// (see [`BinaryOp`]).
    pub fn binary(&self, op: BinaryOp, other: &Tensor) -> Result<Self> {
        let name = binary_name(op);
        self.same_device(name, other)?;
        other.expect_dtype(name, self.dtype())?;
        let d = self.dtype();
        let allowed = match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::MulConj | BinaryOp::Eq => true,
            BinaryOp::Div => !d.is_integer(),
            BinaryOp::Max | BinaryOp::Min | BinaryOp::Lt | BinaryOp::Le => !d.is_complex(),
            BinaryOp::Pow | BinaryOp::Atan2 => d.is_float(),
            BinaryOp::Complex | BinaryOp::Polar => matches!(d, DType::F32 | DType::F64),
        };
        if !allowed {
            let device = self.device().info().id.clone();
            return Err(Error::Unsupported { op: name, device, reason: format!("it does not take {d}") });
        }
        let shape = broadcast_shapes(name, self.shape(), other.shape())?;
        let dtype = match op {
            BinaryOp::Complex | BinaryOp::Polar => d.to_complex(),
            BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le => DType::U8,
            _ => d,
        };
        let a = self.layout().broadcast_to(name, &shape)?;
        let b = other.layout().broadcast_to(name, &shape)?;
        Tensor::build(self.device(), name, &shape, dtype, |dst| {
            let a = crate::View { layout: &a, ..self.view() };
            let b = crate::View { layout: &b, ..other.view() };
            self.device().binary(op, a, b, dst)
        })
    }

    /// `a` where the condition (a `U8` tensor) is not 0, else `b`, with broadcasting.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn select(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Self> {
        const OP: &str = "select";
        condition.expect_dtype(OP, DType::U8)?;
        b.expect_dtype(OP, a.dtype())?;
        condition.same_device(OP, a)?;
        a.same_device(OP, b)?;
        let shape = broadcast_shapes(OP, a.shape(), b.shape())?;
        let shape = broadcast_shapes(OP, condition.shape(), &shape)?;
        let (c, a, b) = (condition.broadcast_to(&shape)?, a.broadcast_to(&shape)?, b.broadcast_to(&shape)?);
        Tensor::build(a.device(), OP, &shape, a.dtype(), |dst| {
            a.device().select(c.view(), a.view(), b.view(), dst)
        })
    }

    /// `self * mul + add`.
    ///
    /// # Errors
    /// As [`unary`](Self::unary).
    pub fn affine(&self, mul: f64, add: f64) -> Result<Self> {
        self.unary(UnaryOp::Affine { mul, add })
    }

    /// `self * factor`.
    ///
    /// # Errors
    /// As [`unary`](Self::unary).
    pub fn scale(&self, factor: f64) -> Result<Self> {
        self.affine(factor, 0.0)
    }
}

fn binary_name(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "add",
        BinaryOp::Sub => "sub",
        BinaryOp::Mul => "mul",
        BinaryOp::Div => "div",
        BinaryOp::MulConj => "mul_conj",
        BinaryOp::Max => "maximum",
        BinaryOp::Min => "minimum",
        BinaryOp::Pow => "pow",
        BinaryOp::Atan2 => "atan2",
        BinaryOp::Complex => "complex",
        BinaryOp::Polar => "polar",
        BinaryOp::Eq => "eq",
        BinaryOp::Lt => "lt",
        BinaryOp::Le => "le",
    }
}

macro_rules! unary_methods {
    ($($name:ident => $op:ident),* $(,)?) => { impl Tensor {$(
        #[doc = concat!("[`UnaryOp::", stringify!($op), "`] of each element.")]
        ///
        /// # Errors
        /// As [`unary`](Self::unary).
        pub fn $name(&self) -> Result<Self> { self.unary(UnaryOp::$op) }
    )*} };
}
unary_methods!(neg => Neg, abs => Abs, abs_squared => AbsSquared, arg => Arg, conj => Conj, real => Real, imag => Imag,
    exp => Exp, ln => Ln, sqrt => Sqrt, rsqrt => Rsqrt, recip => Recip, square => Square, sin => Sin, cos => Cos, tanh => Tanh,
    erf => Erf, sigmoid => Sigmoid, silu => Silu, gelu => Gelu, gelu_tanh => GeluTanh, relu => Relu, sign => Sign,
    round => Round, floor => Floor);

macro_rules! binary_methods {
    ($($name:ident => $op:ident),* $(,)?) => { impl Tensor {$(
        #[doc = concat!("[`BinaryOp::", stringify!($op), "`] of pairs of elements, with broadcasting.")]
        ///
        /// # Errors
        /// As [`binary`](Self::binary).
        pub fn $name(&self, other: &Tensor) -> Result<Self> { self.binary(BinaryOp::$op, other) }
    )*} };
}
binary_methods!(add => Add, sub => Sub, mul => Mul, div => Div, mul_conj => MulConj, maximum => Max, minimum => Min, pow => Pow,
    atan2 => Atan2, complex => Complex, polar => Polar, eq => Eq, lt => Lt, le => Le);
