//! Where the rows of a tile come from, and where they go.

use super::super::pack::pack_row;
use super::Tiles;
use crate::fourier::Precision;
use crate::memory::SharedMut;

/// Where a row of a unit comes from and goes to.
pub(super) struct Row {
    pub(super) group: usize,
    batch: usize,
    /// The first input that it needs, of the input without padding.
    at: [isize; 2],
    /// Its row of outputs, if it has one, and its first output if the stride were 1.
    to: [usize; 2],
    pub(super) kept: bool,
}

impl<T: Precision> Tiles<'_, T> {
    /// A row of a unit, if the unit has as many.
    pub(super) fn row(&self, unit: usize, row: usize) -> Option<Row> {
        let (g, s) = (self.g, self.shape);
        let before = |axis: usize| g.padding[axis][0] as isize;
        if self.columns.is_some() {
            let tiles = [g.tiles(0, self.tile[0]), g.tiles(1, self.tile[1])];
            let (column, rest) = (unit % tiles[1], unit / tiles[1]);
            let (down, rest) = (rest % tiles[0], rest / tiles[0]);
            let useful = [g.useful(0, self.tile[0]), g.useful(1, self.tile[1])];
            let (dense, left) = (down * useful[0] + row, column * useful[1]);
            let kept =
                row < useful[0] && dense.is_multiple_of(g.stride[0]) && dense / g.stride[0] < g.output[0];
            return Some(Row {
                // Units of one group follow each other over the batch, so that its spectra stay near.
                batch: rest % g.batch,
                group: rest / g.batch,
                at: [dense as isize - before(0), left as isize - before(1)],
                to: [dense / g.stride[0], left],
                kept,
            });
        }
        let (blocks, tiles) = (s.lines.div_ceil(s.rows), g.tiles(0, self.tile[0]));
        let line = unit % blocks * s.rows + row;
        let (tile, rest) = (line % tiles, line / tiles);
        let left = tile * g.useful(0, self.tile[0]);
        (line < s.lines).then(|| Row {
            batch: rest % g.batch,
            group: if s.across { rest / g.batch } else { unit / blocks },
            at: [0, left as isize - before(0)],
            to: [0, left],
            kept: true,
        })
    }

    pub(super) fn load(&self, row: &Row, channel: usize, to: &mut [T]) {
        let g = self.g;
        let last = g.axes() - 1;
        let height = if last == 0 { 1 } else { g.input[0] as isize };
        if !(0..height).contains(&row.at[0]) {
            return to.fill(T::default());
        }
        let at = self.offset as isize
            + row.batch as isize * self.strides[0]
            + (row.group * g.channels_in + channel) as isize * self.strides[1]
            + row.at[0] * self.strides[2];
        pack_row(&self.data[at as usize..][..g.input[last]], row.at[1], 1, to);
    }

    /// # Safety
    /// No one else has this row of outputs.
    pub(super) unsafe fn store(&self, row: &Row, channel: usize, from: &[T], out: SharedMut<'_, T>) {
        let g = self.g;
        let last = g.axes() - 1;
        // The useful outputs that the stride meets.
        let end = (row.to[1] + g.useful(last, self.shape.points)).min(g.dense_output(last));
        let stride = g.stride[last];
        let (begin, end) = (row.to[1].div_ceil(stride), end.div_ceil(stride));
        if begin >= end {
            return;
        }
        let channel = row.group * g.channels_out + channel;
        let height = if last == 0 { 1 } else { g.output[0] };
        let line = (row.batch * g.groups * g.channels_out + channel) * height + row.to[0];
        // SAFETY: promised by the caller.
        let y = unsafe { out.slice(line * g.output[last] + begin, end - begin) };
        let from = &from[begin * stride - row.to[1]..];
        match (stride, self.bias) {
            (1, None) => y.copy_from_slice(&from[..y.len()]),
            (stride, bias) => {
                let bias = bias.map_or(T::default(), |bias| bias[channel]);
                for (y, x) in y.iter_mut().zip(from.iter().step_by(stride)) {
                    *y = *x + bias;
                }
            }
        }
    }
}
