//! Choosing between two operands.

use fft_core::{Complex64, DType, Error, Result, View, ViewMut};

use super::map::map3;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

struct Choose<'a, T>(&'a [u8], &'a [T], &'a [T], &'a mut [T]);

impl<T: Copy> Kernel for Choose<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (((d, &c), &a), &b) in self.3.iter_mut().zip(self.0).zip(self.1).zip(self.2) {
            *d = if c != 0 { a } else { b };
        }
    }
}

fn choose<T: Copy>(c: &[u8], a: &[T], b: &[T], d: &mut [T]) {
    dispatch(Choose(c, a, b, d));
}

/// See `SpectralBackend::select`.
pub(crate) fn select(
    threads: &Threads,
    condition: View<'_>,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "select";
    if condition.dtype != DType::U8 {
        return Err(Error::DTypeMismatch { op: OP, lhs: condition.dtype, rhs: DType::U8 });
    }
    if a.dtype != b.dtype || a.dtype != dst.dtype {
        return Err(Error::DTypeMismatch { op: OP, lhs: a.dtype, rhs: b.dtype });
    }
    // Only the size of an element matters.
    let views = (condition, a, b);
    match a.dtype.size() {
        1 => map3(OP, threads, views, dst, &choose::<u8>),
        2 => map3(OP, threads, views, dst, &choose::<u16>),
        4 => map3(OP, threads, views, dst, &choose::<u32>),
        8 => map3(OP, threads, views, dst, &choose::<u64>),
        _ => map3(OP, threads, views, dst, &choose::<Complex64>),
    }
}
