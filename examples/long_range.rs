//! A long convolution recalls the first token of a sequence after 4096 positions; a convolution of 32 taps cannot.
//!
//! The first token is one of 8 symbols, then come blanks, with a distracting token in every 256; at the last position the model says which symbol it was.
//! Run: `cargo run --release --example long_range`

use clap::Parser;
use fft_tensor::convolution::ConvSpec;
use fft_tensor::nn::autograd::{Var, no_grad};
use fft_tensor::nn::layers::{Conv1d, Init, Layer, Linear, LongConv, Scope};
use fft_tensor::nn::random::Random;
use fft_tensor::{Result, Tensor};

#[path = "common/mod.rs"]
mod common;

/// Recall a token over a long sequence, by a long and by a short convolution.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Steps of training.
    #[arg(long, default_value_t = 60)]
    pub(crate) steps: usize,
    /// Seed of sequences and first weights.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Tokens of a sequence.
    #[arg(long, default_value_t = 4096)]
    pub(crate) length: usize,
}

/// Shares of test sequences whose first token was recalled.
#[derive(Debug)]
pub(crate) struct Figures {
    /// By the long convolution.
    pub(crate) long: f64,
    /// By the short one.
    pub(crate) short: f64,
}

const SYMBOLS: usize = 8;
const BLANK: u32 = SYMBOLS as u32;
const DISTRACTORS: usize = 4;
const VOCABULARY: usize = SYMBOLS + 1 + DISTRACTORS;
const WIDTH: usize = 16;
const BATCH: usize = 16;
const TEST: usize = 8;
const SHORT: usize = 32;

/// Tokens of a batch, and the symbols that they begin with. One token in 256 is a distractor.
fn sequences(length: usize, random: &mut Random) -> (Vec<u32>, Vec<u32>) {
    let symbols: Vec<u32> = (0..BATCH).map(|_| random.below(SYMBOLS) as u32).collect();
    let mut tokens = Vec::with_capacity(BATCH * length);
    for &symbol in &symbols {
        tokens.push(symbol);
        tokens.extend((1..length).map(|_| match random.below(256) {
            0 => BLANK + 1 + random.below(DISTRACTORS) as u32,
            _ => BLANK,
        }));
    }
    (tokens, symbols)
}

/// Vectors of tokens, a convolution over time, and a linear layer at the last position.
struct Model {
    embedding: Var,
    convolution: Convolution,
    output: Linear,
}

enum Convolution {
    Long(LongConv),
    Short(Conv1d),
}

impl Model {
    fn new(scope: &Scope, convolution: Convolution) -> Result<Self> {
        Ok(Self {
            embedding: scope.parameter("embedding", &[VOCABULARY, WIDTH], Init::Normal { std: 1.0 })?,
            convolution,
            output: Linear::new(&scope.at("output"), WIDTH, SYMBOLS, true)?,
        })
    }

    /// The vector of each token, zeros for blanks: `[tokens, width]`.
    fn vectors(&self, tokens: &[u32]) -> Result<Var> {
        let seen: Vec<f32> = tokens.iter().map(|&t| if t == BLANK { 0.0 } else { 1.0 }).collect();
        let seen = Tensor::from_slice(&self.embedding.device(), &seen, &[tokens.len(), 1])?;
        self.embedding.gather(0, tokens)?.mul(&Var::constant(seen))
    }

    /// The scores of the symbols, `[batch, symbols]`.
    fn forward(&self, tokens: &[u32], length: usize) -> Result<Var> {
        let x = self.vectors(tokens)?.reshape(&[tokens.len() / length, length, WIDTH])?;
        let y = match &self.convolution {
            Convolution::Long(layer) => layer.forward(&x)?,
            Convolution::Short(layer) => layer.forward(&x.transpose(1, 2)?)?.transpose(1, 2)?,
        };
        self.output.forward(&y.narrow(1, length - 1, 1)?.squeeze(1)?)
    }
}

/// Trains and tests one model.
fn accuracy(name: &str, scope: &Scope, model: &Model, options: &Options) -> Result<f64> {
    println!("Training with {name}");
    let mut random = Random::named(options.seed, "sequences");
    common::train(scope, 2e-2, options.steps, |_| {
        let (tokens, symbols) = sequences(options.length, &mut random);
        model.forward(&tokens, options.length)?.cross_entropy(&symbols)
    })?;
    let mut recalled = 0;
    for _ in 0..TEST {
        let (tokens, symbols) = sequences(options.length, &mut random);
        let scores = no_grad(|| model.forward(&tokens, options.length))?;
        let best: Vec<i64> = scores.value().argmax(1)?.to_vec()?;
        recalled += best.iter().zip(&symbols).filter(|(a, b)| **a == i64::from(**b)).count();
    }
    Ok(recalled as f64 / (TEST * BATCH) as f64)
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let scope = common::model(options.seed)?;
    let (long, short) = (scope.at("long"), scope.at("short"));
    let taps = Convolution::Long(LongConv::explicit(&long.at("convolution"), WIDTH, options.length)?);
    let few = Conv1d::new(&short.at("convolution"), WIDTH, WIDTH, [SHORT], ConvSpec::new(1).causal(), true)?;
    let with_long = Model::new(&long, taps)?;
    let with_short = Model::new(&short, Convolution::Short(few))?;
    let figures = Figures {
        long: accuracy(&format!("a convolution of {} taps", options.length), &long, &with_long, options)?,
        short: accuracy(&format!("a convolution of {SHORT} taps"), &short, &with_short, options)?,
    };
    println!(
        "The first of {} tokens recalled, in {} sequences (chance: {:.1}%)",
        options.length,
        TEST * BATCH,
        100.0 / SYMBOLS as f64
    );
    println!("  long convolution:  {:5.1}%", 100.0 * figures.long);
    println!("  short convolution: {:5.1}%", 100.0 * figures.short);
    Ok(figures)
}

#[allow(dead_code, reason = "tests call run")]
fn main() -> Result<()> {
    run(&Options::parse()).map(drop)
}
