//! Operations of one operand.

use fft_core::{Complex, DType, Error, Result, UnaryOp, View, ViewMut, bf16, f16};

use super::convert::unknown;
use super::half_precision::{Storage, narrow, widen};
use super::lanes::BLOCK;
use super::map::{Plain, map1};
use super::math::Real;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// A function of one element.
trait Function<S, D>: Copy {
    fn at<L: Level>(self, x: S) -> D;
}

struct Apply<'a, F, S, D>(F, &'a [S], &'a mut [D]);

impl<S: Copy, D, F: Function<S, D>> Kernel for Apply<'_, F, S, D> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (d, &s) in self.2.iter_mut().zip(self.1) {
            *d = self.0.at::<L>(s);
        }
    }
}

fn apply<S: Copy, D>(f: impl Function<S, D>, src: &[S], dst: &mut [D]) {
    dispatch(Apply(f, src, dst));
}

macro_rules! real_functions {
    ($($name:ident |$x:ident, $l:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl<T: Real> Function<T, T> for $name {
            #[inline(always)]
            fn at<$l: Level>(self, $x: T) -> T { $body }
        }
    )*};
}
real_functions! {
    Neg |x, L| -x;
    Abs |x, L| x.abs();
    Square |x, L| x * x;
    Same |x, L| x;
    Zero |x, L| { let _ = x; T::of(0.0) };
    // 0 for positive numbers, pi for negative ones; a negative zero has angle pi, as in C and NumPy.
    Arg |x, L| if x.is_nan() { x } else if x.is_sign_negative() { T::of(std::f64::consts::PI) } else { T::of(0.0) };
    Exp |x, L| x.exp::<L>();
    Ln |x, L| x.ln();
    Sqrt |x, L| x.sqrt();
    Rsqrt |x, L| T::of(1.0) / x.sqrt();
    Recip |x, L| T::of(1.0) / x;
    Sin |x, L| x.sin();
    Cos |x, L| x.cos();
    Tanh |x, L| x.tanh::<L>();
    Erf |x, L| x.erf::<L>();
    Sigmoid |x, L| T::of(1.0) / (T::of(1.0) + (-x).exp::<L>());
    Silu |x, L| x / (T::of(1.0) + (-x).exp::<L>());
    Gelu |x, L| T::of(0.5) * x * (T::of(1.0) + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf::<L>());
    GeluTanh |x, L| {
        // sqrt(2 / pi)
        let inner = T::of(0.797_884_560_802_865_4) * (x + T::of(0.044_715) * x * x * x);
        T::of(0.5) * x * (T::of(1.0) + inner.tanh::<L>())
    };
    // Written so that a NaN, which compares false, stays.
    Relu |x, L| if x < T::of(0.0) { T::of(0.0) } else { x };
    Sign |x, L| if x > T::of(0.0) { T::of(1.0) } else if x < T::of(0.0) { T::of(-1.0) } else { x };
    Round |x, L| x.round_even();
    Floor |x, L| x.floor();
}

#[derive(Clone, Copy)]
struct Affine<T>(T, T);
impl<T: Real> Function<T, T> for Affine<T> {
    #[inline(always)]
    fn at<L: Level>(self, x: T) -> T {
        x * self.0 + self.1
    }
}

#[derive(Clone, Copy)]
struct Powf<T>(T);
impl<T: Real> Function<T, T> for Powf<T> {
    #[inline(always)]
    fn at<L: Level>(self, x: T) -> T {
        x.powf(self.0)
    }
}

#[derive(Clone, Copy)]
struct Clamp<T>(T, T);
impl<T: Real> Function<T, T> for Clamp<T> {
    #[inline(always)]
    fn at<L: Level>(self, x: T) -> T {
        let x = if x < self.0 { self.0 } else { x };
        if x > self.1 { self.1 } else { x }
    }
}

/// `dst = op(src)` on slices.
fn real<T: Real>(op: UnaryOp, src: &[T], dst: &mut [T]) {
    macro_rules! choose {
        ($($name:ident),*) => {
            match op {
                $(UnaryOp::$name => apply($name, src, dst),)*
                UnaryOp::AbsSquared => apply(Square, src, dst),
                UnaryOp::Conj | UnaryOp::Real => apply(Same, src, dst),
                UnaryOp::Imag => apply(Zero, src, dst),
                UnaryOp::Affine { mul, add } => apply(Affine(T::of(mul), T::of(add)), src, dst),
                UnaryOp::Powf(e) => apply(Powf(T::of(e)), src, dst),
                UnaryOp::Clamp { min, max } => apply(Clamp(T::of(min), T::of(max)), src, dst),
                // `known` let only the operations above through.
                _ => {}
            }
        };
    }
    choose!(
        Neg, Abs, Square, Arg, Exp, Ln, Sqrt, Rsqrt, Recip, Sin, Cos, Tanh, Erf, Sigmoid, Silu, Gelu,
        GeluTanh, Relu, Sign, Round, Floor
    );
}

/// Whether [`real`] knows an operation: the enumeration may grow.
fn known(op: UnaryOp) -> bool {
    use UnaryOp::*;
    matches!(
        op,
        Neg | Abs
            | AbsSquared
            | Arg
            | Conj
            | Real
            | Imag
            | Exp
            | Ln
            | Sqrt
            | Rsqrt
            | Recip
            | Square
            | Sin
            | Cos
            | Tanh
            | Erf
            | Sigmoid
            | Silu
            | Gelu
            | GeluTanh
            | Relu
            | Sign
            | Round
            | Floor
            | Affine { .. }
            | Powf(_)
            | Clamp { .. }
    )
}

/// The same on half-precision slices, in `f32` inside.
fn stored<H: Storage>(op: UnaryOp, src: &[H], dst: &mut [H]) {
    let (mut a, mut b) = ([0f32; BLOCK], [0f32; BLOCK]);
    for (s, d) in src.chunks(BLOCK).zip(dst.chunks_mut(BLOCK)) {
        let (a, b) = (&mut a[..s.len()], &mut b[..s.len()]);
        widen(s, a);
        real(op, a, b);
        narrow(b, d);
    }
}

/// The absolute value without overflow inside: through `f64` for single precision.
trait Magnitude: Real {
    fn magnitude(z: Complex<Self>) -> Self;
}

impl Magnitude for f32 {
    #[inline(always)]
    fn magnitude(z: Complex<f32>) -> f32 {
        let (re, im) = (z.re as f64, z.im as f64);
        (re * re + im * im).sqrt() as f32
    }
}

impl Magnitude for f64 {
    #[inline(always)]
    fn magnitude(z: Complex<f64>) -> f64 {
        z.re.hypot(z.im)
    }
}

macro_rules! complex_functions {
    ($($name:ident ($out:ty) |$z:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl<T: Magnitude> Function<Complex<T>, $out> for $name {
            #[inline(always)]
            fn at<L: Level>(self, $z: Complex<T>) -> $out { $body }
        }
    )*};
}
complex_functions! {
    ComplexAbs(T) |z| T::magnitude(z);
    ComplexAbsSquared(T) |z| z.re * z.re + z.im * z.im;
    ComplexArg(T) |z| z.im.atan2(z.re);
    RealPart(T) |z| z.re;
    ImagPart(T) |z| z.im;
    ComplexNeg(Complex<T>) |z| Complex::new(-z.re, -z.im);
    ComplexConj(Complex<T>) |z| Complex::new(z.re, -z.im);
    ComplexSquare(Complex<T>) |z| Complex::new(z.re * z.re - z.im * z.im, (z.re + z.re) * z.im);
}

#[derive(Clone, Copy)]
struct ComplexAffine<T>(T, T);
impl<T: Real> Function<Complex<T>, Complex<T>> for ComplexAffine<T> {
    #[inline(always)]
    fn at<L: Level>(self, z: Complex<T>) -> Complex<T> {
        Complex::new(z.re * self.0 + self.1, z.im * self.0)
    }
}

fn each<S: Copy, D>(src: &[S], dst: &mut [D], f: impl Fn(S) -> D) {
    for (d, &s) in dst.iter_mut().zip(src) {
        *d = f(s);
    }
}

macro_rules! complex {
    ($t:ty, $op:expr, $threads:expr, $src:expr, $dst:expr) => {{
        type Z = Complex<$t>;
        let (threads, src, dst) = ($threads, $src, $dst);
        match $op {
            UnaryOp::Abs => map1(OP, threads, 8, src, dst, |s: &[Z], d: &mut [$t]| apply(ComplexAbs, s, d)),
            UnaryOp::AbsSquared => {
                map1(OP, threads, 4, src, dst, |s: &[Z], d: &mut [$t]| apply(ComplexAbsSquared, s, d))
            }
            UnaryOp::Arg => map1(OP, threads, 200, src, dst, |s: &[Z], d: &mut [$t]| apply(ComplexArg, s, d)),
            UnaryOp::Real => map1(OP, threads, 4, src, dst, |s: &[Z], d: &mut [$t]| apply(RealPart, s, d)),
            UnaryOp::Imag => map1(OP, threads, 4, src, dst, |s: &[Z], d: &mut [$t]| apply(ImagPart, s, d)),
            UnaryOp::Neg => map1(OP, threads, 4, src, dst, |s: &[Z], d: &mut [Z]| apply(ComplexNeg, s, d)),
            UnaryOp::Conj => map1(OP, threads, 4, src, dst, |s: &[Z], d: &mut [Z]| apply(ComplexConj, s, d)),
            UnaryOp::Square => {
                map1(OP, threads, 4, src, dst, |s: &[Z], d: &mut [Z]| apply(ComplexSquare, s, d))
            }
            UnaryOp::Affine { mul, add } => {
                let f = ComplexAffine(mul as $t, add as $t);
                map1(OP, threads, 4, src, dst, move |s: &[Z], d: &mut [Z]| apply(f, s, d))
            }
            UnaryOp::Exp => map1(OP, threads, 400, src, dst, |s: &[Z], d: &mut [Z]| each(s, d, |z| z.exp())),
            UnaryOp::Ln => map1(OP, threads, 400, src, dst, |s: &[Z], d: &mut [Z]| each(s, d, |z| z.ln())),
            UnaryOp::Sqrt => {
                map1(OP, threads, 400, src, dst, |s: &[Z], d: &mut [Z]| each(s, d, |z| z.sqrt()))
            }
            UnaryOp::Recip => {
                map1(OP, threads, 30, src, dst, |s: &[Z], d: &mut [Z]| each(s, d, |z| z.finv_checked()))
            }
            op => Err(refused(op, src.dtype)),
        }
    }};
}

/// `1 / z` by Smith's method, which does not overflow for large or small `z` (Smith 1962).
trait CheckedInverse {
    fn finv_checked(self) -> Self;
}

macro_rules! checked_inverse {
    ($($t:ty),*) => {$(impl CheckedInverse for Complex<$t> {
        fn finv_checked(self) -> Self {
            if self.re.abs() >= self.im.abs() {
                let ratio = self.im / self.re;
                let scale = 1.0 / (self.re + self.im * ratio);
                if self.re == 0.0 { self.inv() } else { Complex::new(scale, -ratio * scale) }
            } else {
                let ratio = self.re / self.im;
                let scale = 1.0 / (self.re * ratio + self.im);
                Complex::new(ratio * scale, -scale)
            }
        }
    })*};
}
checked_inverse!(f32, f64);

fn refused(op: UnaryOp, dtype: DType) -> Error {
    Error::Unsupported { op: OP, device: "cpu".to_owned(), reason: format!("{op:?} does not take {dtype}") }
}

const OP: &str = "unary";

/// Rough nanoseconds of 16 elements.
fn cost(op: UnaryOp) -> usize {
    match op {
        UnaryOp::Ln | UnaryOp::Sin | UnaryOp::Cos | UnaryOp::Powf(_) => 100,
        UnaryOp::Exp | UnaryOp::Tanh | UnaryOp::Erf | UnaryOp::Sigmoid | UnaryOp::Silu => 10,
        UnaryOp::Gelu | UnaryOp::GeluTanh => 15,
        _ => 2,
    }
}

/// See `SpectralBackend::unary`.
pub(crate) fn unary(threads: &Threads, op: UnaryOp, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    let out = if op.is_real_valued() { src.dtype.to_real() } else { src.dtype };
    if dst.dtype != out {
        return Err(Error::DTypeMismatch { op: OP, lhs: dst.dtype, rhs: out });
    }
    fn map<T: Plain>(
        threads: &Threads,
        op: UnaryOp,
        src: View<'_>,
        dst: ViewMut<'_>,
        kernel: fn(UnaryOp, &[T], &mut [T]),
    ) -> Result<()> {
        map1(OP, threads, cost(op), src, dst, move |s: &[T], d: &mut [T]| kernel(op, s, d))
    }
    match src.dtype {
        DType::F32 | DType::F64 | DType::F16 | DType::BF16 if !known(op) => Err(refused(op, src.dtype)),
        DType::F32 => map::<f32>(threads, op, src, dst, real),
        DType::F64 => map::<f64>(threads, op, src, dst, real),
        DType::F16 => map::<f16>(threads, op, src, dst, stored),
        DType::BF16 => map::<bf16>(threads, op, src, dst, stored),
        DType::C64 => complex!(f32, op, threads, src, dst),
        DType::C128 => complex!(f64, op, threads, src, dst),
        DType::I8 => match op {
            UnaryOp::Neg => map::<i8>(threads, op, src, dst, |_, s, d| each(s, d, i8::wrapping_neg)),
            UnaryOp::Abs => map::<i8>(threads, op, src, dst, |_, s, d| each(s, d, i8::wrapping_abs)),
            _ => Err(refused(op, src.dtype)),
        },
        DType::I64 => match op {
            UnaryOp::Neg => map::<i64>(threads, op, src, dst, |_, s, d| each(s, d, i64::wrapping_neg)),
            UnaryOp::Abs => map::<i64>(threads, op, src, dst, |_, s, d| each(s, d, i64::wrapping_abs)),
            _ => Err(refused(op, src.dtype)),
        },
        DType::U8 | DType::U16 | DType::U32 => Err(refused(op, src.dtype)),
        other => Err(unknown(OP, other)),
    }
}
