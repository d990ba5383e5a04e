//! Developer chores: `cargo xtask test`, `cargo xtask ci`, each check alone, and `cargo xtask tune`.

mod checks;

use std::process::ExitCode;
use std::time::Instant;

use checks::Step;

const HELP: &str = "\
Developer chores of fft-tensor.

Usage: cargo xtask <COMMAND>...

Commands:
  test      run every test of the workspace
  fmt       check the formatting
  clippy    lint all targets, warnings are errors
  docs      build the documentation, warnings are errors
  features  check that the feature combinations build and that the library pulls in no command-line crate
  package   check that every library crate can be packaged and built from its package
  deny      check the licences and sources of all dependencies (needs cargo-deny)
  ci        all of these
  tune      time convolutions on this machine, a minute or two, and write the constants of their planner into fft-cpu
";

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() || names.iter().any(|n| n == "--help" || n == "-h" || n == "help") {
        print!("{HELP}");
        return if names.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let mut steps: Vec<Step> = Vec::new();
    for name in &names {
        if name == "ci" {
            steps.extend(checks::STEPS);
        } else if name == "tune" {
            steps.push(checks::TUNE);
        } else if let Some(step) = checks::STEPS.iter().find(|s| s.name == name) {
            steps.push(*step);
        } else {
            eprintln!("xtask: no command {name:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    }
    for step in steps {
        let start = Instant::now();
        eprintln!("xtask: {}", step.name);
        if let Err(reason) = (step.run)() {
            eprintln!("xtask: {} failed: {reason}", step.name);
            return ExitCode::FAILURE;
        }
        eprintln!("xtask: {} passed in {:.0} s", step.name, start.elapsed().as_secs_f64());
    }
    ExitCode::SUCCESS
}
