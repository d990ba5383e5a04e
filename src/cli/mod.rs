//! The command line: one module a command.

mod compare;
mod demo;
mod devices;
mod export;
mod forward;
mod generate;
mod inspect;
mod llamaize;
mod output;
mod profile;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fft_tensor::nn::models::check_finite_weights;
use fft_tensor::{DeviceOptions, Error, open_device};

use output::Output;
use profile::OpenedDevice;

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// Something failed: exit code 1.
    Failed(String),
    /// The arguments do not go together: exit code 2.
    Usage(String),
    /// The reader of our output has gone, which is no failure.
    Closed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Failed(error.to_string())
    }
}

/// The error of a model whose outputs are not finite names the weight that is to blame, if there is one.
fn blame_weights(error: Error, models: &[&Path]) -> Error {
    match &error {
        Error::InvalidArgument { argument: "logits" | "logit", .. } => {
            models.iter().find_map(|model| check_finite_weights(model).err()).unwrap_or(error)
        }
        _ => error,
    }
}

type Outcome = Result<(), Failure>;

/// Spectral deep learning on any processor: convert, compare and run language models in the frequency domain.
#[derive(Debug, Parser)]
#[command(name = "fft-tensor", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  fft-tensor demo                                       convert, compare and run the model that comes with the program
  fft-tensor llamaize MODEL --out SMALL --bits 4        convert a Hugging Face directory to rotated 4-bit weights
  fft-tensor compare MODEL SMALL --text sample.txt      what the conversion cost: KL divergence, perplexity
  fft-tensor train --text book.txt --out MINE           train a small model on a text
  fft-tensor generate SMALL --prompt \"In the beginning\" run it

Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole story on the model that comes with the program.
    Demo(demo::DemoArgs),
    /// List the devices that can be used.
    Devices(devices::DevicesArgs),
    /// Show each tensor of a model: shape, codec, bytes, bits per weight, error.
    Inspect(inspect::InspectArgs),
    /// Convert the weights of a Hugging Face model.
    Llamaize(llamaize::LlamaizeArgs),
    /// Generate text.
    Generate(generate::GenerateArgs),
    /// Measure how far a model is from another on a text.
    Compare(compare::CompareArgs),
    /// Run token ids through a model and save its outputs.
    Forward(forward::ForwardArgs),
    /// Train a language model on a text.
    Train(Box<train::TrainArgs>),
    /// Turn a converted model back into a plain Hugging Face directory.
    Export(export::ExportArgs),
}

/// Where and how to compute.
#[derive(Debug, Args)]
#[command(next_help_heading = "Device")]
struct DeviceArgs {
    /// The device: cpu; wgpu, wgpu:N, wgpu:NAME or wgpu:software (with the feature wgpu); or auto for the best there is.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// Threads on the processor [default: one for each core].
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    threads: Option<usize>,
    /// The most memory to use for tensors, such as 500MB or 4GiB; needing more is an error [default: no limit].
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    memory_limit: Option<usize>,
    /// Show at the end what each kernel cost, by the GPU's own clock, on standard error; the run takes longer.
    #[arg(long)]
    profile: bool,
}

impl DeviceArgs {
    fn open(&self) -> Result<OpenedDevice, Failure> {
        let options = DeviceOptions {
            threads: self.threads,
            memory_limit: self.memory_limit,
            profile: self.profile,
            pipeline_cache: profile::cache_folder(),
        };
        Ok(OpenedDevice(open_device(&self.device, &options)?))
    }
}

/// The directory that a command makes.
#[derive(Debug, Args)]
struct DestinationArgs {
    /// The directory to write; it appears when it is complete.
    #[arg(long, value_name = "DST")]
    out: PathBuf,
    /// Replace the destination if it exists.
    #[arg(long)]
    force: bool,
}

fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(e) => Err(format!("{e}")),
    }
}

/// Bytes with an optional unit: `1000`, `500MB`, `1.5GiB`.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let factor: f64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        unit => return Err(format!("no unit {unit:?}; use kB, MB, GB, KiB, MiB or GiB")),
    };
    let number: f64 = text[..digits].parse().map_err(|_| format!("{text:?} is not a number of bytes"))?;
    Ok((number * factor) as usize)
}

/// Parses the arguments, runs the command and reports how it ended.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe under `--help` is no failure either.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let mut out = Output::stdout();
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args, &mut out),
        Command::Devices(args) => devices::run(args, &mut out),
        Command::Inspect(args) => inspect::run(args, &mut out),
        Command::Llamaize(args) => llamaize::run(args, &mut out),
        Command::Generate(args) => generate::run(args, &mut out),
        Command::Compare(args) => compare::run(args, &mut out),
        Command::Forward(args) => forward::run(args, &mut out),
        Command::Train(args) => train::run(args, &mut out),
        Command::Export(args) => export::run(args, &mut out),
    };
    match outcome.and_then(|()| out.flush()) {
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Failed(reason)) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(reason)) => {
            eprintln!("error: {reason}\n\nFor more information, try '--help'.");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn bytes_with_units() {
        assert_eq!(parse_bytes("1000"), Ok(1000));
        assert_eq!(parse_bytes("1.5GiB"), Ok(1_610_612_736));
        assert_eq!(parse_bytes("2 MB"), Ok(2_000_000));
        assert!(parse_bytes("x").is_err());
        assert!(parse_bytes("3 parsecs").is_err());
        assert!(parse_positive("0").is_err());
    }
}
