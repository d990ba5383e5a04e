//! The vocabulary of the required operations: views, and what each operation can be asked to do.

use crate::{Buffer, DType, Layout};

/// Elements of a buffer to read.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The storage.
    pub buffer: &'a Buffer,
    /// Where the elements lie.
    pub layout: &'a Layout,
    /// Their type.
    pub dtype: DType,
}

/// Elements of a buffer to write. No two positions of the layout coincide.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// The storage.
    pub buffer: &'a mut Buffer,
    /// Where the elements lie.
    pub layout: &'a Layout,
    /// Their type.
    pub dtype: DType,
}

/// Element-by-element functions of one operand. Float and complex dtypes unless stated.
///
/// The result has the operand's dtype, except for [`Abs`](UnaryOp::Abs), [`Arg`](UnaryOp::Arg),
/// [`Real`](UnaryOp::Real), [`Imag`](UnaryOp::Imag) and [`AbsSquared`](UnaryOp::AbsSquared), which are real.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum UnaryOp {
    /// `-x` (also signed integers, where the least number stays).
    Neg,
    /// `|x|` (also signed integers, where the least number stays).
    Abs,
    /// `|x|^2` without the square root.
    AbsSquared,
    /// Angle of a complex number in `(-pi, pi]`; of a real one 0 or pi (pi where the sign is minus, so for -0).
    Arg,
    /// The conjugate; a real number stays.
    Conj,
    /// The real part.
    Real,
    /// The imaginary part; of a real number 0.
    Imag,
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root (principal branch).
    Sqrt,
    /// `1 / sqrt(x)`, real only.
    Rsqrt,
    /// `1 / x`.
    Recip,
    /// `x * x`.
    Square,
    /// Sine, real only.
    Sin,
    /// Cosine, real only.
    Cos,
    /// Hyperbolic tangent, real only.
    Tanh,
    /// Error function, real only.
    Erf,
    /// `1 / (1 + e^-x)`, real only.
    Sigmoid,
    /// `x * sigmoid(x)`, real only.
    Silu,
    /// `x * Phi(x)` by the error function, real only.
    Gelu,
    /// GELU by the tanh approximation, real only.
    GeluTanh,
    /// `max(x, 0)`, real only; NaN stays NaN.
    Relu,
    /// -1, 0 or 1, real only; NaN stays NaN.
    Sign,
    /// Rounds to the nearest integer, ties to even; real only.
    Round,
    /// Rounds down; real only.
    Floor,
    /// `mul * x + add`.
    Affine {
        /// The factor.
        mul: f64,
        /// The summand.
        add: f64,
    },
    /// `x^exponent`, real only.
    Powf(f64),
    /// Limits to `min..=max`, real only; NaN stays NaN.
    Clamp {
        /// The lower limit.
        min: f64,
        /// The upper limit.
        max: f64,
    },
}

/// What the slope of a function of elements is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slope {
    /// The operand `x`.
    Operand,
    /// The result `y`: `e^x` is its own slope.
    Result,
}

impl UnaryOp {
    /// What the slope of the function is computed from, where it has one that depends on its operand: real functions, and complex ones that
    /// are holomorphic.
    pub const fn slope(self) -> Option<Slope> {
        use UnaryOp as U;
        match self {
            U::Exp | U::Sqrt | U::Rsqrt | U::Recip | U::Tanh | U::Sigmoid => Some(Slope::Result),
            U::Ln | U::Square | U::Sin | U::Cos | U::Erf | U::Silu | U::Gelu | U::GeluTanh => {
                Some(Slope::Operand)
            }
            U::Abs | U::AbsSquared | U::Relu | U::Clamp { .. } | U::Powf(_) => Some(Slope::Operand),
            _ => None,
        }
    }

    /// Whether the result of a complex operand is real.
    pub const fn is_real_valued(self) -> bool {
        matches!(self, UnaryOp::Abs | UnaryOp::AbsSquared | UnaryOp::Arg | UnaryOp::Real | UnaryOp::Imag)
    }

    /// Whether complex operands are accepted.
    pub const fn accepts_complex(self) -> bool {
        self.is_real_valued()
            || matches!(
                self,
                UnaryOp::Neg
                    | UnaryOp::Conj
                    | UnaryOp::Exp
                    | UnaryOp::Ln
                    | UnaryOp::Sqrt
                    | UnaryOp::Recip
                    | UnaryOp::Square
                    | UnaryOp::Affine { .. }
            )
    }
}

/// Element-by-element functions of two operands of the same dtype and (after broadcasting) shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BinaryOp {
    /// `a + b`, any dtype. Sums, differences and products of integers wrap.
    Add,
    /// `a - b`, any dtype.
    Sub,
    /// `a * b`, any dtype.
    Mul,
    /// `a / b`, float and complex.
    Div,
    /// `a * conj(b)`; for real dtypes `a * b`.
    MulConj,
    /// The larger, real and integer; NaN if either is.
    Max,
    /// The smaller, real and integer; NaN if either is.
    Min,
    /// `a^b`, float.
    Pow,
    /// Angle of the point `(b, a)`, float.
    Atan2,
    /// `a + i b`: two real operands (`F32` or `F64`), a complex result.
    Complex,
    /// `a (cos b + i sin b)`: two real operands (`F32` or `F64`), a complex result.
    Polar,
    /// 1 where `a == b`, as `U8`; any dtype.
    Eq,
    /// 1 where `a < b`, as `U8`; real and integer.
    Lt,
    /// 1 where `a <= b`, as `U8`; real and integer.
    Le,
}

/// Reductions over one or more axes. Sums of `F16` and `BF16` run in `F32` or better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReduceOp {
    /// Sum, any dtype (integers wrap); 0 of nothing.
    Sum,
    /// Mean, float and complex; NaN of nothing.
    Mean,
    /// Product, float and complex; 1 of nothing.
    Prod,
    /// Largest, real and integer; NaN if one is NaN; an error of nothing.
    Max,
    /// Smallest, real and integer; NaN if one is NaN; an error of nothing.
    Min,
    /// Position of the (first) largest along one axis, as `I64`; a NaN counts as largest; an error of nothing.
    ArgMax,
    /// Position of the (first) smallest along one axis, as `I64`; a NaN counts as smallest; an error of nothing.
    ArgMin,
}

/// What [`scatter`](crate::SpectralBackend::scatter) does where it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScatterMode {
    /// Replaces. Of several sources for one place, the last wins.
    Set,
    /// Adds, in the order of the sources.
    Add,
}

/// Which kind of spectrum a transform goes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FftKind {
    /// Complex to complex, `n` to `n`.
    C2C,
    /// Real to half spectrum, `n` to `n / 2 + 1`; always forward.
    R2C,
    /// Half spectrum to real, `n / 2 + 1` to `n`; always inverse. The imaginary part of bin 0, and for even `n` of the
    /// last bin, counts as 0.
    C2R,
}

/// The sign of the exponent: minus for forward, plus for inverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `exp(-2 pi i k n / N)`.
    Forward,
    /// `exp(+2 pi i k n / N)`.
    Inverse,
}

/// Where the factor `1/N` of a transform pair goes, as in NumPy and PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Norm {
    /// `1/N` on the inverse.
    #[default]
    Backward,
    /// `1/sqrt(N)` on both.
    Ortho,
    /// `1/N` on the forward transform.
    Forward,
}

impl Norm {
    /// The convention with the factors of the two directions exchanged.
    pub const fn swapped(self) -> Self {
        match self {
            Norm::Backward => Norm::Forward,
            Norm::Ortho => Norm::Ortho,
            Norm::Forward => Norm::Backward,
        }
    }

    /// The factor for a transform over `n` points in all.
    pub fn scale(self, direction: Direction, n: usize) -> f64 {
        match (self, direction) {
            (Norm::Ortho, _) => 1.0 / (n as f64).sqrt(),
            (Norm::Backward, Direction::Inverse) | (Norm::Forward, Direction::Forward) => 1.0 / n as f64,
            _ => 1.0,
        }
    }
}

/// A batched transform along one axis.
///
/// The source has `n` elements along `axis` (C2C, R2C) or `n / 2 + 1` (C2R); when it has more, the rest is ignored; when
/// it has fewer, zeros follow. The destination has exactly `n` (C2C, C2R) or `n / 2 + 1` (R2C). All other axes agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FftSpec {
    /// Kind of transform.
    pub kind: FftKind,
    /// Sign of the exponent.
    pub direction: Direction,
    /// The axis transformed.
    pub axis: usize,
    /// The number of points, at least 1.
    pub n: usize,
    /// A factor on the result.
    pub scale: f64,
}
