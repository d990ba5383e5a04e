//! What the benchmarks share.

pub mod side_by_side;
