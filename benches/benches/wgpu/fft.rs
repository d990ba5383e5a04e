//! How fast transforms read and write memory, beside a copy kernel in the same run: `cargo bench -p fft-benches --bench wgpu_fft`.
//!
//! Each line is a batch of complex transforms that fills about 32 MiB, along the last axis (rows) and along the first (columns). GB/s counts
//! each point read once and written once. Rounds alternate between transform and copy; the fastest of each counts.

use fft_benches::device::seconds;
use fft_core::{Complex32, DType, Norm, Result, Tensor};
use fft_wgpu::WgpuOptions;

/// Bytes of a batch.
const BYTES: usize = 32 << 20;
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    println!("{} ({})", device.info().name, device.info().driver);
    println!(
        "{:>9} {:>9} {:>8} {:>10} {:>10} {:>8}",
        "points", "lines", "along", "GB/s", "copy GB/s", "share"
    );
    for n in [64, 256, 1000, 1009, 1024, 1536, 2048, 4096, 10_007, 65_536, 1 << 20] {
        let lines = (BYTES / 8 / n).max(1);
        for (name, shape, axis) in [("rows", [lines, n], 1), ("columns", [n, lines], 0)] {
            let data: Vec<Complex32> = (0..n * lines)
                .map(|i| Complex32::new((i % 1000) as f32 * 0.002 - 1.0, (i % 777) as f32 * 0.001))
                .collect();
            let x = Tensor::from_slice(&device, &data, &shape)?;
            // A step of 1 with another offset, so that the copy runs as a kernel.
            let real = Tensor::zeros(&device, &[n * lines * 2 + 1], DType::F32)?;
            let shifted = real.narrow(0, 1, n * lines * 2)?;
            let (mut transform, mut copy) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..ROUNDS {
                transform = transform.min(seconds(&device, &|| x.fft(axis, None, Norm::Backward))?);
                copy = copy.min(seconds(&device, &|| shifted.affine(1.0, 0.0))?);
            }
            let rate = |seconds: f64| 2.0 * (n * lines * 8) as f64 / seconds * 1e-9;
            let (transform, copy) = (rate(transform), rate(copy));
            println!(
                "{n:>9} {lines:>9} {name:>8} {transform:>10.2} {copy:>10.2} {:>7.0}%",
                100.0 * transform / copy
            );
        }
    }
    Ok(())
}
