//! Convolutions in two dimensions both ways, and the mixing of channels for each frequency beside products of copied matrices:
//! `cargo run --release -p fft-wgpu --example conv_rates`. Medians of alternating rounds.

mod common;

use common::seconds;
use fft_core::convolution::{ConvGeometry, ConvSpec};
use fft_core::{Device, Norm, Result, Tensor};
use fft_wgpu::WgpuOptions;

const ROUNDS: usize = 9;

fn numbers(device: &Device, shape: &[usize]) -> Result<Tensor> {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| (i * 31 % 1009) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape)
}

/// The median seconds of each work.
fn medians<const N: usize>(device: &Device, works: [&dyn Fn() -> Result<Tensor>; N]) -> Result<[f64; N]> {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for (work, times) in works.iter().zip(&mut times) {
            let taken = seconds(device, *work)?;
            if round > 0 {
                times.push(taken);
            }
        }
    }
    Ok(times.map(|mut t| {
        t.sort_by(f64::total_cmp);
        t[t.len() / 2]
    }))
}

fn main() -> Result<()> {
    let device = fft_wgpu::device(WgpuOptions::default())?;
    println!("{}, {}", device.info().name, device.info().driver);
    println!("\nmixing of frequencies       as they lie ms   copied ms   ratio");
    for (batch, channels, modes) in [(8, 32, 512), (16, 64, 144), (4, 16, 4096)] {
        let [x, w] = [[batch, channels, 2 * modes], [channels, channels, 2 * modes]].map(|shape| {
            numbers(&device, &shape)?.rfft(2, None, Norm::Ortho)?.narrow(2, 0, modes)?.permute(&[2, 0, 1])
        });
        let (x, w) = (x?, w?);
        let copied = || x.contiguous()?.matmul(&w.contiguous()?);
        let [own, copies] = medians(&device, [&|| x.matmul(&w), &copied])?;
        let name = format!("{batch} x {channels}, {modes} modes");
        println!("{name:<28} {:>13.3} {:>11.3} {:>7.2}", own * 1e3, copies * 1e3, copies / own);
    }
    println!("\nconvolution                         fft ms   direct ms   ratio");
    for (batch, channels, side, kernel) in [(1, 1, 512, 15), (1, 1, 512, 31), (4, 16, 64, 9), (2, 32, 64, 15)]
    {
        let x = numbers(&device, &[batch, channels, side, side])?;
        let w = numbers(&device, &[channels, channels, kernel, kernel])?;
        let spec = ConvSpec::new(2).padding(&[kernel / 2, kernel / 2]);
        let geometry = ConvGeometry::new("conv", x.shape(), w.shape(), &spec)?;
        let tile = [(side + 2 * (kernel / 2)).next_power_of_two(); 2];
        let spectrum = device.conv_spectrum(&w, &geometry, &tile)?;
        let fft = || device.conv_fft(&x, &spectrum, None, &geometry, &tile);
        let direct = || device.conv_direct(&x, &w, None, &geometry);
        let [fft, direct] = medians(&device, [&fft, &direct])?;
        let name = format!("{batch} x {channels} x {side}^2, {kernel}^2 taps");
        println!("{name:<32} {:>9.2} {:>11.2} {:>7.2}", fft * 1e3, direct * 1e3, direct / fft);
    }
    Ok(())
}
