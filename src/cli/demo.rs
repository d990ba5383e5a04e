//! `demo`: a trained model converted to the frequency domain, and one trained in it, on held-out text and writing.

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

/// The files of a model, part of the program so that the demo needs nothing else.
type Files = [(&'static str, &'static [u8])];

/// A 2M-parameter Llama trained on the King James Bible.
const DENSE: &Files = &[
    ("config.json", include_bytes!("../../models/tiny-llama-kjv/config.json")),
    ("model.safetensors", include_bytes!("../../models/tiny-llama-kjv/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../models/tiny-llama-kjv/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../models/tiny-llama-kjv/tokenizer_config.json")),
];

/// A Llama of the same shape whose linear layers were circulant blocks of 4 from the first step on.
const NATIVE: &Files = &[
    ("config.json", include_bytes!("../../models/tiny-llama-kjv-circulant/config.json")),
    ("model.safetensors", include_bytes!("../../models/tiny-llama-kjv-circulant/model.safetensors")),
];

/// Text that neither was trained on.
const TEXT: &str = include_str!("../../models/kjv-held-out.txt");

/// Tokens in a window of the text.
const WINDOW: usize = 256;

const EXAMPLES: &str = "\
Everything is measured here and now, on verses that the models were not trained on.

Example:
  fft-tensor demo --json";

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// The seed of the continuations at the end.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Windows of 256 tokens to score, at most; the text has about 50.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    windows: u32,
    /// What the continuations begin with.
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
    /// Of the matrices converted; none for a model trained as it is.
    relative_error: Option<f64>,
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
    native_text: String,
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

fn write_model(dir: &Path, files: &Files) -> Result<()> {
    std::fs::create_dir(dir).map_err(|e| Error::io(dir, e))?;
    for (name, content) in files {
        let path = dir.join(name);
        std::fs::write(&path, content).map_err(|e| Error::io(&path, e))?;
    }
    Ok(())
}

fn weights_bytes(files: &Files) -> u64 {
    files
        .iter()
        .find(|(name, _)| name.ends_with("safetensors"))
        .map_or(0, |(_, content)| content.len() as u64)
}

fn load(dir: &Path, device: &Device) -> Result<Box<dyn CausalLm>> {
    Ok(load_causal_lm(dir, device, &LoadOptions::default())?.model)
}

pub(super) fn run(args: &DemoArgs, out: &mut Output) -> Outcome {
    let start = Instant::now();
    let device = args.device.open()?;
    let temporary = tempfile::tempdir().map_err(|e| Error::io(std::env::temp_dir(), e))?;
    let source = temporary.path().join("original");
    write_model(&source, DENSE)?;
    let base = load(&source, &device)?;
    let native = temporary.path().join("native");
    write_model(&native, NATIVE)?;
    let native = load(&native, &device)?;
    let tokenizer = Tokenizer::open(&source)?;
    let ids = tokenizer.encode(TEXT)?;

    let codecs = codecs();
    let bar = progress(codecs.len() as u64, "converting");
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
    let mut others: Vec<&dyn CausalLm> = converted.iter().map(|(_, _, model)| &**model).collect();
    others.push(&*native);
    let options = EvaluateOptions { window: WINDOW, max_windows: args.windows as usize };
    let compared = compare_all(&*base, &others, &ids, &options, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();

    // Each model is timed, and three of them write.
    let bar = progress(converted.len() as u64 + 5, "generating");
    let timed = |model: &dyn CausalLm, prompt: &[u32]| speed(model, prompt).inspect(|_| bar.inc(1));
    let prompt = tokenizer.encode_prompt(&args.prompt, base.config().bos_token_id)?;
    let mut rows = vec![Row {
        codec: "original, bf16".into(),
        bits_per_weight: 16.0,
        file_bytes: weights_bytes(DENSE),
        weight_bytes: base.weight_bytes(),
        relative_error: Some(0.0),
        kl_mean: 0.0,
        top1_agreement: 1.0,
        perplexity: compared.first().map_or(f64::NAN, |c: &Comparison| c.base.perplexity),
        tokens_per_second: timed(&*base, &prompt)?,
    }];
    let of_converted = converted.iter().map(|(name, report, model)| {
        let bits = report.totals.converted_bits_per_weight;
        (*name, bits, report.file_bytes, report.totals.relative_error, &**model)
    });
    // A parameter, of 32 bits, stands for the 4 elements of a diagonal of a block.
    let of_native = ("native, circulant 1/4", 32.0 / 4.0, weights_bytes(NATIVE), None, &*native);
    for ((name, bits, file_bytes, relative_error, model), comparison) in
        of_converted.chain([of_native]).zip(&compared)
    {
        rows.push(Row {
            codec: name.into(),
            bits_per_weight: bits,
            file_bytes,
            weight_bytes: model.weight_bytes(),
            relative_error,
            kl_mean: comparison.kl_mean,
            top1_agreement: comparison.top1_agreement,
            perplexity: comparison.other.perplexity,
            tokens_per_second: timed(model, &prompt)?,
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
        bar.inc(1);
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
        native_text: write(&*native)?,
        seconds: start.elapsed().as_secs_f64(),
    };
    bar.finish_and_clear();
    if args.json {
        return out.json(&report);
    }
    print(&report, &device, out)
}

fn print(report: &Report, device: &Device, out: &mut Output) -> Outcome {
    let threads =
        if report.threads > 0 { format!(" with {} threads", report.threads) } else { String::new() };
    out.line(format!(
        "A Llama of 2.0M parameters, trained on the King James Bible, on {}{threads}.",
        device.info().name
    ))?;
    out.line(format!(
        "Its linear layers (1.57M of the parameters) in each form, scored on {} tokens of held-out verses:\n",
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
                r.relative_error.map_or("-".into(), |e| format!("{e:.3}")),
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
         for weights trained so.\nThe last row is a model of the same shape that was trained with a quarter of the parameters, in circulant \
         blocks, for 600 steps\n(`fft-tensor train --linear circulant`). Its divergence is that of another model, not an error.",
    )?;
    out.line(format!("\nOriginal: {}{}", report.prompt, report.original_text))?;
    out.line(format!("\n4 bit:    {}{}", report.prompt, report.four_bit_text))?;
    out.line(format!("\nNative:   {}{}", report.prompt, report.native_text))?;
    out.line(format!("\n{:.1} s in all.", report.seconds))
}
