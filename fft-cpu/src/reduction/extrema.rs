//! Largest and smallest elements, and where they are.

use std::marker::PhantomData;

use bytemuck::Pod;
use fft_core::{bf16, f16};

use super::fold::Reducer;
use crate::simd::{Kernel, Level, dispatch};

/// A type with an order, in which NaN is special.
pub(super) trait Ordered: Pod + Send + Sync + PartialEq {
    fn less(self, other: Self) -> bool;
    fn is_nan(self) -> bool {
        false
    }
}

macro_rules! ordered {
    ($($t:ty),*; $($f:ty),*) => {
        $(impl Ordered for $t {
            #[inline(always)]
            fn less(self, other: Self) -> bool { self < other }
        })*
        $(impl Ordered for $f {
            #[inline(always)]
            fn less(self, other: Self) -> bool { self < other }
            #[inline(always)]
            fn is_nan(self) -> bool { <$f>::is_nan(self) }
        })*
    };
}
ordered!(u8, i8, u16, u32, i64; f32, f64, f16, bf16);

/// `y` if it comes before `x` in the direction sought.
#[inline(always)]
fn better<T: Ordered>(max: bool, x: T, y: T) -> bool {
    if max { x.less(y) } else { y.less(x) }
}

const LANES: usize = 32;

/// The extremum of a slice that is not empty, and whether it holds a NaN (then the extremum means nothing).
struct Scan<'a, T>(bool, &'a [T]);
impl<T: Ordered> Kernel for Scan<'_, T> {
    type Output = (T, bool);
    #[inline(always)]
    fn run<L: Level>(self) -> (T, bool) {
        if self.0 { scan::<T, true>(self.1) } else { scan::<T, false>(self.1) }
    }
}

#[inline(always)]
fn scan<T: Ordered, const MAX: bool>(xs: &[T]) -> (T, bool) {
    let mut best = [xs[0]; LANES];
    let mut nan = [false; LANES];
    let mut chunks = xs.chunks_exact(LANES);
    for chunk in &mut chunks {
        for ((b, n), &x) in best.iter_mut().zip(&mut nan).zip(chunk) {
            *b = if better(MAX, *b, x) { x } else { *b };
            *n |= x.is_nan();
        }
    }
    for ((b, n), &x) in best.iter_mut().zip(&mut nan).zip(chunks.remainder()) {
        *b = if better(MAX, *b, x) { x } else { *b };
        *n |= x.is_nan();
    }
    let value = best.iter().skip(1).fold(best[0], |b, &x| if better(MAX, b, x) { x } else { b });
    (value, nan.contains(&true))
}

/// What is carried: the value (`None` before the first) and its position.
type Found<T> = Option<(T, usize)>;

/// `b`, which comes later, if it is strictly better; a NaN is best, and the first of them stays.
fn join<T: Ordered>(max: bool, a: Found<T>, b: Found<T>) -> Found<T> {
    match (a, b) {
        (None, b) => b,
        (a, None) => a,
        (Some((x, _)), Some((y, _))) => {
            let take = !x.is_nan() && (y.is_nan() || better(max, x, y));
            if take { b } else { a }
        }
    }
}

fn columns<T: Ordered>(max: bool, acc: &mut [Found<T>], xs: &[T], index: usize) {
    for (acc, &x) in acc.iter_mut().zip(xs) {
        *acc = join(max, *acc, Some((x, index)));
    }
}

/// Largest (or smallest) value.
#[derive(Clone, Copy)]
pub(super) struct Extremum<T>(bool, PhantomData<T>);

impl<T> Extremum<T> {
    pub(super) fn new(max: bool) -> Self {
        Self(max, PhantomData)
    }
}

impl<T: Ordered> Reducer for Extremum<T> {
    type In = T;
    type Acc = Found<T>;
    type Out = T;

    fn start(self) -> Found<T> {
        None
    }

    fn slice(self, acc: Found<T>, xs: &[T], _index: usize) -> Found<T> {
        if xs.is_empty() {
            return acc;
        }
        let (mut value, nan) = dispatch(Scan(self.0, xs));
        if nan {
            value = xs.iter().copied().find(|x| x.is_nan()).unwrap_or(value);
        }
        join(self.0, acc, Some((value, 0)))
    }

    fn columns(self, acc: &mut [Found<T>], xs: &[T], _index: usize) {
        columns(self.0, acc, xs, 0);
    }

    fn merge(self, a: Found<T>, b: Found<T>) -> Found<T> {
        join(self.0, a, b)
    }

    fn finish(self, acc: Found<T>, _n: usize) -> T {
        acc.map_or_else(T::zeroed, |(value, _)| value)
    }
}

/// Position of the first largest (or smallest) value.
#[derive(Clone, Copy)]
pub(super) struct Arg<T>(bool, PhantomData<T>);

impl<T> Arg<T> {
    pub(super) fn new(max: bool) -> Self {
        Self(max, PhantomData)
    }
}

impl<T: Ordered> Reducer for Arg<T> {
    type In = T;
    type Acc = Found<T>;
    type Out = i64;

    fn start(self) -> Found<T> {
        None
    }

    fn slice(self, acc: Found<T>, xs: &[T], index: usize) -> Found<T> {
        if xs.is_empty() {
            return acc;
        }
        let (value, nan) = dispatch(Scan(self.0, xs));
        let first = xs.iter().position(|&x| if nan { x.is_nan() } else { x == value });
        join(self.0, acc, first.map(|i| (xs[i], index + i)))
    }

    fn columns(self, acc: &mut [Found<T>], xs: &[T], index: usize) {
        columns(self.0, acc, xs, index);
    }

    fn merge(self, a: Found<T>, b: Found<T>) -> Found<T> {
        join(self.0, a, b)
    }

    fn finish(self, acc: Found<T>, _n: usize) -> i64 {
        acc.map_or(0, |(_, index)| index as i64)
    }
}
