//! A Fourier neural operator learns what Burgers' equation does to a function, on 64 points, and does it on 128.
//!
//! `u_t + u u_x = nu u_xx` on a circle, from `u(x, 0)` to `u(x, 1/2)`: data come from a pseudo-spectral solver.
//! Run: `cargo run --release --example operator_learning`

use clap::Parser;
use fft_tensor::convolution::ConvSpec;
use fft_tensor::nn::autograd::{Var, no_grad};
use fft_tensor::nn::layers::{Activation, Conv1d, Layer, Scope, SpectralConv1d};
use fft_tensor::nn::random::Random;
use fft_tensor::{Complex32, Device, Norm, Result, Tensor};

#[path = "common/mod.rs"]
mod common;

/// Learn the solution operator of Burgers' equation with spectral convolutions.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Steps of training.
    #[arg(long, default_value_t = 400)]
    pub(crate) steps: usize,
    /// Seed of functions and first weights.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Relative L2 errors on functions that training did not see.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Of the untouched input, as an answer.
    pub(crate) identity: f32,
    /// On as many points as in training.
    pub(crate) coarse: f32,
    /// On twice as many.
    pub(crate) fine: f32,
}

const POINTS: usize = 64;
const TRAIN: usize = 256;
const TEST: usize = 64;
const BATCH: usize = 32;
const WIDTH: usize = 24;
const MODES: usize = 16;
const VISCOSITY: f64 = 0.02;
const TIME: f64 = 0.5;

/// Random smooth functions on `n` points: frequencies up to 5, the higher the smaller.
fn functions(device: &Device, count: usize, n: usize, random: &mut Random) -> Result<Tensor> {
    let mut values = Vec::with_capacity(count * n);
    for _ in 0..count {
        let waves: Vec<(f64, f64)> = (0..5).map(|_| (random.normal(), random.normal())).collect();
        values.extend((0..n).map(|i| {
            let wave = |(k, (a, b)): (usize, &(f64, f64))| {
                let (sin, cos) = (std::f64::consts::TAU * ((k + 1) * i) as f64 / n as f64).sin_cos();
                (a * cos + b * sin) * 0.5 / (k + 1) as f64
            };
            waves.iter().enumerate().map(wave).sum::<f64>() as f32
        }));
    }
    Tensor::from_slice(device, &values, &[count, n])
}

/// Burgers' equation for each row of `u`: diffusion exactly in the frequency domain, half a step before and half after each step of advection (Strang 1968), which is
/// Runge and Kutta's of the fourth order without the upper third of the frequencies.
fn burgers(u: &Tensor) -> Result<Tensor> {
    let (n, steps) = (u.shape()[1], 400);
    let dt = TIME / f64::from(steps);
    let table = |f: &dyn Fn(f64) -> Complex32| {
        let values: Vec<Complex32> = (0..=n / 2).map(|k| f(std::f64::consts::TAU * k as f64)).collect();
        Tensor::from_slice(u.device(), &values, &[values.len()])
    };
    let half = table(&|k| Complex32::new((-VISCOSITY * k * k * dt / 2.0).exp() as f32, 0.0))?;
    let cut = std::f64::consts::TAU * n as f64 / 3.0;
    let slope = table(&|k| Complex32::new(0.0, if k < cut { -0.5 * k as f32 } else { 0.0 }))?;
    let through = |u: &Tensor, table: &Tensor| {
        u.rfft(1, None, Norm::Backward)?.mul(table)?.irfft(1, Some(n), Norm::Backward)
    };
    // -(u^2 / 2)_x.
    let advect = |u: &Tensor| through(&u.square()?, &slope);
    let mut u = u.clone();
    for _ in 0..steps {
        u = through(&u, &half)?;
        let a = advect(&u)?;
        let b = advect(&u.add(&a.scale(dt / 2.0)?)?)?;
        let c = advect(&u.add(&b.scale(dt / 2.0)?)?)?;
        let d = advect(&u.add(&c.scale(dt)?)?)?;
        let sum = a.add(&b.scale(2.0)?)?.add(&c.scale(2.0)?)?.add(&d)?;
        u = through(&u.add(&sum.scale(dt / 6.0)?)?, &half)?;
    }
    Ok(u)
}

/// Lifts a function to channels, mixes them by spectral and pointwise convolutions, and projects to a function.
struct Operator {
    lift: Conv1d,
    blocks: Vec<(SpectralConv1d, Conv1d)>,
    inner: Conv1d,
    project: Conv1d,
}

impl Operator {
    fn new(scope: &Scope) -> Result<Self> {
        let pointwise = |name: &str, inputs, outputs| {
            Conv1d::new(&scope.at(name), inputs, outputs, [1], ConvSpec::new(1), true)
        };
        let block = |i: usize| {
            let spectral = SpectralConv1d::new(&scope.at(format!("spectral.{i}")), WIDTH, WIDTH, [MODES])?;
            Ok((spectral, pointwise(&format!("pointwise.{i}"), WIDTH, WIDTH)?))
        };
        Ok(Self {
            lift: pointwise("lift", 1, WIDTH)?,
            blocks: (0..3).map(block).collect::<Result<_>>()?,
            inner: pointwise("inner", WIDTH, 2 * WIDTH)?,
            project: pointwise("project", 2 * WIDTH, 1)?,
        })
    }

    /// `[batch, points]` to the same, on any number of points.
    fn forward(&self, u: &Var) -> Result<Var> {
        let mut x = self.lift.forward(&u.unsqueeze(1)?)?;
        for (spectral, pointwise) in &self.blocks {
            x = Activation::Gelu.forward(&spectral.forward(&x)?.add(&pointwise.forward(&x)?)?)?;
        }
        self.project.forward(&Activation::Gelu.forward(&self.inner.forward(&x)?)?)?.squeeze(1)
    }
}

/// The mean over rows of `|y - expected| / |expected|`.
fn relative_error(y: &Var, expected: &Var) -> Result<Var> {
    let energy = |x: &Var| x.square()?.sum(1);
    energy(&y.sub(expected)?)?.div(&energy(expected)?)?.sqrt()?.mean_all()
}

/// Every `step`th point.
fn sampled(u: &Tensor, step: isize) -> Result<Var> {
    Ok(Var::constant(u.step(1, step)?.contiguous()?))
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let scope = common::model(options.seed)?;
    let device = scope.device().clone();
    let mut random = Random::named(options.seed, "functions");
    println!("Solving Burgers' equation for {} functions on {} points", TRAIN + TEST, 2 * POINTS);
    let before = functions(&device, TRAIN + TEST, 2 * POINTS, &mut random)?;
    let after = burgers(&before)?;
    let (inputs, outputs) = (sampled(&before, 2)?, sampled(&after, 2)?);

    let operator = Operator::new(&scope)?;
    println!("Training on {TRAIN} of them, on {POINTS} points");
    common::train(&scope, 5e-3, options.steps, |_| {
        let chosen: Vec<u32> = (0..BATCH).map(|_| random.below(TRAIN) as u32).collect();
        let (u, expected) = (inputs.gather(0, &chosen)?, outputs.gather(0, &chosen)?);
        relative_error(&operator.forward(&u)?, &expected)
    })?;

    let error = |u: &Var, expected: &Var, learned: bool| -> Result<f32> {
        let (u, expected) = (u.narrow(0, TRAIN, TEST)?, expected.narrow(0, TRAIN, TEST)?);
        let y = if learned { operator.forward(&u)? } else { u };
        relative_error(&y, &expected)?.value().to_scalar()
    };
    no_grad(|| {
        let figures = Figures {
            identity: error(&inputs, &outputs, false)?,
            coarse: error(&inputs, &outputs, true)?,
            fine: error(&sampled(&before, 1)?, &sampled(&after, 1)?, true)?,
        };
        println!("Relative L2 error on {TEST} functions not seen in training");
        println!("  the function as it was:       {:.4}", figures.identity);
        println!("  the operator on {POINTS:>3} points:   {:.4}", figures.coarse);
        println!("  the operator on {:>3} points:   {:.4}", 2 * POINTS, figures.fine);
        Ok(figures)
    })
}

#[allow(dead_code, reason = "tests call run")]
fn main() -> Result<()> {
    run(&Options::parse()).map(drop)
}
