//! Rotated quantised products of a small Llama's layer sizes, and of 4096 x 4096, beside the dense `f32` product by `gemm`, one thread.
//!
//! `cargo bench -p fft-benches --bench rotated -- --tables` prints medians alone; with `--features peers` candle's `Q4_0` and `Q8_0` stand beside.

use std::time::Duration;

use criterion::Criterion;
use fft_benches::{Contestant, dense, measuring, medians, numbers, tables_only};
use fft_core::spectral::{Bits, RotatedMatrix, RotatedOptions};
use fft_core::{Device, Tensor};
use fft_cpu::CpuOptions;

/// Rows, columns, vectors.
const SIZES: [(usize, usize, usize); 8] = [
    (192, 192, 1),
    (64, 192, 1),
    (512, 192, 1),
    (192, 512, 1),
    (2048, 192, 1),
    (512, 192, 32),
    (4096, 4096, 1),
    (4096, 4096, 32),
];

type Failure = Box<dyn std::error::Error>;

#[cfg(feature = "peers")]
fn candle<'a>(
    name: &str,
    dtype: candle_core::quantized::GgmlDType,
    w: &[f32],
    x: &[f32],
    [rows, cols]: [usize; 2],
) -> Result<Contestant<'a>, Failure> {
    use candle_core::quantized::{QMatMul, QTensor};
    use candle_core::{Device, Module, Tensor};
    let w = Tensor::from_slice(w, (rows, cols), &Device::Cpu)?;
    let w = QMatMul::from_qtensor(QTensor::quantize(&w, dtype)?)?;
    let x = Tensor::from_slice(x, (x.len() / cols, cols), &Device::Cpu)?;
    Ok(Contestant::new(name, move || w.forward(&x)))
}

fn codecs(device: &Device, w: &[f32], shape: [usize; 2]) -> Result<[RotatedMatrix; 2], Failure> {
    let w = Tensor::from_slice(device, w, &shape)?;
    let code = |bits| RotatedMatrix::from_dense(&w, &RotatedOptions::new(bits));
    Ok([code(Bits::Four)?, code(Bits::Eight)?])
}

fn tables(device: &Device) -> Result<(), Failure> {
    for (rows, cols, count) in SIZES {
        let (weight, host) = (numbers(rows * cols, 1), numbers(count * cols, 2));
        let x = Tensor::from_slice(device, &host, &[count, cols])?;
        let [four, eight] = codecs(device, &weight, [rows, cols])?;
        let mut outputs = dense::outputs(rows, count);
        let mut contestants = dense::contestants(&weight, &host, &mut outputs, [rows, cols], count, 1);
        contestants.push(Contestant::new("rotated 4 bits", || four.apply(&x)));
        contestants.push(Contestant::new("rotated 8 bits", || eight.apply(&x)));
        #[cfg(feature = "peers")]
        {
            use candle_core::quantized::GgmlDType;
            contestants.push(candle("candle Q4_0", GgmlDType::Q4_0, &weight, &host, [rows, cols])?);
            contestants.push(candle("candle Q8_0", GgmlDType::Q8_0, &weight, &host, [rows, cols])?);
        }
        let times = medians(&mut contestants, Duration::from_secs(1));
        let best = dense::best(&times);
        println!("{rows} x {cols}, {count} vectors, one thread\n  {:<20} {best:>12.2?}", "dense f32, gemm");
        for (contestant, time) in contestants.iter().zip(&times).skip(dense::LAYOUTS) {
            let ratio = best.as_secs_f64() / time.as_secs_f64();
            println!("  {:<20} {time:>12.2?} {ratio:>8.2} x", contestant.name);
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let device = fft_cpu::device(CpuOptions { threads: Some(1), memory_limit: None })?;
    if measuring() {
        tables(&device)?;
    }
    if tables_only() {
        return Ok(());
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rotated");
    group.sample_size(20).measurement_time(Duration::from_secs(1));
    for (rows, cols, count) in SIZES {
        let x = Tensor::from_slice(&device, &numbers(count * cols, 2), &[count, cols])?;
        let [four, _] = codecs(&device, &numbers(rows * cols, 1), [rows, cols])?;
        let name = format!("4 bits, {rows} x {cols}, {count} vectors");
        group.bench_function(name, |b| b.iter(|| four.apply(&x)));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
