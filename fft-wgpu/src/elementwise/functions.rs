//! The operations as WGSL expressions.

use fft_core::{BinaryOp, DType, UnaryOp};

use crate::store::Store;

/// A function of one element `a`.
pub(super) struct Function {
    /// Stands for the expression; its numbers are parameters.
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) value: [f32; 4],
}

/// Each operation, with parameters where it has some.
pub(super) const EVERY_UNARY: &[UnaryOp] = &[
    UnaryOp::Neg,
    UnaryOp::Abs,
    UnaryOp::AbsSquared,
    UnaryOp::Arg,
    UnaryOp::Conj,
    UnaryOp::Real,
    UnaryOp::Imag,
    UnaryOp::Exp,
    UnaryOp::Ln,
    UnaryOp::Sqrt,
    UnaryOp::Rsqrt,
    UnaryOp::Recip,
    UnaryOp::Square,
    UnaryOp::Sin,
    UnaryOp::Cos,
    UnaryOp::Tanh,
    UnaryOp::Erf,
    UnaryOp::Sigmoid,
    UnaryOp::Silu,
    UnaryOp::Gelu,
    UnaryOp::GeluTanh,
    UnaryOp::Relu,
    UnaryOp::Sign,
    UnaryOp::Round,
    UnaryOp::Floor,
    UnaryOp::Affine { mul: 1.0, add: 0.0 },
    UnaryOp::Powf(1.0),
    UnaryOp::Clamp { min: 0.0, max: 1.0 },
];

/// Each operation of two elements.
pub(super) const EVERY_BINARY: &[BinaryOp] = &[
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::MulConj,
    BinaryOp::Max,
    BinaryOp::Min,
    BinaryOp::Pow,
    BinaryOp::Atan2,
    BinaryOp::Complex,
    BinaryOp::Polar,
    BinaryOp::Eq,
    BinaryOp::Lt,
    BinaryOp::Le,
];

fn real(op: UnaryOp) -> Option<(&'static str, &'static str)> {
    use UnaryOp::*;
    Some(match op {
        Neg => ("Neg", "negated(a)"),
        Abs => ("Abs", "magnitude(a)"),
        AbsSquared | Square => ("Square", "a * a"),
        Arg => ("Arg", "select(select(0.0, 3.141592653589793, sign_bit(a)), a, is_nan(a))"),
        Conj | Real => ("Real", "a"),
        // Not 0 * a, which is NaN for an infinity.
        Imag => ("Imag", "0.0"),
        Exp => ("Exp", "exp_(a)"),
        Ln => ("Ln", "ln_(a)"),
        Sqrt => ("Sqrt", "sqrt_(a)"),
        Rsqrt => ("Rsqrt", "1.0 / sqrt_(a)"),
        Recip => ("Recip", "1.0 / a"),
        Sin => ("Sin", "sin_(a)"),
        Cos => ("Cos", "cos_(a)"),
        Tanh => ("Tanh", "tanh_(a)"),
        Erf => ("Erf", "erf_(a)"),
        Sigmoid => ("Sigmoid", "sigmoid(a)"),
        Silu => ("Silu", "silu(a)"),
        Gelu => ("Gelu", "gelu(a)"),
        GeluTanh => ("GeluTanh", "gelu_tanh(a)"),
        Relu => ("Relu", "relu(a)"),
        Sign => ("Sign", "signum(a)"),
        Round => ("Round", "round(a)"),
        Floor => ("Floor", "floor(a)"),
        Affine { .. } => ("Affine", "a * P.value.x + P.value.y"),
        Powf(_) => ("Powf", "pow_(a, P.value.x)"),
        Clamp { .. } => ("Clamp", "limited(a, P.value.x, P.value.y)"),
        _ => return None,
    })
}

fn complex(op: UnaryOp) -> Option<(&'static str, &'static str)> {
    use UnaryOp::*;
    Some(match op {
        Neg => ("Neg", "vec2<f32>(negated(a.x), negated(a.y))"),
        Abs => ("Abs", "cabs(a)"),
        AbsSquared => ("AbsSquared", "a.x * a.x + a.y * a.y"),
        Arg => ("Arg", "carg(a)"),
        Conj => ("Conj", "vec2<f32>(a.x, negated(a.y))"),
        Real => ("Real", "a.x"),
        Imag => ("Imag", "a.y"),
        Exp => ("Exp", "cexp(a)"),
        Ln => ("Ln", "cln(a)"),
        Sqrt => ("Sqrt", "csqrt(a)"),
        Recip => ("Recip", "cdiv(vec2<f32>(1.0, 0.0), a)"),
        Square => ("Square", "vec2<f32>(a.x * a.x - a.y * a.y, (a.x + a.x) * a.y)"),
        Affine { .. } => ("Affine", "vec2<f32>(a.x * P.value.x + P.value.y, a.y * P.value.x)"),
        _ => return None,
    })
}

/// The function of an operation, where the storage has it.
pub(super) fn unary(op: UnaryOp, from: Store) -> Option<Function> {
    let (name, text) = match from {
        Store::F32 | Store::F16 | Store::BF16 => real(op)?,
        Store::C64 => complex(op)?,
        Store::I8 => match op {
            UnaryOp::Neg => ("Neg", "-a"),
            // The least number stays, as its low byte does.
            UnaryOp::Abs => ("Abs", "abs(a)"),
            _ => return None,
        },
        Store::I64 => match op {
            UnaryOp::Neg => ("Neg", "negate64(a)"),
            UnaryOp::Abs => ("Abs", "abs64(a)"),
            _ => return None,
        },
        _ => return None,
    };
    let value = match op {
        UnaryOp::Affine { mul, add } => [mul as f32, add as f32, 0.0, 0.0],
        UnaryOp::Powf(e) => [e as f32, 0.0, 0.0, 0.0],
        UnaryOp::Clamp { min, max } => [min as f32, max as f32, 0.0, 0.0],
        _ => [0.0; 4],
    };
    Some(Function { name, text: text.to_owned(), value })
}

/// The expression of an operation of `a` and `b`, and the type of its result, where the type has it.
pub(super) fn binary(op: BinaryOp, dtype: DType) -> Option<(String, DType)> {
    use BinaryOp::*;
    let truth = |text: &str| Some((format!("select(0u, 1u, {text})"), DType::U8));
    let same = |text: &str| Some((text.to_owned(), dtype));
    let wide = dtype == DType::I64;
    match (op, dtype) {
        (Complex, DType::F32) => Some(("vec2<f32>(a, b)".to_owned(), DType::C64)),
        (Polar, DType::F32) => Some(("cpolar(a, b)".to_owned(), DType::C64)),
        (Complex | Polar, _) => None,
        (_, DType::C64) => match op {
            Add => same("a + b"),
            Sub => same("a - b"),
            Mul => same("cmul(a, b)"),
            MulConj => same("cmul_conj(a, b)"),
            Div => same("cdiv(a, b)"),
            Eq => truth("equal_f(a.x, b.x) && equal_f(a.y, b.y)"),
            _ => None,
        },
        (_, d) if d.is_float() => match op {
            Add => same("a + b"),
            Sub => same("a - b"),
            Mul | MulConj => same("a * b"),
            Div => same("a / b"),
            Max => same("larger(a, b)"),
            Min => same("smaller(a, b)"),
            Pow => same("pow_(a, b)"),
            Atan2 => same("atan2_(a, b)"),
            Eq => truth("equal_f(a, b)"),
            Lt => truth("less_f(a, b)"),
            Le => truth("less_equal_f(a, b)"),
            _ => None,
        },
        _ => match op {
            Add => same(if wide { "add64(a, b)" } else { "a + b" }),
            Sub => same(if wide { "sub64(a, b)" } else { "a - b" }),
            Mul | MulConj => same(if wide { "mul64(a, b)" } else { "a * b" }),
            Max => same(if wide { "max64(a, b)" } else { "max(a, b)" }),
            Min => same(if wide { "min64(a, b)" } else { "min(a, b)" }),
            Eq => truth(if wide { "equal64(a, b)" } else { "a == b" }),
            Lt => truth(if wide { "less64(a, b)" } else { "a < b" }),
            Le => truth(if wide { "!less64(b, a)" } else { "a <= b" }),
            _ => None,
        },
    }
}
