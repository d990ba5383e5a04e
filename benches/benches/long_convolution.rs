//! Causal convolutions of whole sequences, fused, beside the same made of tensor operations; and streams beside the sum over taps.
//!
//! The floor of `batch x channels x length` numbers with as many taps: `2 x 5 h log2 h` operations a line for the two complex transforms of `h = length`
//! points, and one pass over input and output. The peer in torch is `benches/peers/long_convolution.py`.

use criterion::{BenchmarkId, Criterion, Throughput};
use fft_benches::pairs::{Table, compare};
use fft_benches::{Contestant, measuring, medians, numbers, tables_only};
use fft_core::convolution::{LongConvPlan, LongConvTerms, LongConvolution};
use fft_core::{Device, Tensor, compose};
use fft_cpu::{CpuOptions, device};

/// Batch, channels, length, taps.
const SIZES: [[usize; 4]; 7] = [
    [8, 256, 4096, 4096],
    [1, 256, 4096, 4096],
    [8, 256, 1024, 1024],
    [2, 64, 65_536, 65_536],
    [8, 256, 4096, 128],
    [1, 1, 1 << 20, 4096],
    [1, 1, 1 << 20, 1 << 20],
];

fn cpu(threads: usize) -> Device {
    device(CpuOptions { threads: Some(threads), memory_limit: None }).expect("the threads start")
}

fn tensor(device: &Device, shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_slice(device, &numbers(shape.iter().product(), seed), shape).expect("it fits")
}

fn whole(device: &Device, threads: usize) {
    for gated in [false, true] {
        let what = if gated { "gated, " } else { "" };
        let title = format!(
            "{what}with skip, {threads} thread(s), peer: the same of tensor operations, kernel transformed each call"
        );
        let mut table = Table::new(&title);
        for [batch, channels, length, taps] in SIZES {
            let u = tensor(device, &[batch, channels, length], 1);
            let gates = [2, 3].map(|seed| tensor(device, &[batch, channels, length], seed));
            let kernel = tensor(device, &[channels, taps], 4);
            let skip = tensor(device, &[channels], 5);
            let (before, after) = (gated.then_some(&gates[0]), gated.then_some(&gates[1]));
            let terms = LongConvTerms { skip: Some(&skip), before, after };
            let plan = LongConvPlan::new(length, taps);
            let name = format!("{batch} x {channels} x {length}, {taps} taps");
            let ours = || u.long_conv(&kernel, terms).expect("valid");
            let peer = || compose::long_conv(&u, &kernel, None, terms, plan).expect("valid");
            table.add(compare(name, ours, peer));
        }
    }
}

/// What a kept spectrum saves.
fn kept(device: &Device, threads: usize) {
    let title = format!("kept spectrum, {threads} thread(s), peer: the kernel transformed each call");
    let mut table = Table::new(&title);
    for [batch, channels, length, taps] in SIZES {
        let u = tensor(device, &[batch, channels, length], 1);
        let kernel = tensor(device, &[channels, taps], 4);
        let kept = LongConvolution::new(kernel.clone(), None).expect("valid");
        let name = format!("{batch} x {channels} x {length}, {taps} taps");
        let ours = || kept.apply(&u).expect("valid");
        table.add(compare(name, ours, || u.long_conv(&kernel, LongConvTerms::default()).expect("valid")));
    }
}

/// The sum over taps for each channel, as a program without a stream writes it: a ring of inputs twice as long, so that the last `taps` of
/// them lie side by side.
struct Sums {
    kernel: Vec<f32>,
    ring: Vec<f32>,
    taps: usize,
    at: usize,
}

impl Sums {
    fn step(&mut self, u: &[f32]) -> Vec<f32> {
        let taps = self.taps;
        let y = u.iter().enumerate().map(|(channel, &x)| {
            let ring = &mut self.ring[channel * 2 * taps..][..2 * taps];
            (ring[self.at], ring[self.at + taps]) = (x, x);
            // The kernel is kept reversed.
            let window = &ring[self.at + 1..][..taps];
            let kernel = &self.kernel[channel * taps..][..taps];
            let mut sums = [0f32; 16];
            for (x, k) in window.chunks_exact(16).zip(kernel.chunks_exact(16)) {
                for i in 0..16 {
                    sums[i] += x[i] * k[i];
                }
            }
            sums.iter().sum()
        });
        let y = y.collect();
        self.at = (self.at + 1) % taps;
        y
    }
}

fn streams(threads: usize) {
    let device = cpu(threads);
    println!(
        "\nstream of 1 x 256 channels, {threads} thread(s), a step; peer: the sum over taps, one thread"
    );
    println!("{:<44} {:>12} {:>12} {:>7}", "taps", "ours", "peer", "ratio");
    let channels = 256;
    for taps in [256, 1024, 4096, 16_384] {
        let kernel = numbers(channels * taps, 1);
        let kept = LongConvolution::new(tensor(&device, &[channels, taps], 1), None).expect("valid");
        let mut stream = kept.stream(1, channels).expect("valid");
        let u = tensor(&device, &[1, channels], 2);
        let input = numbers(channels, 2);
        let mut sums = Sums { kernel, ring: vec![0.0; 2 * channels * taps], taps, at: 0 };
        // Blocks of every length come once in as many steps as there are taps.
        let ours = || (0..taps).for_each(|_| drop(stream.step(&u).expect("valid")));
        let peer = || (0..taps / 16).for_each(|_| drop(sums.step(&input)));
        let mut pair = [Contestant::new("ours", ours), Contestant::new("peer", peer)];
        let times = medians(&mut pair, std::time::Duration::from_millis(300));
        let (ours, peer) = (times[0] / taps as u32, times[1] * 16 / taps as u32);
        let ratio = peer.as_secs_f64() / ours.as_secs_f64();
        println!("{taps:<44} {:>12} {:>12} {ratio:>7.2}", format!("{ours:.2?}"), format!("{peer:.2?}"));
    }
}

fn criterion(c: &mut Criterion) {
    let one = cpu(1);
    let mut group = c.benchmark_group("long_convolution");
    for length in [1024, 4096, 16_384] {
        let (u, kernel) = (tensor(&one, &[1, 64, length], 1), tensor(&one, &[64, length], 2));
        group.throughput(Throughput::Elements(u.len() as u64));
        group.bench_function(BenchmarkId::new("fused", length), |b| {
            b.iter(|| u.long_conv(&kernel, LongConvTerms::default()).expect("valid"));
        });
    }
    group.finish();
}

fn main() {
    if measuring() {
        for threads in [1, 2] {
            let device = cpu(threads);
            device.scope(&mut || {
                whole(&device, threads);
                kept(&device, threads);
            });
        }
        streams(1);
    }
    if !tables_only() {
        let mut c = Criterion::default().configure_from_args();
        criterion(&mut c);
        c.final_summary();
    }
}
