//! What the benchmarks share: contestants measured side by side, in turn, and compared by medians.
//!
//! A machine that others use is slow in spells. Contestants that take turns meet the same spells, so that the ratio of their medians
//! says more than two separate measurements.

pub mod pairs;
pub mod side_by_side;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One of several ways to do the same work.
pub struct Contestant<'a> {
    /// What the table calls it.
    pub name: String,
    /// Does the work once.
    pub run: Box<dyn FnMut() + 'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant; what `run` returns is kept from being optimised away.
    pub fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(move || {
                black_box(run());
            }),
        }
    }
}

/// The median time of one run of each contestant: after a warm-up they take turns for at least `time` in all and 9 rounds; a fast one
/// runs many times in its turn.
pub fn medians(contestants: &mut [Contestant<'_>], time: Duration) -> Vec<Duration> {
    // As many runs a turn as fill a millisecond.
    let repeats: Vec<u32> = contestants
        .iter_mut()
        .map(|c| {
            (c.run)();
            let started = Instant::now();
            (c.run)();
            let once = started.elapsed().as_nanos().max(1);
            (1_000_000 / once).clamp(1, 10_000) as u32
        })
        .collect();
    let mut times = vec![Vec::new(); contestants.len()];
    let started = Instant::now();
    while times[0].len() < 9 || started.elapsed() < time {
        for ((contestant, times), &repeats) in contestants.iter_mut().zip(&mut times).zip(&repeats) {
            let turn = Instant::now();
            for _ in 0..repeats {
                (contestant.run)();
            }
            times.push(turn.elapsed() / repeats);
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect()
}

/// Prints the medians of the contestants and how many times faster than the first each one is, and returns those ratios.
pub fn compare(title: &str, contestants: &mut [Contestant<'_>], time: Duration) -> Vec<f64> {
    let medians = medians(contestants, time);
    let ratios: Vec<f64> = medians.iter().map(|m| medians[0].as_secs_f64() / m.as_secs_f64()).collect();
    println!("{title}");
    for ((contestant, median), ratio) in contestants.iter().zip(&medians).zip(&ratios) {
        println!("  {:<44} {:>12.1} us {:>8.2} x", contestant.name, median.as_secs_f64() * 1e6, ratio);
    }
    ratios
}

/// Numbers in `[-1, 1)` for operands, the same on every run.
pub fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// `y = x W^T` by `gemm`: `x` is `[count, k]`, `w` is `[n, k]`, `y` is `[count, n]`, all row-major.
///
/// # Panics
/// When the lengths do not fit.
pub fn dense_product(x: &[f32], w: &[f32], y: &mut [f32], k: usize, parallelism: gemm::Parallelism) {
    let (count, n) = (x.len() / k, w.len() / k);
    assert!(x.len() == count * k && w.len() == n * k && y.len() == count * n);
    // SAFETY: the three matrices lie within their slices, as just checked, and `y` is borrowed for writing.
    unsafe {
        gemm::gemm(
            count,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            false,
            x.as_ptr(),
            1,
            k as isize,
            w.as_ptr(),
            k as isize,
            1,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}
