//! What to train, decided.

use std::path::{Path, PathBuf};

use fft_tensor::nn::checkpoint::Checkpoint;
use fft_tensor::nn::layers::{Learn, LinearKind, Positions};
use fft_tensor::nn::models::MixerKind;
use fft_tensor::nn::optim::Decay;
use fft_tensor::nn::train::{RUN, TrainOptions};
use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::CHECKPOINT;
use super::options::{Linear, Options, PositionsName, Preset, TrainArgs, change};

/// What a checkpoint tells of its training.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Run {
    /// All options, those by default too.
    options: Options,
    /// [`fingerprint`]s of the texts.
    text: String,
    val: Option<String>,
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
    pub(super) force: bool,
    pub(super) options: TrainOptions,
    /// All options as they are stored.
    all: Options,
    stored: Option<Run>,
    /// Options that are others than those of the training to resume, in words.
    changed: Vec<String>,
}

impl Settings {
    pub(super) fn new(args: &TrainArgs) -> Result<Self, Failure> {
        let file = args.config.as_deref().map(Options::read).transpose()?.unwrap_or_default();
        let given = args.options.clone().or(file);
        let needed = |path: &Option<PathBuf>, name: &str| {
            path.clone().ok_or_else(|| {
                Failure::Usage(format!("--{name} is needed, on the command line or in a file"))
            })
        };
        let out = needed(&given.out, "out")?;
        let stored = if args.resume { stored(&out, args.force)? } else { None };
        let changed = stored.as_ref().map_or(Vec::new(), |stored| given.changed_from(&stored.options));
        let mut all = match &stored {
            Some(stored) => given.or(stored.options.clone()),
            None => given,
        };
        let text = needed(&all.text, "text")?;
        let defaults = TrainOptions::default();
        let linear = linear(&mut all)?;
        let dense = linear == LinearKind::Dense;
        let steps = *all.steps.get_or_insert(600);
        let seed = *all.seed.get_or_insert(0);
        let val_windows = *all.val_windows.get_or_insert(60);
        if val_windows == 0 {
            return Err(Failure::Usage("--val-windows 0 must be at least 1".into()));
        }
        let options = TrainOptions {
            steps,
            batch: *all.batch.get_or_insert(defaults.batch),
            rate: *all.lr.get_or_insert(defaults.rate),
            warmup: *all.warmup.get_or_insert(defaults.warmup.min(steps / 6)),
            decay: named("schedule", &Decay::ALL, all.schedule.get_or_insert("cosine".into()))?,
            weight_decay: *all.weight_decay.get_or_insert(if dense { 0.1 } else { 0.0 }),
            seed: seed.wrapping_add(1),
            ..defaults
        };
        Ok(Self {
            text,
            out,
            val: all.val.clone(),
            tokenizer: all.tokenizer.clone(),
            vocab_size: *all.vocab_size.get_or_insert(2048),
            preset: *all.preset.get_or_insert(Preset::TinyLlama),
            linear,
            mixer: named("mixer", &MixerKind::ALL, all.mixer.get_or_insert("attention".into()))?,
            window: *all.window.get_or_insert(256),
            seed,
            save_every: *all.save_every.get_or_insert(100),
            val_every: *all.val_every.get_or_insert(100),
            val_windows,
            recompute: all.recompute,
            resume: args.resume,
            force: args.force,
            options,
            all,
            stored,
            changed,
        })
    }

    /// What checkpoints are to tell of a training on these texts, as JSON.
    ///
    /// # Errors
    /// When it resumes one of other options or texts, naming each with both values.
    pub(super) fn run(&self, text: &str, val: Option<&str>) -> Result<String, Failure> {
        let run = Run { options: self.all.clone(), text: fingerprint(text), val: val.map(fingerprint) };
        if let Some(stored) = self.stored.as_ref().filter(|_| !self.force) {
            let mut changed = self.changed.clone();
            let told = |path: &Option<PathBuf>, print: Option<&String>| match (path, print) {
                (Some(path), Some(print)) => format!("{} (content {print})", path.display()),
                _ => "not given".into(),
            };
            let old = &stored.options;
            for (name, was, is) in [
                ("text", (&old.text, Some(&stored.text)), (&run.options.text, Some(&run.text))),
                ("val", (&old.val, stored.val.as_ref()), (&run.options.val, run.val.as_ref())),
            ] {
                if was.1 != is.1 {
                    changed.push(change(name, told(was.0, was.1), told(is.0, is.1)));
                }
            }
            if !changed.is_empty() {
                let reason = "was made with other options; leave them away to go on as it was, or take the new ones with --force";
                let path = self.out.join(CHECKPOINT);
                return Err(Failure::Failed(format!("{} {reason}: {}", path.display(), changed.join("; "))));
            }
        }
        serde_json::to_string(&run).map_err(|e| Failure::Failed(e.to_string()))
    }
}

/// A name for what is in a text (FNV-1a, Fowler, Noll, Vo).
fn fingerprint(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

/// What the checkpoint in `out` tells of its training.
fn stored(out: &Path, force: bool) -> Result<Option<Run>, Failure> {
    let path = out.join(CHECKPOINT);
    if !path.exists() {
        let reason = "holds no training to resume; start one without --resume, and with --force if the directory holds files";
        return Err(Failure::Failed(format!("{} {reason}", out.display())));
    }
    let run = Checkpoint::open(&path)?.metadata().get(RUN).map(|run| serde_json::from_str(run));
    match run {
        Some(Ok(run)) => Ok(Some(run)),
        _ if force => Ok(None),
        Some(Err(e)) => Err(Failure::Failed(format!("{}: the options of its training: {e}", path.display()))),
        None => {
            let reason = "does not tell the options of its training; --force takes those given";
            Err(Failure::Failed(format!("{} {reason}", path.display())))
        }
    }
}

/// What has a name in a list.
fn named<T: Copy>(option: &str, all: &[(&str, T)], name: &str) -> Result<T, Failure> {
    all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        Failure::Usage(format!("--{option} {name:?} is unknown; known are {}", known.join(", ")))
    })
}

fn linear(all: &mut Options) -> Result<LinearKind, Failure> {
    let density = all.density.unwrap_or(0.25);
    if !(density > 0.0 && density <= 1.0) {
        return Err(Failure::Usage(format!("--density {density} must be in (0, 1]")));
    }
    let unused = |name: &str, given: bool, kind: &str| match given {
        true => Err(Failure::Usage(format!("--{name} says nothing about {kind} layers"))),
        false => Ok(()),
    };
    match *all.linear.get_or_insert(Linear::Dense) {
        Linear::Dense => {
            unused("density", all.density.is_some(), "dense")?;
            unused("positions", all.positions.is_some(), "dense")?;
            Ok(LinearKind::Dense)
        }
        Linear::Spectral => {
            all.density = Some(density);
            let positions = match *all.positions.get_or_insert(PositionsName::Random) {
                PositionsName::Random => Positions::Random,
                PositionsName::LowPass => Positions::LowPass,
            };
            Ok(LinearKind::Spectral { density, positions, learn: Learn::MagnitudeAndPhase })
        }
        Linear::Circulant => {
            unused("positions", all.positions.is_some(), "circulant")?;
            all.density = Some(density);
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
