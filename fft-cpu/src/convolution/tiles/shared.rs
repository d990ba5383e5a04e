//! Tiles of many channels, or few tiles: the spectra of a unit's input channels are made by all threads for all, then the outputs channel by
//! channel.

use super::Tiles;
use crate::fourier::{Context, Precision};
use crate::memory::SharedMut;
use fft_core::Result;

/// The most bytes of spectra that threads share, unless a quarter of the output is more.
pub(super) const MOST: usize = 16 << 20;
/// The most bytes of shared spectra, if they are those of several units.
const NEAR: usize = 8 << 20;

/// How many channels of a unit are worked on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    inputs: usize,
    outputs: usize,
    /// Whether the sums of outputs wait for further input channels.
    kept: bool,
}

impl Parts {
    /// For as many channels in and out, of which the spectra of `room` can be kept.
    fn new(inputs: usize, outputs: usize, room: usize) -> Self {
        if inputs <= room {
            return Self { inputs, outputs, kept: false };
        }
        // Inputs are transformed again for each part of the outputs, so that these are the larger ones.
        let outputs = outputs.min(room - room.div_ceil(4)).max(1);
        Self { inputs: room.saturating_sub(outputs).max(1), outputs, kept: true }
    }
}

impl<T: Precision> Tiles<'_, T> {
    pub(super) fn run_shared(&self, context: Context<'_>, most: usize, out: SharedMut<'_, T>) -> Result<()> {
        let (g, s) = (self.g, self.shape);
        let units = self.units();
        let sizes = self.sizes();
        let bytes = |numbers: usize| numbers * size_of::<T>();
        let parts =
            Parts::new(g.channels_in, g.channels_out, most.max(bytes(out.len()) / 4) / bytes(sizes[0]));
        let of_unit = parts.inputs * sizes[0];
        let round = if parts.kept { 1 } else { (NEAR / bytes(of_unit)).clamp(1, units) };
        let points = s.rows * s.points;
        // As many threads in both halves; the second has products beside transforms.
        let work = round * points * (parts.inputs + parts.outputs);
        let team = context.threads.team(round * parts.inputs.max(parts.outputs), work);
        let kept = if parts.kept { parts.outputs * sizes[1] } else { 0 };
        let each = (sizes[1] + sizes[2]).next_multiple_of(32);
        let shared = round * of_unit + kept;
        let mut memory = context.pool.scratch(bytes(shared + team.workers() * each))?;
        let (spectra, rest) = memory.as_mut::<T>().split_at_mut(round * of_unit);
        let (kept, scratch) = rest.split_at_mut(kept);
        let (kept, scratch) = (SharedMut::new(kept), SharedMut::new(scratch));
        for first in (0..units).step_by(round) {
            let now = round.min(units - first);
            for outputs in pieces(g.channels_out, parts.outputs) {
                for channels in pieces(g.channels_in, parts.inputs) {
                    let count = channels.len();
                    let inputs = SharedMut::new(&mut *spectra);
                    team.run(now * count, |task, worker| {
                        let (unit, channel) = (task / count, task % count);
                        let at = unit * of_unit + channel * sizes[0];
                        // SAFETY: a worker runs one task at a time, and each has its own part; so has each task.
                        let (scratch, tile) =
                            unsafe { (scratch.slice(worker * each, each), inputs.slice(at, sizes[0])) };
                        self.load_channel(first + unit, channels.start + channel, tile);
                        self.forward(tile, 1, &mut scratch[sizes[1]..]);
                    });
                    let inputs = &*spectra;
                    team.run(now * outputs.len(), |task, worker| {
                        let (unit, channel) = (task / outputs.len(), task % outputs.len());
                        // SAFETY: as above.
                        let scratch = unsafe { scratch.slice(worker * each, each) };
                        let (own, scratch) = scratch.split_at_mut(sizes[1]);
                        let output = if parts.kept {
                            // SAFETY: as above; only one unit is worked on.
                            unsafe { kept.slice(channel * sizes[1], sizes[1]) }
                        } else {
                            own
                        };
                        let input = &inputs[unit * of_unit..][..of_unit];
                        let (unit, channel) = (first + unit, outputs.start + channel);
                        self.products(unit, channel, channels.clone(), input, output);
                        if channels.end == g.channels_in {
                            // SAFETY: each unit and channel is in one task, and has its outputs to itself.
                            unsafe { self.outputs(unit, channel, output, scratch, out) };
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

/// `0..all` in pieces of `size`.
fn pieces(all: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..all).step_by(size).map(move |from| from..all.min(from + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fit_the_room() {
        for room in 0..40 {
            for inputs in 1..50 {
                for outputs in 1..50 {
                    let parts = Parts::new(inputs, outputs, room);
                    let kept = if parts.kept { parts.outputs } else { 0 };
                    assert!(parts.inputs + kept <= room.max(2), "{inputs}, {outputs} in {room}: {parts:?}");
                    assert!((1..=inputs).contains(&parts.inputs) && (1..=outputs).contains(&parts.outputs));
                }
            }
        }
    }
}
