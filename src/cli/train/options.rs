//! The options of a training, on the command line, in a file and in the checkpoint that it left.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use fft_tensor::nn::models::{LanguageConfig, MixerKind};
use fft_tensor::nn::optim::Decay;
use serde::{Deserialize, Serialize};

use super::super::{DeviceArgs, Failure};

const EXAMPLES: &str = "\
Examples:
  fft-tensor train --text book.txt --out MODEL                              a small Llama
  fft-tensor train --text book.txt --out MODEL --linear circulant --density 0.0625
  fft-tensor train --text book.txt --out MODEL --mixer longconv --steps 2000
  fft-tensor train --out MODEL --resume                                     go on after an interruption
  fft-tensor train run.toml                                                 options from a file, by the same names

A file holds options by their long names: text = \"book.txt\", out = \"MODEL\", steps = 2000, linear = \"spectral\". Those on the command line come
first. OUT is a Hugging Face directory that generate and compare run; log.jsonl and loss.svg in it tell how training went.";

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in super::super) struct TrainArgs {
    /// A TOML file with options.
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) options: Options,
    /// Continue the training in OUT after its last checkpoint, with its options; only --steps may be raised.
    #[arg(long)]
    pub(super) resume: bool,
    /// Start in a directory that holds other files, of which those of the names that a training writes are replaced; with --resume, change options.
    #[arg(long)]
    pub(super) force: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

/// Options that a file may hold too.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Options {
    /// The text to train on, UTF-8.
    #[arg(long, value_name = "FILE")]
    pub(super) text: Option<PathBuf>,
    /// The directory to write; an existing model is not written over.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// The text to be judged by [default: the last twentieth of the text, which is not trained on].
    #[arg(long, value_name = "FILE")]
    pub(super) val: Option<PathBuf>,
    /// The tokenizer.json to use, or a directory that has one [default: byte-pair encoding trained on the text].
    #[arg(long, value_name = "FILE")]
    pub(super) tokenizer: Option<PathBuf>,
    /// Tokens of a tokenizer trained on the text; 256 are the bytes [default: 2048].
    #[arg(long, value_name = "N")]
    pub(super) vocab_size: Option<usize>,
    /// The model's shape [default: tiny-llama].
    #[arg(long, value_enum)]
    pub(super) preset: Option<Preset>,
    /// The linear layers [default: dense].
    #[arg(long, value_enum)]
    pub(super) linear: Option<Linear>,
    /// Parameters of a spectral or circulant layer as a fraction of a dense one's; circulant blocks have 1 / DENSITY rows [default: 0.25].
    #[arg(long, value_name = "D")]
    pub(super) density: Option<f64>,
    /// The frequencies of spectral layers [default: random].
    #[arg(long, value_enum)]
    pub(super) positions: Option<PositionsName>,
    /// What lets tokens see those before them: softmax attention with rotary positions, gated long convolutions, a causal Fourier transform, or frequency attention
    /// [default: attention].
    #[arg(long, value_parser = names(&MixerKind::ALL))]
    pub(super) mixer: Option<String>,
    /// Steps [default: 600].
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u64>,
    /// Windows of a step [default: 16].
    #[arg(long, value_name = "B")]
    pub(super) batch: Option<usize>,
    /// Tokens of a window [default: 256].
    #[arg(long, value_name = "T")]
    pub(super) window: Option<usize>,
    /// The highest learning rate [default: 0.002].
    #[arg(long, value_name = "R")]
    pub(super) lr: Option<f64>,
    /// Steps over which the rate rises [default: 100, at most a sixth of the steps].
    #[arg(long, value_name = "N")]
    pub(super) warmup: Option<u64>,
    /// How the rate falls after that: not at all, in a straight line, or along half a cosine [default: cosine].
    #[arg(long, value_parser = names(&Decay::ALL))]
    pub(super) schedule: Option<String>,
    /// AdamW's weight decay [default: 0.1 with dense layers, else 0].
    #[arg(long, value_name = "W")]
    pub(super) weight_decay: Option<f64>,
    /// Decides first values and batches [default: 0].
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// Steps between checkpoints; 0 for one at the end only [default: 100].
    #[arg(long, value_name = "N")]
    pub(super) save_every: Option<u64>,
    /// Steps between validations; 0 for one at the end only [default: 100].
    #[arg(long, value_name = "N")]
    pub(super) val_every: Option<u64>,
    /// Windows of a validation [default: 60].
    #[arg(long, value_name = "N")]
    pub(super) val_windows: Option<usize>,
    /// Compute blocks again on the way back instead of remembering them: less memory, more time.
    #[arg(long)]
    pub(super) recompute: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
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

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Linear {
    /// Plain matrices.
    Dense,
    /// A few coefficients of the spectrum.
    Spectral,
    /// Circulant blocks.
    Circulant,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PositionsName {
    /// Drawn.
    Random,
    /// The lowest.
    LowPass,
}

/// The names of a list, as values of an option.
fn names<T>(all: &[(&'static str, T)]) -> PossibleValuesParser {
    PossibleValuesParser::new(all.iter().map(|(name, _)| *name))
}

macro_rules! first {
    ($a:ident, $b:ident: $($field:ident),*) => {
        Options { $($field: $a.$field.or($b.$field)),*, recompute: $a.recompute || $b.recompute }
    };
}

impl Options {
    /// Those of a TOML file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |e: String| Failure::Failed(format!("{}: {e}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        toml::from_str(&text).map_err(|e| failed(e.to_string()))
    }

    /// These, and where one is not given that of `others`.
    pub(super) fn or(self, others: Self) -> Self {
        first!(self, others: text, out, val, tokenizer, vocab_size, preset, linear, density, positions, mixer, steps, batch, window, lr, warmup,
            schedule, weight_decay, seed, save_every, val_every, val_windows)
    }

    /// In words, each option that is given here and decides a training, but was another in `stored`. The texts are compared by what is in them, elsewhere.
    pub(super) fn changed_from(&self, stored: &Self) -> Vec<String> {
        macro_rules! changed {
            ($($field:ident),*) => {[$((
                stringify!($field),
                self.$field.is_some() && self.$field != stored.$field,
                serde_json::json!([stored.$field, self.$field]),
            )),*]};
        }
        let mut decisive = changed!(
            tokenizer,
            vocab_size,
            preset,
            linear,
            density,
            positions,
            mixer,
            steps,
            batch,
            window,
            lr,
            warmup,
            schedule,
            weight_decay,
            seed
        );
        // More steps go on where a training ended.
        for (name, changed, _) in &mut decisive {
            *changed &= *name != "steps" || self.steps < stored.steps;
        }
        let changed = decisive.into_iter().filter(|(_, changed, _)| *changed);
        changed
            .map(|(name, _, pair)| {
                let value = |i: usize| match &pair[i] {
                    serde_json::Value::Null => "not given".into(),
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                change(name, value(0), value(1))
            })
            .collect()
    }
}

/// An option that is another than it was, in words.
pub(super) fn change(name: &str, stored: impl std::fmt::Display, given: impl std::fmt::Display) -> String {
    format!("--{}: stored {stored}, given {given}", name.replace('_', "-"))
}
