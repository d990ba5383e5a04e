//! Where the rows of a tile come from, and where they go.

use super::super::pack::pack_row;
use super::{Axis, Tiles};
use crate::fourier::Precision;
use crate::memory::SharedMut;

/// Where a row of a unit comes from and goes to.
pub(super) struct Row {
    pub(super) group: usize,
    batch: usize,
    /// The first input that it needs, of the input without padding.
    at: [isize; 3],
    /// Its row of outputs in a channel, if it is kept.
    line: usize,
    /// Its first output if the stride were 1.
    left: usize,
    pub(super) kept: bool,
}

impl<T: Precision> Tiles<'_, T> {
    /// A row of a unit, if the unit has as many.
    pub(super) fn row(&self, unit: usize, row: usize) -> Option<Row> {
        let (g, s) = (self.g, self.shape);
        let [depth, height, width] = self.axes;
        let before = |axis: Axis| axis.before as isize;
        if g.axes() > 1 {
            let mut rest = unit;
            let mut digit = |n: usize| {
                let digit = rest % n;
                rest /= n;
                digit
            };
            let left = digit(width.tiles) * width.useful;
            let (down, deep) = (digit(height.tiles), digit(depth.tiles));
            // Units of one group follow each other over the batch, so that its spectra stay near.
            let (batch, group) = (digit(g.batch), rest);
            // The place of an outer axis if the stride were 1, and whether an output is there.
            let dense = |axis: Axis, tile: usize, row: usize| {
                let dense = tile * axis.useful + row;
                let meets = dense.is_multiple_of(axis.stride) && dense / axis.stride < axis.output;
                (dense, row < axis.useful && meets)
            };
            let (z, kept_z) = dense(depth, deep, row / s.outer[1]);
            let (y, kept_y) = dense(height, down, row % s.outer[1]);
            return Some(Row {
                group,
                batch,
                at: [z as isize - before(depth), y as isize - before(height), left as isize - before(width)],
                line: z / depth.stride * height.output + y / height.stride,
                left,
                kept: kept_z && kept_y,
            });
        }
        let blocks = s.lines.div_ceil(s.rows);
        let line = unit % blocks * s.rows + row;
        let (tile, rest) = (line % width.tiles, line / width.tiles);
        let left = tile * width.useful;
        (line < s.lines).then(|| Row {
            batch: rest % g.batch,
            group: if s.across { rest / g.batch } else { unit / blocks },
            at: [0, 0, left as isize - before(width)],
            line: 0,
            left,
            kept: true,
        })
    }

    pub(super) fn load(&self, row: &Row, channel: usize, to: &mut [T]) {
        let [depth, height, width] = self.axes;
        let [z, y, x] = row.at;
        let inside = |at: isize, axis: Axis| (0..axis.input as isize).contains(&at);
        if !inside(z, depth) || !inside(y, height) {
            return to.fill(T::default());
        }
        let [batches, channels, planes, rows] = self.strides;
        let at = self.offset as isize
            + row.batch as isize * batches
            + (row.group * self.g.channels_in + channel) as isize * channels
            + z * planes
            + y * rows;
        pack_row(&self.data[at as usize..][..width.input], x, 1, to);
    }

    /// # Safety
    /// No one else has this row of outputs.
    pub(super) unsafe fn store(&self, row: &Row, channel: usize, from: &[T], out: SharedMut<'_, T>) {
        let g = self.g;
        let [depth, height, Axis { useful, stride, output, .. }] = self.axes;
        // The useful outputs that the stride meets.
        let end = (row.left + useful).min(g.dense_output(g.axes() - 1));
        let (begin, end) = (row.left.div_ceil(stride), end.div_ceil(stride));
        if begin >= end {
            return;
        }
        let channel = row.group * g.channels_out + channel;
        let line =
            (row.batch * g.groups * g.channels_out + channel) * depth.output * height.output + row.line;
        // SAFETY: promised by the caller.
        let y = unsafe { out.slice(line * output + begin, end - begin) };
        let from = &from[begin * stride - row.left..];
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
