//! Block-circulant products of 4096 x 4096 beside the dense `f32` product by `gemm`, one thread.
//!
//! Run `cargo bench -p fft-benches --bench circulant`. Criterion's times come first; the table at the end interleaves the contestants.

use std::time::Duration;

use criterion::Criterion;
use fft_benches::{Contestant, compare, dense_product, numbers};
use fft_core::Tensor;
use fft_core::spectral::BlockCirculantMatrix;
use fft_cpu::CpuOptions;

const N: usize = 4096;
/// Blocks, vectors, and how many times faster than dense the product is to be.
const TARGETS: [(usize, usize, f64); 4] = [(16, 1, 5.0), (16, 32, 4.0), (64, 1, 12.0), (64, 32, 10.0)];

fn main() -> fft_core::Result<()> {
    let device = fft_cpu::device(CpuOptions { threads: Some(1), memory_limit: None })?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("circulant_4096");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    let dense = numbers(N * N, 1);
    let mut lines = Vec::new();
    for (block, count, target) in TARGETS {
        let columns =
            Tensor::from_slice(&device, &numbers(N / block * N, 2), &[N / block, N / block, block])?;
        let w = BlockCirculantMatrix::from_first_columns(&columns)?;
        let host = numbers(count * N, 3);
        let x = Tensor::from_slice(&device, &host, &[count, N])?;
        group.bench_function(format!("block {block}, {count} vectors"), |b| b.iter(|| w.apply(&x)));
        let mut y = vec![0.0f32; count * N];
        let mut contestants = [
            Contestant::new("dense f32, gemm", || {
                dense_product(&host, &dense, &mut y, N, gemm::Parallelism::None)
            }),
            Contestant::new(format!("block circulant, blocks of {block}"), || w.apply(&x)),
            Contestant::new(format!("transposed, blocks of {block}"), || w.apply_transposed(&x)),
        ];
        let title = format!("4096 x 4096, {count} vector(s), one thread");
        let ratios = compare(&title, &mut contestants, Duration::from_secs(3));
        lines.push(format!(
            "blocks of {block}, {count} vector(s): {:.1} x dense (target {target} x)",
            ratios[1]
        ));
    }
    group.finish();
    println!("{}", lines.join("\n"));
    Ok(())
}
