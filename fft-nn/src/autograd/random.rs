//! Random draws that a recomputed part repeats.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use super::var::lock;
use crate::random::Random;

/// What the checkpointed parts that are being computed on this thread draw, the outermost first.
enum Tape {
    /// Seeds drawn so far.
    Recording(Vec<u64>),
    /// Seeds to give out again, the next one last.
    Replaying(Vec<u64>),
}

thread_local! {
    static TAPES: RefCell<Vec<Tape>> = const { RefCell::new(Vec::new()) };
}

/// Removes the innermost tape also if the work panics.
struct Pop;

impl Drop for Pop {
    fn drop(&mut self) {
        TAPES.with_borrow_mut(|tapes| tapes.pop());
    }
}

/// Runs `work` and lists the seeds that it drew.
pub(super) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<u64>) {
    TAPES.with_borrow_mut(|tapes| tapes.push(Tape::Recording(Vec::new())));
    let _pop = Pop;
    let result = work();
    let seeds = TAPES.with_borrow_mut(|tapes| match tapes.last_mut() {
        Some(Tape::Recording(seeds)) => std::mem::take(seeds),
        _ => Vec::new(),
    });
    (result, seeds)
}

/// Runs `work`, which draws these seeds again.
pub(super) fn replayed<T>(mut seeds: Vec<u64>, work: impl FnOnce() -> T) -> T {
    seeds.reverse();
    TAPES.with_borrow_mut(|tapes| tapes.push(Tape::Replaying(seeds)));
    let _pop = Pop;
    work()
}

/// Randomness that layers share, as dropout needs: a part of a computation that is [checkpointed](super::checkpoint()) draws the same seeds when it is
/// computed again.
#[derive(Debug, Clone)]
pub struct Seeds(Arc<Mutex<Random>>);

impl Seeds {
    /// Seeds from a stream.
    pub fn new(random: Random) -> Self {
        Self(Arc::new(Mutex::new(random)))
    }

    /// The next seed.
    pub fn draw(&self) -> u64 {
        TAPES.with_borrow_mut(|tapes| {
            let replay = tapes.iter_mut().rev().find_map(|tape| match tape {
                Tape::Replaying(seeds) => seeds.pop(),
                Tape::Recording(_) => None,
            });
            let seed = replay.unwrap_or_else(|| lock(&self.0).bits());
            for tape in tapes {
                if let Tape::Recording(seeds) = tape {
                    seeds.push(seed);
                }
            }
            seed
        })
    }

    /// A copy of the stream as it is.
    pub fn random(&self) -> Random {
        lock(&self.0).clone()
    }

    /// Continues with another stream.
    pub fn set_random(&self, random: Random) {
        *lock(&self.0) = random;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_runs_again_draws_the_same() {
        let seeds = Seeds::new(Random::new(1));
        let (first, drawn) = recorded(|| (seeds.draw(), recorded(|| seeds.draw())));
        assert_eq!(drawn, [first.0, first.1.0]);
        assert_eq!(first.1.1, [first.1.0]);
        let again = replayed(drawn, || (seeds.draw(), recorded(|| seeds.draw())));
        assert_eq!(first, again);
        assert_ne!(seeds.draw(), first.0);
    }
}
