//! Transforms through `Tensor` beside rustfft and realfft called directly.
//!
//! The peer copies its input into an output buffer that it keeps (its transforms destroy their input) and transforms every
//! line with a plan and scratch made beforehand, on one thread. Ours allocates its result, as a user sees it. With `--tables --axes` only the
//! tables of [`fft_axes`] are printed, the sizes of `peers/fft.py`.

mod fft_axes;

use criterion::{BenchmarkId, Criterion, Throughput};
use fft_benches::pairs::{Table, compare};
use fft_benches::{measuring, numbers, tables_only};
use fft_core::{Complex32, Device, Norm, Tensor};
use fft_cpu::{CpuOptions, device};
use realfft::RealFftPlanner;
use rustfft::FftPlanner;

const SIZES: [usize; 8] = [64, 256, 1000, 1024, 4096, 16384, 65536, 65537];

fn cpu(threads: usize) -> Device {
    device(CpuOptions { threads: Some(threads), memory_limit: None }).expect("the threads start")
}

/// Complex lines, and the peer that transforms them.
fn complex(n: usize, lines: usize) -> (Vec<Complex32>, impl FnMut(&[Complex32])) {
    let plan = FftPlanner::new().plan_fft_forward(n);
    let mut scratch = vec![Complex32::default(); plan.get_inplace_scratch_len()];
    let mut out = vec![Complex32::default(); n * lines];
    let data = numbers(2 * n * lines, 1).chunks_exact(2).map(|z| Complex32::new(z[0], z[1])).collect();
    (data, move |data| {
        out.copy_from_slice(data);
        plan.process_with_scratch(&mut out, &mut scratch);
    })
}

/// Real lines, and the peer that transforms them.
fn real(n: usize, lines: usize) -> (Vec<f32>, impl FnMut(&[f32])) {
    let plan = RealFftPlanner::<f32>::new().plan_fft_forward(n);
    let mut scratch = plan.make_scratch_vec();
    let mut line = plan.make_input_vec();
    let mut out = vec![Complex32::default(); (n / 2 + 1) * lines];
    (numbers(n * lines, 2), move |data| {
        for (x, y) in data.chunks_exact(n).zip(out.chunks_exact_mut(n / 2 + 1)) {
            line.copy_from_slice(x);
            plan.process_with_scratch(&mut line, y, &mut scratch).expect("the lengths are the plan's");
        }
    })
}

/// Batches in bytes: what stays in the second-level cache, and what does not.
const BATCHES: [(&str, usize); 2] = [("1 MiB", 1 << 20), ("16 MiB", 1 << 24)];

fn tables() {
    let only_axes = std::env::args().any(|a| a == "--axes");
    for threads in [1, 2] {
        let device = cpu(threads);
        if only_axes {
            device.scope(&mut || fft_axes::tables(&device, threads));
            continue;
        }
        // As a program that transforms often does: on a thread of the device's pool.
        device.scope(&mut || {
            for (name, bytes) in BATCHES {
                complex_lines(&device, threads, name, bytes);
                real_lines(&device, threads, name, bytes);
            }
            single_lines(&device, threads);
            first_axis(&device, threads);
            fft_axes::tables(&device, threads);
        });
    }
}

fn complex_lines(device: &Device, threads: usize, name: &str, bytes: usize) {
    let mut table =
        Table::new(&format!("C2C, {name} of lines, {threads} thread(s), peer: rustfft, one thread"));
    for n in SIZES {
        let lines = (bytes / (8 * n)).max(2);
        let (data, mut peer) = complex(n, lines);
        let x = Tensor::from_slice(device, &data, &[lines, n]).expect("it fits");
        let ours = || x.fft(1, None, Norm::Backward).expect("valid");
        table.add(compare(format!("{lines} x {n}"), ours, || peer(&data)));
    }
}

fn real_lines(device: &Device, threads: usize, name: &str, bytes: usize) {
    let mut table =
        Table::new(&format!("R2C, {name} of lines, {threads} thread(s), peer: realfft, one thread"));
    for n in SIZES {
        let lines = (bytes / (4 * n)).max(2);
        let (data, mut peer) = real(n, lines);
        let x = Tensor::from_slice(device, &data, &[lines, n]).expect("it fits");
        let ours = || x.rfft(1, None, Norm::Backward).expect("valid");
        table.add(compare(format!("{lines} x {n}"), ours, || peer(&data)));
    }
}

fn single_lines(device: &Device, threads: usize) {
    let mut table =
        Table::new(&format!("C2C of single lines, {threads} thread(s), peer: rustfft, one thread"));
    for n in SIZES {
        let (data, mut peer) = complex(n, 1);
        let x = Tensor::from_slice(device, &data, &[n]).expect("it fits");
        let ours = || x.fft(0, None, Norm::Backward).expect("valid");
        table.add(compare(format!("{n}"), ours, || peer(&data)));
    }
}

fn first_axis(device: &Device, threads: usize) {
    let title =
        format!("C2C along the first axis, {threads} thread(s), peer: last axis of rustfft, one thread");
    let mut table = Table::new(&title);
    for n in [64, 256, 1000, 1024, 4096] {
        let lines = (1 << 20) / (8 * n);
        let (data, mut peer) = complex(n, lines);
        let x = Tensor::from_slice(device, &data, &[n, lines]).expect("it fits");
        let ours = || x.fft(0, None, Norm::Backward).expect("valid");
        table.add(compare(format!("{n} x {lines}"), ours, || peer(&data)));
    }
}

fn criterion(c: &mut Criterion) {
    let one = cpu(1);
    let mut group = c.benchmark_group("fft/c2c");
    for n in SIZES {
        let lines = ((1 << 20) / (8 * n)).max(2);
        let (data, mut peer) = complex(n, lines);
        let x = Tensor::from_slice(&one, &data, &[lines, n]).expect("it fits");
        group.throughput(Throughput::Elements((n * lines) as u64));
        group.bench_function(BenchmarkId::new("tensor", n), |b| {
            b.iter(|| x.fft(1, None, Norm::Backward).expect("valid"));
        });
        group.bench_function(BenchmarkId::new("rustfft", n), |b| b.iter(|| peer(&data)));
    }
    group.finish();
    let mut group = c.benchmark_group("fft/r2c");
    for n in SIZES {
        let lines = ((1 << 20) / (4 * n)).max(2);
        let (data, mut peer) = real(n, lines);
        let x = Tensor::from_slice(&one, &data, &[lines, n]).expect("it fits");
        group.throughput(Throughput::Elements((n * lines) as u64));
        group.bench_function(BenchmarkId::new("tensor", n), |b| {
            b.iter(|| x.rfft(1, None, Norm::Backward).expect("valid"));
        });
        group.bench_function(BenchmarkId::new("realfft", n), |b| b.iter(|| peer(&data)));
    }
    group.finish();
}

fn main() {
    if measuring() {
        tables();
    }
    if !tables_only() {
        let mut c = Criterion::default().configure_from_args();
        criterion(&mut c);
        c.final_summary();
    }
}
