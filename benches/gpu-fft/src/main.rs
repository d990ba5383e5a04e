//! Transforms from and to the host beside the crate `gpu-fft`: `cargo run --release --manifest-path benches/gpu-fft/Cargo.toml`.
//!
//! The peer takes real lines whose lengths are powers of two, and gives their whole spectra. Here the same lines go as complex numbers, whose spectra are
//! whole too (twice the bytes on the way there), and as real ones, whose spectra are halves. Each has a wgpu of its own, on the first adapter. Rounds alternate; medians.

use std::time::Instant;

use fft_core::{Complex32, Norm, Result, Tensor};
use fft_wgpu::WgpuOptions;

/// Points of a batch.
const POINTS: usize = 1 << 20;
const ROUNDS: usize = 7;

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().as_secs_f64(), made)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The relative L2 distance of the peer's spectra from ours.
fn distance(ours: &[Complex32], theirs: &[(Vec<f32>, Vec<f32>)]) -> f64 {
    let (mut off, mut all) = (0.0f64, 0.0f64);
    let theirs = theirs.iter().flat_map(|(re, im)| re.iter().zip(im));
    for (a, (&re, &im)) in ours.iter().zip(theirs) {
        off += f64::from((a - Complex32::new(re, im)).norm_sqr());
        all += f64::from(a.norm_sqr());
    }
    (off / all).sqrt()
}

fn main() -> Result<()> {
    let device = fft_wgpu::device(WgpuOptions::default())?;
    println!("{} ({})", device.info().name, device.info().driver);
    println!(
        "{:>9} {:>7} {:>12} {:>9} {:>11} {:>7} {:>7} {:>10}",
        "points", "lines", "complex ms", "real ms", "gpu-fft ms", "ratio", "ratio", "distance"
    );
    for n in [64, 256, 1024, 2048, 1 << 16, 1 << 20] {
        let lines = POINTS / n;
        let real: Vec<f32> = (0..POINTS).map(|i| (i * 7919 % 1009) as f32 * 1e-3 - 0.5).collect();
        let complex: Vec<Complex32> = real.iter().map(|&x| Complex32::new(x, 0.0)).collect();
        let theirs: Vec<Vec<f32>> = real.chunks(n).map(<[f32]>::to_vec).collect();
        let shape = [lines, n];
        let (mut own, mut half, mut peer) = (Vec::new(), Vec::new(), Vec::new());
        let mut off = 0.0;
        for round in 0..=ROUNDS {
            let (a, spectra) = seconds(|| {
                Tensor::from_slice(&device, &complex, &shape)?
                    .fft(1, None, Norm::Backward)?
                    .to_vec::<Complex32>()
            });
            let (b, _) = seconds(|| {
                Tensor::from_slice(&device, &real, &shape)?
                    .rfft(1, None, Norm::Backward)?
                    .to_vec::<Complex32>()
            });
            let (c, found) = seconds(|| gpu_fft::fft_batch(&theirs));
            // The first compiles.
            if round > 0 {
                own.push(a);
                half.push(b);
                peer.push(c);
            }
            off = distance(&spectra?, &found);
        }
        let (own, half, peer) = (median(own), median(half), median(peer));
        println!(
            "{n:>9} {lines:>7} {:>12.2} {:>9.2} {:>11.2} {:>7.1} {:>7.1} {off:>10.1e}",
            own * 1e3,
            half * 1e3,
            peer * 1e3,
            peer / own,
            peer / half
        );
    }
    Ok(())
}
