//! The product with sparse spectral matrices of 4096 x 4096 beside the dense `f32` product by `gemm`.
//!
//! `cargo bench -p fft-benches --bench sparse` prints a table of medians and ratios, with one thread and with two, then runs the
//! criterion groups. With `FFT_BENCH=table` in the environment only the table is made.

use criterion::Criterion;
use fft_benches::side_by_side::{Contestant, medians};
use fft_core::spectral::{SparseOptions, SparseSpectralMatrix, ValueFormat};
use fft_core::{Device, Tensor};
use std::hint::black_box;

const N: usize = 4096;
const FORMATS: [ValueFormat; 3] = [ValueFormat::F32, ValueFormat::F16, ValueFormat::Log8];
const DENSITIES: [f64; 2] = [0.05, 0.01];

fn cpu(threads: usize) -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(threads), memory_limit: None })
        .expect("the processor is there")
}

/// Deterministic numbers in -1..1.
fn noise(n: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32
        })
        .collect()
}

/// The dense product of `batch` vectors, in a layout of the weight and of the vectors.
fn gemm_product(w: &[f32], x: &[f32], y: &mut [f32], batch: usize, layout: usize, threads: usize) {
    assert!(w.len() == N * N && x.len() == N * batch && y.len() == N * batch);
    let (n, b) = (N as isize, batch as isize);
    // Rows or columns of the weight contiguous; vectors contiguous, or side by side.
    let (w_row, w_column) = if layout & 1 == 0 { (n, 1) } else { (1, n) };
    let (vector, across) = if layout & 2 == 0 { (1, n) } else { (b, 1) };
    let parallelism = if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
    // SAFETY: the slices have the lengths that the strides reach, checked above.
    unsafe {
        gemm::gemm(
            N,
            batch,
            N,
            y.as_mut_ptr(),
            across,
            vector,
            false,
            w.as_ptr(),
            w_column,
            w_row,
            x.as_ptr(),
            across,
            vector,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

struct Setup {
    dense: Vec<f32>,
    /// By density, then format; on a device of one thread and on one of two.
    matrices: Vec<(f64, ValueFormat, [SparseSpectralMatrix; 2])>,
}

fn setup() -> Setup {
    let dense = noise(N * N);
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
        let input = noise(N * batch);
        let mut by_threads = Vec::new();
        for threads in [1, 2] {
            let mut outputs = vec![vec![0.0f32; N * batch]; 4];
            let mut contestants = Vec::new();
            for (layout, y) in outputs.iter_mut().enumerate() {
                let (w, x) = (&setup.dense, &input);
                contestants.push(Contestant::new(format!("gemm {layout}"), move || {
                    gemm_product(w, x, y, batch, layout, threads);
                    black_box(&y);
                }));
            }
            for (_, _, on) in &setup.matrices {
                let w = &on[threads - 1];
                let x = Tensor::from_slice(w.device(), &input, &[batch, N]).expect("enough memory");
                let transposed = x.clone();
                contestants.push(Contestant::new("W x", move || {
                    black_box(w.apply(&x).expect("valid input"));
                }));
                contestants.push(Contestant::new("W^T x", move || {
                    black_box(w.apply_transposed(&transposed).expect("valid input"));
                }));
            }
            // As a program that multiplies often does: on a thread of the pool, for all contestants.
            let device = setup.matrices[0].2[threads - 1].device();
            let mut seconds = Vec::new();
            device.scope(&mut || seconds = medians(12, &mut contestants));
            let best = seconds[..4].iter().copied().fold(f64::INFINITY, f64::min);
            println!("| {batch} | {threads} | dense, gemm | 100% | | {:.3} | 1.0 |", best * 1e3);
            for (i, (density, format, on)) in setup.matrices.iter().enumerate() {
                let per = on[0].bytes() as f64 / on[0].count() as f64;
                for (k, name) in ["W x", "W^T x"].into_iter().enumerate() {
                    let s = seconds[4 + 2 * i + k];
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
            let ratio = |k: usize| by_threads[0][4 + 2 * i + k] / by_threads[1][4 + 2 * i + k];
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
            let x = Tensor::from_slice(&device, &noise(N * batch), &[batch, N]).expect("enough memory");
            let seconds = medians(
                1,
                &mut [
                    Contestant::new("exact", || {
                        black_box(device.sparse_spectral_product(&w, &x, false).expect("valid input"));
                    }),
                    Contestant::new("streaming", || {
                        black_box(w.block_streaming_matmul(&x, 512).expect("valid input"));
                    }),
                ],
            );
            println!(
                "density {density}, {batch} vectors: exact {:.2} ms, streaming {:.2} ms; plan: {}",
                seconds[0] * 1e3,
                seconds[1] * 1e3,
                w.plan(batch).explain()
            );
        }
    }
}

fn groups(criterion: &mut Criterion, setup: &Setup) {
    for batch in [1, 32] {
        let mut group = criterion.benchmark_group(format!("product with {batch} vectors, one thread"));
        group.sample_size(20);
        let input = noise(N * batch);
        let mut y = vec![0.0; N * batch];
        group.bench_function("dense, gemm", |b| {
            b.iter(|| gemm_product(&setup.dense, &input, black_box(&mut y), batch, 0, 1));
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
    table(&setup);
    costs(&setup);
    if std::env::var("FFT_BENCH").as_deref() != Ok("table") {
        let mut criterion = Criterion::default().configure_from_args();
        groups(&mut criterion, &setup);
        criterion.final_summary();
    }
}
