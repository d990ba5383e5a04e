//! `generate`: text from a prompt.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use fft_tensor::nn::generate::{GenerateOptions, Generation, StopReason, generate_text};
use fft_tensor::nn::models::{LoadOptions, load_causal_lm};
use fft_tensor::nn::sampling::Sampling;
use fft_tensor::nn::tokenizer::Tokenizer;
use serde::Serialize;

use super::output::Output;
use super::{DeviceArgs, Failure, Outcome, blame_weights, parse_positive};

const EXAMPLES: &str = "\
Examples:
  fft-tensor generate MODEL --prompt \"In the beginning\" --greedy
  fft-tensor generate MODEL --prompt \"Blessed are\" --temperature 0.8 --top-p 0.95 --seed 7
  fft-tensor generate MODEL --prompt \"And\" --json | jq .tokens_per_second";

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GenerateArgs {
    /// A Hugging Face directory, plain or converted.
    model: PathBuf,
    /// The text to write on from.
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// The most tokens to add.
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_new_tokens: usize,
    /// Always take the most likely token (the default unless another way of sampling is given).
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p"])]
    greedy: bool,
    /// Sample from softmax(logits / T); 1 is the model's own distribution.
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Sample from the K most likely tokens only.
    #[arg(long, value_name = "K", value_parser = parse_positive)]
    top_k: Option<usize>,
    /// Sample from the fewest tokens whose probabilities reach P.
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// The seed of the random numbers: the same seed gives the same text.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Go on after the model's end-of-text token.
    #[arg(long)]
    ignore_eos: bool,
    /// Print JSON (text, ids, timings) at the end instead of streaming the text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    prompt: &'a str,
    text: &'a str,
    prompt_ids: &'a [u32],
    ids: &'a [u32],
    stop: &'static str,
    prefill_seconds: f64,
    decode_seconds: f64,
    tokens_per_second: f64,
}

pub(super) fn stop_name(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Length => "length",
        StopReason::EndOfText => "end of text",
        StopReason::ContextFull => "context full",
        StopReason::Cancelled => "cancelled",
    }
}

fn sampling(args: &GenerateArgs) -> Result<Sampling, Failure> {
    let random = args.temperature.is_some() || args.top_k.is_some() || args.top_p.is_some();
    let sampling = match random {
        false => Sampling::Greedy,
        true => Sampling::Random {
            temperature: args.temperature.unwrap_or(1.0),
            top_k: args.top_k,
            top_p: args.top_p,
        },
    };
    sampling.check().map_err(|e| Failure::Usage(e.to_string()))?;
    Ok(sampling)
}

pub(super) fn run(args: &GenerateArgs, out: &mut Output) -> Outcome {
    let sampling = sampling(args)?;
    let device = args.device.open()?;
    let tokenizer = Tokenizer::open(&args.model)?;
    let model = load_causal_lm(&args.model, &device, &LoadOptions::default())?.model;
    let options = GenerateOptions {
        max_new_tokens: args.max_new_tokens,
        sampling,
        seed: args.seed,
        stop_at_eos: !args.ignore_eos,
        ..GenerateOptions::default()
    };
    let blame = |error| blame_weights(error, &[&args.model]);
    if args.json {
        let done =
            generate_text(&*model, &tokenizer, &args.prompt, &options, &mut |_| ControlFlow::Continue(()))
                .map_err(blame)?;
        return out.json(&report(&args.prompt, &done));
    }
    // The callback runs on the device's thread, where standard output may be found closed.
    let mut written: Outcome = Ok(());
    let stream = std::sync::Mutex::new((out, &mut written));
    generate_text(&*model, &tokenizer, &args.prompt, &options, &mut |piece| {
        let mut guard = stream.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (out, written) = &mut *guard;
        match out.piece(piece) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                **written = Err(failure);
                ControlFlow::Break(())
            }
        }
    })
    .map_err(blame)?;
    let (out, written) = stream.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    std::mem::replace(written, Ok(()))?;
    out.line("")
}

fn report<'a>(prompt: &'a str, done: &'a Generation) -> Report<'a> {
    Report {
        prompt,
        text: &done.text,
        prompt_ids: &done.prompt,
        ids: &done.ids,
        stop: stop_name(done.stop),
        prefill_seconds: done.prefill.as_secs_f64(),
        decode_seconds: done.decode.as_secs_f64(),
        tokens_per_second: done.tokens_per_second(),
    }
}
