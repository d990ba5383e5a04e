//! `log.jsonl`: a line for each step and validation.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fft_tensor::nn::checkpoint::write_atomic;
use fft_tensor::nn::train::StepReport;
use serde::{Deserialize, Serialize};

use super::super::{Failure, Outcome};

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) step: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) val_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grad_norm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tokens: Option<usize>,
}

impl Record {
    pub(super) fn step(report: &StepReport, seconds: f64) -> Self {
        let &StepReport { step, loss, rate, grad_norm, tokens } = report;
        Self {
            step,
            loss: Some(loss),
            val_loss: None,
            rate: Some(rate),
            grad_norm: Some(grad_norm),
            seconds: Some(seconds),
            tokens: Some(tokens),
        }
    }

    pub(super) fn validation(step: u64, loss: f64) -> Self {
        let (rate, grad_norm, seconds) = (None, None, None);
        Self { step, loss: None, val_loss: Some(loss), rate, grad_norm, seconds, tokens: None }
    }
}

/// The file, open to be written on.
pub(super) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens the log of a training that has done `steps`: lines of later steps, written before an interruption, go.
    pub(super) fn open(dir: &Path, steps: u64) -> Result<Self, Failure> {
        let path = dir.join("log.jsonl");
        let failed = |e: std::io::Error| Failure::Failed(format!("{}: {e}", path.display()));
        let kept: Vec<Record> = read(&path)?.into_iter().filter(|r| r.step <= steps && steps > 0).collect();
        let mut text = Vec::new();
        for record in &kept {
            serde_json::to_writer(&mut text, record).map_err(|e| failed(e.into()))?;
            text.push(b'\n');
        }
        write_atomic(&path, text)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        Ok(Self { file: BufWriter::new(file), path })
    }

    pub(super) fn write(&mut self, record: &Record) -> Outcome {
        let line = serde_json::to_string(record).map_err(std::io::Error::from);
        // Each line at once, for those who look on.
        line.and_then(|line| writeln!(self.file, "{line}").and_then(|()| self.file.flush()))
            .map_err(|e| Failure::Failed(format!("{}: {e}", self.path.display())))
    }

    /// All lines.
    pub(super) fn records(&self) -> Result<Vec<Record>, Failure> {
        read(&self.path)
    }
}

/// The lines of a log; an unfinished last one is left out.
fn read(path: &Path) -> Result<Vec<Record>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Failure::Failed(format!("{}: {e}", path.display()))),
    }
}
