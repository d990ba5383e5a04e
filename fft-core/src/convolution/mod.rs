//! Convolutions with the meaning of the frameworks: cross-correlation of `[batch, channels, length..]` with `[channels out, channels in /
//! groups, taps..]`, in one to three dimensions.

mod geometry;
mod spec;

pub use geometry::ConvGeometry;
pub use spec::{ConvSpec, PaddingMode};
