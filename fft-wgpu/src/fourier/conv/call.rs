//! Calls of the kernels of [`super::kernel`]: which tiles they work on, and what they are told.

use std::ops::Range;

use fft_core::{Layout, Result, Tensor, View, ViewMut};

use super::kernel::{Key, Part};
use super::tiles::{Axis, Form};
use crate::call::Call;
use crate::context::Context;
use crate::pipelines::Binding;
use crate::walk::{Operand, block_of};

pub(super) const OP: &str = "conv";

/// A convolution beside its input.
pub(super) struct Conv<'a> {
    pub(super) context: &'a Context,
    pub(super) form: Form,
    /// Axes of the tensors, one to three.
    pub(super) axes: usize,
    pub(super) groups: usize,
    /// Of a group.
    pub(super) channels_in: usize,
    pub(super) channels_out: usize,
    pub(super) spectrum: Option<&'a Tensor>,
    pub(super) bias: Option<&'a Tensor>,
}

/// Tiles that are worked on together: of parts of the batch, of groups, and of those of a channel.
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) batch: Range<usize>,
    pub(super) groups: Range<usize>,
    pub(super) tiles: Range<usize>,
}

/// What a kernel reads and writes beside tables, spectrum and bias.
pub(super) struct Operands<'a> {
    pub(super) input: Option<View<'a>>,
    /// Tiles of input channels, multiplied with the spectrum where the way back begins.
    pub(super) from: Option<View<'a>>,
    pub(super) tiles: Option<View<'a>>,
    pub(super) result: Option<View<'a>>,
}

impl<'a> Operands<'a> {
    pub(super) fn tiles(tiles: View<'a>) -> Self {
        Self { input: None, from: None, tiles: Some(tiles), result: None }
    }
}

impl Share {
    /// The first channel, and how many there are, with so many in a group.
    fn channels(&self, of_group: usize) -> [usize; 2] {
        [self.groups.start * of_group, self.groups.len() * of_group]
    }
}

impl Conv<'_> {
    /// A kernel over all lines of some tiles; `axis` is the one along which they are.
    pub(super) fn kernel(
        &self,
        part: Part,
        axis: usize,
        axes: &[Axis; 3],
        share: &Share,
        operands: Operands<'_>,
        scale: [f32; 2],
    ) -> Result<()> {
        let context = self.context;
        let points = self.form.0[axis];
        let ends = matches!(part, Part::Line | Part::RowsBack);
        let key = Key {
            part,
            points,
            lines: crate::fourier::lines(points, points.next_multiple_of(16)),
            axis,
            apart: operands.from.is_some(),
            strided: ends && axes[2].stride > 1,
            bias: ends && self.bias.is_some(),
        };
        let roots = context.plans.circle(context, points, points)?;
        let mut call = Call::new(context, OP);
        for (name, _, written) in key.operands() {
            let operand = match name {
                "U" => operands.input,
                "F" => operands.from,
                "X" => operands.tiles,
                "H" => self.spectrum.map(Tensor::view),
                "B" => self.bias.map(Tensor::view),
                "D" => operands.result,
                _ => None,
            };
            let Some(view) = operand else {
                call.bind(Binding::whole(&roots.tables, false), 0);
                continue;
            };
            // Tensors have all channels: the part of this share's.
            let layout = match name {
                "U" => self.narrowed(view.layout, share, self.channels_in),
                "D" => self.narrowed(view.layout, share, self.channels_out),
                "H" => view.layout.narrowed(0, share.groups.start, share.groups.len()),
                "B" => {
                    let [first, count] = share.channels(self.channels_out);
                    view.layout.narrowed(0, first, count)
                }
                _ => view.layout.clone(),
            };
            let bytes = view.dtype.size();
            let operand = Operand::new(block_of(context, OP, view.buffer)?, bytes, &layout);
            let found = operand.window(context, layout.shape(), written);
            let (binding, first) = found.ok_or_else(|| context.too_big(OP, layout.len() * bytes))?;
            call.bind(binding, first);
        }
        let [planes, rows] = match part {
            Part::RowsThere => [axes[0].read(), axes[1].read()],
            Part::RowsBack => [axes[0].outputs, axes[1].outputs],
            Part::ColumnsThere if axis == 1 => [axes[0].read(), 1],
            Part::ColumnsBack if axis == 1 => [axes[0].outputs, 1],
            _ => [1, 1],
        };
        let from_point = self.form.step(axis);
        let lines = planes as usize * rows as usize * if key.columns() { from_point } else { 1 };
        let channels = match part {
            Part::Line | Part::Columns | Part::ColumnsBack | Part::RowsBack => self.channels_out,
            Part::RowsThere | Part::ColumnsThere => self.channels_in,
        };
        let (batch, tiles) = (share.batch.len(), share.tiles.len());
        let count = share.groups.len() * channels * batch * tiles * lines;
        call.params.count = count as u32;
        call.params.value[..2].copy_from_slice(&scale);
        // Output channels of the one input channel that the kernel meets.
        let copies = if part == Part::Line || key.apart { channels } else { 1 };
        call.params.more = [
            batch * tiles,
            tiles,
            share.tiles.start,
            self.groups * self.channels_in,
            planes as usize,
            rows as usize,
            copies,
            from_point,
            self.form.bins(),
            self.form.step(0),
            self.form.step(1),
            self.groups * self.channels_out,
        ]
        .map(|n| n as u32);
        for (a, axis) in axes.iter().enumerate() {
            let step = axis.outputs * axis.stride;
            call.params.steps[a] = [axis.tiles, step, axis.start, axis.input].map(|n| n as i32);
            call.params.steps[3 + a] =
                [axis.needed(), axis.outputs, axis.stride, axis.output].map(|n| n as i32);
        }
        call.run(&key.label(), count.div_ceil(key.lines), || key.source())
    }

    /// The part of a tensor `[batch, channels, ..]` with so many channels a group that a share is about.
    fn narrowed(&self, layout: &Layout, share: &Share, channels: usize) -> Layout {
        let [first, count] = share.channels(channels);
        layout.narrowed(0, share.batch.start, share.batch.len()).narrowed(1, first, count)
    }
}

/// What a kernel of ours has written, or will write.
pub(super) fn read<'a>(x: &'a ViewMut<'_>) -> View<'a> {
    View { buffer: &*x.buffer, layout: x.layout, dtype: x.dtype }
}

/// Shaders of this module, one of each kind: lengths are too many for all.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for points in [2, 3, 7, 16, 18, 20, 48, 64, 112, 160, 576, 2048] {
        let lines = crate::fourier::lines(points, points.next_multiple_of(16));
        let mut put = |part: Part, axis: usize, [apart, strided, bias]: [bool; 3]| {
            let key = Key { part, points, lines, axis, apart, strided, bias };
            out.push((key.label(), key.source()));
        };
        put(Part::RowsThere, 2, [false; 3]);
        for axis in 0..2 {
            for part in [Part::ColumnsThere, Part::Columns, Part::ColumnsBack] {
                put(part, axis, [false; 3]);
            }
            put(Part::ColumnsBack, axis, [true, false, false]);
        }
        for part in [Part::Line, Part::RowsBack] {
            for bits in 0..8 {
                let [apart, strided, bias] = [0, 1, 2].map(|i| bits >> i & 1 == 1);
                put(part, 2, [apart && part == Part::RowsBack, strided, bias]);
            }
        }
    }
    out
}
