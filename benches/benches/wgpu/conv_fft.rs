//! Convolutions by the convolution theorem beside their composition of copies, transforms and products, spectra of kernels kept:
//! `cargo bench -p fft-benches --bench wgpu_conv_fft`. Medians of alternating rounds; both have the tiles that take least time of a few.

use fft_benches::device::seconds;
use fft_core::convolution::{ConvGeometry, ConvSpec};
use fft_core::{Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

const ROUNDS: usize = 9;

fn numbers(device: &Device, shape: &[usize]) -> Result<Tensor> {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| (i * 31 % 1009) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// One convolution: shapes of input and kernel, groups, stride, and tiles of which each side takes its best.
struct Case {
    name: &'static str,
    x: &'static [usize],
    w: &'static [usize],
    groups: usize,
    stride: usize,
    tiles: &'static [usize],
}

const CASES: &[Case] = &[
    Case {
        name: "1 x 1 x 512^2, 15^2 taps",
        x: &[1, 1, 512, 512],
        w: &[1, 1, 15, 15],
        groups: 1,
        stride: 1,
        tiles: &[64, 128, 540],
    },
    Case {
        name: "1 x 1 x 512^2, 31^2 taps",
        x: &[1, 1, 512, 512],
        w: &[1, 1, 31, 31],
        groups: 1,
        stride: 1,
        tiles: &[128, 256, 560],
    },
    Case {
        name: "1 x 1 x 512^2, 31^2 taps, stride 2",
        x: &[1, 1, 512, 512],
        w: &[1, 1, 31, 31],
        groups: 1,
        stride: 2,
        tiles: &[128, 256, 560],
    },
    Case {
        name: "8 x 32 x 128^2 depthwise, 31^2 taps",
        x: &[8, 32, 128, 128],
        w: &[32, 1, 31, 31],
        groups: 32,
        stride: 1,
        tiles: &[96, 160],
    },
    Case {
        name: "4 x 16 -> 16 x 64^2, 11^2 taps",
        x: &[4, 16, 64, 64],
        w: &[16, 16, 11, 11],
        groups: 1,
        stride: 1,
        tiles: &[42, 80],
    },
    Case {
        name: "1 x 1 -> 8 x 256^2, 15^2 taps",
        x: &[1, 1, 256, 256],
        w: &[8, 1, 15, 15],
        groups: 1,
        stride: 1,
        tiles: &[80, 144, 280],
    },
    Case {
        name: "8 x 64 x 4096 depthwise, 512 taps",
        x: &[8, 64, 4096],
        w: &[64, 1, 512],
        groups: 64,
        stride: 1,
        tiles: &[1280, 2048, 4096],
    },
    Case {
        name: "4 x 32 -> 32 x 4096, 128 taps",
        x: &[4, 32, 4096],
        w: &[32, 32, 128],
        groups: 1,
        stride: 1,
        tiles: &[384, 1024],
    },
    Case {
        name: "1 x 2 -> 4 x 48^3, 9^3 taps",
        x: &[1, 2, 48, 48, 48],
        w: &[4, 2, 9, 9, 9],
        groups: 1,
        stride: 1,
        tiles: &[28, 56],
    },
];

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    println!("{}, {}", device.info().name, device.info().driver);
    println!(
        "\n{:<38} {:>5} {:>9} {:>5} {:>12} {:>7}",
        "convolution", "tile", "ms", "tile", "composed ms", "ratio"
    );
    let only = fft_benches::chosen();
    for case in CASES.iter().filter(|c| only.as_ref().is_none_or(|only| c.name.contains(only))) {
        let axes = case.x.len() - 2;
        let (x, w) = (numbers(&device, case.x)?, numbers(&device, case.w)?);
        let spec = ConvSpec::new(axes)
            .padding(&vec![case.w[2] / 2; axes])
            .stride(&vec![case.stride; axes])
            .groups(case.groups);
        let g = ConvGeometry::new("conv", x.shape(), w.shape(), &spec)?;
        let mut best = [(f64::INFINITY, 0); 2];
        for &points in case.tiles {
            let tile = vec![points; axes];
            let (own, composed) =
                (device.conv_spectrum(&w, &g, &tile)?, compose::conv_spectrum(&w, &g, &tile)?);
            let mut times = [Vec::new(), Vec::new()];
            for round in 0..=ROUNDS {
                let taken = [
                    seconds(&device, &|| device.conv_fft(&x, &own, None, &g, &tile))?,
                    seconds(&device, &|| compose::conv_fft(&x, &composed, None, &g, &tile))?,
                ];
                if round > 0 {
                    times.iter_mut().zip(taken).for_each(|(times, taken)| times.push(taken));
                }
            }
            for (best, times) in best.iter_mut().zip(times) {
                let time = median(times);
                if time < best.0 {
                    *best = (time, points);
                }
            }
        }
        let [(own, tile), (composed, other)] = best;
        println!(
            "{:<38} {tile:>5} {:>9.2} {other:>5} {:>12.2} {:>7.2}",
            case.name,
            own * 1e3,
            composed * 1e3,
            composed / own
        );
    }
    Ok(())
}
