//! Batched matrix products.

mod general;

pub(crate) use general::matmul;
