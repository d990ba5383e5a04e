//! Tiles of many channels, or few tiles: the spectra of a unit's input channels are made by all threads for all, then the outputs channel by
//! channel.

use super::Tiles;
use crate::fourier::{Context, Precision};
use crate::memory::SharedMut;
use fft_core::Result;

/// The most bytes of shared spectra, if they are those of several units.
const MOST: usize = 8 << 20;

impl<T: Precision> Tiles<'_, T> {
    pub(super) fn run_shared(&self, context: Context<'_>, out: SharedMut<'_, T>) -> Result<()> {
        let (g, s) = (self.g, self.shape);
        let units = self.units();
        let sizes = self.sizes();
        let of_unit = g.channels_in * sizes[0];
        let round = (MOST / (of_unit * size_of::<T>())).clamp(1, units);
        let blocks = g.channels_out.div_ceil(s.together);
        let points = s.rows * s.points;
        // As many threads in both halves; the second has products beside transforms.
        let work = round * points * (g.channels_in + g.channels_out);
        let team = context.threads.team(round * g.channels_in.max(blocks), work);
        let each = (sizes[1] + sizes[2]).next_multiple_of(32);
        let mut memory = context.pool.scratch((round * of_unit + team.workers() * each) * size_of::<T>())?;
        let (spectra, scratch) = memory.as_mut::<T>().split_at_mut(round * of_unit);
        let scratch = SharedMut::new(scratch);
        for first in (0..units).step_by(round) {
            let now = round.min(units - first);
            let inputs = SharedMut::new(&mut *spectra);
            team.run(now * g.channels_in, |task, worker| {
                // SAFETY: a worker runs one task at a time, and each has its own part; so has each task.
                let (scratch, tile) =
                    unsafe { (scratch.slice(worker * each, each), inputs.slice(task * sizes[0], sizes[0])) };
                self.load_channel(first + task / g.channels_in, task % g.channels_in, tile);
                self.forward(tile, 1, &mut scratch[sizes[1]..]);
            });
            let inputs = &*spectra;
            team.run(now * blocks, |task, worker| {
                // SAFETY: as above.
                let scratch = unsafe { scratch.slice(worker * each, each) };
                let (output, scratch) = scratch.split_at_mut(sizes[1]);
                let (unit, channel) = (task / blocks, task % blocks * s.together);
                let input = &inputs[unit * of_unit..][..of_unit];
                // SAFETY: each unit and channel is in one task, and has its outputs to itself.
                unsafe { self.outputs(first + unit, channel, input, output, scratch, out) };
            });
        }
        Ok(())
    }
}
