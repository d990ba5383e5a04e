//! Complex transforms on a GPU beside the crate `wgsl-fft`, and causal convolutions in one kernel beside their composition:
//! `cargo bench -p fft-benches --features wgpu-peers --bench wgpu_peers`.
//!
//! The peer has a wgpu of its own major version in the same process, on the same adapter. `host`: from slices to vectors. `device`: on the device
//! alone, a copy kernel beside; the peer by its own measurement, with the copy to its buffer for reading back. GB/s counts each complex point read once and
//! written once. Rounds alternate; the fastest of each counts.

use std::time::Instant;

use fft_core::convolution::{LongConvPlan, LongConvTerms};
use fft_core::{Complex32, DType, Device, Norm, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

/// Points of a batch.
const POINTS: usize = 1 << 20;
/// The most lines of one: `wgsl-fft` takes no more at a time.
const LINES: usize = 1024;
const ROUNDS: usize = 3;

/// The fastest round of each work, after one that compiles; nothing for a work that fails.
fn fastest(works: &mut [&mut dyn FnMut() -> Option<f64>]) -> Vec<Option<f64>> {
    let mut best = vec![None; works.len()];
    for round in 0..=ROUNDS {
        for (work, best) in works.iter_mut().zip(&mut best) {
            let seconds = work();
            if round > 0 {
                *best = seconds.map(|s| best.map_or(s, |b: f64| b.min(s)));
            }
        }
    }
    best
}

fn timed<T, E>(work: impl FnOnce() -> std::result::Result<T, E>) -> Option<f64> {
    let start = Instant::now();
    let made = work().ok()?;
    let seconds = start.elapsed().as_secs_f64();
    drop(made);
    Some(seconds)
}

fn on_device(device: &Device, work: &dyn Fn() -> Result<Tensor>) -> Option<f64> {
    device.synchronize().ok()?;
    timed(|| {
        let made = work()?;
        device.synchronize().map(|()| made)
    })
}

fn transforms(device: &Device) -> Result<()> {
    let peer = wgsl_fft::GpuFft::new().ok();
    println!(
        "{:>9} {:>7} | host GB/s: {:>8} {:>9} | device GB/s: {:>8} {:>8} {:>9}",
        "points", "lines", "own", "wgsl-fft", "own", "copy", "wgsl-fft"
    );
    for n in [64, 256, 1000, 1009, 1024, 1536, 2048, 1 << 16, 1 << 20, 1 << 22] {
        let lines = (POINTS / n).clamp(1, LINES);
        let data: Vec<Complex32> = (0..n * lines)
            .map(|i| Complex32::new((i % 1000) as f32 * 0.002 - 1.0, (i % 777) as f32 * 0.001))
            .collect();
        let x = Tensor::from_slice(device, &data, &[lines, n])?;
        let real = Tensor::zeros(device, &[n * lines * 2 + 1], DType::F32)?;
        // A step of 1 with another offset, so that the copy runs as a kernel.
        let shifted = real.narrow(0, 1, n * lines * 2)?;
        let complex_lines: Vec<Vec<_>> = data.chunks(n).map(<[_]>::to_vec).collect();
        let mut own_host = || {
            timed(|| {
                Tensor::from_slice(device, &data, &[lines, n])?
                    .fft(1, None, Norm::Backward)?
                    .to_vec::<Complex32>()
            })
        };
        let mut wgsl_host = || timed(|| peer.as_ref().ok_or(())?.fft(&complex_lines).map_err(drop));
        let mut own_device = || on_device(device, &|| x.fft(1, None, Norm::Backward));
        let mut copy = || on_device(device, &|| shifted.affine(1.0, 0.0));
        let mut wgsl_device = || {
            let peer = peer.as_ref().filter(|_| n.is_power_of_two())?;
            wgsl_fft::benchmark::benchmark_gpu_only(peer, n, lines).ok().map(|r| r.gpu_duration_sec)
        };
        let seconds =
            fastest(&mut [&mut own_host, &mut wgsl_host, &mut own_device, &mut copy, &mut wgsl_device]);
        let rates: Vec<String> = seconds
            .iter()
            .map(|s| s.map_or("-".to_owned(), |s| format!("{:.3}", 16.0 * (n * lines) as f64 / s * 1e-9)))
            .collect();
        println!(
            "{n:>9} {lines:>7} |            {:>8} {:>9} |              {:>8} {:>8} {:>9}",
            rates[0], rates[1], rates[2], rates[3], rates[4]
        );
    }
    Ok(())
}

fn convolutions(device: &Device) -> Result<()> {
    println!("{:>9} {:>9} | {:>9} {:>12} {:>6}", "length", "channels", "fused ms", "composed ms", "ratio");
    for length in [256, 1024, 2048, 4096, 16_384] {
        let (channels, batch) = (256, (POINTS / length / 256).max(1));
        let ramp = |shape: &[usize]| {
            let data: Vec<f32> =
                (0..shape.iter().product()).map(|i: usize| (i % 1000) as f32 * 1e-3 - 0.5).collect();
            Tensor::from_slice(device, &data, shape)
        };
        let (u, kernel) = (ramp(&[batch, channels, length])?, ramp(&[channels, length])?);
        let (gates, skip) = (ramp(u.shape())?, ramp(&[channels])?);
        let terms = LongConvTerms { skip: Some(&skip), before: Some(&gates), after: Some(&gates) };
        let plan = LongConvPlan::new(length, length);
        let own = device.long_conv_spectrum(&kernel, plan)?;
        let composed = compose::long_conv_spectrum(&kernel, plan)?;
        let mut fused = || on_device(device, &|| device.long_conv(&u, &kernel, Some(&own), terms, plan));
        let mut unfused =
            || on_device(device, &|| compose::long_conv(&u, &kernel, Some(&composed), terms, plan));
        if let [Some(fused), Some(unfused)] = fastest(&mut [&mut fused, &mut unfused])[..] {
            println!(
                "{length:>9} {:>9} | {:>9.2} {:>12.2} {:>6.1}",
                batch * channels,
                fused * 1e3,
                unfused * 1e3,
                unfused / fused
            );
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    println!("{} ({})", device.info().name, device.info().driver);
    transforms(&device)?;
    convolutions(&device)
}
