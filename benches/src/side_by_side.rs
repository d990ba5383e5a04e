//! Contestants timed in turns, in one process.

use std::time::Instant;

/// One of the things compared.
pub struct Contestant<'a> {
    /// What it is called in tables.
    pub name: String,
    /// One run of it.
    pub run: Box<dyn FnMut() + Send + 'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant from a closure.
    pub fn new(name: impl Into<String>, run: impl FnMut() + Send + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Runs in one turn that are timed, after one that is not: each contestant finds the caches as it left them itself.
const TIMED: usize = 4;

/// The median seconds of each contestant over `rounds` rounds, in which all take turns so that what disturbs the machine
/// disturbs them alike.
pub fn medians(rounds: usize, contestants: &mut [Contestant<'_>]) -> Vec<f64> {
    let mut seconds = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds.max(1) {
        for (contestant, seconds) in contestants.iter_mut().zip(&mut seconds) {
            (contestant.run)();
            for _ in 0..TIMED {
                let start = Instant::now();
                (contestant.run)();
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    seconds
        .into_iter()
        .map(|mut s| {
            s.sort_by(f64::total_cmp);
            s[s.len() / 2]
        })
        .collect()
}
