//! Convolutions with the meaning of the frameworks: cross-correlation of `[batch, channels, length..]` with `[channels out, channels in /
//! groups, taps..]`, in one to three dimensions.

mod costs;
mod geometry;
mod long;
mod method;
mod plan;
mod prepared;
mod recent;
mod spec;
mod stream;
mod transposed;

pub use costs::{ConvCosts, ConvSteps};
pub use geometry::ConvGeometry;
pub use long::{LongConvPlan, LongConvTerms, LongConvolution};
pub use method::ConvMethod;
pub use plan::{ConvCandidate, ConvExplanation, ConvPlan, ConvWay};
pub use prepared::{Conv, ConvStats};
pub use spec::{ConvSpec, PaddingFit, PaddingMode};
pub use stream::LongConvStream;
pub(crate) use transposed::{Phase, transposed_axes, transposed_shape};
