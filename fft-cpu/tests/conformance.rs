//! Runs every conformance case on the processor backend, with one thread and with two.

use std::process::ExitCode;

use fft_core::conformance;
use fft_cpu::CpuOptions;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for case in conformance::cases() {
        for threads in [1, 2] {
            // A device for each trial: some cases read its counters or set its limit.
            let run = move || -> Result<(), Failed> {
                let device = fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() })?;
                if !case.applies_to(&device) {
                    return Err(format!("the processor lacks one of {:?}", case.needs).into());
                }
                Ok((case.run)(&device)?)
            };
            trials.push(Trial::test(format!("cpu{threads}::{}", case.name), run));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
