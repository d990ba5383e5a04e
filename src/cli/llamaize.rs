//! `llamaize`: a Hugging Face model in another form.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fft_tensor::DType;
use fft_tensor::nn::codec::MatrixCodec;
use fft_tensor::nn::convert::{ConvertOptions, WeightFormat, is_linear_weight, llamaize};
use fft_tensor::spectral::{
    Amount, Bits, LogSpectrumOptions, RotatedOptions, Selection, SparseOptions, ValueFormat,
};
use globset::{Glob, GlobSet, GlobSetBuilder};

use super::inspect::print_tensors;
use super::output::{Output, bytes, progress};
use super::{DestinationArgs, DeviceArgs, Failure, Outcome};

const EXAMPLES: &str = "\
Codecs:
  rotated  an orthogonal Fourier transform, seeded signs, 8 or 4 bits; what works best for trained dense models
  log8     the whole spectrum, each number as a sign and 7 bits of logarithm
  sparse   the largest coefficients of the spectrum; for weights trained in that form and smooth ones, not for ordinary
           trained matrices: the report shows what each loses
  dense    plain numbers of another type (--values f32 or f16)

The linear layers are converted unless --only and --skip say otherwise; embeddings, norms and biases stay as they are.

Examples:
  fft-tensor llamaize MODEL --out SMALL
  fft-tensor llamaize MODEL --out SMALL --codec sparse --energy 0.99 --values f16 --only '*.mlp.*'
  fft-tensor llamaize MODEL --out SMALL --bits 8 --skip '*.down_proj.weight' --json";

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Codec {
    Sparse,
    Rotated,
    Log8,
    Dense,
}

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Values {
    F32,
    F16,
    Log8,
}

/// Arguments of `llamaize`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LlamaizeArgs {
    /// A plain Hugging Face directory.
    source: PathBuf,
    #[command(flatten)]
    destination: DestinationArgs,
    /// How the weights are stored.
    #[arg(long, value_enum, default_value = "rotated")]
    codec: Codec,
    /// The fraction of the spectrum to keep, in (0, 1] (codec sparse) [default: 0.05].
    #[arg(long, value_name = "D", value_parser = parse_fraction, conflicts_with = "energy")]
    density: Option<f64>,
    /// Keep the fewest coefficients with this fraction of the squared norm, in (0, 1] (codec sparse).
    #[arg(long, value_name = "E", value_parser = parse_fraction)]
    energy: Option<f64>,
    /// Bits of a weight, 8 or 4 (codec rotated) [default: 4].
    #[arg(long, value_parser = parse_bits)]
    bits: Option<Bits>,
    /// How numbers are stored (codecs sparse and dense) [default: f32].
    #[arg(long, value_enum)]
    values: Option<Values>,
    /// Convert only weights whose names match; may be repeated.
    #[arg(long, value_name = "GLOB", value_parser = parse_glob)]
    only: Vec<Glob>,
    /// Leave weights whose names match; may be repeated.
    #[arg(long, value_name = "GLOB", value_parser = parse_glob)]
    skip: Vec<Glob>,
    /// The seed of the rotation's signs (codec rotated).
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

fn parse_fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x <= 1.0 => Ok(x),
        _ => Err("must be a number in (0, 1]".into()),
    }
}

fn parse_bits(text: &str) -> Result<Bits, String> {
    let bits = text.parse().map_err(|e| format!("{e}"))?;
    Bits::new(bits).map_err(|_| "must be 8 or 4".into())
}

fn parse_glob(text: &str) -> Result<Glob, String> {
    Glob::new(text).map_err(|e| e.to_string())
}

fn glob_set(globs: &[Glob]) -> Result<GlobSet, Failure> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob.clone());
    }
    set.build().map_err(|e| Failure::Usage(e.to_string()))
}

/// What the options ask for, if they go together.
fn format(args: &LlamaizeArgs) -> Result<WeightFormat, Failure> {
    let wrong = |option: &str, codec: &str| Failure::Usage(format!("{option} is for --codec {codec}"));
    if args.codec != Codec::Sparse && (args.density.is_some() || args.energy.is_some()) {
        return Err(wrong("--density or --energy", "sparse"));
    }
    if args.codec != Codec::Rotated && (args.bits.is_some() || args.seed.is_some()) {
        return Err(wrong("--bits or --seed", "rotated"));
    }
    if args.values.is_some() && !matches!(args.codec, Codec::Sparse | Codec::Dense) {
        return Err(wrong("--values", "sparse or dense"));
    }
    let values = args.values.unwrap_or(Values::F32);
    Ok(match args.codec {
        Codec::Sparse => {
            let amount = match args.energy {
                Some(energy) => Amount::Energy(energy),
                None => Amount::Density(args.density.unwrap_or(0.05)),
            };
            let values = match values {
                Values::F32 => ValueFormat::F32,
                Values::F16 => ValueFormat::F16,
                Values::Log8 => ValueFormat::Log8,
            };
            WeightFormat::Coded(MatrixCodec::Sparse(SparseOptions {
                selection: Selection::TopK(amount),
                values,
            }))
        }
        Codec::Rotated => {
            let options = RotatedOptions::new(args.bits.unwrap_or(Bits::Four));
            let seed = args.seed.unwrap_or(options.seed);
            WeightFormat::Coded(MatrixCodec::Rotated(RotatedOptions { seed, ..options }))
        }
        Codec::Log8 => WeightFormat::Coded(MatrixCodec::Log8(LogSpectrumOptions::default())),
        Codec::Dense => WeightFormat::Dense(match values {
            Values::F32 => DType::F32,
            Values::F16 => DType::F16,
            Values::Log8 => return Err(Failure::Usage("--values log8 is for --codec sparse".into())),
        }),
    })
}

pub(super) fn run(args: &LlamaizeArgs, out: &mut Output) -> Outcome {
    let format = format(args)?;
    let (only, skip) = (glob_set(&args.only)?, glob_set(&args.skip)?);
    let dense = matches!(format, WeightFormat::Dense(_));
    let chosen = |name: &str| match args.only.is_empty() {
        true => (dense || is_linear_weight(name)) && !skip.is_match(name),
        false => only.is_match(name) && !skip.is_match(name),
    };
    let device = args.device.open()?;
    let options = ConvertOptions {
        select: Some(&chosen),
        force: args.destination.force,
        ..ConvertOptions::new(format)
    };
    let bar = progress(0, "bytes");
    let report = llamaize(&args.source, &args.destination.out, &options, &device, &mut |step| {
        bar.set_length(step.total_bytes);
        bar.set_position(step.bytes);
    })?;
    bar.finish_and_clear();
    if args.json {
        return out.json(&Json {
            bytes_in: report.totals.source_bytes,
            bytes_out: report.totals.stored_bytes,
            report: &report,
        });
    }
    print_tensors(out, &report.tensors)?;
    out.line("")?;
    out.line(format!(
        "{} of {} weights converted ({})",
        report.totals.converted, report.totals.tensors, report.codec
    ))?;
    out.line(format!(
        "{} -> {}: {:.2} bits per weight in all, {:.2} in the converted ones",
        bytes(report.totals.source_bytes as usize),
        bytes(report.totals.stored_bytes as usize),
        report.totals.bits_per_weight,
        report.totals.converted_bits_per_weight
    ))?;
    if let Some(error) = report.totals.relative_error {
        out.line(format!("relative error of all weights: {error:.4}"))?;
    }
    for note in &report.notes {
        out.line(format!("note: {note}"))?;
    }
    out.line(format!("written to {} in {:.1} s", report.destination.display(), report.seconds))
}

#[derive(serde::Serialize)]
struct Json<'a> {
    bytes_in: u64,
    bytes_out: u64,
    #[serde(flatten)]
    report: &'a fft_tensor::nn::convert::ConvertReport,
}
