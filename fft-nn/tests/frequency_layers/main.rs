//! Convolutional, spectral and complex layers against their formulas, summed term by term in double precision.

mod attention;
mod complex;
mod convolutions;
mod every_layer;
mod fnet;
mod fourier;
mod regularisation;
mod relations;

use std::sync::OnceLock;

use fft_core::{Complex64, DType, Device, Element, Tensor};
use fft_nn::autograd::Var;
use fft_nn::layers::Scope;
use fft_nn::random::Random;

/// Sums of some hundred terms of order 1 in double precision, in another order.
const BOUND: f64 = 1e-12;

/// The one device of the tests.
fn cpu() -> Device {
    static CPU: OnceLock<Device> = OnceLock::new();
    let open = || fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), memory_limit: None });
    CPU.get_or_init(|| open().unwrap()).clone()
}

/// A scope of double precision.
fn scope() -> Scope {
    Scope::new(&cpu(), DType::F64, 7).unwrap().at("layer")
}

/// Standard normal numbers.
fn normal(count: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.normal()).collect()
}

/// A constant of standard normal numbers.
fn real(shape: &[usize], seed: u64) -> Var {
    constant(&normal(shape.iter().product(), seed), shape)
}

/// A constant of complex normal numbers.
fn complex(shape: &[usize], seed: u64) -> Var {
    let parts = normal(2 * shape.iter().product::<usize>(), seed);
    let values: Vec<Complex64> = parts.chunks(2).map(|p| Complex64::new(p[0], p[1])).collect();
    constant(&values, shape)
}

fn constant<T: Element>(values: &[T], shape: &[usize]) -> Var {
    Var::constant(Tensor::from_slice(&cpu(), values, shape).unwrap())
}

fn values(x: &Var) -> Vec<f64> {
    x.value().to_vec().unwrap()
}

fn numbers(x: &Var) -> Vec<Complex64> {
    x.value().to_dtype(DType::C128).unwrap().to_vec().unwrap()
}

/// Compares relative to the norm of what is expected.
#[track_caller]
fn close(found: &Var, expected: &[Complex64]) {
    let found = numbers(found);
    assert_eq!(found.len(), expected.len());
    let square = |z: Complex64| z.norm_sqr();
    let off: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let size: f64 = expected.iter().copied().map(square).sum();
    assert!(size > 0.0 && off.sqrt() <= BOUND * size.sqrt(), "{:e}", (off / size).sqrt());
}

#[track_caller]
fn close_real(found: &Var, expected: &[f64]) {
    assert!(!found.dtype().is_complex());
    close(found, &expected.iter().map(|&x| x.into()).collect::<Vec<_>>());
}

/// `e^(2 pi i turns)`.
fn turn(turns: f64) -> Complex64 {
    Complex64::from_polar(1.0, std::f64::consts::TAU * turns)
}

/// All index tuples of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &len in shape {
        all = all.iter().flat_map(|i| (0..len).map(move |k| [&i[..], &[k]].concat())).collect();
    }
    all
}
