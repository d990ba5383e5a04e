//! `train`: a language model from a text.

mod log;
mod plot;
mod settings;

use std::path::Path;
use std::time::Instant;

use fft_tensor::nn::models::{LanguageConfig, LanguageModel};
use fft_tensor::nn::tokenizer::Tokenizer;
use fft_tensor::nn::train::{TokenText, Trainer, train_tokenizer};
use serde::Serialize;

pub(super) use settings::TrainArgs;

use super::output::{self, Output};
use super::{Failure, Outcome};
use log::{Log, Record};
use settings::Settings;

/// Where the state of a training lies in its directory.
const CHECKPOINT: &str = "training.safetensors";

/// What a training came to.
#[derive(Debug, Serialize)]
struct Summary {
    steps: u64,
    train_loss: Option<f64>,
    val_loss: f64,
    val_perplexity: f64,
    parameters: usize,
    body_parameters: usize,
    model_bytes: u64,
    seconds_per_step: f64,
    tokens_per_second: f64,
    peak_bytes: usize,
}

/// Runs `train`.
pub(super) fn run(args: &TrainArgs, out: &mut Output) -> Outcome {
    let settings = Settings::new(args)?;
    let dir = &settings.out;
    let io = |path: &Path, e: std::io::Error| Failure::Failed(format!("{}: {e}", path.display()));
    prepare_directory(&settings)?;
    remove_partial(dir);
    let text = std::fs::read_to_string(&settings.text).map_err(|e| io(&settings.text, e))?;
    let tokenizer = tokenizer(&settings, &text)?;
    let (train, val) = texts(&settings, &tokenizer, &text)?;
    let device = args.device.open()?;
    let config = config(&settings, &tokenizer)?;
    let mut model = LanguageModel::new(config, &device, settings.seed)?;
    model.set_recompute(settings.recompute);
    let count = |body: bool| {
        let trained = model.parameters().into_iter().filter(|p| p.is_trained());
        let counted = trained.filter(|p| !body || !p.path().contains("embed_tokens"));
        counted
            .map(|p| p.var().value().len() * if p.var().dtype().is_complex() { 2 } else { 1 })
            .sum::<usize>()
    };
    let (parameters, body_parameters) = (count(false), count(true));
    let mut trainer = Trainer::new(model, train, settings.options)?;
    let checkpoint = dir.join(CHECKPOINT);
    if settings.resume {
        trainer.resume(&checkpoint)?;
    }
    let mut log = Log::open(dir, trainer.step_count())?;
    if !args.json {
        out.line(format!(
            "{parameters} parameters, {body_parameters} without the embedding; {} steps of {} x {} tokens",
            settings.options.steps, settings.options.batch, settings.window
        ))?;
        if trainer.step_count() > 0 {
            out.line(format!("continuing after step {}", trainer.step_count()))?;
        }
        out.flush()?;
    }
    let bar = output::progress(settings.options.steps, "training");
    bar.set_position(trainer.step_count());
    let mut seconds = Vec::new();
    let mut last = None;
    let tokens = settings.options.batch * settings.window;
    while !trainer.is_done() {
        let start = Instant::now();
        let report = trainer.step()?;
        let took = start.elapsed().as_secs_f64();
        seconds.push(took);
        last = Some(report.loss);
        log.write(&Record::step(&report, took))?;
        bar.set_position(report.step);
        bar.set_message(format!("loss {:.3}, {:.0} tokens/s", report.loss, tokens as f64 / took));
        let due = |every: u64| every > 0 && report.step.is_multiple_of(every);
        if due(settings.val_every) && !trainer.is_done() {
            let loss = trainer.validate(&val, settings.val_windows)?;
            log.write(&Record::validation(report.step, loss))?;
            let line = format!("step {}: loss {:.4}, validation {loss:.4}", report.step, report.loss);
            // A bar that is not drawn prints no lines either.
            if bar.is_hidden() { eprintln!("{line}") } else { bar.println(line) }
        }
        if due(settings.save_every) && !trainer.is_done() {
            save(&trainer, &val, dir)?;
        }
    }
    bar.finish_and_clear();
    let peak_bytes = device.memory().usage().peak;
    save(&trainer, &val, dir)?;
    let val_loss = trainer.validate(&val, settings.val_windows)?;
    log.write(&Record::validation(trainer.step_count(), val_loss))?;
    plot::losses(&dir.join("loss.svg"), &log.records()?)
        .map_err(|e| Failure::Failed(format!("{}: {e}", dir.join("loss.svg").display())))?;
    seconds.sort_by(f64::total_cmp);
    let seconds_per_step = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let model = dir.join("model.safetensors");
    let summary = Summary {
        steps: trainer.step_count(),
        train_loss: last,
        val_loss,
        val_perplexity: val_loss.exp(),
        parameters,
        body_parameters,
        model_bytes: std::fs::metadata(&model).map_err(|e| io(&model, e))?.len(),
        seconds_per_step,
        tokens_per_second: tokens as f64 / seconds_per_step,
        peak_bytes,
    };
    if args.json {
        return out.json(&summary);
    }
    out.line(format!("validation loss {val_loss:.4}, perplexity {:.2}", summary.val_perplexity))?;
    if !seconds.is_empty() {
        out.line(format!(
            "{:.3} s a step (median), {:.0} tokens/s, at most {} of tensors",
            summary.seconds_per_step,
            summary.tokens_per_second,
            output::bytes(peak_bytes)
        ))?;
    }
    out.line(format!(
        "saved in {} ({}); try: fft-tensor generate {} --prompt \"...\"",
        dir.display(),
        output::bytes(summary.model_bytes as usize),
        dir.display()
    ))
}

/// Saves training and model, unless the model is broken: finite parameters may be so large that no loss is finite, which one window tells.
fn save(trainer: &Trainer, val: &TokenText, dir: &Path) -> Outcome {
    trainer.validate(val, 1)?;
    trainer.save(&dir.join(CHECKPOINT))?;
    Ok(trainer.model().save(dir)?)
}

/// Makes the directory, and refuses to write over what is there.
fn prepare_directory(settings: &Settings) -> Outcome {
    let dir = &settings.out;
    let has = |name: &str| dir.join(name).exists();
    if settings.resume {
        if !has(CHECKPOINT) {
            let reason = "holds no training to resume; leave --resume away to start one";
            return Err(Failure::Failed(format!("{} {reason}", dir.display())));
        }
        return Ok(());
    }
    if has(CHECKPOINT) || has("config.json") || has("model.safetensors") {
        let reason = "holds a model or a training; continue it with --resume, or choose another directory";
        return Err(Failure::Failed(format!("{} {reason}", dir.display())));
    }
    std::fs::create_dir_all(dir).map_err(|e| Failure::Failed(format!("{}: {e}", dir.display())))
}

/// Removes what trainings that were killed left half written in `dir`; what cannot be removed does no harm.
fn remove_partial(dir: &Path) {
    const NAMES: [&str; 4] = [CHECKPOINT, "model.safetensors", ".log.jsonl", ".config.json"];
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process =
            NAMES.iter().find_map(|own| name.to_str()?.strip_prefix(own)?.strip_prefix(".partial-"));
        if process.is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())) {
            let path = entry.path();
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}

/// The tokenizer in the training's directory: a given one, copied, or one made from the text.
fn tokenizer(settings: &Settings, text: &str) -> Result<Tokenizer, Failure> {
    let dir = &settings.out;
    match &settings.tokenizer {
        _ if settings.resume => {}
        Some(given) => {
            let given = if given.is_dir() { given.join("tokenizer.json") } else { given.clone() };
            copy(&given, &dir.join("tokenizer.json"))?;
            let beside = given.with_file_name("tokenizer_config.json");
            if beside.exists() {
                copy(&beside, &dir.join("tokenizer_config.json"))?;
            }
        }
        None => train_tokenizer(text, settings.vocab_size, dir)?,
    }
    Ok(Tokenizer::open(dir)?)
}

/// Copies a file, which may be where it should be already.
fn copy(from: &Path, to: &Path) -> Outcome {
    let bytes = std::fs::read(from).map_err(|e| Failure::Failed(format!("{}: {e}", from.display())))?;
    std::fs::write(to, bytes).map_err(|e| Failure::Failed(format!("{}: {e}", to.display())))
}

/// The ids to train on and those to be judged by.
fn texts(settings: &Settings, tokenizer: &Tokenizer, text: &str) -> Result<(TokenText, TokenText), Failure> {
    let mut ids = tokenizer.encode(text)?;
    let val = match &settings.val {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
            tokenizer.encode(&text)?
        }
        // The end of the text is kept out of training.
        None => ids.split_off(ids.len() - ids.len() / 20),
    };
    let read = |ids: Vec<u32>, what: &str, path: &Path| {
        TokenText::new(ids, settings.window)
            .map_err(|e| Failure::Failed(format!("{what} ({}): {e}", path.display())))
    };
    let val = read(val, "validation text", settings.val.as_ref().unwrap_or(&settings.text))?;
    Ok((read(ids, "training text", &settings.text)?, val))
}

fn config(settings: &Settings, tokenizer: &Tokenizer) -> Result<LanguageConfig, Failure> {
    let vocabulary = tokenizer.max_id().map_or(0, |id| id as usize + 1);
    let mut config = settings.preset.config(vocabulary);
    config.mixer = settings.mixer;
    config.linear = settings.linear;
    config.max_positions = config.max_positions.max(settings.window);
    config.eos_token_id = tokenizer.token_id("</s>").or_else(|| tokenizer.token_id("<|endoftext|>"));
    config.bos_token_id = tokenizer.token_id("<s>");
    Ok(config)
}
