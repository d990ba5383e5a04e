//! Sums and products, in at least twice the precision of single-precision operands.

use std::marker::PhantomData;

use bytemuck::Pod;
use fft_core::{Complex32, Complex64, bf16, f16};

use super::fold::Reducer;
use crate::elementwise::{BLOCK, widen};
use crate::simd::{Kernel, Level, dispatch};

/// A type whose sums are carried as `Acc`.
pub(super) trait Summand: Pod + Send + Sync {
    type Acc: Copy + Send + Sync + std::ops::Add<Output = Self::Acc> + std::ops::Mul<Output = Self::Acc>;
    const ZERO: Self::Acc;
    const ONE: Self::Acc;
    fn wide(self) -> Self::Acc;
    fn back(acc: Self::Acc) -> Self;
    fn divided(acc: Self::Acc, n: f64) -> Self::Acc;
    fn sum(xs: &[Self]) -> Self::Acc {
        xs.iter().fold(Self::ZERO, |acc, x| acc + x.wide())
    }
}

const LANES: usize = 64;

struct SumF32<'a>(&'a [f32]);
impl Kernel for SumF32<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<L: Level>(self) -> f64 {
        let mut total = 0.0;
        for block in self.0.chunks(16 * LANES) {
            // At most 16 single-precision additions in a row; the rest is double.
            let mut lanes = [0f32; LANES];
            let mut chunks = block.chunks_exact(LANES);
            for chunk in &mut chunks {
                for (lane, x) in lanes.iter_mut().zip(chunk) {
                    *lane += x;
                }
            }
            let mut wide = [0f64; 8];
            for chunk in lanes.chunks_exact(8) {
                for (w, &x) in wide.iter_mut().zip(chunk) {
                    *w += x as f64;
                }
            }
            total += wide.iter().sum::<f64>() + chunks.remainder().iter().map(|&x| x as f64).sum::<f64>();
        }
        total
    }
}

struct SumF64<'a>(&'a [f64]);
impl Kernel for SumF64<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<L: Level>(self) -> f64 {
        let mut total = 0.0;
        for block in self.0.chunks(16 * LANES) {
            let mut lanes = [0f64; LANES];
            let mut chunks = block.chunks_exact(LANES);
            for chunk in &mut chunks {
                for (lane, x) in lanes.iter_mut().zip(chunk) {
                    *lane += x;
                }
            }
            total += lanes.iter().sum::<f64>() + chunks.remainder().iter().sum::<f64>();
        }
        total
    }
}

/// The sum of a slice, in fixed order whatever the machine's threads.
pub(crate) fn sum_f32(xs: &[f32]) -> f64 {
    dispatch(SumF32(xs))
}

macro_rules! real {
    ($t:ty, |$x:ident| $sum:expr, $wide:expr, $back:expr) => {
        impl Summand for $t {
            type Acc = f64;
            const ZERO: f64 = 0.0;
            const ONE: f64 = 1.0;
            #[inline(always)]
            fn wide(self) -> f64 {
                $wide(self)
            }
            #[inline(always)]
            fn back(acc: f64) -> Self {
                $back(acc)
            }
            fn divided(acc: f64, n: f64) -> f64 {
                acc / n
            }
            fn sum($x: &[Self]) -> f64 {
                $sum
            }
        }
    };
}
real!(f32, |xs| sum_f32(xs), f64::from, |x: f64| x as f32);
real!(f64, |xs| dispatch(SumF64(xs)), |x| x, |x| x);
real!(f16, |xs| sum_stored(xs), f16::to_f64, f16::from_f64);
real!(bf16, |xs| sum_stored(xs), bf16::to_f64, bf16::from_f64);

fn sum_stored<T: crate::elementwise::Storage>(xs: &[T]) -> f64 {
    let mut buffer = [0f32; BLOCK];
    xs.chunks(BLOCK).fold(0.0, |acc, xs| {
        let wide = &mut buffer[..xs.len()];
        widen(xs, wide);
        acc + sum_f32(wide)
    })
}

macro_rules! complex {
    ($t:ty, $part:ty) => {
        impl Summand for $t {
            type Acc = Complex64;
            const ZERO: Complex64 = Complex64::new(0.0, 0.0);
            const ONE: Complex64 = Complex64::new(1.0, 0.0);
            #[inline(always)]
            fn wide(self) -> Complex64 {
                Complex64::new(self.re as f64, self.im as f64)
            }
            #[inline(always)]
            fn back(acc: Complex64) -> Self {
                Self::new(acc.re as $part, acc.im as $part)
            }
            fn divided(acc: Complex64, n: f64) -> Complex64 {
                Complex64::new(acc.re / n, acc.im / n)
            }
        }
    };
}
complex!(Complex32, f32);
complex!(Complex64, f64);

/// Integers wrap around, as their additions do.
#[derive(Clone, Copy)]
pub(super) struct Wrapped(i64);
impl std::ops::Add for Wrapped {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}
impl std::ops::Mul for Wrapped {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0.wrapping_mul(other.0))
    }
}

macro_rules! integer {
    ($($t:ty),*) => {$(impl Summand for $t {
        type Acc = Wrapped;
        const ZERO: Wrapped = Wrapped(0);
        const ONE: Wrapped = Wrapped(1);
        #[inline(always)]
        fn wide(self) -> Wrapped { Wrapped(self as i64) }
        #[inline(always)]
        fn back(acc: Wrapped) -> Self { acc.0 as $t }
        fn divided(acc: Wrapped, n: f64) -> Wrapped { Wrapped((acc.0 as f64 / n) as i64) }
    })*};
}
integer!(u8, i8, u16, u32, i64);

/// Sum, or mean.
#[derive(Clone, Copy)]
pub(super) struct Sum<T> {
    mean: bool,
    of: PhantomData<T>,
}

impl<T> Sum<T> {
    pub(super) fn new(mean: bool) -> Self {
        Self { mean, of: PhantomData }
    }
}

struct AddColumns<'a, T: Summand>(&'a mut [T::Acc], &'a [T]);
impl<T: Summand> Kernel for AddColumns<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (acc, x) in self.0.iter_mut().zip(self.1) {
            *acc = *acc + x.wide();
        }
    }
}

impl<T: Summand> Reducer for Sum<T> {
    type In = T;
    type Acc = T::Acc;
    type Out = T;

    fn start(self) -> T::Acc {
        T::ZERO
    }

    fn slice(self, acc: T::Acc, xs: &[T], _index: usize) -> T::Acc {
        acc + T::sum(xs)
    }

    fn columns(self, acc: &mut [T::Acc], xs: &[T], _index: usize) {
        dispatch(AddColumns(acc, xs));
    }

    fn merge(self, a: T::Acc, b: T::Acc) -> T::Acc {
        a + b
    }

    fn finish(self, acc: T::Acc, n: usize) -> T {
        T::back(if self.mean { T::divided(acc, n as f64) } else { acc })
    }
}

/// Product.
#[derive(Clone, Copy)]
pub(super) struct Product<T>(PhantomData<T>);

impl<T> Product<T> {
    pub(super) fn new((): ()) -> Self {
        Self(PhantomData)
    }
}

impl<T: Summand> Reducer for Product<T> {
    type In = T;
    type Acc = T::Acc;
    type Out = T;

    fn start(self) -> T::Acc {
        T::ONE
    }

    fn slice(self, acc: T::Acc, xs: &[T], _index: usize) -> T::Acc {
        xs.iter().fold(acc, |acc, x| acc * x.wide())
    }

    fn columns(self, acc: &mut [T::Acc], xs: &[T], _index: usize) {
        for (acc, x) in acc.iter_mut().zip(xs) {
            *acc = *acc * x.wide();
        }
    }

    fn merge(self, a: T::Acc, b: T::Acc) -> T::Acc {
        a * b
    }

    fn finish(self, acc: T::Acc, _n: usize) -> T {
        T::back(acc)
    }
}
