//! Layers of Fourier neural operators, from real functions to real functions, beside the composition of whole transforms; and circular convolutions:
//! `cargo bench -p fft-benches --bench wgpu_fno`. Medians of alternating rounds.

use fft_benches::device::seconds;
use fft_core::{Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

const ROUNDS: usize = 15;

fn numbers(device: &Device, shape: &[usize]) -> Result<Tensor> {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| (i * 31 % 1009) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape)
}

/// The median seconds of two works.
fn medians(device: &Device, works: [&dyn Fn() -> Result<Tensor>; 2]) -> Result<[f64; 2]> {
    let mut times = [const { Vec::new() }; 2];
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

/// How the frequencies of real functions are found, and how functions are made of them.
type Ways = [fn(&Tensor, &[usize]) -> Result<Tensor>; 2];

/// A layer: frequencies, a product of channels for each, and the way back.
fn layer([there, back]: Ways, x: &Tensor, w: &Tensor, modes: &[usize]) -> Result<Tensor> {
    let (batch, channels, kept) = (x.shape()[0], x.shape()[1], &w.shape()[2..]);
    let all = kept.iter().product();
    let z = there(x, modes)?.reshape(&[batch, channels, all])?.permute(&[2, 0, 1])?;
    let y = z.matmul(&w.reshape(&[channels, channels, all])?.permute(&[2, 0, 1])?)?;
    back(&y.permute(&[1, 2, 0])?.reshape(&[&[batch, channels], kept].concat())?, &x.shape()[2..])
}

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    println!("{}, {}", device.info().name, device.info().driver);
    println!("\nlayer of an operator                  ms   composed ms   ratio   read and write GB/s");
    for (batch, channels, lengths, modes) in [
        (8, 32, &[1024][..], &[16][..]),
        (8, 32, &[8192], &[16]),
        (4, 32, &[64, 64], &[12, 12]),
        (4, 32, &[256, 256], &[16, 16]),
        (2, 16, &[32, 32, 32], &[8, 8, 8]),
    ] {
        let x = numbers(&device, &[&[batch, channels], lengths].concat())?;
        let mut shape = vec![channels, channels];
        shape
            .extend(modes.iter().enumerate().map(|(a, m)| if a + 1 == modes.len() { *m } else { 2 * m - 1 }));
        let w = numbers(&device, &shape)?.to_dtype(fft_core::DType::C64)?;
        let own: Ways = [|x, m| x.low_frequencies(m), |z, n| z.band_limited(n)];
        let composed: Ways = [compose::low_frequencies, compose::band_limited];
        let [own, composed] =
            medians(&device, [&|| layer(own, &x, &w, modes), &|| layer(composed, &x, &w, modes)])?;
        let name = format!("{batch} x {channels} x {lengths:?}, {modes:?} modes");
        let rate = 2.0 * x.bytes() as f64 / own / 1e9;
        let ratio = composed / own;
        println!("{name:<34} {:>6.2} {:>12.2} {ratio:>7.2} {rate:>8.2}", own * 1e3, composed * 1e3);
    }
    println!("\ncircular convolution             ms   composed ms   ratio");
    for (batch, channels, length) in [
        (64, 64, 64),
        (16, 64, 256),
        (1, 1024, 256),
        (16, 64, 1000),
        (16, 64, 1024),
        (1, 1024, 1024),
        (16, 32, 2048),
        (8, 32, 4096),
    ] {
        let x = numbers(&device, &[batch, channels, length])?;
        let kernel = numbers(&device, &[channels, length])?;
        let [own, composed] =
            medians(&device, [&|| x.spectral_conv(&kernel), &|| compose::spectral_conv(&x, &kernel)])?;
        let name = format!("{batch} x {channels} x {length}");
        println!("{name:<28} {:>6.2} {:>12.2} {:>7.2}", own * 1e3, composed * 1e3, composed / own);
    }
    Ok(())
}
