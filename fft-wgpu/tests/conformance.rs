//! Runs every conformance case on an adapter: as programs use it, and within WebGPU's default limits with checked shaders.
//!
//! `expectations.txt` lists the cases that are known to fail, each with its reason; one that passes although it is listed fails too.
//! Without an adapter the cases do not run, which is said loudly, and is a failure when `FFT_TENSOR_REQUIRE_WGPU` is 1.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use fft_core::{Device, conformance};
use fft_wgpu::WgpuOptions;
use libtest_mimic::{Arguments, Failed, Trial};

/// The known failures: the beginning of a case's name, and why.
fn expectations() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("expectations.txt").lines();
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
        .map(|(name, reason)| (name, reason.trim()))
        .collect()
}

fn expected(name: &str) -> Option<&'static str> {
    let known = expectations();
    known
        .into_iter()
        .find(|(known, _)| name == *known || (known.ends_with("::") && name.starts_with(known)))
        .map(|e| e.1)
}

/// Devices that no case uses at present. A case has its device for itself; pipelines are compiled once a device.
type Idle = Arc<Mutex<Vec<Device>>>;

fn run(case: &conformance::Case, idle: &Idle, options: &WgpuOptions) -> Result<(), Failed> {
    let kept = idle.lock().map_err(|e| e.to_string())?.pop();
    let device = match kept {
        Some(device) => device,
        None => fft_wgpu::device(options.clone())?,
    };
    if !case.applies_to(&device) {
        // Without an entry in the list a type that the device lacks is a failure.
        idle.lock().map_err(|e| e.to_string())?.push(device);
        return Err(format!("the device lacks one of {:?}", case.needs).into());
    }
    let outcome = (case.run)(&device);
    device.memory().set_limit(None);
    let in_use = device.memory().usage().in_use;
    // A case that breaks its device breaks no other.
    if device.synchronize().is_ok() {
        idle.lock().map_err(|e| e.to_string())?.push(device);
    }
    outcome?;
    if in_use == 0 { Ok(()) } else { Err(format!("{in_use} bytes are in use after the case").into()) }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let adapters = fft_wgpu::adapters();
    let Some(adapter) = adapters.first() else {
        eprintln!(
            "\n*** NO ADAPTER: the wgpu cases DID NOT RUN. Install a Vulkan driver (on Debian: apt-get install mesa-vulkan-drivers). ***\n"
        );
        let required = std::env::var("FFT_TENSOR_REQUIRE_WGPU").is_ok_and(|v| v == "1");
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    };
    eprintln!("adapter: {} ({}, {}, {})", adapter.name, adapter.kind, adapter.api, adapter.driver);
    let ways = [
        ("wgpu", WgpuOptions::default()),
        ("wgpu_default_limits", WgpuOptions { default_limits: true, validation: true, ..Default::default() }),
    ];
    let mut trials = Vec::new();
    for (way, options) in ways {
        let idle = Idle::default();
        for case in conformance::cases() {
            let (idle, options) = (Arc::clone(&idle), options.clone());
            let trial = move || match (run(&case, &idle, &options), expected(case.name)) {
                (Ok(()), None) => Ok(()),
                (Err(failure), None) => Err(failure),
                (Err(_), Some(reason)) if !reason.is_empty() => Ok(()),
                (Err(_), Some(_)) => Err("it is expected to fail for no reason".into()),
                (Ok(()), Some(reason)) => Err(format!("it passes, but is expected to fail: {reason}").into()),
            };
            trials.push(Trial::test(format!("{way}::{}", case.name), trial));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
