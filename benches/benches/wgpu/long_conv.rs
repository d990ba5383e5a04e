//! How much faster a causal convolution is as one kernel (three where a line does not fit a workgroup) than as the composition of copies, transforms and
//! products: `cargo bench -p fft-benches --bench wgpu_long_conv`.
//!
//! Kernels as long as their input, their spectra kept, with gates and skip or without. Rounds alternate; the fastest of each counts.

use fft_benches::device::seconds;
use fft_core::conformance::sample::Random;
use fft_core::convolution::{LongConvPlan, LongConvTerms};
use fft_core::{DType, Result, compose};
use fft_wgpu::WgpuOptions;

/// Elements of an input.
const ELEMENTS: usize = 1 << 20;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    for (limits, default_limits) in [("the adapter's limits", false), ("WebGPU's default limits", true)] {
        let device = fft_wgpu::device(WgpuOptions { default_limits, ..Default::default() })?;
        println!("{} ({}), {limits}", device.info().name, device.info().driver);
        println!(
            "{:>9} {:>9} {:>6} {:>9} {:>12} {:>6}",
            "length", "channels", "terms", "ms", "composed ms", "ratio"
        );
        for length in [256, 1024, 2048, 4096, 16_384] {
            let channels = 256;
            let batch = (ELEMENTS / length / channels).max(1);
            let mut random = Random::new(length as u64);
            let mut real = |shape: &[usize]| random.array(shape, DType::F32).to(&device, DType::F32);
            let (u, kernel) = (real(&[batch, channels, length])?, real(&[channels, length])?);
            let (before, after, skip) = (real(u.shape())?, real(u.shape())?, real(&[channels])?);
            let plan = LongConvPlan::new(length, length);
            let own = device.long_conv_spectrum(&kernel, plan)?;
            let composed = compose::long_conv_spectrum(&kernel, plan)?;
            for (name, terms) in [
                ("none", LongConvTerms::default()),
                ("all", LongConvTerms { skip: Some(&skip), before: Some(&before), after: Some(&after) }),
            ] {
                let (mut fused, mut unfused) = (f64::INFINITY, f64::INFINITY);
                for round in 0..=ROUNDS {
                    let a = seconds(&device, &|| device.long_conv(&u, &kernel, Some(&own), terms, plan))?;
                    let b =
                        seconds(&device, &|| compose::long_conv(&u, &kernel, Some(&composed), terms, plan))?;
                    // The first compiles.
                    if round > 0 {
                        (fused, unfused) = (fused.min(a), unfused.min(b));
                    }
                }
                println!(
                    "{length:>9} {:>9} {name:>6} {:>9.2} {:>12.2} {:>6.1}",
                    batch * channels,
                    fused * 1e3,
                    unfused * 1e3,
                    unfused / fused
                );
            }
        }
    }
    Ok(())
}
