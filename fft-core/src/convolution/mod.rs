//! Convolutions with the meaning of the frameworks: cross-correlation of `[batch, channels, length..]` with `[channels out, channels in /
//! groups, taps..]`, in one to three dimensions.

mod geometry;
mod long;
mod spec;
mod stream;

pub use geometry::ConvGeometry;
pub use long::{LongConvPlan, LongConvTerms, LongConvolution};
pub use spec::{ConvSpec, PaddingMode};
pub use stream::LongConvStream;
