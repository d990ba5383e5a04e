//! Convolution by the convolution theorem in tiles that stay in the second-level cache (overlap-save, Stockham 1966), in one to three axes.
//!
//! Transforms go by SIMD across lines: in several axes across the rows of a tile, then across its columns, along each outer axis; in one axis a
//! block of rows holds as many tiles as a register has lanes.

mod products;
mod rows;
mod shape;
mod shared;
mod spectra;

use std::sync::Arc;

use fft_core::convolution::ConvGeometry;
use fft_core::{Complex, Result, Tensor};

use crate::fourier::lanes::{LanePlan, RealLanePlan};
use crate::fourier::{Context, Precision};
use crate::memory::{SharedMut, elements, elements_mut};
pub(super) use shape::Shape;

const OP: &str = "conv_fft";
/// Points of a task.
const TASK: usize = 1 << 15;

/// `SpectralBackend::conv_fft` in the given shape. The spectrum is that of `compose::conv_spectrum`.
pub(super) fn conv_fft<T: Precision>(
    context: Context<'_>,
    shape: Shape,
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    conv_fft_within::<T>(context, shape, shared::MOST, x, spectrum, bias, g, tile)
}

/// [`conv_fft`] with no more than `most` bytes, or a quarter of the output, of spectra that threads share.
#[allow(clippy::too_many_arguments, reason = "the operands of a convolution and how it goes")]
pub(super) fn conv_fft_within<T: Precision>(
    context: Context<'_>,
    shape: Shape,
    most: usize,
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    let axes = g.axes();
    let last = axes + 1;
    let x = if x.layout().strides()[last] == 1 || x.shape()[last] == 1 { x.clone() } else { x.contiguous()? };
    let spectrum = spectrum.contiguous()?;
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let channels = g.groups * g.channels_out;
    let steps = x.layout().strides();
    // Axes that are missing have length 1.
    let missing = 3 - axes;
    let step = |axis: usize| if axis < missing { 0 } else { steps[2 + axis - missing] };
    let work = Tiles {
        data: elements::<T>(OP, &x.view())?,
        offset: x.layout().offset(),
        strides: [steps[0], steps[1], step(0), step(1)],
        spectra: &elements::<Complex<T>>(OP, &spectrum.view())?[spectrum.layout().offset()..],
        bias: match &bias {
            Some(bias) => Some(&elements::<T>(OP, &bias.view())?[bias.layout().offset()..][..channels]),
            None => None,
        },
        real: context.plans.real_lanes::<T>(shape.points),
        columns: shape.outer.map(|points| (points > 1).then(|| context.plans.lanes::<T>(points))),
        axes: std::array::from_fn(|a| {
            if a < missing { Axis::missing() } else { Axis::new(g, a - missing, tile[a - missing]) }
        }),
        g,
        shape,
    };
    Tensor::build(x.device(), OP, &g.output_shape(), x.dtype(), |mut dst| {
        let offset = dst.layout.offset();
        let out = SharedMut::new(&mut elements_mut::<T>(OP, &mut dst)?[offset..]);
        if shape.shared { work.run_shared(context, most, out) } else { work.run(context, out) }
    })
}

/// An axis of a convolution in tiles.
#[derive(Debug, Clone, Copy)]
struct Axis {
    tiles: usize,
    /// Outputs of a tile if the stride were 1.
    useful: usize,
    /// Zeros before the input.
    before: usize,
    input: usize,
    stride: usize,
    output: usize,
}

impl Axis {
    fn new(g: &ConvGeometry, axis: usize, points: usize) -> Self {
        Self {
            tiles: g.tiles(axis, points),
            useful: g.useful(axis, points),
            before: g.padding[axis][0],
            input: g.input[axis],
            stride: g.stride[axis],
            output: g.output[axis],
        }
    }

    /// The outer axes of a convolution in fewer than three.
    fn missing() -> Self {
        Self { tiles: 1, useful: 1, before: 0, input: 1, stride: 1, output: 1 }
    }
}

/// A checked convolution.
struct Tiles<'a, T> {
    data: &'a [T],
    offset: usize,
    /// Of batch, channel, depth and row.
    strides: [isize; 4],
    /// `[groups, channels out, channels in, rows of a tile, bins]`.
    spectra: &'a [Complex<T>],
    bias: Option<&'a [T]>,
    real: Arc<RealLanePlan<T>>,
    /// Along the outer axes of a tile, where they have more than one point.
    columns: [Option<Arc<LanePlan<T>>>; 2],
    axes: [Axis; 3],
    g: &'a ConvGeometry,
    shape: Shape,
}

impl<T: Precision> Tiles<'_, T> {
    fn units(&self) -> usize {
        let (g, s) = (self.g, self.shape);
        if g.axes() > 1 {
            return g.batch * g.groups * self.axes.iter().map(|axis| axis.tiles).product::<usize>();
        }
        s.lines.div_ceil(s.rows) * if s.across { 1 } else { g.groups }
    }

    /// Numbers of the blocks of input and of output, and of the scratch of transforms.
    fn sizes(&self) -> [usize; 3] {
        let columns = self.columns.iter().flatten().map(|plan| plan.scratch_len(plan.len())).max();
        let [input, output] = self.shape.blocks.map(|rows| rows * self.shape.pitch * 2);
        [input, output, self.real.scratch_len().max(columns.unwrap_or(0))]
    }

    /// A unit at a time, all of whose spectra a worker holds.
    fn run(&self, context: Context<'_>, out: SharedMut<'_, T>) -> Result<()> {
        let (g, s) = (self.g, self.shape);
        let units = self.units();
        let points = s.rows * s.points * (g.channels_in + g.channels_out);
        let per_task = (TASK / points).clamp(1, units);
        let tasks = units.div_ceil(per_task);
        let team = context.threads.team(tasks, units * points);
        let sizes = self.sizes();
        // Parts of different workers start at different cache lines.
        let each = sizes.iter().sum::<usize>().next_multiple_of(32);
        let mut block = context.pool.scratch(team.workers() * each * size_of::<T>())?;
        let scratch = SharedMut::new(block.as_mut::<T>());
        team.run(tasks, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { scratch.slice(worker * each, each) };
            let (input, scratch) = scratch.split_at_mut(sizes[0]);
            let (output, scratch) = scratch.split_at_mut(sizes[1]);
            for unit in task * per_task..((task + 1) * per_task).min(units) {
                // SAFETY: each unit is in one task, and has its outputs to itself.
                unsafe { self.unit(unit, input, output, scratch, out) };
            }
        });
        Ok(())
    }

    /// All outputs of a unit.
    ///
    /// # Safety
    /// No one else has these outputs.
    unsafe fn unit(
        &self,
        unit: usize,
        input: &mut [T],
        output: &mut [T],
        scratch: &mut [T],
        out: SharedMut<'_, T>,
    ) {
        let (g, s) = (self.g, self.shape);
        for channel in 0..g.channels_in {
            self.load_channel(unit, channel, &mut input[channel * s.block * 2 * s.pitch..]);
        }
        self.forward(input, g.channels_in, scratch);
        for first in (0..g.channels_out).step_by(s.together) {
            self.products(unit, first, 0..g.channels_in, input, output);
            // SAFETY: promised by the caller.
            unsafe { self.outputs(unit, first, output, scratch, out) };
        }
    }

    /// The real rows of an input channel of a unit.
    fn load_channel(&self, unit: usize, channel: usize, to: &mut [T]) {
        let s = self.shape;
        for row in 0..s.rows {
            if let Some(place) = self.row(unit, row) {
                self.load(&place, channel, &mut to[row * 2 * s.pitch..][..s.points]);
            }
        }
    }

    /// How many channels are transformed back together from `first` on.
    fn together(&self, first: usize) -> usize {
        self.shape.together.min(self.g.channels_out - first)
    }

    /// From the spectra of the channels of a unit that are transformed back together, from `first` on, to their outputs.
    ///
    /// # Safety
    /// No one else has these outputs.
    unsafe fn outputs(
        &self,
        unit: usize,
        first: usize,
        output: &mut [T],
        scratch: &mut [T],
        out: SharedMut<'_, T>,
    ) {
        let (s, together) = (self.shape, self.together(first));
        self.inverse(output, together, scratch);
        for i in 0..together {
            for row in 0..s.rows {
                let from = &output[(i * s.rows + row) * 2 * s.pitch..][..s.points];
                if let Some(row) = self.row(unit, row).filter(|row| row.kept) {
                    // SAFETY: promised by the caller.
                    unsafe { self.store(&row, first + i, from, out) };
                }
            }
        }
    }
}
