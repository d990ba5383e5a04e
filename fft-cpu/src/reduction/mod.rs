//! Sums, products, means and extrema over axes.

mod extrema;
mod fold;
mod sums;

use fft_core::{Complex32, Complex64, DType, Error, ReduceOp, Result, View, ViewMut, bf16, f16};

use crate::threads::Threads;
use extrema::{Arg, Extremum};
use fold::fold;
use sums::{Product, Sum};

pub(crate) use sums::sum_f32;

/// See `SpectralBackend::reduce`.
pub(crate) fn reduce(
    threads: &Threads,
    op: ReduceOp,
    src: View<'_>,
    axes: &[usize],
    dst: ViewMut<'_>,
) -> Result<()> {
    let dtype = src.dtype;
    let out = if matches!(op, ReduceOp::ArgMax | ReduceOp::ArgMin) { DType::I64 } else { dtype };
    if dst.dtype != out {
        return Err(Error::DTypeMismatch { op: "reduce", lhs: dst.dtype, rhs: out });
    }
    macro_rules! of {
        ($kind:ident ($flag:expr): $($d:ident $t:ty),*) => {
            match dtype {
                $(DType::$d => fold(threads, $kind::<$t>::new($flag), src, axes, dst),)*
                other => Err(Error::Unsupported {
                    op: "reduce",
                    device: "cpu".to_owned(),
                    reason: format!("{op:?} does not take {other}"),
                }),
            }
        };
    }
    match op {
        ReduceOp::Sum => {
            of!(Sum(false): F32 f32, F64 f64, F16 f16, BF16 bf16, C64 Complex32, C128 Complex64, U8 u8, I8 i8,
            U16 u16, U32 u32, I64 i64)
        }
        ReduceOp::Mean => {
            of!(Sum(true): F32 f32, F64 f64, F16 f16, BF16 bf16, C64 Complex32, C128 Complex64)
        }
        ReduceOp::Prod => {
            of!(Product(()): F32 f32, F64 f64, F16 f16, BF16 bf16, C64 Complex32, C128 Complex64)
        }
        ReduceOp::Max | ReduceOp::Min => {
            of!(Extremum(op == ReduceOp::Max): F32 f32, F64 f64, F16 f16, BF16 bf16, U8 u8, I8 i8, U16 u16,
            U32 u32, I64 i64)
        }
        ReduceOp::ArgMax | ReduceOp::ArgMin => {
            of!(Arg(op == ReduceOp::ArgMax): F32 f32, F64 f64, F16 f16, BF16 bf16, U8 u8, I8 i8,
            U16 u16, U32 u32, I64 i64)
        }
        other => Err(Error::Unsupported {
            op: "reduce",
            device: "cpu".to_owned(),
            reason: format!("no kernel for {other:?}"),
        }),
    }
}
