//! What the steps of convolutions cost.

use std::borrow::Cow;

use fft_core::convolution::{ConvCosts, ConvSteps};

use crate::context::Context;

/// From a fit to 280 timings on lavapipe with two processor cores, then changed by hand: products, windows and taps of the direct way are dearer than fitted, until
/// the choices agreed with the timings, and far transforms are dearer than near ones, since very long lines are. The logarithmic error (root mean square)
/// is 0.51 for the direct way and 0.34 for the spectral one.
const SOFTWARE: ConvCosts = ConvCosts {
    machine: Cow::Borrowed("lavapipe, 2 cores of an AMD EPYC, 2026-11-22"),
    near_bytes: 1 << 16,
    lanes: 1,
    double: 1.0,
    nanoseconds: ConvSteps {
        direct_call: 130_000.0,
        direct_product: 0.14,
        direct_window: 0.3,
        direct_tap: 0.23,
        direct_row: 60.0,
        fft_call: 190_000.0,
        fft_tile: 0.0,
        fft_near: 0.65,
        fft_far: 0.82,
        fft_product: 1.1,
        fft_pointwise: 0.1,
    },
};

/// Not measured. Derived from the rates of a GPU of 10 TFLOP/s and 500 GB/s, 5 microseconds a kernel:
///
/// - products of the direct way at a quarter of the peak; a window or a tap of a single channel is an element from the caches, at four times the rate of memory;
///   ends of rows cost nothing of their own;
/// - a transform that one kernel does in workgroup memory reads and writes 4 bytes a point, 12 levels deep; a longer one goes through memory three times;
/// - a complex multiply-add is 4 real ones at the rate of products, of two numbers from memory where nothing is used twice;
/// - the direct way is two kernels, the spectral one six, and a tile has a workgroup, of which hundreds run at once.
const HARDWARE: ConvCosts = ConvCosts {
    machine: Cow::Borrowed("a GPU of 10 TFLOP/s and 500 GB/s, by calculation"),
    near_bytes: 1 << 14,
    lanes: 1,
    double: 1.0,
    nanoseconds: ConvSteps {
        direct_call: 10_000.0,
        direct_product: 0.0008,
        direct_window: 0.002,
        direct_tap: 0.002,
        direct_row: 0.0,
        fft_call: 30_000.0,
        fft_tile: 2.0,
        fft_near: 0.0014,
        fft_far: 0.004,
        fft_product: 0.0032,
        fft_pointwise: 0.032,
    },
};

/// See `SpectralBackend::conv_costs`.
pub(crate) fn conv_costs(context: &Context) -> ConvCosts {
    if context.limits.software { SOFTWARE } else { HARDWARE }
}
