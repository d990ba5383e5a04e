//! Convolutions with the meaning of the frameworks: cross-correlation of `[batch, channels, length..]` with `[channels out, channels in /
//! groups, taps..]`, in one to three dimensions.

mod costs;
mod geometry;
mod long;
mod plan;
mod spec;
mod stream;

pub use costs::{ConvCosts, ConvSteps};
pub use geometry::ConvGeometry;
pub use long::{LongConvPlan, LongConvTerms, LongConvolution};
pub use plan::{ConvCandidate, ConvExplanation, ConvPlan, ConvWay};
pub use spec::{ConvSpec, PaddingMode};
pub use stream::LongConvStream;
