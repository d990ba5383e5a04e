//! The measured costs of convolutions. Written by `cargo xtask tune`; do not edit.

use std::borrow::Cow;

use fft_core::convolution::{ConvCosts, ConvSteps};

/// Fitted to 1546 timings with a logarithmic error of 0.45 (root mean square); `double` measured alone, after 64-bit floats had direct kernels.
pub(super) const COSTS: ConvCosts = ConvCosts {
    machine: Cow::Borrowed("AMD EPYC, AVX-512, AVX2, FMA, F16C, 2026-11-21"),
    near_bytes: 1048576,
    lanes: 16,
    double: 2.31,
    nanoseconds: ConvSteps {
        direct_call: 931.1727,
        direct_product: 0.0186,
        direct_window: 0.0151,
        direct_tap: 0.0260,
        direct_row: 3.7667,
        fft_call: 596.1641,
        fft_tile: 28.7541,
        fft_near: 0.0604,
        fft_far: 0.1555,
        fft_product: 0.4403,
        fft_pointwise: 1.3413,
    },
};
