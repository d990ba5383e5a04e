//! Operations element by element: maps over strided operands, and the kernels of each operation on plain slices.

mod binary;
mod convert;
mod half_precision;
mod lanes;
mod map;
pub(crate) mod math;
mod select;
mod transposed;
mod unary;
mod unary_backward;

pub(crate) use binary::binary;
pub(crate) use convert::{copy, fill};
pub(crate) use half_precision::{Storage, widen};
pub(crate) use lanes::{BLOCK, Lane};
pub(crate) use map::map2;
pub(crate) use select::select;
pub(crate) use unary::unary;
pub(crate) use unary_backward::unary_backward;
