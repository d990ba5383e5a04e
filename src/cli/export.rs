//! `export`: a converted model as a plain one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fft_tensor::DType;
use fft_tensor::nn::convert::{ExportOptions, export};

use super::output::{Output, bytes, progress};
use super::{DestinationArgs, DeviceArgs, Outcome};

const EXAMPLES: &str = "\
Example:
  fft-tensor export SMALL --out PLAIN --dtype bf16";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Type {
    F32,
    F16,
    Bf16,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArgs {
    /// A converted model.
    source: PathBuf,
    #[command(flatten)]
    destination: DestinationArgs,
    /// The type of the weights [default: decoded weights in the type that config.json names, others as they are].
    #[arg(long, value_enum)]
    dtype: Option<Type>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &ExportArgs, out: &mut Output) -> Outcome {
    let device = args.device.open()?;
    let dtype = args.dtype.map(|t| match t {
        Type::F32 => DType::F32,
        Type::F16 => DType::F16,
        Type::Bf16 => DType::BF16,
    });
    let options = ExportOptions { dtype, force: args.destination.force, ..ExportOptions::default() };
    let bar = progress(0, "bytes");
    let report = export(&args.source, &args.destination.out, &options, &device, &mut |step| {
        bar.set_length(step.total_bytes);
        bar.set_position(step.bytes);
    })?;
    bar.finish_and_clear();
    if args.json {
        return out.json(&report);
    }
    let size = bytes(report.file_bytes as usize);
    for note in &report.notes {
        out.line(format!("note: {note}"))?;
    }
    out.line(format!(
        "{} weights, {size}, written to {}",
        report.totals.tensors,
        report.destination.display()
    ))
}
