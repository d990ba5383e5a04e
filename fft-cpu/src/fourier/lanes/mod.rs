//! Transforms by SIMD across lines: each lane of a vector is a line of its own, so that nothing is shuffled between butterflies, and lines
//! that lie side by side (a strided axis) need not be gathered.
//!
//! A tile is as many lines as a vector has lanes. Its scratch holds the real parts of a point of all lanes, then the imaginary parts. Passes
//! of radix 2 to 16 run in place, decimation in time. The first reads its numbers wherever they lie, so bringing them into the order of
//! that algorithm costs nothing; the last writes them where they belong. Blocks that fit the first-level cache are finished before the next
//! is begun (depth first).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod butterflies;
mod code;
mod codes;
mod factors;
mod passes;
mod plan;
mod real;
mod real_plan;
mod rows;
mod staging;
#[cfg(test)]
mod tests;
mod vector;

pub(crate) use code::{Lines, OnLanes};
pub(crate) use factors::is_planned;
pub(crate) use plan::LanePlan;
pub(crate) use real_plan::RealLanePlan;
