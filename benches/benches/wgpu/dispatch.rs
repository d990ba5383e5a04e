//! What a kernel costs that has almost nothing to do: `cargo bench -p fft-benches --bench wgpu_dispatch`.

use std::time::Instant;

use fft_core::{DType, Result, Tensor};
use fft_wgpu::WgpuOptions;

/// Kernels of a round.
const KERNELS: u32 = 2000;

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    let mut x = Tensor::zeros(&device, &[64], DType::F32)?;
    let mut round = || -> Result<f64> {
        let start = Instant::now();
        for _ in 0..KERNELS {
            x = x.affine(1.0, 1.0)?;
        }
        device.synchronize()?;
        Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(KERNELS))
    };
    round()?;
    let mut times = (0..15).map(|_| round()).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    println!("{}: {:.2} us a kernel (median of {})", device.info().name, times[7], times.len());
    Ok(())
}
