//! Every variant of the operation enumerations, in lists that do not compile when a variant is missing.

use crate::{BinaryOp, ReduceOp, UnaryOp};

/// One list makes both a constant and an exhaustive match, so that a new variant must enter it.
macro_rules! every {
    ($(#[$doc:meta])* $name:ident: $type:ident, $check:ident, { $($pattern:pat => $value:expr),* $(,)? }) => {
        $(#[$doc])*
        pub(super) const $name: &[$type] = &[$($value),*];

        const fn $check(op: &$type) {
            match op { $($pattern => (),)* }
        }
        const _: () = $check(&$name[0]);
    };
}

use BinaryOp as B;
use ReduceOp as R;
use UnaryOp as U;

every! {
    /// Each unary operation, with parameters where it has some.
    UNARY: UnaryOp, unary_listed, {
        U::Neg => U::Neg, U::Abs => U::Abs, U::AbsSquared => U::AbsSquared, U::Arg => U::Arg, U::Conj => U::Conj,
        U::Real => U::Real, U::Imag => U::Imag, U::Exp => U::Exp, U::Ln => U::Ln, U::Sqrt => U::Sqrt,
        U::Rsqrt => U::Rsqrt, U::Recip => U::Recip, U::Square => U::Square, U::Sin => U::Sin, U::Cos => U::Cos,
        U::Tanh => U::Tanh, U::Erf => U::Erf, U::Sigmoid => U::Sigmoid, U::Silu => U::Silu, U::Gelu => U::Gelu,
        U::GeluTanh => U::GeluTanh, U::Relu => U::Relu, U::Sign => U::Sign, U::Round => U::Round,
        U::Floor => U::Floor, U::Affine { .. } => U::Affine { mul: -1.75, add: 0.3 }, U::Powf(_) => U::Powf(1.7),
        U::Clamp { .. } => U::Clamp { min: -0.5, max: 1.25 },
    }
}

every! {
    /// Each binary operation.
    BINARY: BinaryOp, binary_listed, {
        B::Add => B::Add, B::Sub => B::Sub, B::Mul => B::Mul, B::Div => B::Div, B::MulConj => B::MulConj,
        B::Max => B::Max, B::Min => B::Min, B::Pow => B::Pow, B::Atan2 => B::Atan2, B::Complex => B::Complex,
        B::Polar => B::Polar, B::Eq => B::Eq, B::Lt => B::Lt, B::Le => B::Le,
    }
}

every! {
    /// Each reduction.
    REDUCE: ReduceOp, reduce_listed, {
        R::Sum => R::Sum, R::Mean => R::Mean, R::Prod => R::Prod, R::Max => R::Max, R::Min => R::Min,
        R::ArgMax => R::ArgMax, R::ArgMin => R::ArgMin,
    }
}
