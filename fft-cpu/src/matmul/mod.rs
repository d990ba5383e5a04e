//! Batched matrix products.

mod few_rows;
mod general;
mod panel;

pub(crate) use general::{matmul, multiply};
pub(crate) use panel::{ROWS, accumulate, dots};
