//! Block-circulant products of 4096 x 4096 beside the dense `f32` product by `gemm`.
//!
//! `cargo bench -p fft-benches --bench circulant -- --tables` prints medians and ratios alone.

use std::time::Duration;

use criterion::Criterion;
use fft_benches::{Contestant, dense, measuring, medians, numbers, tables_only};
use fft_core::spectral::BlockCirculantMatrix;
use fft_core::{Device, Result, Tensor};
use fft_cpu::CpuOptions;

const N: usize = 4096;
const BLOCKS: [usize; 2] = [16, 64];
const BATCHES: [usize; 2] = [1, 32];

fn matrix(device: &Device, block: usize) -> Result<BlockCirculantMatrix> {
    let columns = Tensor::from_slice(device, &numbers(N / block * N, 2), &[N / block, N / block, block])?;
    BlockCirculantMatrix::from_first_columns(&columns)
}

fn tables() -> Result<()> {
    let weight = numbers(N * N, 1);
    println!("| blocks of | vectors | threads | dense, ms | W x, ms | ratio | W^T x, ms | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for threads in [1, 2] {
        let device = fft_cpu::device(CpuOptions { threads: Some(threads), memory_limit: None })?;
        for block in BLOCKS {
            let w = matrix(&device, block)?;
            for batch in BATCHES {
                let host = numbers(batch * N, 3);
                let x = Tensor::from_slice(&device, &host, &[batch, N])?;
                let mut outputs = dense::outputs(N, batch);
                let mut contestants =
                    dense::contestants(&weight, &host, &mut outputs, [N, N], batch, threads);
                contestants.push(Contestant::new("W x", || w.apply(&x)));
                contestants.push(Contestant::new("W^T x", || w.apply_transposed(&x)));
                let mut times = Vec::new();
                device.scope(&mut || times = medians(&mut contestants, Duration::from_secs(2)));
                let ms = |t: Duration| t.as_secs_f64() * 1e3;
                let (best, ours, transposed) =
                    (ms(dense::best(&times)), ms(times[dense::LAYOUTS]), ms(times[dense::LAYOUTS + 1]));
                println!(
                    "| {block} | {batch} | {threads} | {best:.3} | {ours:.3} | {:.1} | {transposed:.3} | {:.1} |",
                    best / ours,
                    best / transposed
                );
            }
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    if measuring() {
        tables()?;
    }
    if tables_only() {
        return Ok(());
    }
    let device = fft_cpu::device(CpuOptions { threads: Some(1), memory_limit: None })?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("circulant_4096");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for block in BLOCKS {
        let w = matrix(&device, block)?;
        for batch in BATCHES {
            let x = Tensor::from_slice(&device, &numbers(batch * N, 3), &[batch, N])?;
            group.bench_function(format!("block {block}, {batch} vectors"), |b| b.iter(|| w.apply(&x)));
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
