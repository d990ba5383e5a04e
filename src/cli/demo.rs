//! `demo`: a trained model converted to the frequency domain, compared with the original, and writing.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use fft_tensor::nn::codec::MatrixCodec;
use fft_tensor::nn::convert::{ConvertOptions, ConvertReport, WeightFormat, llamaize};
use fft_tensor::nn::evaluate::{Comparison, EvaluateOptions, compare_all};
use fft_tensor::nn::generate::{GenerateOptions, generate_ids, generate_text};
use fft_tensor::nn::models::{CausalLm, LoadOptions, load_causal_lm};
use fft_tensor::nn::sampling::Sampling;
use fft_tensor::nn::tokenizer::Tokenizer;
use fft_tensor::spectral::{Bits, LogSpectrumOptions, RotatedOptions, SparseOptions, ValueFormat};
use fft_tensor::{Device, Error, Result};
use serde::Serialize;

use super::output::{Output, bytes, progress};
use super::{DeviceArgs, Outcome};

/// A 2M-parameter Llama trained on the King James Bible, part of the program so that the demo needs nothing else.
const MODEL: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../models/tiny-llama-kjv/config.json")),
    ("model.safetensors", include_bytes!("../../models/tiny-llama-kjv/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../models/tiny-llama-kjv/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../models/tiny-llama-kjv/tokenizer_config.json")),
];

/// Tokens in a window of the sampled text.
const WINDOW: usize = 256;

const EXAMPLES: &str = "\
Everything is measured here and now, on text that the original model writes itself (sampled with the seed).

Example:
  fft-tensor demo --json";

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// The seed of the sampled text.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Windows of 256 tokens to sample and score.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    windows: u32,
    /// The prompt of the continuations at the end.
    #[arg(long, value_name = "TEXT", default_value = "And the LORD said unto Moses")]
    prompt: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// One row of the table.
#[derive(Serialize)]
struct Row {
    codec: String,
    bits_per_weight: f64,
    file_bytes: u64,
    weight_bytes: usize,
    relative_error: f64,
    kl_mean: f64,
    top1_agreement: f64,
    perplexity: f64,
    tokens_per_second: f64,
}

#[derive(Serialize)]
struct Report {
    scored_tokens: usize,
    threads: usize,
    rows: Vec<Row>,
    prompt: String,
    original_text: String,
    four_bit_text: String,
    seconds: f64,
}

fn codecs() -> Vec<(&'static str, MatrixCodec)> {
    let rotated = |bits| MatrixCodec::Rotated(RotatedOptions::new(bits));
    let sparse =
        |d| MatrixCodec::Sparse(SparseOptions { values: ValueFormat::F16, ..SparseOptions::density(d) });
    vec![
        ("rotated, 8 bit", rotated(Bits::Eight)),
        ("rotated, 4 bit", rotated(Bits::Four)),
        ("log8, whole spectrum", MatrixCodec::Log8(LogSpectrumOptions::default())),
        ("top-k, 50%", sparse(0.5)),
        ("top-k, 20%", sparse(0.2)),
        ("top-k, 5%", sparse(0.05)),
    ]
}

/// Text of the model's own making: `windows` pieces of [`WINDOW`] tokens, each from the begin token.
fn sample(model: &dyn CausalLm, windows: usize, seed: u64, mut step: impl FnMut()) -> Result<Vec<u32>> {
    let begin = model.config().bos_token_id.unwrap_or(0);
    let mut ids = Vec::with_capacity(windows * WINDOW);
    for window in 0..windows as u64 {
        let options = GenerateOptions {
            max_new_tokens: WINDOW - 1,
            sampling: Sampling::Random { temperature: 1.0, top_k: None, top_p: None },
            seed: seed.wrapping_add(window),
            stop_at_eos: false,
            ..GenerateOptions::default()
        };
        let new = generate_ids(model, &[begin], &options, &mut |_| Ok(ControlFlow::Continue(())))?;
        ids.push(begin);
        ids.extend(new.ids);
        step();
    }
    Ok(ids)
}

/// The median of five decoding speeds.
fn speed(model: &dyn CausalLm, prompt: &[u32]) -> Result<f64> {
    let options = GenerateOptions { max_new_tokens: 65, stop_at_eos: false, ..GenerateOptions::default() };
    let mut speeds = Vec::new();
    for _ in 0..5 {
        let run = generate_ids(model, prompt, &options, &mut |_| Ok(ControlFlow::Continue(())))?;
        speeds.push(run.tokens_per_second());
    }
    speeds.sort_by(f64::total_cmp);
    Ok(speeds[speeds.len() / 2])
}

fn write_model(dir: &Path) -> Result<()> {
    std::fs::create_dir(dir).map_err(|e| Error::io(dir, e))?;
    for (name, content) in MODEL {
        let path = dir.join(name);
        std::fs::write(&path, content).map_err(|e| Error::io(&path, e))?;
    }
    Ok(())
}

fn load(dir: &Path, device: &Device) -> Result<Box<dyn CausalLm>> {
    Ok(load_causal_lm(dir, device, &LoadOptions::default())?.model)
}

pub(super) fn run(args: &DemoArgs, out: &mut Output) -> Outcome {
    let start = Instant::now();
    let device = args.device.open()?;
    let temporary = tempfile::tempdir().map_err(|e| Error::io(std::env::temp_dir(), e))?;
    let source = temporary.path().join("original");
    write_model(&source)?;
    let base = load(&source, &device)?;
    let tokenizer = Tokenizer::open(&source)?;

    let codecs = codecs();
    let bar = progress(u64::from(args.windows) + codecs.len() as u64, "sampling text");
    let ids = sample(&*base, args.windows as usize, args.seed, || bar.inc(1))?;
    bar.set_message("converting");
    let mut converted: Vec<(&str, ConvertReport, Box<dyn CausalLm>)> = Vec::new();
    for (name, codec) in codecs {
        let to = temporary.path().join(name);
        let options = ConvertOptions::new(WeightFormat::Coded(codec));
        let report = llamaize(&source, &to, &options, &device, &mut |_| {})?;
        let model = load(&to, &device)?;
        converted.push((name, report, model));
        bar.inc(1);
    }
    bar.set_message("comparing");
    let others: Vec<&dyn CausalLm> = converted.iter().map(|(_, _, model)| &**model).collect();
    let options = EvaluateOptions { window: WINDOW, ..EvaluateOptions::default() };
    let compared = compare_all(&*base, &others, &ids, &options, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();

    let prompt = tokenizer.encode_prompt(&args.prompt, base.config().bos_token_id)?;
    let file_bytes = MODEL.iter().find(|(name, _)| name.ends_with("safetensors")).map_or(0, |m| m.1.len());
    let mut rows = vec![Row {
        codec: "original, bf16".into(),
        bits_per_weight: 16.0,
        file_bytes: file_bytes as u64,
        weight_bytes: base.weight_bytes(),
        relative_error: 0.0,
        kl_mean: 0.0,
        top1_agreement: 1.0,
        perplexity: compared.first().map_or(f64::NAN, |c: &Comparison| c.base.perplexity),
        tokens_per_second: speed(&*base, &prompt)?,
    }];
    for ((name, report, model), comparison) in converted.iter().zip(&compared) {
        rows.push(Row {
            codec: (*name).into(),
            bits_per_weight: report.totals.converted_bits_per_weight,
            file_bytes: report.file_bytes,
            weight_bytes: model.weight_bytes(),
            relative_error: report.totals.relative_error.unwrap_or(f64::NAN),
            kl_mean: comparison.kl_mean,
            top1_agreement: comparison.top1_agreement,
            perplexity: comparison.other.perplexity,
            tokens_per_second: speed(&**model, &prompt)?,
        });
    }
    let write = |model: &dyn CausalLm| -> Result<String> {
        let options = GenerateOptions {
            max_new_tokens: 60,
            sampling: Sampling::Random { temperature: 0.7, top_k: None, top_p: Some(0.9) },
            seed: args.seed,
            ..GenerateOptions::default()
        };
        let done =
            generate_text(model, &tokenizer, &args.prompt, &options, &mut |_| ControlFlow::Continue(()))?;
        Ok(done.text)
    };
    let four_bit = converted.iter().find(|(name, ..)| *name == "rotated, 4 bit").map(|(_, _, model)| model);
    let report = Report {
        scored_tokens: compared.first().map_or(0, |c| c.tokens),
        threads: device.info().parallelism,
        rows,
        prompt: args.prompt.clone(),
        original_text: write(&*base)?,
        four_bit_text: four_bit.map_or(Ok(String::new()), |model| write(&**model))?,
        seconds: start.elapsed().as_secs_f64(),
    };
    if args.json {
        return out.json(&report);
    }
    print(&report, &device, out)
}

fn print(report: &Report, device: &Device, out: &mut Output) -> Outcome {
    out.line(format!(
        "A Llama of 2.0M parameters, trained on the King James Bible, on {} with {} threads.",
        device.info().name,
        report.threads
    ))?;
    out.line(format!(
        "Its linear layers (1.57M of the parameters) in each form, scored on {} tokens sampled from the original:\n",
        report.scored_tokens
    ))?;
    let rows: Vec<Vec<String>> = report
        .rows
        .iter()
        .map(|r| {
            vec![
                r.codec.clone(),
                format!("{:.2}", r.bits_per_weight),
                bytes(r.file_bytes as usize),
                bytes(r.weight_bytes),
                format!("{:.3}", r.relative_error),
                format!("{:.5}", r.kl_mean),
                format!("{:.1} %", 100.0 * r.top1_agreement),
                format!("{:.2}", r.perplexity),
                format!("{:.0}", r.tokens_per_second),
            ]
        })
        .collect();
    let header = [
        "weights",
        "bits/weight",
        "file",
        "memory",
        "rel. error",
        "KL (nats)",
        "top-1",
        "perplexity",
        "tokens/s",
    ];
    out.table(&header, &rows)?;
    out.line(
        "\nQuantising in a rotated frequency domain keeps the model; dropping coefficients of a trained dense matrix \
         destroys it,\nsince its spectrum is as white as noise: few coefficients are no summary of it. Sparse spectra are \
         for weights trained so.",
    )?;
    out.line(format!("\nOriginal: {}{}", report.prompt, report.original_text))?;
    out.line(format!("\n4 bit:    {}{}", report.prompt, report.four_bit_text))?;
    out.line(format!("\n{:.1} s in all.", report.seconds))
}
