//! `train`: a language model from a text.

mod log;
mod options;
mod plot;
mod settings;

use std::path::Path;
use std::time::Instant;

use fft_tensor::nn::checkpoint::write_atomic;
use fft_tensor::nn::models::{LanguageConfig, LanguageModel};
use fft_tensor::nn::tokenizer::Tokenizer;
use fft_tensor::nn::train::{TokenText, Trainer, train_tokenizer};
use serde::Serialize;

pub(super) use options::TrainArgs;

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
    // Nothing is written before everything is known to fit.
    let settings = Settings::new(args)?;
    let dir = &settings.out;
    check_directory(&settings)?;
    let text = read(&settings.text)?;
    let val = settings.val.as_deref().map(read).transpose()?;
    let run = settings.run(&text, val.as_deref())?;
    let (tokenizer, tokenizer_files) = tokenizer(&settings, &text)?;
    let (train, val) = texts(&settings, &tokenizer, &text, val.as_deref())?;
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
    trainer.set_run(run);
    if settings.resume {
        trainer.resume(&dir.join(CHECKPOINT))?;
    }
    std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
    remove_partial(dir);
    for (name, content) in tokenizer_files {
        write_atomic(dir.join(name), content)?;
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
    let record = Record::validation(trainer.step_count(), val_loss);
    // Where a training that had ended was resumed it is there already.
    if log.records()?.last() != Some(&record) {
        log.write(&record)?;
    }
    if let Some(picture) = plot::losses(&log.records()?).map_err(|e| failed(&dir.join("loss.svg"), e))? {
        write_atomic(dir.join("loss.svg"), picture)?;
    }
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
        model_bytes: std::fs::metadata(&model).map_err(|e| failed(&model, e))?.len(),
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

/// What has gone wrong with a file.
fn failed(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {reason}", path.display()))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| failed(path, e))
}

/// Whether a file is what a training that was killed left half written.
fn is_partial(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        CHECKPOINT,
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "log.jsonl",
        "loss.svg",
    ];
    let own = |own: &&str| name.strip_prefix('.')?.strip_prefix(*own)?.strip_prefix(".partial-");
    let process = NAMES.iter().find_map(own);
    process.is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

/// Refuses a directory to start in that holds what this training did not make.
fn check_directory(settings: &Settings) -> Outcome {
    let dir = &settings.out;
    if settings.resume || !dir.exists() {
        return Ok(());
    }
    let refuse = |reason: &str| Err(Failure::Failed(format!("{} {reason}", dir.display())));
    if [CHECKPOINT, "config.json", "model.safetensors"].iter().any(|name| dir.join(name).exists()) {
        return refuse("holds a model or a training; continue it with --resume, or choose another directory");
    }
    let mut others = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let name = entry.map_err(|e| failed(dir, e))?.file_name().to_string_lossy().into_owned();
        if !is_partial(&name) {
            others.push(name);
        }
    }
    others.sort();
    match &others[..] {
        [first, rest @ ..] if !settings.force => refuse(&format!(
            "is not empty: it holds {first} and {} more entries; choose another directory, or start there with --force",
            rest.len()
        )),
        _ => Ok(()),
    }
}

/// Removes what trainings that were killed left half written in `dir`; what cannot be removed does no harm.
fn remove_partial(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_partial)) {
        let path = entry.path();
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}

/// Names and contents.
type Files = Vec<(&'static str, Vec<u8>)>;

/// The tokenizer, a given one or one made from the text, and its files for the training's directory; none are needed when it is there already.
fn tokenizer(settings: &Settings, text: &str) -> Result<(Tokenizer, Files), Failure> {
    if settings.resume {
        return Ok((Tokenizer::open(&settings.out)?, Vec::new()));
    }
    let made;
    let given = match &settings.tokenizer {
        Some(given) if given.is_dir() => given.join("tokenizer.json"),
        Some(given) => given.clone(),
        None => {
            made = tempfile::tempdir().map_err(|e| Failure::Failed(format!("a temporary directory: {e}")))?;
            train_tokenizer(text, settings.vocab_size, made.path())?;
            made.path().join("tokenizer.json")
        }
    };
    let tokenizer = Tokenizer::open(&given)?;
    let mut files = vec![("tokenizer.json", std::fs::read(&given).map_err(|e| failed(&given, e))?)];
    let beside = given.with_file_name("tokenizer_config.json");
    if beside.exists() {
        files.push(("tokenizer_config.json", std::fs::read(&beside).map_err(|e| failed(&beside, e))?));
    }
    Ok((tokenizer, files))
}

/// The ids to train on and those to be judged by.
fn texts(
    settings: &Settings,
    tokenizer: &Tokenizer,
    text: &str,
    val: Option<&str>,
) -> Result<(TokenText, TokenText), Failure> {
    let mut ids = tokenizer.encode(text)?;
    let val = match val {
        Some(text) => tokenizer.encode(text)?,
        // The end of the text is kept out of training.
        None => ids.split_off(ids.len() - ids.len() / 20),
    };
    let windows = |ids: Vec<u32>, what: &str, path: &Path| {
        TokenText::new(ids, settings.window).map_err(|e| failed(path, format!("{what}: {e}")))
    };
    let val = windows(val, "validation text", settings.val.as_ref().unwrap_or(&settings.text))?;
    Ok((windows(ids, "training text", &settings.text)?, val))
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
