//! What to train, from the command line and from a file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fft_tensor::nn::layers::{Learn, LinearKind, Positions};
use fft_tensor::nn::models::{LanguageConfig, MixerKind};
use fft_tensor::nn::optim::Decay;
use fft_tensor::nn::train::TrainOptions;
use serde::Deserialize;

use super::super::{DeviceArgs, Failure};

const EXAMPLES: &str = "\
Examples:
  fft-tensor train --text book.txt --out MODEL                              a small Llama
  fft-tensor train --text book.txt --out MODEL --linear circulant --density 0.0625
  fft-tensor train --text book.txt --out MODEL --mixer longconv --steps 2000
  fft-tensor train --out MODEL --text book.txt --resume                     go on after an interruption
  fft-tensor train run.toml                                                 options from a file, by the same names

A file holds options by their long names: text = \"book.txt\", out = \"MODEL\", steps = 2000, linear = \"spectral\". Those on the command line come
first. OUT is a Hugging Face directory that generate and compare run; log.jsonl and loss.svg in it tell how training went.";

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in super::super) struct TrainArgs {
    /// A TOML file with options.
    config: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
    /// Continue the training in OUT after its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Options that a file may hold too.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Options {
    /// The text to train on, UTF-8.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// The directory to write; an existing model is not written over.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The text to be judged by [default: the last twentieth of the text, which is not trained on].
    #[arg(long, value_name = "FILE")]
    val: Option<PathBuf>,
    /// The tokenizer.json to use, or a directory that has one [default: byte-pair encoding trained on the text].
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Tokens of a tokenizer trained on the text; 256 are the bytes [default: 2048].
    #[arg(long, value_name = "N")]
    vocab_size: Option<usize>,
    /// The model's shape [default: tiny-llama].
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// The linear layers [default: dense].
    #[arg(long, value_enum)]
    linear: Option<Linear>,
    /// Parameters of a spectral or circulant layer as a fraction of a dense one's; circulant blocks have 1 / DENSITY rows [default: 0.25].
    #[arg(long, value_name = "D")]
    density: Option<f64>,
    /// The frequencies of spectral layers [default: random].
    #[arg(long, value_enum)]
    positions: Option<PositionsName>,
    /// What lets tokens see those before them [default: attention].
    #[arg(long, value_enum)]
    mixer: Option<Mixer>,
    /// Steps [default: 600].
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Windows of a step [default: 16].
    #[arg(long, value_name = "B")]
    batch: Option<usize>,
    /// Tokens of a window [default: 256].
    #[arg(long, value_name = "T")]
    window: Option<usize>,
    /// The highest learning rate [default: 0.002].
    #[arg(long, value_name = "R")]
    lr: Option<f64>,
    /// Steps over which the rate rises [default: 100, at most a sixth of the steps].
    #[arg(long, value_name = "N")]
    warmup: Option<u64>,
    /// How the rate falls after that [default: cosine].
    #[arg(long, value_enum)]
    schedule: Option<Fall>,
    /// AdamW's weight decay [default: 0.1 with dense layers, else 0].
    #[arg(long, value_name = "W")]
    weight_decay: Option<f64>,
    /// Decides first values and batches [default: 0].
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Steps between checkpoints; 0 for one at the end only [default: 100].
    #[arg(long, value_name = "N")]
    save_every: Option<u64>,
    /// Steps between validations; 0 for one at the end only [default: 100].
    #[arg(long, value_name = "N")]
    val_every: Option<u64>,
    /// Windows of a validation [default: 60].
    #[arg(long, value_name = "N")]
    val_windows: Option<usize>,
    /// Compute blocks again on the way back instead of remembering them: less memory, more time.
    #[arg(long)]
    recompute: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Preset {
    /// 2 million parameters: width 192, 4 layers, 6 heads.
    TinyLlama,
    /// For trying things out: width 32, 2 layers.
    Nano,
}

impl Preset {
    pub(super) fn config(self, vocabulary: usize) -> LanguageConfig {
        match self {
            Self::TinyLlama => LanguageConfig::tiny_llama(vocabulary),
            Self::Nano => LanguageConfig::nano(vocabulary),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Linear {
    /// Plain matrices.
    Dense,
    /// A few coefficients of the spectrum.
    Spectral,
    /// Circulant blocks.
    Circulant,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PositionsName {
    /// Drawn.
    Random,
    /// The lowest.
    LowPass,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mixer {
    /// Softmax attention with rotary positions.
    Attention,
    /// Gated long convolutions.
    Longconv,
    /// A causal Fourier transform over the sequence.
    Fnet,
    /// Causal frequency attention.
    Frequency,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fall {
    /// Half a cosine.
    Cosine,
    /// A straight line.
    Linear,
    /// Not at all.
    Constant,
}

/// Everything decided.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) text: PathBuf,
    pub(super) out: PathBuf,
    pub(super) val: Option<PathBuf>,
    pub(super) tokenizer: Option<PathBuf>,
    pub(super) vocab_size: usize,
    pub(super) preset: Preset,
    pub(super) linear: LinearKind,
    pub(super) mixer: MixerKind,
    pub(super) window: usize,
    pub(super) seed: u64,
    pub(super) save_every: u64,
    pub(super) val_every: u64,
    pub(super) val_windows: usize,
    pub(super) recompute: bool,
    pub(super) resume: bool,
    pub(super) options: TrainOptions,
}

macro_rules! first {
    ($a:ident, $b:ident: $($field:ident),*) => {
        Options { $($field: $a.$field.or($b.$field)),*, recompute: $a.recompute || $b.recompute }
    };
}

impl Settings {
    pub(super) fn new(args: &TrainArgs) -> Result<Self, Failure> {
        let file = match &args.config {
            None => Options::default(),
            Some(path) => {
                let failed = |e: String| Failure::Failed(format!("{}: {e}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
                toml::from_str(&text).map_err(|e| failed(e.to_string()))?
            }
        };
        let own = args.options.clone();
        let all = first!(own, file: text, out, val, tokenizer, vocab_size, preset, linear, density, positions, mixer, steps, batch, window, lr,
            warmup, schedule, weight_decay, seed, save_every, val_every, val_windows);
        let needed = |path: Option<PathBuf>, name: &str| {
            path.ok_or_else(|| {
                Failure::Usage(format!("--{name} is needed, on the command line or in a file"))
            })
        };
        let linear = linear(&all)?;
        let steps = all.steps.unwrap_or(600);
        let seed = all.seed.unwrap_or(0);
        let defaults = TrainOptions::default();
        let dense = linear == LinearKind::Dense;
        let val_windows = all.val_windows.unwrap_or(60);
        if val_windows == 0 {
            return Err(Failure::Usage("--val-windows 0 must be at least 1".into()));
        }
        let options = TrainOptions {
            steps,
            batch: all.batch.unwrap_or(defaults.batch),
            rate: all.lr.unwrap_or(defaults.rate),
            warmup: all.warmup.unwrap_or(defaults.warmup.min(steps / 6)),
            decay: match all.schedule.unwrap_or(Fall::Cosine) {
                Fall::Cosine => Decay::Cosine,
                Fall::Linear => Decay::Linear,
                Fall::Constant => Decay::Constant,
            },
            weight_decay: all.weight_decay.unwrap_or(if dense { 0.1 } else { 0.0 }),
            seed: seed.wrapping_add(1),
            ..defaults
        };
        Ok(Self {
            text: needed(all.text, "text")?,
            out: needed(all.out, "out")?,
            val: all.val,
            tokenizer: all.tokenizer,
            vocab_size: all.vocab_size.unwrap_or(2048),
            preset: all.preset.unwrap_or(Preset::TinyLlama),
            linear,
            mixer: match all.mixer.unwrap_or(Mixer::Attention) {
                Mixer::Attention => MixerKind::Attention,
                Mixer::Longconv => MixerKind::Longconv,
                Mixer::Fnet => MixerKind::Fnet,
                Mixer::Frequency => MixerKind::Frequency,
            },
            window: all.window.unwrap_or(256),
            seed,
            save_every: all.save_every.unwrap_or(100),
            val_every: all.val_every.unwrap_or(100),
            val_windows,
            recompute: all.recompute,
            resume: args.resume,
            options,
        })
    }
}

fn linear(all: &Options) -> Result<LinearKind, Failure> {
    let density = all.density.unwrap_or(0.25);
    if !(density > 0.0 && density <= 1.0) {
        return Err(Failure::Usage(format!("--density {density} must be in (0, 1]")));
    }
    let unused = |name: &str, given: bool, kind: &str| match given {
        true => Err(Failure::Usage(format!("--{name} says nothing about {kind} layers"))),
        false => Ok(()),
    };
    match all.linear.unwrap_or(Linear::Dense) {
        Linear::Dense => {
            unused("density", all.density.is_some(), "dense")?;
            unused("positions", all.positions.is_some(), "dense")?;
            Ok(LinearKind::Dense)
        }
        Linear::Spectral => {
            let positions = match all.positions.unwrap_or(PositionsName::Random) {
                PositionsName::Random => Positions::Random,
                PositionsName::LowPass => Positions::LowPass,
            };
            Ok(LinearKind::Spectral { density, positions, learn: Learn::MagnitudeAndPhase })
        }
        Linear::Circulant => {
            unused("positions", all.positions.is_some(), "circulant")?;
            let block = (1.0 / density).round();
            if (block * density - 1.0).abs() > 1e-6 {
                return Err(Failure::Usage(format!(
                    "--density {density} must be 1 over a whole number: the size of the circulant blocks"
                )));
            }
            Ok(LinearKind::BlockCirculant { block: block as usize })
        }
    }
}
