//! The loop of a training, a step at a time.

use std::path::Path;

use fft_core::{Error, Result, Tensor};

use super::TokenText;
use super::finite::{expect_finite, has_non_finite};
use super::parameters_file::{Differences, differences, read, read_parameters, to_stored, write_parameters};
use crate::autograd::no_grad;
use crate::checkpoint::{Checkpoint, WriterOptions, write_file_with};
use crate::layers::Parameter;
use crate::models::LanguageModel;
use crate::optim::{AdamW, AdamWOptions, Decay, Optimiser, Schedule, clip_factor, grad_norm};
use crate::random::{Random, STATE};

/// Where the metadata of a checkpoint hold what [`Trainer::set_run`] was given.
pub const RUN: &str = "run";

const OP: &str = "train";
/// The most tokens of a step.
const MAX_TOKENS: usize = 1 << 31;
/// Where a checkpoint's tensors are.
const MODEL: &str = "model/";
const OPTIMISER: &str = "optimiser/";

/// How a [`Trainer`] trains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainOptions {
    /// Steps of the whole training.
    pub steps: u64,
    /// Windows of a step.
    pub batch: usize,
    /// The highest rate.
    pub rate: f64,
    /// Steps over which the rate rises from 0.
    pub warmup: u64,
    /// How the rate falls.
    pub decay: Decay,
    /// The last rate over the highest.
    pub last_rate: f64,
    /// AdamW's weight decay, of all parameters, those of norms too.
    pub weight_decay: f64,
    /// AdamW's betas.
    pub betas: [f64; 2],
    /// The most that the gradients' norm may be.
    pub clip: f64,
    /// Decides the batches.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            steps: 600,
            batch: 16,
            rate: 2e-3,
            warmup: 100,
            decay: Decay::Cosine,
            last_rate: 0.05,
            weight_decay: 0.1,
            betas: [0.9, 0.95],
            clip: 1.0,
            seed: 1,
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The step, counted from 1.
    pub step: u64,
    /// The loss of its batch before the step, in nats a token.
    pub loss: f64,
    /// The rate.
    pub rate: f64,
    /// The norm of the gradients before clipping.
    pub grad_norm: f64,
    /// Tokens of the batch.
    pub tokens: usize,
}

/// A model, its optimiser, a text and where in the training they are.
#[derive(Debug)]
pub struct Trainer {
    model: LanguageModel,
    text: TokenText,
    options: TrainOptions,
    optimiser: AdamW,
    schedule: Schedule,
    batches: Random,
    step: u64,
    run: Option<String>,
}

impl Trainer {
    /// A training at its start.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range, or windows longer than the model's positions; memory errors.
    pub fn new(model: LanguageModel, text: TokenText, options: TrainOptions) -> Result<Self> {
        if options.batch == 0 {
            return Err(Error::invalid(OP, "batch", options.batch, "must be at least 1"));
        }
        if options.batch.checked_mul(text.window()).is_none_or(|tokens| tokens > MAX_TOKENS) {
            let reason = format!("times windows of {} is more than 2^31 tokens a step", text.window());
            return Err(Error::invalid(OP, "batch", options.batch, reason));
        }
        if text.window() > model.config().max_positions {
            let reason = format!("the model has {} positions", model.config().max_positions);
            return Err(Error::invalid(OP, "window", text.window(), reason));
        }
        if options.clip.is_nan() || options.clip <= 0.0 {
            return Err(Error::invalid(OP, "clip", options.clip, "must be above 0"));
        }
        let schedule = Schedule::new(options.decay, options.warmup, options.steps, options.last_rate)?;
        let adamw = AdamWOptions {
            rate: options.rate,
            betas: options.betas,
            eps: 1e-8,
            weight_decay: options.weight_decay,
        };
        let optimiser = AdamW::new(&model.parameters(), adamw)?;
        let batches = Random::named(options.seed, "batches");
        Ok(Self { model, text, options, optimiser, schedule, batches, step: 0, run: None })
    }

    /// The model.
    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// The options.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Text about the run, such as the options that it was started with: every checkpoint holds it in its metadata under [`RUN`].
    pub fn set_run(&mut self, run: String) {
        self.run = Some(run);
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.options.steps
    }

    /// One step. After an error everything is as before it, so that it can be tried again, unless the device itself failed.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming step and first offending parameter when loss or gradients are not finite; memory and device errors.
    pub fn step(&mut self) -> Result<StepReport> {
        let seeds = self.model.scope().mode().seeds().clone();
        let before = (self.batches.clone(), seeds.random());
        let result = self.try_step();
        self.model.scope().mode().eval();
        self.optimiser.zero_grad();
        if result.is_err() {
            self.batches = before.0;
            seeds.set_random(before.1);
        }
        result
    }

    fn try_step(&mut self) -> Result<StepReport> {
        let batch = self.options.batch;
        let ids = self.text.batch(batch, &mut self.batches)?;
        self.model.scope().mode().train();
        let loss = self.model.loss(&ids, batch)?;
        let value = loss.value().to_scalar::<f32>()?;
        if !value.is_finite() {
            return Err(self.not_finite("loss", value));
        }
        loss.backward()?;
        drop(loss);
        let parameters = self.model.parameters();
        let norm = grad_norm(&parameters)?;
        if !norm.is_finite() {
            return Err(self.not_finite("norm of the gradients", norm as f32));
        }
        let factor = self.schedule.factor(self.step);
        self.optimiser.set_rate_factor(factor);
        self.optimiser.step_scaled(clip_factor(norm, self.options.clip))?;
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            loss: f64::from(value),
            rate: self.options.rate * factor,
            grad_norm: norm,
            tokens: ids.len(),
        })
    }

    fn not_finite(&self, what: &str, value: f32) -> Error {
        let reason = format!(
            "the {what} is not finite in step {}; {}; parameters are those before the step; a smaller rate may help",
            self.step + 1,
            self.first_concerned()
        );
        Error::invalid(OP, "loss", value, reason)
    }

    /// The first parameter that is not finite, or whose gradient is not, in words.
    fn first_concerned(&self) -> String {
        let bad = |p: &&Parameter| {
            let bad = |t: &Tensor| has_non_finite(t).unwrap_or(false);
            bad(&p.var().value()) || p.var().grad().is_some_and(|grad| bad(&grad))
        };
        match self.model.parameters().iter().find(bad) {
            Some(parameter) => format!("the first parameter concerned is {}", parameter.path()),
            None => "no parameter and no gradient is concerned".into(),
        }
    }

    /// The mean loss over the first `most` windows of `text`, each on its own, in nats a token.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a text without a window, and for a loss that is not finite, naming the first parameter that is not; memory and device errors.
    pub fn validate(&self, text: &TokenText, most: usize) -> Result<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for window in text.windows(most) {
            sum += f64::from(no_grad(|| self.model.loss(window, 1))?.value().to_scalar::<f32>()?);
            count += 1;
        }
        if count == 0 {
            return Err(Error::invalid(OP, "windows", most, "must be at least 1"));
        }
        let mean = sum / f64::from(count);
        if !mean.is_finite() {
            let reason = format!("is not finite after step {}; {}", self.step, self.first_concerned());
            return Err(Error::invalid(OP, "validation loss", mean, reason));
        }
        Ok(mean)
    }

    /// Writes everything that [`resume`](Self::resume) needs to the file `path`, by way of a directory beside it: a kill leaves the old file or the new one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the first parameter or moment that is not finite: nothing is written then; [`Error::Io`]; memory and device errors.
    pub fn save(&self, path: &Path) -> Result<()> {
        let state = self.optimiser.state()?;
        let parameters = self.model.parameters();
        let named = parameters.iter().map(|p| (p.path().to_owned(), p.var().value()));
        expect_finite("Trainer::save", named.chain(state.iter().cloned()))?;
        let mut metadata = WriterOptions::default().metadata;
        metadata.insert("step".into(), self.step.to_string());
        metadata.extend(self.run.clone().map(|run| (RUN.into(), run)));
        write_file_with(path, metadata, |writer| {
            write_parameters(writer, MODEL, &parameters)?;
            for (name, tensor) in &state {
                writer.write_tensor(&format!("{OPTIMISER}{name}"), &to_stored(tensor)?)?;
            }
            let seeds = self.model.scope().mode().seeds().random();
            for (name, random) in [("random/batches", &self.batches), ("random/layers", &seeds)] {
                let device = self.model.scope().device();
                writer.write_tensor(name, &Tensor::from_slice(device, &random.state(), &[STATE])?)?;
            }
            Ok(())
        })
    }

    /// Continues where the training was that wrote `path`, with the options of this one. Nothing changes when the file does not fit.
    ///
    /// # Errors
    /// [`Error::Format`] naming the file, and listing missing, unused and mismatched tensors when it is of another model or its optimiser's state does not fit, or
    /// naming a tensor that is not finite; [`Error::Io`]; memory errors.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let file = Checkpoint::open(path)?;
        let step = file.metadata().get("step").and_then(|s| s.parse().ok());
        let step: u64 =
            step.ok_or_else(|| Error::format(path, "is no checkpoint of a training: it tells no step"))?;
        let device = self.model.scope().device().clone();
        let random = |name: &str| {
            let bytes: Vec<u8> = file.tensor(name, &device)?.to_vec()?;
            let state: &[u8; STATE] = bytes.as_slice().try_into().map_err(|_| {
                Error::tensor(
                    path,
                    name,
                    format!("a state of {STATE} bytes is expected, found {}", bytes.len()),
                )
            })?;
            Ok(Random::from_state(state))
        };
        let (batches, seeds) = (random("random/batches")?, random("random/layers")?);
        let parameters = self.model.parameters();
        // All is checked before anything changes: that tensors fit by name, shape and type, then by their numbers.
        let found = differences(&file, MODEL, &parameters);
        if !found.is_empty() {
            return Err(Error::format(path, format!("it is of another model: {found}")));
        }
        let old = self.optimiser.state()?;
        let wanted = old.iter().map(|(name, tensor)| (name.as_str(), tensor.clone()));
        let found = Differences::from(&file, OPTIMISER, wanted);
        if !found.is_empty() {
            return Err(Error::format(path, format!("its optimiser's state does not fit: {found}")));
        }
        let own = |name: &str| old.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor);
        let stored =
            |name: &str| own(name).map(|own| read(&file, &format!("{OPTIMISER}{name}"), own)).transpose();
        self.optimiser.load_state(&mut |name| stored(name)).map_err(|e| match e {
            Error::InvalidArgument { .. } => Error::format(path, e.to_string()),
            other => other,
        })?;
        if let Err(error) = read_parameters(&file, MODEL, &parameters) {
            self.optimiser.load_state(&mut |name| Ok(own(name).cloned()))?;
            return Err(error);
        }
        self.model.scope().mode().seeds().set_random(seeds);
        (self.batches, self.step) = (batches, step);
        Ok(())
    }
}
