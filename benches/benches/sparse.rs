//! The product with sparse spectral matrices of 4096 x 4096 beside the dense `f32` product by `gemm`.
//!
//! `cargo bench -p fft-benches --bench sparse -- --tables` prints medians and ratios alone, with one thread and with two.

use criterion::Criterion;
use fft_benches::{Contestant, dense, measuring, medians, numbers, tables_only};
use fft_core::spectral::{SparseOptions, SparseSpectralMatrix, ValueFormat};
use fft_core::{Device, Tensor};
use std::hint::black_box;
use std::time::Duration;

const N: usize = 4096;
const FORMATS: [ValueFormat; 3] = [ValueFormat::F32, ValueFormat::F16, ValueFormat::Log8];
const DENSITIES: [f64; 2] = [0.05, 0.01];

fn cpu(threads: usize) -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(threads), memory_limit: None })
        .expect("the processor is there")
}

struct Setup {
    dense: Vec<f32>,
    /// By density, then format; on a device of one thread and on one of two.
    matrices: Vec<(f64, ValueFormat, [SparseSpectralMatrix; 2])>,
}

fn setup() -> Setup {
    let dense = numbers(N * N, 1);
    let devices = [cpu(1), cpu(2)];
    let mut matrices = Vec::new();
    for density in DENSITIES {
        for format in FORMATS {
            let on = devices.each_ref().map(|device| {
                let w = Tensor::from_slice(device, &dense, &[N, N]).expect("enough memory");
                let options = SparseOptions::density(density).with_values(format);
                SparseSpectralMatrix::from_dense(&w, &options).expect("valid options")
            });
            matrices.push((density, format, on));
        }
    }
    Setup { dense, matrices }
}

fn table(setup: &Setup) {
    println!("| vectors | threads | product | density | bytes a coefficient | ms | times faster than gemm |");
    println!("|---|---|---|---|---|---|---|");
    for batch in [1, 32] {
        let input = numbers(N * batch, 2);
        let mut by_threads = Vec::new();
        for threads in [1, 2] {
            let mut outputs = dense::outputs(N, batch);
            let mut contestants =
                dense::contestants(&setup.dense, &input, &mut outputs, [N, N], batch, threads);
            for (_, _, on) in &setup.matrices {
                let w = &on[threads - 1];
                let x = Tensor::from_slice(w.device(), &input, &[batch, N]).expect("enough memory");
                let transposed = x.clone();
                contestants.push(Contestant::new("W x", move || w.apply(&x).expect("valid input")));
                contestants.push(Contestant::new("W^T x", move || {
                    w.apply_transposed(&transposed).expect("valid input")
                }));
            }
            // As a program that multiplies often does: on a thread of the pool, for all contestants.
            let device = setup.matrices[0].2[threads - 1].device();
            let mut times = Vec::new();
            device.scope(&mut || times = medians(&mut contestants, Duration::from_secs(6)));
            let best = dense::best(&times).as_secs_f64();
            let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
            println!("| {batch} | {threads} | dense, gemm | 100% | | {:.3} | 1.0 |", best * 1e3);
            for (i, (density, format, on)) in setup.matrices.iter().enumerate() {
                let per = on[0].bytes() as f64 / on[0].count() as f64;
                for (k, name) in ["W x", "W^T x"].into_iter().enumerate() {
                    let s = seconds[dense::LAYOUTS + 2 * i + k];
                    println!(
                        "| {batch} | {threads} | {name}, {} | {}% | {per:.2} | {:.3} | {:.1} |",
                        format.name(),
                        density * 100.0,
                        s * 1e3,
                        best / s
                    );
                }
            }
            by_threads.push(seconds);
        }
        for (i, (density, format, _)) in setup.matrices.iter().enumerate() {
            let ratio = |k: usize| {
                by_threads[0][dense::LAYOUTS + 2 * i + k] / by_threads[1][dense::LAYOUTS + 2 * i + k]
            };
            println!(
                "two threads, {batch} vectors, {} at {}%: W x {:.2} times one, W^T x {:.2} times one",
                format.name(),
                density * 100.0,
                ratio(0),
                ratio(1)
            );
        }
    }
}

/// What the planner's cost model is made of, in nanoseconds on one thread.
fn costs(setup: &Setup) {
    println!("batches at which streaming overtakes the exact product, one thread:");
    let device = cpu(1);
    let w = Tensor::from_slice(&device, &setup.dense, &[N, N]).expect("enough memory");
    for density in [0.05, 0.3] {
        let w =
            SparseSpectralMatrix::from_dense(&w, &SparseOptions::density(density)).expect("valid options");
        for batch in [1, 32, 256] {
            let x = Tensor::from_slice(&device, &numbers(N * batch, 2), &[batch, N]).expect("enough memory");
            let times = medians(
                &mut [
                    Contestant::new("exact", || {
                        device.sparse_spectral_product(&w, &x, false).expect("valid input")
                    }),
                    Contestant::new("streaming", || w.block_streaming_matmul(&x, 512).expect("valid input")),
                ],
                Duration::from_millis(500),
            );
            println!(
                "density {density}, {batch} vectors: exact {:.2} ms, streaming {:.2} ms; plan: {}",
                times[0].as_secs_f64() * 1e3,
                times[1].as_secs_f64() * 1e3,
                w.plan(batch).explain()
            );
        }
    }
}

fn groups(criterion: &mut Criterion, setup: &Setup) {
    for batch in [1, 32] {
        let mut group = criterion.benchmark_group(format!("product with {batch} vectors, one thread"));
        group.sample_size(20);
        let input = numbers(N * batch, 2);
        let mut y = vec![0.0; N * batch];
        group.bench_function("dense, gemm", |b| {
            b.iter(|| dense::product(&setup.dense, &input, black_box(&mut y), [N, N], batch, 0, 1));
        });
        for (density, format, on) in &setup.matrices {
            let x = Tensor::from_slice(on[0].device(), &input, &[batch, N]).expect("enough memory");
            group.bench_function(format!("{} at {}%", format.name(), density * 100.0), |b| {
                b.iter(|| on[0].apply(black_box(&x)).expect("valid input"));
            });
        }
        group.finish();
    }
}

fn main() {
    let setup = setup();
    if measuring() {
        table(&setup);
        costs(&setup);
    }
    if !tables_only() {
        let mut criterion = Criterion::default().configure_from_args();
        groups(&mut criterion, &setup);
        criterion.final_summary();
    }
}
