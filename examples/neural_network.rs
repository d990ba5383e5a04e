//! A network whose weights are compressed from the start: dense, sparse spectral and block-circulant layers learn to tell wave forms apart.
//!
//! Each input is a noisy wave of 128 points with one of 8 shapes and frequencies and a random phase. Run: `cargo run --release --example neural_network`

use std::f64::consts::TAU;

use clap::Parser;
use fft_tensor::nn::autograd::{Var, no_grad};
use fft_tensor::nn::layers::{Activation, Init, Layer, Learn, Linear, LinearKind, Positions};
use fft_tensor::nn::random::Random;
use fft_tensor::{Device, Result, Tensor};

#[path = "common/mod.rs"]
mod common;

/// Train one network with dense and with compressed weights.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Steps of training.
    #[arg(long, default_value_t = 300)]
    pub(crate) steps: usize,
    /// Seed of waves and first weights.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// A network's parameters and the share of test waves that it names.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Numbers that were trained.
    pub(crate) parameters: usize,
    /// Right answers of all.
    pub(crate) accuracy: f64,
}

const POINTS: usize = 128;
const WIDTH: usize = 256;
const CLASSES: usize = 8;
const BATCH: usize = 64;

/// Waves `[BATCH, POINTS]` and their classes: sine or square, of 3 to 9 turns.
fn waves(device: &Device, random: &mut Random) -> Result<(Tensor, Vec<u32>)> {
    let classes: Vec<u32> = (0..BATCH).map(|_| random.below(CLASSES) as u32).collect();
    let mut values = Vec::with_capacity(BATCH * POINTS);
    for &class in &classes {
        let (turns, phase) = (f64::from(3 + 2 * (class / 2)), random.uniform());
        for i in 0..POINTS {
            let wave = (TAU * (turns * i as f64 / POINTS as f64 + phase)).sin();
            let wave = if class % 2 == 0 { wave * std::f64::consts::SQRT_2 } else { wave.signum() };
            values.push((wave + 0.7 * random.normal()) as f32);
        }
    }
    Ok((Tensor::from_slice(device, &values, &[BATCH, POINTS])?, classes))
}

pub(crate) fn run(options: &Options) -> Result<Vec<Figures>> {
    let spectral = LinearKind::Spectral {
        density: 0.125,
        positions: Positions::Random,
        learn: Learn::MagnitudeAndPhase,
    };
    let kinds = [
        ("dense", LinearKind::Dense),
        ("sparse spectral, 12.5 %", spectral),
        ("block circulant, blocks of 8", LinearKind::BlockCirculant { block: 8 }),
    ];
    let mut all = Vec::new();
    for (name, kind) in kinds {
        println!("{name}");
        let scope = common::model(options.seed)?;
        let std = |inputs: usize| (2.0 / inputs as f64).sqrt();
        let first = kind.build(&scope.at("first"), POINTS, WIDTH, Some(Init::ZEROS), std(POINTS))?;
        let second = kind.build(&scope.at("second"), WIDTH, WIDTH, Some(Init::ZEROS), std(WIDTH))?;
        let last = Linear::new(&scope.at("last"), WIDTH, CLASSES, true)?;
        let relu = Activation::Relu;
        let logits = |x: &Var| {
            let h = relu.forward(&first.forward(x)?)?;
            last.forward(&relu.forward(&second.forward(&h)?)?)
        };
        let mut random = Random::named(options.seed, "waves");
        common::train(&scope, 3e-3, options.steps, |_| {
            let (x, classes) = waves(scope.device(), &mut random)?;
            logits(&Var::constant(x))?.cross_entropy(&classes)
        })?;
        let mut test = Random::named(options.seed, "test");
        let (mut right, rounds) = (0, 16);
        for _ in 0..rounds {
            let (x, classes) = waves(scope.device(), &mut test)?;
            let found = no_grad(|| logits(&Var::constant(x)))?.value().argmax(1)?;
            let found: Vec<i64> = found.to_vec()?;
            right += found.iter().zip(&classes).filter(|(f, c)| **f == i64::from(**c)).count();
        }
        let trained = scope.parameters().into_iter().filter(|p| p.is_trained());
        let parameters =
            trained.map(|p| p.var().value().len() * if p.var().dtype().is_complex() { 2 } else { 1 }).sum();
        let accuracy = right as f64 / (rounds * BATCH) as f64;
        println!("  {parameters} parameters name {:.1} % of new waves", 100.0 * accuracy);
        all.push(Figures { parameters, accuracy });
    }
    Ok(all)
}

#[allow(dead_code, reason = "tests call run")]
fn main() -> Result<()> {
    let all = run(&Options::parse())?;
    for network in &all[1..] {
        let share = 100.0 * network.parameters as f64 / all[0].parameters as f64;
        let lost = 100.0 * (all[0].accuracy - network.accuracy);
        println!("{share:.1} % of the dense network's parameters: {lost:.1} points less of the waves named");
    }
    Ok(())
}
