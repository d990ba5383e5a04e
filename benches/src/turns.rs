//! Contestants that do the same work in turns, in one process, compared by medians.
//!
//! A machine that others use is slow in spells. Contestants that take turns meet the same spells, so that the ratio of their medians
//! says more than two separate measurements.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One of several ways to do the same work.
pub struct Contestant<'a> {
    /// What the table calls it.
    pub name: String,
    /// Does the work once.
    pub run: Box<dyn FnMut() + Send + 'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant; what `run` returns is kept from being optimised away.
    pub fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + Send + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(move || {
                black_box(run());
            }),
        }
    }
}

/// The least number of rounds.
const ROUNDS: usize = 9;
/// The length of a turn, long against the clock's resolution.
const TURN: Duration = Duration::from_millis(1);

/// The median time of one run of each contestant: they take turns for at least `time` in all and 9 rounds. A turn begins with as
/// many runs that are not timed as then are, so that each finds the caches as it left them itself: a last-level cache takes a few
/// passes to hold what the contestant before has driven out.
pub fn medians(contestants: &mut [Contestant<'_>], time: Duration) -> Vec<Duration> {
    let repeats: Vec<u32> = contestants
        .iter_mut()
        .map(|c| {
            (c.run)();
            let started = Instant::now();
            (c.run)();
            let once = started.elapsed().as_nanos().max(1);
            (TURN.as_nanos() / once).clamp(1, 10_000) as u32
        })
        .collect();
    let mut times = vec![Vec::new(); contestants.len()];
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS || started.elapsed() < time {
        for ((contestant, times), &repeats) in contestants.iter_mut().zip(&mut times).zip(&repeats) {
            for _ in 0..repeats {
                (contestant.run)();
            }
            let turn = Instant::now();
            for _ in 0..repeats {
                (contestant.run)();
            }
            times.push(turn.elapsed() / repeats);
        }
        rounds += 1;
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect()
}
