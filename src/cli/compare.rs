//! `compare`: how far a model is from another on a text.

use std::path::{Path, PathBuf};

use clap::Args;
use fft_tensor::nn::evaluate::{Comparison, EvaluateOptions, compare};
use fft_tensor::nn::models::{LoadOptions, load_causal_lm};
use fft_tensor::nn::tokenizer::Tokenizer;
use fft_tensor::{Error, Result};
use serde::Serialize;

use super::output::{Output, bytes, progress};
use super::{DeviceArgs, Failure, Outcome, blame_weights};

const EXAMPLES: &str = "\
The text is tokenised with BASE's tokenizer and cut into windows, each scored on its own on all tokens but its first;
a rest shorter than a window is dropped. Divergences are KL(BASE || OTHER) in nats.

Example:
  fft-tensor compare MODEL MODEL-4BIT --text sample.txt --json";

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompareArgs {
    /// The model to compare with: a Hugging Face directory.
    base: PathBuf,
    /// The other model, with the same vocabulary.
    other: PathBuf,
    /// A text file (UTF-8).
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Tokens in a window.
    #[arg(long, value_name = "N", default_value_t = 256)]
    window: usize,
    /// Score only the first N windows.
    #[arg(long, value_name = "N")]
    max_windows: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Serialize)]
struct Report {
    tokens: usize,
    kl_mean: f64,
    kl_p99: f64,
    top1_agreement: f64,
    base_perplexity: f64,
    other_perplexity: f64,
    base_weight_bytes: usize,
    other_weight_bytes: usize,
}

/// Reads a text file.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let raw = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    String::from_utf8(raw).map_err(|e| Error::format(path, format!("is not UTF-8: {e}")))
}

pub(super) fn run(args: &CompareArgs, out: &mut Output) -> Outcome {
    if args.window < 2 {
        return Err(Failure::Usage(format!("--window {} must be at least 2", args.window)));
    }
    let device = args.device.open()?;
    let text = read_text(&args.text)?;
    let tokenizer = Tokenizer::open(&args.base)?;
    let base = load_causal_lm(&args.base, &device, &LoadOptions::default())?.model;
    let other = load_causal_lm(&args.other, &device, &LoadOptions::default())?.model;
    tokenizer.check_vocabulary(base.config().vocab_size)?;
    let ids = tokenizer.encode(&text)?;
    let options =
        EvaluateOptions { window: args.window, max_windows: args.max_windows.unwrap_or(usize::MAX) };
    let bar = progress(0, "windows");
    let result: Comparison = compare(&*base, &*other, &ids, &options, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })
    .map_err(|error| blame_weights(error, &[&args.base, &args.other]))?;
    bar.finish_and_clear();
    let report = Report {
        tokens: result.tokens,
        kl_mean: result.kl_mean,
        kl_p99: result.kl_p99,
        top1_agreement: result.top1_agreement,
        base_perplexity: result.base.perplexity,
        other_perplexity: result.other.perplexity,
        base_weight_bytes: base.weight_bytes(),
        other_weight_bytes: other.weight_bytes(),
    };
    if args.json {
        return out.json(&report);
    }
    out.line(format!("tokens scored               {}", report.tokens))?;
    out.line(format!("KL divergence, mean         {:.6} nats", report.kl_mean))?;
    out.line(format!("KL divergence, 99th pct     {:.6} nats", report.kl_p99))?;
    out.line(format!("top-1 agreement             {:.2} %", 100.0 * report.top1_agreement))?;
    out.line(format!("perplexity of the base      {:.4}", report.base_perplexity))?;
    out.line(format!("perplexity of the other     {:.4}", report.other_perplexity))?;
    out.line(format!("weights of the base         {}", bytes(report.base_weight_bytes)))?;
    out.line(format!("weights of the other        {}", bytes(report.other_weight_bytes)))
}
