//! The measured costs of convolutions. Written by `cargo xtask tune`; do not edit.

use std::borrow::Cow;

use fft_core::convolution::{ConvCosts, ConvSteps};

/// Fitted to 1285 timings with a logarithmic error of 0.49 (root mean square).
pub(super) const COSTS: ConvCosts = ConvCosts {
    machine: Cow::Borrowed("AMD EPYC, AVX-512, AVX2, FMA, F16C, 2026-11-21"),
    near_bytes: 2097152,
    double: 6.37,
    nanoseconds: ConvSteps {
        direct_call: 1023.3217,
        direct_product: 0.0177,
        direct_window: 0.0180,
        direct_tap: 0.0271,
        direct_row: 1.6196,
        fft_call: 698.5751,
        fft_tile: 22.9201,
        fft_near: 0.0717,
        fft_far: 0.3182,
        fft_product: 0.4527,
        fft_pointwise: 0.9275,
    },
};
