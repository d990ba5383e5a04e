//! `devices`: what can be used.

use clap::Args;
use fft_tensor::{DeviceKind, available_devices};
use serde::Serialize;

use super::output::{Output, bytes};
use super::{Failure, Outcome};

/// Arguments of `devices`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fft-tensor devices --json")]
pub(super) struct DevicesArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    id: String,
    kind: &'static str,
    name: String,
    driver: String,
    parallelism: usize,
    max_buffer: usize,
    limits: String,
    features: String,
}

pub(super) fn run(args: &DevicesArgs, out: &mut Output) -> Outcome {
    let rows: Vec<Row> = available_devices()
        .map_err(Failure::from)?
        .into_iter()
        .map(|d| Row {
            id: d.id,
            kind: match d.kind {
                DeviceKind::Cpu => "cpu",
                DeviceKind::Wgpu => "wgpu",
                DeviceKind::Cuda => "cuda",
                _ => "other",
            },
            name: d.name,
            driver: d.driver,
            parallelism: d.parallelism,
            max_buffer: d.max_buffer,
            limits: d.limits,
            features: d.features,
        })
        .collect();
    if args.json {
        return out.json(&rows);
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|r| {
            let largest =
                if r.max_buffer >= isize::MAX as usize { "any".into() } else { bytes(r.max_buffer) };
            vec![r.id.clone(), r.name.clone(), r.driver.clone(), r.parallelism.to_string(), largest]
        })
        .collect();
    out.table(&["device", "name", "driver", "threads", "largest buffer"], &cells)?;
    for row in rows.iter().filter(|r| !r.limits.is_empty()) {
        let features =
            if row.features.is_empty() { "none of those that kernels know" } else { &row.features };
        out.line(format!("\n{}: {}; features: {features}", row.id, row.limits))?;
    }
    Ok(())
}
