//! Standard output that may close, tables, and progress bars.

use std::io::{self, BufWriter, Stdout, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Failure, Outcome};

/// Standard output. Writing to a reader that has gone ends the command quietly.
pub(super) struct Output(BufWriter<Stdout>);

fn closed_or_failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Failed(format!("writing to standard output: {error}")),
    }
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// A line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Outcome {
        writeln!(self.0, "{}", text.as_ref()).map_err(closed_or_failed)
    }

    /// A piece of text, shown at once.
    pub(super) fn piece(&mut self, text: &str) -> Outcome {
        self.0.write_all(text.as_bytes()).map_err(closed_or_failed)?;
        self.flush()
    }

    /// A value as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Outcome {
        serde_json::to_writer_pretty(&mut self.0, value).map_err(|e| closed_or_failed(e.into()))?;
        self.line("")
    }

    pub(super) fn flush(&mut self) -> Outcome {
        self.0.flush().map_err(closed_or_failed)
    }

    /// Rows with aligned columns: the first to the left, the others to the right.
    pub(super) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) -> Outcome {
        for line in table(header, rows) {
            self.line(line)?;
        }
        Ok(())
    }
}

/// The lines of a table: the first column to the left, the others to the right.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let format = |cells: Vec<&str>| {
        let mut line = String::new();
        for (column, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        line.trim_end().to_owned()
    };
    let mut lines =
        vec![format(header.to_vec()), widths.iter().map(|&w| "-".repeat(w)).collect::<Vec<_>>().join("  ")];
    lines.extend(rows.iter().map(|row| format(row.iter().map(String::as_str).collect())));
    lines
}

/// A progress bar on standard error; nothing is drawn when that is no terminal.
pub(super) fn progress(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {elapsed}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Bytes for people: `3.94 MB`.
pub(super) fn bytes(n: usize) -> String {
    let n = n as f64;
    match n {
        _ if n >= 1e9 => format!("{:.2} GB", n / 1e9),
        _ if n >= 1e6 => format!("{:.2} MB", n / 1e6),
        _ if n >= 1e3 => format!("{:.1} kB", n / 1e3),
        _ => format!("{n} B"),
    }
}
