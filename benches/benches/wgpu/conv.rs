//! Convolutions as sums over taps, by a kernel and as a composition, by the convolution theorem, and as they are planned; and the mixing of channels for each frequency beside products of copied matrices:
//! `cargo bench -p fft-benches --bench wgpu_conv`. Medians of alternating rounds.

use fft_benches::device::seconds;
use fft_core::convolution::{ConvGeometry, ConvPlan, ConvSpec, ConvWay};
use fft_core::{Device, Norm, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

const ROUNDS: usize = 5;

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
    if !fft_benches::measuring() {
        return Ok(());
    }
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
    println!(
        "\nconvolution                                direct ms   composed ms     fft ms   Gop/s   chosen ms"
    );
    let filter = fft_benches::chosen().unwrap_or_default();
    for (name, x, w, spec) in convolutions() {
        if !name.contains(&filter) {
            continue;
        }
        let (x, w) = (numbers(&device, &x)?, numbers(&device, &w)?);
        let g = ConvGeometry::new("conv", x.shape(), w.shape(), &spec)?;
        let direct = || device.conv_direct(&x, &w, None, &g);
        let composed = || compose::conv_direct(&x, &w, None, &g);
        let plan = ConvPlan::spectral(&g, x.dtype(), &device.conv_costs(), true);
        let ConvWay::Fft { tile } = plan.way else { continue };
        let spectrum = device.conv_spectrum(&w, &g, &tile)?;
        let fft = || device.conv_fft(&x, &spectrum, None, &g, &tile);
        let chosen = || x.conv(&w, None, &spec);
        let [direct, composed, fft, chosen] = medians(&device, [&direct, &composed, &fft, &chosen])?;
        let steps = g.direct_steps();
        let rate = (steps.direct_product + steps.direct_tap) / direct * 1e-9;
        println!(
            "{name:<40} {:>11.2} {:>13.2} {:>10.2} {rate:>7.2} {:>9.2}",
            direct * 1e3,
            composed * 1e3,
            fft * 1e3,
            chosen * 1e3
        );
    }
    Ok(())
}

/// A name, the shapes of input and weight, and what is asked.
fn convolutions() -> Vec<(&'static str, Vec<usize>, Vec<usize>, ConvSpec)> {
    let one = || ConvSpec::new(1);
    let two = || ConvSpec::new(2);
    vec![
        ("4x4, 8 x 512 to 512, 4^2", vec![8, 512, 4, 4], vec![512, 512, 4, 4], two()),
        ("1x1, 64 to 128, 56^2", vec![1, 64, 56, 56], vec![128, 64, 1, 1], two()),
        ("1x1, 64 to 128, 56^2, stride 2", vec![1, 64, 56, 56], vec![128, 64, 1, 1], two().stride(&[2, 2])),
        ("3x3, 64 to 64, 56^2", vec![1, 64, 56, 56], vec![64, 64, 3, 3], two().padding(&[1, 1])),
        ("3x3, 256 to 256, 14^2", vec![1, 256, 14, 14], vec![256, 256, 3, 3], two().padding(&[1, 1])),
        (
            "3x3, 64 to 64, 56^2, stride 2",
            vec![1, 64, 56, 56],
            vec![64, 64, 3, 3],
            two().stride(&[2, 2]).padding(&[1, 1]),
        ),
        (
            "3x3, 64 to 64, 56^2, dilation 2",
            vec![1, 64, 56, 56],
            vec![64, 64, 3, 3],
            two().dilation(&[2, 2]).padding(&[2, 2]),
        ),
        (
            "3x3, 64 to 64, 56^2, 2 groups",
            vec![1, 64, 56, 56],
            vec![64, 32, 3, 3],
            two().groups(2).padding(&[1, 1]),
        ),
        (
            "3x3, 128 to 128, 56^2, 32 groups",
            vec![1, 128, 56, 56],
            vec![128, 4, 3, 3],
            two().groups(32).padding(&[1, 1]),
        ),
        (
            "depthwise 3x3, 128, 56^2",
            vec![1, 128, 56, 56],
            vec![128, 1, 3, 3],
            two().groups(128).padding(&[1, 1]),
        ),
        (
            "depthwise 7x7, 96, 56^2",
            vec![1, 96, 56, 56],
            vec![96, 1, 7, 7],
            two().groups(96).padding(&[3, 3]),
        ),
        (
            "7x7, 3 to 64, 112^2, stride 2",
            vec![1, 3, 112, 112],
            vec![64, 3, 7, 7],
            two().stride(&[2, 2]).padding(&[3, 3]),
        ),
        (
            "16x16, 3 to 192, 224^2, stride 16",
            vec![1, 3, 224, 224],
            vec![192, 3, 16, 16],
            two().stride(&[16, 16]),
        ),
        ("9x9, 16 to 16, 64^2", vec![4, 16, 64, 64], vec![16, 16, 9, 9], two().padding(&[4, 4])),
        ("15x15, 32 to 32, 64^2", vec![2, 32, 64, 64], vec![32, 32, 15, 15], two().padding(&[7, 7])),
        ("15x15, 512^2", vec![1, 1, 512, 512], vec![1, 1, 15, 15], two().padding(&[7, 7])),
        ("31x31, 512^2", vec![1, 1, 512, 512], vec![1, 1, 31, 31], two().padding(&[15, 15])),
        (
            "4 taps, causal, depthwise 256",
            vec![4, 256, 1024],
            vec![256, 1, 4],
            one().groups(256).padding_sides(&[[3, 0]]),
        ),
        (
            "4 taps, dilation 8, 64 to 64",
            vec![4, 64, 1024],
            vec![64, 64, 4],
            one().dilation(&[8]).padding_sides(&[[24, 0]]),
        ),
        ("1024 taps, depthwise 16", vec![1, 16, 16384], vec![16, 1, 1024], one().groups(16).padding(&[512])),
        (
            "3x3x3, 16 to 32, 24^3",
            vec![1, 16, 24, 24, 24],
            vec![32, 16, 3, 3, 3],
            ConvSpec::new(3).padding(&[1, 1, 1]),
        ),
        ("gradient of 3x3, 8 x 64 to 64, 32^2", vec![64, 8, 34, 34], vec![64, 8, 32, 32], two()),
        (
            "gradient of 3x3, depthwise 8 x 64, 32^2",
            vec![1, 512, 34, 34],
            vec![64, 8, 32, 32],
            two().groups(64),
        ),
        ("gradient of 4 taps, 4 x 64 to 64, 1024", vec![64, 4, 1027], vec![64, 4, 1024], one()),
    ]
}
