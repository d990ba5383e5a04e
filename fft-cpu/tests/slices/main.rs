//! Transforms of plain slices: the same numbers as those of tensors, and errors where slices do not fit.

mod arrays;
mod lines;
mod refusals;
mod sequences;

use fft_core::{Complex32, Complex64, Device, Norm};

const NORMS: [Norm; 3] = [Norm::Backward, Norm::Ortho, Norm::Forward];

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), ..Default::default() })
        .expect("a processor opens")
}

/// Deterministic numbers in -1..1.
fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

fn complex(n: usize, seed: u64) -> Vec<Complex64> {
    noise(n, seed).into_iter().zip(noise(n, seed + 1)).map(|(re, im)| Complex64::new(re, im)).collect()
}

fn single(x: &[Complex64]) -> Vec<Complex32> {
    x.iter().map(|z| Complex32::new(z.re as f32, z.im as f32)).collect()
}

/// The relative L2 error is at most `bound`.
fn close(what: &str, got: &[Complex64], want: &[Complex64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let error: f64 = got.iter().zip(want).map(|(a, b)| (a - b).norm_sqr()).sum();
    let size: f64 = want.iter().map(|b| b.norm_sqr()).sum();
    assert!((error / size).sqrt() <= bound, "{what}: {:e}", (error / size).sqrt());
}

fn reals(x: &[f64]) -> Vec<Complex64> {
    x.iter().copied().map(Complex64::from).collect()
}

fn bound(n: usize) -> f64 {
    2.0 * f64::EPSILON * (n as f64).log2().max(1.0)
}
