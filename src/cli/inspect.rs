//! `inspect`: what a model holds.

use std::path::PathBuf;

use clap::Args;
use fft_tensor::nn::convert::{TensorReport, inspect};

use super::output::{Output, bytes, progress};
use super::{DeviceArgs, Outcome};

const EXAMPLES: &str = "\
Examples:
  fft-tensor inspect MODEL
  fft-tensor inspect SMALL --source MODEL         with the error of each converted weight";

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InspectArgs {
    /// A Hugging Face directory, plain or converted, or one safetensors file.
    model: PathBuf,
    /// The plain model that MODEL was made from, to measure errors against.
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// The table of tensors.
pub(super) fn print_tensors(out: &mut Output, tensors: &[TensorReport]) -> Outcome {
    let optional = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.4}"));
    let rows: Vec<Vec<String>> = tensors
        .iter()
        .map(|t| {
            let gain = t.compaction.map_or("-".into(), |c| format!("{:+.1} dB", c.gain_db));
            vec![
                t.name.clone(),
                format!("{:?}", t.shape),
                t.codec.clone(),
                t.detail.clone(),
                bytes(t.stored_bytes as usize),
                format!("{:.2}", t.bits_per_weight),
                optional(t.density),
                optional(t.relative_error),
                gain,
            ]
        })
        .collect();
    let header =
        ["tensor", "shape", "codec", "detail", "bytes", "bits/weight", "density", "rel. error", "gain"];
    out.table(&header, &rows)
}

pub(super) fn run(args: &InspectArgs, out: &mut Output) -> Outcome {
    let device = args.device.open()?;
    let bar = progress(0, "bytes");
    let report = inspect(&args.model, args.source.as_deref(), &device, &mut |step| {
        bar.set_length(step.total_bytes);
        bar.set_position(step.bytes);
    })?;
    bar.finish_and_clear();
    if args.json {
        return out.json(&report);
    }
    print_tensors(out, &report.tensors)?;
    let totals = &report.totals;
    out.line("")?;
    out.line(format!(
        "{} weights, {} elements, {}: {:.2} bits per weight; files {}",
        totals.tensors,
        totals.elements,
        bytes(totals.stored_bytes as usize),
        totals.bits_per_weight,
        bytes(report.file_bytes as usize)
    ))?;
    match totals.relative_error {
        Some(error) => out.line(format!("relative error of all weights: {error:.4}")),
        None => Ok(()),
    }
}
