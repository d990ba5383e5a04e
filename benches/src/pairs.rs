//! Two implementations timed side by side: short samples of both in turn, compared by medians.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// The median times of one call, ours and the peer's.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was timed.
    pub name: String,
    /// Nanoseconds of one call of ours.
    pub ours_ns: f64,
    /// Nanoseconds of one call of the peer's.
    pub peer_ns: f64,
}

impl Comparison {
    /// How many times faster ours is than the peer; below 1 it is slower.
    pub fn ratio(&self) -> f64 {
        self.peer_ns / self.ours_ns
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ours, peer) = (readable(self.ours_ns), readable(self.peer_ns));
        write!(f, "{:<44} {ours:>12} {peer:>12} {:>7.2}", self.name, self.ratio())
    }
}

fn readable(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns => format!("{:.3} ms", ns / 1e6),
    }
}

/// Samples of each side.
const SAMPLES: usize = 41;
/// The least time of a sample, long against the clock's resolution.
const SAMPLE: Duration = Duration::from_micros(500);

fn time(calls: u32, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        f();
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// How many calls a sample needs. Warms up on the way.
fn calls(mut f: impl FnMut()) -> u32 {
    let mut calls = 1;
    while time(calls, &mut f) * (calls as f64) < SAMPLE.as_nanos() as f64 && calls < 1 << 20 {
        calls *= 2;
    }
    calls
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Times two closures in turn and takes the medians. What they return is kept from being optimised away.
pub fn compare<A, B>(
    name: impl Into<String>,
    mut ours: impl FnMut() -> A,
    mut peer: impl FnMut() -> B,
) -> Comparison {
    let mut ours = || drop(black_box(ours()));
    let mut peer = || drop(black_box(peer()));
    let (n, m) = (calls(&mut ours), calls(&mut peer));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for sample in 0..SAMPLES {
        // Each goes first half of the time.
        if sample % 2 == 0 {
            a.push(time(n, &mut ours));
            b.push(time(m, &mut peer));
        } else {
            b.push(time(m, &mut peer));
            a.push(time(n, &mut ours));
        }
    }
    Comparison { name: name.into(), ours_ns: median(a), peer_ns: median(b) }
}

/// Prints comparisons as they are made, under a heading.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Comparison>,
}

impl Table {
    /// Prints the heading.
    pub fn new(title: &str) -> Self {
        println!("\n{title}\n{:<44} {:>12} {:>12} {:>7}", "", "ours", "peer", "ratio");
        Self { rows: Vec::new() }
    }

    /// Prints and keeps a row.
    pub fn add(&mut self, row: Comparison) {
        println!("{row}");
        self.rows.push(row);
    }

    /// The rows so far.
    pub fn rows(&self) -> &[Comparison] {
        &self.rows
    }

    /// The geometric mean of the ratios.
    pub fn mean_ratio(&self) -> f64 {
        let logs: f64 = self.rows.iter().map(|r| r.ratio().ln()).sum();
        (logs / self.rows.len().max(1) as f64).exp()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if !self.rows.is_empty() {
            println!("{:<44} {:>33.2}", "geometric mean", self.mean_ratio());
        }
    }
}

/// Whether a benchmark program was started to measure, not by `cargo test` or to list what it has.
pub fn measuring() -> bool {
    !std::env::args().any(|a| a == "--test" || a == "--list")
}

/// Whether only the tables are wanted: `cargo bench --bench <name> -- --tables`.
pub fn tables_only() -> bool {
    std::env::args().any(|a| a == "--tables")
}

/// Deterministic numbers in -1..1.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}
