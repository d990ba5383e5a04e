//! Operations of two operands.

use fft_core::{BinaryOp, Complex, DType, Error, Result, View, ViewMut, bf16, f16};

use super::convert::unknown;
use super::half_precision::{Storage, narrow, widen};
use super::lanes::BLOCK;
use super::map::{Plain, map2};
use super::math::Real;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

const OP: &str = "binary";

struct Apply<'a, F, S, D>(F, &'a [S], &'a [S], &'a mut [D]);

/// A function of two elements.
trait Function<S, D>: Copy {
    fn at<L: Level>(self, a: S, b: S) -> D;
}

impl<S: Copy, D, F: Function<S, D>> Kernel for Apply<'_, F, S, D> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for ((d, &a), &b) in self.3.iter_mut().zip(self.1).zip(self.2) {
            *d = self.0.at::<L>(a, b);
        }
    }
}

fn apply<S: Copy, D>(f: impl Function<S, D>, a: &[S], b: &[S], dst: &mut [D]) {
    dispatch(Apply(f, a, b, dst));
}

macro_rules! real_functions {
    ($($name:ident ($out:ty) |$a:ident, $b:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl<T: Real> Function<T, $out> for $name {
            #[inline(always)]
            fn at<L: Level>(self, $a: T, $b: T) -> $out { $body }
        }
    )*};
}
real_functions! {
    Add(T) |a, b| a + b;
    Sub(T) |a, b| a - b;
    Mul(T) |a, b| a * b;
    Div(T) |a, b| a / b;
    // A NaN on either side wins: it compares false, or the sum carries it.
    Max(T) |a, b| if a.is_nan() || b.is_nan() { a + b } else if a > b { a } else { b };
    Min(T) |a, b| if a.is_nan() || b.is_nan() { a + b } else if a < b { a } else { b };
    Pow(T) |a, b| a.powf(b);
    Atan2(T) |a, b| a.atan2(b);
    MakeComplex(Complex<T>) |a, b| Complex::new(a, b);
    Polar(Complex<T>) |a, b| Complex::new(a * b.cos(), a * b.sin());
    Eq(u8) |a, b| (a == b) as u8;
    Lt(u8) |a, b| (a < b) as u8;
    Le(u8) |a, b| (a <= b) as u8;
}

macro_rules! complex_functions {
    ($($name:ident |$a:ident, $b:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl<T: Real> Function<Complex<T>, Complex<T>> for $name {
            #[inline(always)]
            fn at<L: Level>(self, $a: Complex<T>, $b: Complex<T>) -> Complex<T> { $body }
        }
    )*};
}
complex_functions! {
    ComplexAdd |a, b| Complex::new(a.re + b.re, a.im + b.im);
    ComplexSub |a, b| Complex::new(a.re - b.re, a.im - b.im);
    ComplexMul |a, b| Complex::new(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
    ComplexMulConj |a, b| Complex::new(a.re * b.re + a.im * b.im, a.im * b.re - a.re * b.im);
    // Scaled by the larger part of the divisor, so that its square cannot overflow (Smith 1962).
    ComplexDiv |a, b| {
        if b.re.abs() >= b.im.abs() && !(b.re == T::of(0.0)) {
            let ratio = b.im / b.re;
            let scale = T::of(1.0) / (b.re + b.im * ratio);
            Complex::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale)
        } else if b.im == T::of(0.0) {
            Complex::new(a.re / b.re, a.im / b.re)
        } else {
            let ratio = b.re / b.im;
            let scale = T::of(1.0) / (b.re * ratio + b.im);
            Complex::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
        }
    };
}

/// Operations whose result has the operands' type.
fn real<T: Real>(op: BinaryOp, a: &[T], b: &[T], dst: &mut [T]) {
    match op {
        BinaryOp::Add => apply(Add, a, b, dst),
        BinaryOp::Sub => apply(Sub, a, b, dst),
        BinaryOp::Mul | BinaryOp::MulConj => apply(Mul, a, b, dst),
        BinaryOp::Div => apply(Div, a, b, dst),
        BinaryOp::Max => apply(Max, a, b, dst),
        BinaryOp::Min => apply(Min, a, b, dst),
        BinaryOp::Pow => apply(Pow, a, b, dst),
        BinaryOp::Atan2 => apply(Atan2, a, b, dst),
        // `binary` lets only the operations above through.
        _ => {}
    }
}

fn compare<T: Real>(op: BinaryOp, a: &[T], b: &[T], dst: &mut [u8]) {
    match op {
        BinaryOp::Lt => apply(Lt, a, b, dst),
        BinaryOp::Le => apply(Le, a, b, dst),
        _ => apply(Eq, a, b, dst),
    }
}

fn complex<T: Real>(op: BinaryOp, a: &[Complex<T>], b: &[Complex<T>], dst: &mut [Complex<T>]) {
    match op {
        BinaryOp::Add => apply(ComplexAdd, a, b, dst),
        BinaryOp::Sub => apply(ComplexSub, a, b, dst),
        BinaryOp::Mul => apply(ComplexMul, a, b, dst),
        BinaryOp::MulConj => apply(ComplexMulConj, a, b, dst),
        BinaryOp::Div => apply(ComplexDiv, a, b, dst),
        // `binary` lets only the operations above through.
        _ => {}
    }
}

fn make_complex<T: Real>(op: BinaryOp, a: &[T], b: &[T], dst: &mut [Complex<T>]) {
    match op {
        BinaryOp::Polar => apply(Polar, a, b, dst),
        _ => apply(MakeComplex, a, b, dst),
    }
}

/// Half precision, in `f32` inside.
fn stored<H: Storage>(op: BinaryOp, a: &[H], b: &[H], dst: &mut [H]) {
    let (mut x, mut y, mut z) = ([0f32; BLOCK], [0f32; BLOCK], [0f32; BLOCK]);
    for ((a, b), d) in a.chunks(BLOCK).zip(b.chunks(BLOCK)).zip(dst.chunks_mut(BLOCK)) {
        let (x, y, z) = (&mut x[..a.len()], &mut y[..a.len()], &mut z[..a.len()]);
        widen(a, x);
        widen(b, y);
        real(op, x, y, z);
        narrow(z, d);
    }
}

fn stored_compare<H: Storage>(op: BinaryOp, a: &[H], b: &[H], dst: &mut [u8]) {
    let (mut x, mut y) = ([0f32; BLOCK], [0f32; BLOCK]);
    for ((a, b), d) in a.chunks(BLOCK).zip(b.chunks(BLOCK)).zip(dst.chunks_mut(BLOCK)) {
        let (x, y) = (&mut x[..a.len()], &mut y[..a.len()]);
        widen(a, x);
        widen(b, y);
        compare(op, x, y, d);
    }
}

fn each<S: Copy, D>(a: &[S], b: &[S], dst: &mut [D], f: impl Fn(S, S) -> D) {
    for ((d, &a), &b) in dst.iter_mut().zip(a).zip(b) {
        *d = f(a, b);
    }
}

macro_rules! integer {
    ($t:ty, $op:expr, $threads:expr, $ab:expr, $dst:expr) => {{
        let (op, threads, ab, dst) = ($op, $threads, $ab, $dst);
        let dtype = ab.0.dtype;
        fn map<D: Plain>(
            threads: &Threads,
            ab: (View<'_>, View<'_>),
            dst: ViewMut<'_>,
            f: fn($t, $t) -> D,
        ) -> Result<()> {
            map2(OP, threads, 16, ab, dst, move |a: &[$t], b: &[$t], d: &mut [D]| each(a, b, d, f))
        }
        match op {
            BinaryOp::Add => map(threads, ab, dst, <$t>::wrapping_add),
            BinaryOp::Sub => map(threads, ab, dst, <$t>::wrapping_sub),
            BinaryOp::Mul | BinaryOp::MulConj => map(threads, ab, dst, <$t>::wrapping_mul),
            BinaryOp::Max => map(threads, ab, dst, |a: $t, b: $t| a.max(b)),
            BinaryOp::Min => map(threads, ab, dst, |a: $t, b: $t| a.min(b)),
            BinaryOp::Eq => map(threads, ab, dst, |a, b| (a == b) as u8),
            BinaryOp::Lt => map(threads, ab, dst, |a, b| (a < b) as u8),
            BinaryOp::Le => map(threads, ab, dst, |a, b| (a <= b) as u8),
            op => Err(refused(op, dtype)),
        }
    }};
}

fn refused(op: BinaryOp, dtype: DType) -> Error {
    Error::Unsupported { op: OP, device: "cpu".to_owned(), reason: format!("{op:?} does not take {dtype}") }
}

/// What kind of result an operation has.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Same,
    Truth,
    Complex,
}

fn outcome(op: BinaryOp) -> Option<Outcome> {
    use BinaryOp::*;
    match op {
        Add | Sub | Mul | Div | MulConj | Max | Min | Pow | Atan2 => Some(Outcome::Same),
        Eq | Lt | Le => Some(Outcome::Truth),
        Complex | Polar => Some(Outcome::Complex),
        _ => None,
    }
}

/// See `SpectralBackend::binary`.
pub(crate) fn binary(
    threads: &Threads,
    op: BinaryOp,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    let dtype = a.dtype;
    if b.dtype != dtype {
        return Err(Error::DTypeMismatch { op: OP, lhs: dtype, rhs: b.dtype });
    }
    let outcome = outcome(op).ok_or_else(|| refused(op, dtype))?;
    let out = match outcome {
        Outcome::Same => dtype,
        Outcome::Truth => DType::U8,
        Outcome::Complex => dtype.to_complex(),
    };
    if dst.dtype != out {
        return Err(Error::DTypeMismatch { op: OP, lhs: dst.dtype, rhs: out });
    }
    let cost = match op {
        BinaryOp::Pow | BinaryOp::Atan2 | BinaryOp::Polar => 200,
        _ => 3,
    };
    let ab = (a, b);
    fn map<S: Plain, D: Plain>(
        (threads, op, cost): (&Threads, BinaryOp, usize),
        ab: (View<'_>, View<'_>),
        dst: ViewMut<'_>,
        kernel: fn(BinaryOp, &[S], &[S], &mut [D]),
    ) -> Result<()> {
        map2(OP, threads, cost, ab, dst, move |a: &[S], b: &[S], d: &mut [D]| kernel(op, a, b, d))
    }
    let how = (threads, op, cost);
    match (dtype, outcome) {
        (DType::F32, Outcome::Same) => map::<f32, f32>(how, ab, dst, real),
        (DType::F64, Outcome::Same) => map::<f64, f64>(how, ab, dst, real),
        (DType::F16, Outcome::Same) => map::<f16, f16>(how, ab, dst, stored),
        (DType::BF16, Outcome::Same) => map::<bf16, bf16>(how, ab, dst, stored),
        (DType::F32, Outcome::Truth) => map::<f32, u8>(how, ab, dst, compare),
        (DType::F64, Outcome::Truth) => map::<f64, u8>(how, ab, dst, compare),
        (DType::F16, Outcome::Truth) => map::<f16, u8>(how, ab, dst, stored_compare),
        (DType::BF16, Outcome::Truth) => map::<bf16, u8>(how, ab, dst, stored_compare),
        (DType::F32, Outcome::Complex) => map::<f32, Complex<f32>>(how, ab, dst, make_complex),
        (DType::F64, Outcome::Complex) => map::<f64, Complex<f64>>(how, ab, dst, make_complex),
        (DType::C64 | DType::C128, _)
            if matches!(op, BinaryOp::Max | BinaryOp::Min | BinaryOp::Pow | BinaryOp::Atan2) =>
        {
            Err(refused(op, dtype))
        }
        (DType::C64, Outcome::Same) => map::<Complex<f32>, Complex<f32>>(how, ab, dst, complex),
        (DType::C128, Outcome::Same) => map::<Complex<f64>, Complex<f64>>(how, ab, dst, complex),
        (DType::C64, Outcome::Truth) if op == BinaryOp::Eq => {
            map::<Complex<f32>, u8>(how, ab, dst, |_, a, b, d| each(a, b, d, |a, b| (a == b) as u8))
        }
        (DType::C128, Outcome::Truth) if op == BinaryOp::Eq => {
            map::<Complex<f64>, u8>(how, ab, dst, |_, a, b, d| each(a, b, d, |a, b| (a == b) as u8))
        }
        (DType::U8, _) => integer!(u8, op, threads, ab, dst),
        (DType::I8, _) => integer!(i8, op, threads, ab, dst),
        (DType::U16, _) => integer!(u16, op, threads, ab, dst),
        (DType::U32, _) => integer!(u32, op, threads, ab, dst),
        (DType::I64, _) => integer!(i64, op, threads, ab, dst),
        (DType::F16 | DType::BF16 | DType::C64 | DType::C128, _) => Err(refused(op, dtype)),
        (other, _) => Err(unknown(OP, other)),
    }
}
