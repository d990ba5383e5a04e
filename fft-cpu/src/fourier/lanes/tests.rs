//! Every level that the machine has, beside the definition.

use std::sync::Arc;

use fft_core::conformance::sample::Random;
use fft_core::{Complex64, DType, Direction, reference};

use super::{LanePlan, Lines, OnLanes, RealLanePlan};
use crate::fourier::plans::Precision;
use crate::simd::{Machine, machine};

const LEVELS: [Machine; 3] = [Machine::Baseline, Machine::Avx2, Machine::Avx512];

fn levels() -> impl Iterator<Item = Machine> {
    LEVELS.into_iter().filter(|&level| level <= machine())
}

/// Lengths with every radix first, in the middle and last, beside those that fit and do not fit the first-level cache.
const LENGTHS: [usize; 39] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 21, 22, 24, 25, 26, 27, 30, 32, 48, 49,
    64, 77, 91, 120, 121, 128, 169, 256, 360, 512, 1024,
];

/// How complex numbers lie: `[step, im, across]` for `n` numbers of `lines` lines.
fn manners(n: usize, lines: usize) -> [[usize; 3]; 4] {
    [[2 * lines, 1, 2], [2 * lines, lines, 1], [2, 1, 2 * n + 2], [6, 3, 6 * n + 1]]
}

fn lines<T>(store: &mut [T], [step, im, across]: [usize; 3], im_is_there: bool, lanes: usize) -> Lines<T> {
    let im = im_is_there.then_some(im as isize);
    Lines { at: store.as_mut_ptr(), step: step as isize, im, across: across as isize, lanes }
}

struct Sample<T> {
    store: Vec<T>,
    manner: [usize; 3],
    lanes: usize,
}

impl<T: Precision> Sample<T> {
    fn empty(n: usize, manner: [usize; 3], lanes: usize) -> Self {
        let len = n * manner[0] + manner[1] + lanes * manner[2] + 64;
        Self { store: vec![T::nearest(f64::NAN); len], manner, lanes }
    }

    fn place(&self, line: usize, j: usize) -> usize {
        j * self.manner[0] + line * self.manner[2]
    }

    fn put(&mut self, line: usize, values: &[Complex64]) {
        for (j, z) in values.iter().enumerate() {
            let at = self.place(line, j);
            self.store[at] = T::nearest(z.re);
            if self.manner[1] > 0 {
                self.store[at + self.manner[1]] = T::nearest(z.im);
            }
        }
    }

    fn get(&self, line: usize, n: usize) -> Vec<Complex64> {
        (0..n)
            .map(|j| {
                let at = self.place(line, j);
                Complex64::new(wide(self.store[at]), wide(self.store[at + self.manner[1]]))
            })
            .collect()
    }

    fn lines(&mut self, real: bool) -> Lines<T> {
        lines(&mut self.store, self.manner, !real, self.lanes)
    }
}

fn wide<T: Precision>(x: T) -> f64 {
    if size_of::<T>() == 4 { f64::from(bytemuck::cast::<T, f32>(x)) } else { bytemuck::cast(x) }
}

fn close(what: impl std::fmt::Display, got: &[Complex64], want: &[Complex64], n: usize, epsilon: f64) {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).norm_sqr()).sum();
    let size: f64 = want.iter().map(|w| w.norm_sqr()).sum();
    let limit = epsilon * (n as f64).log2().max(1.0);
    assert!((error / size).sqrt() <= limit, "{what}: {}", (error / size).sqrt());
}

fn complex<T: Precision>(level: Machine, n: usize, dtype: DType) {
    let plan = LanePlan::<T>::new(n, level);
    let mut scratch = vec![T::nearest(f64::NAN); plan.scratch_len(n)];
    let signal = Random::new(n as u64).array(&[plan.lanes(), n], DType::C64).data;
    for lanes in [plan.lanes(), plan.lanes() - 3] {
        for (i, from) in manners(n, lanes).into_iter().enumerate() {
            for (j, to) in manners(n, lanes).into_iter().enumerate() {
                for (direction, have) in
                    [(Direction::Forward, n), (Direction::Inverse, n), (Direction::Forward, n / 2)]
                {
                    let mut src = Sample::<T>::empty(n, from, lanes);
                    let mut dst = Sample::<T>::empty(n, to, lanes);
                    for line in 0..lanes {
                        src.put(line, &signal[line * n..line * n + have]);
                    }
                    let (a, b) = (src.lines(false), dst.lines(false));
                    let inverse = direction == Direction::Inverse;
                    let half = T::nearest(0.5);
                    // SAFETY: the samples have these lines.
                    unsafe { plan.complex(&mut scratch, a, have, b, n, inverse, half, false) };
                    for line in 0..lanes {
                        let mut x = signal[line * n..(line + 1) * n].to_vec();
                        x[have..].fill(Complex64::default());
                        let want: Vec<_> =
                            reference::fast_dft(&x, direction).into_iter().map(|z| z / 2.0).collect();
                        if want.iter().any(|z| z.norm() > 0.0) {
                            let what = format!("{level:?} n {n} {i} to {j} {direction:?} {have} line {line}");
                            close(what, &dst.get(line, n), &want, n, dtype.epsilon());
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn complex_lines_of_any_layout() {
    for level in levels() {
        for n in LENGTHS {
            complex::<f32>(level, n, DType::F32);
            if n <= 128 {
                complex::<f64>(level, n, DType::F64);
            }
        }
    }
}

#[test]
fn real_lines_of_any_layout() {
    for level in levels() {
        for n in LENGTHS.into_iter().filter(|&n| n > 1) {
            real::<f32>(level, n, DType::F32);
        }
    }
}

fn real<T: Precision>(level: Machine, n: usize, dtype: DType) {
    let bins = n / 2 + 1;
    let complex = Arc::new(LanePlan::<T>::new(RealLanePlan::<T>::points(n), level));
    let plan = RealLanePlan::new(n, complex);
    let mut scratch = vec![T::nearest(f64::NAN); plan.scratch_len()];
    let signal = Random::new(n as u64).array(&[plan.lanes(), n], DType::F32).data;
    for lanes in [plan.lanes(), plan.lanes() - 3] {
        for (from, to) in manners(bins, lanes)
            .into_iter()
            .flat_map(|a| [[lanes, 0, 1], [1, 0, n + 3], [2, 0, 2 * n + 1]].map(|b| (a, b)))
        {
            for have in [n, n - 1, n / 2] {
                let what = format!("{level:?} n {n} lanes {lanes} {from:?} and {to:?} have {have}");
                let mut src = Sample::<T>::empty(n, to, lanes);
                let mut dst = Sample::<T>::empty(bins, from, lanes);
                for line in 0..lanes {
                    src.put(line, &signal[line * n..line * n + have]);
                }
                let (a, b) = (src.lines(true), dst.lines(false));
                // SAFETY: the samples have these lines.
                unsafe { plan.forward(&mut scratch, a, have, b, T::nearest(0.5), false) };
                for line in 0..lanes {
                    let mut x = signal[line * n..(line + 1) * n].to_vec();
                    x[have..].fill(Complex64::default());
                    let full = reference::fast_dft(&x, Direction::Forward);
                    let want: Vec<_> = full[..bins].iter().map(|z| z / 2.0).collect();
                    if have > 0 {
                        close(
                            format!("R2C {what} line {line}"),
                            &dst.get(line, bins),
                            &want,
                            n,
                            dtype.epsilon(),
                        );
                    }
                }
                let kept = have.min(bins);
                let mut src = Sample::<T>::empty(bins, from, lanes);
                let mut dst = Sample::<T>::empty(n, to, lanes);
                for line in 0..lanes {
                    src.put(line, &signal[line * n..line * n + kept]);
                    // What does not count.
                    let at = src.place(line, 0) + from[1];
                    src.store[at] = T::nearest(7.0);
                }
                let (a, b) = (src.lines(false), dst.lines(true));
                // SAFETY: the samples have these lines.
                unsafe { plan.inverse(&mut scratch, a, kept, b, T::nearest(0.5), false) };
                for line in 0..lanes {
                    let mut half = signal[line * n..line * n + bins].to_vec();
                    half[kept..].fill(Complex64::default());
                    let full = reference::fast_dft(&reference::hermitian(&half, n), Direction::Inverse);
                    let want: Vec<_> = full.iter().map(|z| Complex64::from(z.re / 2.0)).collect();
                    let got: Vec<_> =
                        (0..n).map(|j| Complex64::from(wide(dst.store[dst.place(line, j)]))).collect();
                    if kept > 0 {
                        close(format!("C2R {what} line {line}"), &got, &want, n, dtype.epsilon());
                    }
                }
            }
        }
    }
}

#[test]
fn lanes_are_those_of_the_level() {
    for level in levels() {
        for lanes in [f32::lanes(level), f64::lanes(level)] {
            assert!(lanes.is_power_of_two() && (4..=16).contains(&lanes));
        }
    }
}

#[test]
fn writing_past_the_caches_writes_the_same() {
    for level in levels() {
        for n in [16, 40, 64, 72] {
            let plan = LanePlan::<f32>::new(n, level);
            let signal = Random::new(n as u64).array(&[plan.lanes() * n], DType::C64).data;
            let mut x: Vec<f32> = signal.iter().flat_map(|z| [z.re as f32, z.im as f32]).collect();
            let mut scratch = vec![f32::NAN; plan.scratch_len(n)];
            let across = (2 * n).next_multiple_of(16);
            let results = [false, true].map(|stream| {
                let mut store = vec![0f32; plan.lanes() * across + 16];
                let from = store.as_ptr().align_offset(64);
                let src = lines(&mut x, [2, 1, 2 * n], true, plan.lanes());
                let dst = lines(&mut store[from..], [2, 1, across], true, plan.lanes());
                // SAFETY: both have these lines, and those of `dst` begin at cache lines.
                unsafe { plan.complex(&mut scratch, src, n, dst, n, false, 1.0, stream) };
                store[from..from + plan.lanes() * across].to_vec()
            });
            assert!(results[0] == results[1] && results[0].iter().any(|&x| x != 0.0), "{level:?} n {n}");
        }
    }
}
