//! Operations of networks along rows beside their compositions and beside a copy kernel:
//! `cargo bench -p fft-benches --bench wgpu_network`.
//!
//! Rounds alternate between the three; the median of each counts. GB/s counts what an operation must read and write once. An argument keeps
//! to operations whose names contain it.

use std::time::Instant;

use fft_core::{DType, Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

const ROUNDS: usize = 7;
const SHAPES: [[usize; 2]; 4] = [[4096, 1024], [2048, 4096], [512, 32_000], [65_536, 64]];

fn seconds(device: &Device, work: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
    device.synchronize()?;
    let start = Instant::now();
    work()?;
    device.synchronize()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What operations take, for one shape.
struct Operands {
    x: Tensor,
    grad: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    log_sum_exp: Tensor,
    each: Tensor,
    mean: Tensor,
    square: Tensor,
}

impl Operands {
    fn new(device: &Device, [rows, n]: [usize; 2]) -> Result<Self> {
        let numbers = |len: usize, step: usize| -> Vec<f32> {
            (0..len).map(|i| (i * step % 1009) as f32 * 0.002 - 1.0).collect()
        };
        let matrix = |step| Tensor::from_slice(device, &numbers(rows * n, step), &[rows, n]);
        let vector = |len, step| Tensor::from_slice(device, &numbers(len, step), &[len]);
        let targets: Vec<u32> = (0..rows).map(|i| (i * 31 % n) as u32).collect();
        Ok(Self {
            x: matrix(7)?,
            grad: matrix(11)?,
            weight: vector(n, 3)?,
            bias: vector(n, 5)?,
            targets: Tensor::from_slice(device, &targets, &[rows])?,
            log_sum_exp: vector(rows, 13)?,
            each: vector(rows, 17)?,
            mean: matrix(19)?,
            square: Tensor::full(device, &[rows, n], DType::F32, 0.5)?,
        })
    }
}

type Work = fn(&mut Operands) -> Result<()>;

/// Name, matrices read and written, the kernel, the composition.
const OPERATIONS: &[(&str, usize, Work, Work)] = &[
    ("softmax", 2, |o| o.x.softmax(1).map(drop), |o| compose::softmax(&o.x, 1).map(drop)),
    (
        "softmax_backward",
        3,
        |o| o.x.softmax_backward(&o.grad, 1).map(drop),
        |o| compose::softmax_backward(&o.x, &o.grad, 1).map(drop),
    ),
    ("log_softmax", 2, |o| o.x.log_softmax(1).map(drop), |o| compose::log_softmax(&o.x, 1).map(drop)),
    (
        "rms_norm",
        2,
        |o| o.x.rms_norm(&o.weight, 1e-5).map(drop),
        |o| compose::rms_norm(&o.x, &o.weight, 1e-5).map(drop),
    ),
    (
        "rms_norm_backward",
        3,
        |o| o.x.rms_norm_backward(&o.weight, &o.grad, 1e-5).map(drop),
        |o| compose::rms_norm_backward(&o.x, &o.weight, &o.grad, 1e-5).map(drop),
    ),
    (
        "layer_norm",
        2,
        |o| o.x.layer_norm(&o.weight, &o.bias, 1e-5).map(drop),
        |o| compose::layer_norm(&o.x, &o.weight, &o.bias, 1e-5).map(drop),
    ),
    (
        "layer_norm_backward",
        3,
        |o| o.x.layer_norm_backward(&o.weight, &o.grad, 1e-5).map(drop),
        |o| compose::layer_norm_backward(&o.x, &o.weight, &o.grad, 1e-5).map(drop),
    ),
    (
        "cross_entropy",
        1,
        |o| o.x.cross_entropy(&o.targets).map(drop),
        |o| compose::cross_entropy(&o.x, &o.targets).map(drop),
    ),
    (
        "cross_entropy_backward",
        2,
        |o| o.x.cross_entropy_backward(&o.targets, &o.log_sum_exp, &o.each).map(drop),
        |o| compose::cross_entropy_backward(&o.x, &o.targets, &o.log_sum_exp, &o.each).map(drop),
    ),
    ("silu_mul", 3, |o| o.x.silu_mul(&o.grad).map(drop), |o| compose::silu_mul(&o.x, &o.grad).map(drop)),
    (
        "silu_mul_backward",
        5,
        |o| o.x.silu_mul_backward(&o.grad, &o.mean).map(drop),
        |o| compose::silu_mul_backward(&o.x, &o.grad, &o.mean).map(drop),
    ),
    (
        "adamw_step",
        7,
        |o| o.x.adamw_step(&o.grad, &mut o.mean, &mut o.square, &Default::default()),
        |o| compose::adamw_step(&mut o.x, &o.grad, &mut o.mean, &mut o.square, &Default::default()),
    ),
    ("sum_of_squares", 1, |o| o.x.sum_of_squares().map(drop), |o| compose::sum_of_squares(&o.x).map(drop)),
];

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    let wanted = fft_benches::chosen().unwrap_or_default();
    println!("{} ({})", device.info().name, device.info().driver);
    println!(
        "{:>23} {:>14} {:>9} {:>12} {:>7} {:>8} {:>10}",
        "operation", "shape", "ms", "composed ms", "times", "GB/s", "copy GB/s"
    );
    for shape in SHAPES {
        let [rows, n] = shape;
        // A step of 1 with another offset, so that the copy runs as a kernel.
        let longer = Tensor::zeros(&device, &[rows * n + 1], DType::F32)?;
        let shifted = longer.narrow(0, 1, rows * n)?;
        for &(name, moved, fused, composed) in OPERATIONS.iter().filter(|o| o.0.contains(&wanted)) {
            let mut operands = Operands::new(&device, shape)?;
            let mut times = [const { Vec::new() }; 3];
            for round in 0..=ROUNDS {
                let each = [
                    seconds(&device, &mut || fused(&mut operands))?,
                    seconds(&device, &mut || composed(&mut operands))?,
                    seconds(&device, &mut || shifted.affine(1.0, 0.0).map(drop))?,
                ];
                // The first round compiles.
                if round > 0 {
                    times.iter_mut().zip(each).for_each(|(times, each)| times.push(each));
                }
            }
            let [fused, composed, copy] = times.map(median);
            let rate = |matrices: usize, seconds: f64| (matrices * rows * n * 4) as f64 / seconds * 1e-9;
            println!(
                "{name:>23} {:>14} {:>9.2} {:>12.2} {:>7.1} {:>8.2} {:>10.2}",
                format!("{rows} x {n}"),
                fused * 1e3,
                composed * 1e3,
                composed / fused,
                rate(moved, fused),
                rate(2, copy)
            );
        }
    }
    Ok(())
}
