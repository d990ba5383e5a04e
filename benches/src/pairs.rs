//! Tables of our implementation beside one peer's.

use std::time::Duration;

use crate::turns::{Contestant, medians};

/// The median times of one call, ours and the peer's.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was timed.
    pub name: String,
    /// Of one call of ours.
    pub ours: Duration,
    /// Of one call of the peer's.
    pub peer: Duration,
}

impl Comparison {
    /// How many times faster ours is than the peer; below 1 it is slower.
    pub fn ratio(&self) -> f64 {
        self.peer.as_secs_f64() / self.ours.as_secs_f64()
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ours, peer) = (format!("{:.2?}", self.ours), format!("{:.2?}", self.peer));
        write!(f, "{:<44} {ours:>12} {peer:>12} {:>7.2}", self.name, self.ratio())
    }
}

/// Time for a row.
const TIME: Duration = Duration::from_millis(150);

/// Times two closures in turn and takes the medians.
pub fn compare<A, B>(
    name: impl Into<String>,
    ours: impl FnMut() -> A + Send,
    peer: impl FnMut() -> B + Send,
) -> Comparison {
    let times = medians(&mut [Contestant::new("ours", ours), Contestant::new("peer", peer)], TIME);
    Comparison { name: name.into(), ours: times[0], peer: times[1] }
}

/// Prints comparisons as they are made, under a heading.
#[derive(Debug)]
pub struct Table {
    ratios: Vec<f64>,
}

impl Table {
    /// Prints the heading.
    pub fn new(title: &str) -> Self {
        println!("\n{title}\n{:<44} {:>12} {:>12} {:>7}", "", "ours", "peer", "ratio");
        Self { ratios: Vec::new() }
    }

    /// Prints and keeps a row.
    pub fn add(&mut self, row: Comparison) {
        println!("{row}");
        self.ratios.push(row.ratio());
    }

    /// The geometric mean of the ratios.
    pub fn mean_ratio(&self) -> f64 {
        let logs: f64 = self.ratios.iter().map(|r| r.ln()).sum();
        (logs / self.ratios.len().max(1) as f64).exp()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if !self.ratios.is_empty() {
            println!("{:<44} {:>33.2}", "geometric mean", self.mean_ratio());
        }
    }
}
