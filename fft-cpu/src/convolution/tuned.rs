//! The measured costs of convolutions. Written by `cargo xtask tune`; do not edit.

use std::borrow::Cow;

use fft_core::convolution::{ConvCosts, ConvSteps};

/// Fitted to 1511 timings with a logarithmic error of 0.42 (root mean square).
pub(super) const COSTS: ConvCosts = ConvCosts {
    machine: Cow::Borrowed("AMD EPYC, AVX-512, AVX2, FMA, F16C, 2026-11-21"),
    near_bytes: 1048576,
    lanes: 16,
    double: 2.57,
    nanoseconds: ConvSteps {
        direct_call: 1054.8687,
        direct_product: 0.0185,
        direct_window: 0.0150,
        direct_tap: 0.0249,
        direct_row: 2.8946,
        fft_call: 705.6356,
        fft_tile: 23.4318,
        fft_near: 0.0629,
        fft_far: 0.1045,
        fft_product: 0.3910,
        fft_pointwise: 1.1040,
    },
};
