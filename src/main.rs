//! The command line `fft-tensor`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
