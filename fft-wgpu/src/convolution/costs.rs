//! What the steps of convolutions cost.

use fft_core::convolution::ConvCosts;

use crate::context::Context;

/// See `SpectralBackend::conv_costs`.
pub(crate) fn conv_costs(_context: &Context) -> ConvCosts {
    ConvCosts::GENERIC
}
