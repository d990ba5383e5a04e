//! Rotated quantised products of a small Llama's layer sizes, and of 4096 x 4096, beside the dense `f32` product by `gemm`, one thread.
//!
//! Run `cargo bench -p fft-benches --bench rotated`, with `--features peers` to have candle's `Q4_0` and `Q8_0` beside them. Criterion's
//! times come first; the tables interleave the contestants.

use std::time::Duration;

use criterion::Criterion;
use fft_benches::{Contestant, compare, dense_product, numbers};
use fft_core::Tensor;
use fft_core::spectral::{Bits, RotatedMatrix, RotatedOptions};
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

fn main() -> Result<(), Failure> {
    let device = fft_cpu::device(CpuOptions { threads: Some(1), memory_limit: None })?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rotated");
    group.sample_size(20).measurement_time(Duration::from_secs(1));
    for (rows, cols, count) in SIZES {
        let dense = numbers(rows * cols, 1);
        let host = numbers(count * cols, 2);
        let w = Tensor::from_slice(&device, &dense, &[rows, cols])?;
        let x = Tensor::from_slice(&device, &host, &[count, cols])?;
        let four = RotatedMatrix::from_dense(&w, &RotatedOptions::new(Bits::Four))?;
        let eight = RotatedMatrix::from_dense(&w, &RotatedOptions::new(Bits::Eight))?;
        let name = format!("{rows} x {cols}, {count} vectors");
        group.bench_function(format!("4 bits, {name}"), |b| b.iter(|| four.apply(&x)));
        let mut y = vec![0.0f32; count * rows];
        let contestants = vec![
            Contestant::new("dense f32, gemm", || {
                dense_product(&host, &dense, &mut y, cols, gemm::Parallelism::None)
            }),
            Contestant::new("rotated 4 bits", || four.apply(&x)),
            Contestant::new("rotated 8 bits", || eight.apply(&x)),
        ];
        #[cfg(feature = "peers")]
        let contestants = {
            use candle_core::quantized::GgmlDType;
            let mut contestants = contestants;
            contestants.push(candle("candle Q4_0", GgmlDType::Q4_0, &dense, &host, [rows, cols])?);
            contestants.push(candle("candle Q8_0", GgmlDType::Q8_0, &dense, &host, [rows, cols])?);
            contestants
        };
        let mut contestants = contestants;
        compare(&format!("{name}, one thread"), &mut contestants, Duration::from_secs(1));
    }
    group.finish();
    Ok(())
}
