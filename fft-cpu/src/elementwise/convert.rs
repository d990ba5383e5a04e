//! Copies and conversions between element types.

use fft_core::{Complex32, Complex64, DType, Error, Result, View, ViewMut, bf16, f16};

use super::half_precision::{narrow, widen};
use super::map::{Plain, map0, map1};
use super::transposed;
use crate::threads::Threads;

/// A number that converts to the others by the rules of `SpectralBackend::copy`.
trait Number: Plain {
    const INTEGER: bool = false;
    fn re(self) -> f64;
    fn im(self) -> f64 {
        0.0
    }
    fn int(self) -> i64 {
        self.re() as i64
    }
    fn from_parts(re: f64, im: f64) -> Self;
    fn from_int(x: i64) -> Self {
        Self::from_parts(x as f64, 0.0)
    }
}

macro_rules! integer {
    ($($t:ty),*) => {$(impl Number for $t {
        const INTEGER: bool = true;
        #[inline(always)]
        fn re(self) -> f64 { self as f64 }
        #[inline(always)]
        fn int(self) -> i64 { self as i64 }
        // `as` truncates, saturates, and makes 0 of NaN.
        #[inline(always)]
        fn from_parts(re: f64, _im: f64) -> Self { re as $t }
        #[inline(always)]
        fn from_int(x: i64) -> Self { x.clamp(<$t>::MIN as i64, <$t>::MAX as i64) as $t }
    })*};
}
integer!(u8, i8, u16, u32, i64);

macro_rules! real {
    ($($t:ty, $to:expr, $from:expr);*) => {$(impl Number for $t {
        #[inline(always)]
        fn re(self) -> f64 { $to(self) }
        #[inline(always)]
        fn from_parts(re: f64, _im: f64) -> Self { $from(re) }
    })*};
}
real!(f32, f64::from, |x: f64| x as f32; f64, |x| x, |x| x; f16, f16::to_f64, f16::from_f64; bf16, bf16::to_f64, bf16::from_f64);

macro_rules! complex {
    ($($t:ty, $part:ty);*) => {$(impl Number for $t {
        #[inline(always)]
        fn re(self) -> f64 { self.re as f64 }
        #[inline(always)]
        fn im(self) -> f64 { self.im as f64 }
        #[inline(always)]
        fn from_parts(re: f64, im: f64) -> Self { Self::new(re as $part, im as $part) }
    })*};
}
complex!(Complex32, f32; Complex64, f64);

fn convert<S: Number, D: Number>(src: &[S], dst: &mut [D]) {
    for (d, &s) in dst.iter_mut().zip(src) {
        *d = if S::INTEGER && D::INTEGER { D::from_int(s.int()) } else { D::from_parts(s.re(), s.im()) };
    }
}

/// Calls `$f::<T>` with the element type of a dtype.
macro_rules! with_type {
    ($dtype:expr, $t:ident => $body:expr, $other:expr) => {
        match $dtype {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::F16 => {
                type $t = f16;
                $body
            }
            DType::BF16 => {
                type $t = bf16;
                $body
            }
            DType::C64 => {
                type $t = Complex32;
                $body
            }
            DType::C128 => {
                type $t = Complex64;
                $body
            }
            DType::U8 => {
                type $t = u8;
                $body
            }
            DType::I8 => {
                type $t = i8;
                $body
            }
            DType::U16 => {
                type $t = u16;
                $body
            }
            DType::U32 => {
                type $t = u32;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            _ => $other,
        }
    };
}

/// See `SpectralBackend::copy`.
pub(crate) fn copy(threads: &Threads, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    const OP: &str = "copy";
    if src.dtype == dst.dtype {
        if src.layout.shape() == dst.layout.shape()
            && let Some(axes) = transposed::axes(&src, &dst)
        {
            return match src.dtype.size() {
                1 => transposed::copy::<u8>(threads, src, dst, axes),
                2 => transposed::copy::<u16>(threads, src, dst, axes),
                4 => transposed::copy::<u32>(threads, src, dst, axes),
                8 => transposed::copy::<u64>(threads, src, dst, axes),
                _ => transposed::copy::<Complex64>(threads, src, dst, axes),
            };
        }
        return match src.dtype.size() {
            1 => map1(OP, threads, 2, src, dst, same::<u8>),
            2 => map1(OP, threads, 2, src, dst, same::<u16>),
            4 => map1(OP, threads, 2, src, dst, same::<u32>),
            8 => map1(OP, threads, 4, src, dst, same::<u64>),
            _ => map1(OP, threads, 8, src, dst, same::<Complex64>),
        };
    }
    match (src.dtype, dst.dtype) {
        (DType::F16, DType::F32) => return map1(OP, threads, 2, src, dst, widen::<f16>),
        (DType::BF16, DType::F32) => return map1(OP, threads, 2, src, dst, widen::<bf16>),
        (DType::F32, DType::F16) => return map1(OP, threads, 2, src, dst, narrow::<f16>),
        (DType::F32, DType::BF16) => return map1(OP, threads, 2, src, dst, narrow::<bf16>),
        _ => {}
    }
    let (from, to) = (src.dtype, dst.dtype);
    with_type!(from, S => with_type!(to, D => map1(OP, threads, 16, src, dst, convert::<S, D>), Err(unknown(OP, to))),
        Err(unknown(OP, from)))
}

fn same<T: Copy>(src: &[T], dst: &mut [T]) {
    dst.copy_from_slice(src);
}

/// See `SpectralBackend::fill`.
pub(crate) fn fill(threads: &Threads, re: f64, im: f64, dst: ViewMut<'_>) -> Result<()> {
    const OP: &str = "fill";
    let dtype = dst.dtype;
    with_type!(dtype, D => {
        let value = D::from_parts(re, im);
        map0(OP, threads, dst, move |out: &mut [D]| out.fill(value))
    }, Err(unknown(OP, dtype)))
}

/// The error for an element type that this crate does not know.
pub(super) fn unknown(op: &'static str, dtype: DType) -> Error {
    Error::Unsupported { op, device: "cpu".to_owned(), reason: format!("no kernel for {dtype}") }
}
