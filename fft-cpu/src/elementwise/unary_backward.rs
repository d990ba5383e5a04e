//! The ways back of functions of elements, in one pass.

use fft_core::{DType, Result, Tensor, UnaryOp, compose};

use super::map::{Plain, map2};
use super::math::Real;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// The gradient in an operand from what was kept, `x`, and that in the result.
trait Slope<T>: Copy {
    fn at<L: Level>(self, x: T, grad: T) -> T;
}

struct Apply<'a, F, T>(F, &'a [T], &'a [T], &'a mut [T]);

impl<T: Copy, F: Slope<T>> Kernel for Apply<'_, F, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for ((d, &x), &g) in self.3.iter_mut().zip(self.1).zip(self.2) {
            *d = self.0.at::<L>(x, g);
        }
    }
}

macro_rules! slopes {
    ($($name:ident |$x:ident, $g:ident, $l:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl<T: Real> Slope<T> for $name {
            #[inline(always)]
            fn at<$l: Level>(self, $x: T, $g: T) -> T { $body }
        }
    )*};
}
slopes! {
    Exp |y, g, L| g * y;
    Ln |x, g, L| g / x;
    Sqrt |y, g, L| g / (y + y);
    Rsqrt |y, g, L| T::of(-0.5) * g * (y * y * y);
    Recip |y, g, L| -(g * y * y);
    Square |x, g, L| g * (x + x);
    Sin |x, g, L| g * x.cos();
    Cos |x, g, L| -(g * x.sin());
    Tanh |y, g, L| g * (T::of(1.0) - y * y);
    Sigmoid |y, g, L| g * (y * (T::of(1.0) - y));
    Abs |x, g, L| if x > T::of(0.0) { g } else if x < T::of(0.0) { -g } else { g * x };
    Erf |x, g, L| g * T::of(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp::<L>();
    Silu |x, g, L| {
        let s = T::of(1.0) / (T::of(1.0) + (-x).exp::<L>());
        g * (s + x * s * (T::of(1.0) - s))
    };
    Gelu |x, g, L| {
        // Phi(x) + x phi(x).
        let below = T::of(0.5) + T::of(0.5) * (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf::<L>();
        let bell = T::of(0.398_942_280_401_432_7) * (T::of(-0.5) * (x * x)).exp::<L>();
        g * (below + x * bell)
    };
    GeluTanh |x, g, L| {
        // c = sqrt(2 / pi)
        let (c, cubic) = (T::of(0.797_884_560_802_865_4), T::of(0.044_715));
        let square = x * x;
        let tanh = (c * (x + cubic * square * x)).tanh::<L>();
        let slope = c * (T::of(1.0) + T::of(3.0) * cubic * square);
        g * T::of(0.5) * (T::of(1.0) + tanh + x * (T::of(1.0) - tanh * tanh) * slope)
    };
    Relu |x, g, L| if x > T::of(0.0) { g } else { T::of(0.0) };
}

#[derive(Clone, Copy)]
struct Powf<T>(T);
impl<T: Real> Slope<T> for Powf<T> {
    #[inline(always)]
    fn at<L: Level>(self, x: T, g: T) -> T {
        g * self.0 * x.powf(self.0 - T::of(1.0))
    }
}

#[derive(Clone, Copy)]
struct Clamp<T>(T, T);
impl<T: Real> Slope<T> for Clamp<T> {
    #[inline(always)]
    fn at<L: Level>(self, x: T, g: T) -> T {
        if x >= self.0 && x <= self.1 { g } else { T::of(0.0) }
    }
}

const OP: &str = "unary_backward";

/// A kernel of what was kept, the gradient in the result and that in the operand.
type SlopeKernel<'a, T> = dyn Fn(&[T], &[T], &mut [T]) + Sync + 'a;

/// One pass over the elements; `None` for an operation without a kernel.
fn run<T: Real + Plain>(
    threads: &Threads,
    op: UnaryOp,
    kept: &Tensor,
    grad: &Tensor,
) -> Option<Result<Tensor>> {
    let map = |cost: usize, kernel: &SlopeKernel<'_, T>| {
        Some(Tensor::build(grad.device(), OP, grad.shape(), grad.dtype(), |dst| {
            map2(OP, threads, cost, (kept.view(), grad.view()), dst, kernel)
        }))
    };
    macro_rules! choose {
        ($($op:pat => $slope:expr, $cost:expr;)*) => {
            match op {
                $($op => map($cost, &|x, g, d| dispatch(Apply($slope, x, g, d))),)*
                _ => None,
            }
        };
    }
    choose! {
        UnaryOp::Exp => Exp, 3;
        UnaryOp::Ln => Ln, 5;
        UnaryOp::Sqrt => Sqrt, 5;
        UnaryOp::Rsqrt => Rsqrt, 3;
        UnaryOp::Recip => Recip, 3;
        UnaryOp::Square | UnaryOp::AbsSquared => Square, 3;
        UnaryOp::Sin => Sin, 100;
        UnaryOp::Cos => Cos, 100;
        UnaryOp::Tanh => Tanh, 3;
        UnaryOp::Sigmoid => Sigmoid, 3;
        UnaryOp::Abs => Abs, 3;
        UnaryOp::Erf => Erf, 10;
        UnaryOp::Silu => Silu, 12;
        UnaryOp::Gelu => Gelu, 25;
        UnaryOp::GeluTanh => GeluTanh, 20;
        UnaryOp::Relu => Relu, 3;
        UnaryOp::Powf(e) => Powf(T::of(e)), 100;
        UnaryOp::Clamp { min, max } => Clamp(T::of(min), T::of(max)), 3;
    }
}

/// See `SpectralBackend::unary_backward`.
pub(crate) fn unary_backward(threads: &Threads, op: UnaryOp, kept: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let done = match grad.dtype() {
        DType::F32 => run::<f32>(threads, op, kept, grad),
        DType::F64 => run::<f64>(threads, op, kept, grad),
        _ => None,
    };
    done.unwrap_or_else(|| compose::unary_backward(op, kept, grad))
}
