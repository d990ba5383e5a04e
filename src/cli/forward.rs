//! `forward`: the outputs of a model on given token ids, for parity checks.

use std::path::PathBuf;

use clap::Args;
use fft_tensor::nn::checkpoint::write_file;
use fft_tensor::nn::models::{LoadOptions, Positions, load_causal_lm};
use fft_tensor::{Error, Tensor};
use serde::Serialize;

use super::output::{Output, bytes};
use super::{DeviceArgs, Outcome, blame_weights};

const EXAMPLES: &str = "\
Writes `input_ids` (I64, [1, tokens]) and `logits` (F32, [1, tokens, vocabulary]).

Example:
  fft-tensor forward MODEL --ids 5,17,3 --out outputs.safetensors";

/// Arguments of `forward`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ForwardArgs {
    /// A Hugging Face directory, plain or converted.
    model: PathBuf,
    /// Token ids, separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_name = "IDS")]
    ids: Vec<u32>,
    /// The safetensors file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    dtype: String,
    shape: Vec<usize>,
}

pub(super) fn run(args: &ForwardArgs, out: &mut Output) -> Outcome {
    if !args.force && args.out.exists() {
        return Err(Error::format(&args.out, "exists already; --force overwrites it").into());
    }
    let device = args.device.open()?;
    let model = load_causal_lm(&args.model, &device, &LoadOptions::default())?.model;
    let logits = model.forward(&args.ids, 1, None, Positions::All)?;
    if let Some(i) = logits.to_vec::<f32>()?.iter().position(|v| !v.is_finite()) {
        let error = Error::invalid("forward", "logits", i, "the logit at this index is not finite");
        return Err(blame_weights(error, &[&args.model]).into());
    }
    let ids: Vec<i64> = args.ids.iter().map(|&id| id.into()).collect();
    let ids = Tensor::from_slice(&device, &ids, &[1, ids.len()])?;
    let outputs = [("input_ids", &ids), ("logits", &logits)];
    write_file(&args.out, outputs)?;
    let rows: Vec<Row> = outputs
        .iter()
        .map(|(name, t)| Row { name, dtype: t.dtype().to_string(), shape: t.shape().to_vec() })
        .collect();
    if args.json {
        return out.json(&rows);
    }
    for (row, (_, tensor)) in rows.iter().zip(outputs) {
        out.line(format!("{}: {} {:?}, {}", row.name, row.dtype, row.shape, bytes(tensor.bytes())))?;
    }
    Ok(())
}
