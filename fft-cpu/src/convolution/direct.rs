//! Convolution as a sum over taps: pieces of the input are packed, so that the windows are never written out as the columns of a matrix.

use fft_core::convolution::ConvGeometry;
use fft_core::{Result, Tensor};

use super::flat::{Flat, Sink};
use super::pack::{Input, block, pack_weights};
use super::rows::{Rows, steps, vectors_of};
use super::sizes::{Cut, Sizes, Unit};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Machine, Summand, dispatch_at};

const OP: &str = "conv_direct";
/// Products of a task: 5 to 20 microseconds, large against what handing out a task costs, small against what a call has.
const TASK: usize = 1 << 18;
/// Elements behind a packed piece that the last tile may read.
const SLACK: usize = 8 * 16;

/// `SpectralBackend::conv_direct`, with the instructions of `level`.
pub(super) fn conv_direct<T: Summand>(
    context: Context<'_>,
    level: Machine,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
) -> Result<Tensor> {
    let sizes = Sizes::new(g);
    let cut = Cut::new(&sizes);
    let axes = g.axes();
    let last = axes + 1;
    let x = if x.layout().strides()[last] == 1 || x.shape()[last] == 1 { x.clone() } else { x.contiguous()? };
    let steps = x.layout().strides();
    let mut strides = [steps[0], steps[1], 0, 0];
    for a in 0..axes - 1 {
        strides[3 - a] = steps[last - 1 - a];
    }
    let view = x.view();
    let input = Input { data: elements(OP, &view)?, offset: x.layout().offset(), strides };
    let weight = weight.contiguous()?;
    let weights = &elements::<T>(OP, &weight.view())?[weight.layout().offset()..][..weight.len()];
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let bias = match &bias {
        Some(bias) => Some(&elements::<T>(OP, &bias.view())?[bias.layout().offset()..][..bias.len()]),
        None => None,
    };
    let mut offsets = context.pool.scratch(sizes.taps() * size_of::<usize>())?;
    let offsets = &mut offsets.as_mut::<usize>()[..sizes.taps()];
    let [_, height, width] = sizes.kernel;
    for (tap, offset) in offsets.iter_mut().enumerate() {
        *offset = cut.offset([tap / (height * width), tap / width % height, tap % width]);
    }
    let mut packed = context.pool.scratch(weight.len() * size_of::<T>())?;
    let weights = if sizes.channels_out == 1 {
        weights
    } else {
        let packed = &mut packed.as_mut::<T>()[..weight.len()];
        pack_all(context, &sizes, widest(level), weights, packed);
        packed
    };
    let work = Direct { level, sizes, cut, input, weights, bias, offsets };
    Tensor::build(x.device(), OP, &g.output_shape(), x.dtype(), |mut dst| {
        let offset = dst.layout.offset();
        let out = SharedMut::new(&mut elements_mut::<T>(OP, &mut dst)?[offset..]);
        work.run(context, out)
    })
}

/// The most output channels of a tile.
pub(super) const fn widest(level: Machine) -> usize {
    match level {
        Machine::Avx512 => 8,
        Machine::Avx2 => 4,
        Machine::Baseline => 2,
    }
}

/// The most vectors of sums that a kernel keeps in registers.
pub(super) const fn sums(level: Machine) -> usize {
    match level {
        Machine::Avx512 => 24,
        Machine::Avx2 => 12,
        // Vectors of two registers.
        Machine::Baseline => 6,
    }
}

/// The weights of each group in blocks of output channels, `[terms][channels]` each.
fn pack_all<T: Summand>(context: Context<'_>, s: &Sizes, most: usize, weights: &[T], packed: &mut [T]) {
    let terms = s.channels_in * s.taps();
    let per_group = s.channels_out.div_ceil(most);
    let blocks = s.groups * per_group;
    // Tasks of enough elements to be worth one.
    let each = (16_384 / (most * terms)).max(1);
    let tasks = blocks.div_ceil(each);
    let packed = SharedMut::new(packed);
    context.threads.team(tasks, weights.len() / 2).run(tasks, |task, _| {
        for i in task * each..((task + 1) * each).min(blocks) {
            let mut first = i % per_group * most;
            let end = (first + most).min(s.channels_out);
            while first < end {
                let channels = block(end - first, most);
                let at = (i / per_group * s.channels_out + first) * terms;
                // SAFETY: blocks are disjoint, and each is in one task.
                let to = unsafe { packed.slice(at, channels * terms) };
                pack_weights(&weights[at..][..channels * terms], terms, to);
                first += channels;
            }
        }
    });
}

/// A checked convolution.
struct Direct<'a, T> {
    level: Machine,
    sizes: Sizes,
    cut: Cut,
    input: Input<'a, T>,
    weights: &'a [T],
    bias: Option<&'a [T]>,
    offsets: &'a [usize],
}

impl<T: Summand> Direct<'_, T> {
    fn run(&self, context: Context<'_>, out: SharedMut<'_, T>) -> Result<()> {
        let (s, cut) = (&self.sizes, &self.cut);
        let units = cut.units(s);
        let per_task = (TASK / (s.products() / units).max(1)).clamp(1, units);
        let tasks = units.div_ceil(per_task);
        let team = context.threads.team(tasks, s.products() / 32);
        let each = (s.channels_in * cut.plane + SLACK).next_multiple_of(16);
        let mut scratch = context.pool.scratch(team.workers() * each * size_of::<T>())?;
        let scratch = SharedMut::new(scratch.as_mut::<T>());
        team.run(tasks, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let packed = unsafe { scratch.slice(worker * each, each) };
            let mut have: Option<Unit> = None;
            for i in task * per_task..((task + 1) * per_task).min(units) {
                let unit = cut.unit(s, i);
                if !have.is_some_and(|have| have.same_input(&unit)) {
                    self.input.pack(s, cut, &unit, packed);
                    have = Some(unit);
                }
                // SAFETY: each unit has its outputs to itself, and is in one task.
                unsafe {
                    if s.rows_share() { self.rows(&unit, packed, out) } else { self.flat(&unit, packed, out) }
                }
            }
        });
        Ok(())
    }

    /// Where the first output of a unit's channel lies.
    fn first(&self, unit: &Unit, channel: usize) -> usize {
        let s = &self.sizes;
        let channel = (unit.batch * s.groups + unit.group) * s.channels_out + channel;
        let row = (channel * s.output[0] + unit.depth) * s.output[1] + unit.rows[0];
        row * s.output[2] + unit.columns[0]
    }

    fn bias(&self, unit: &Unit, channel: usize) -> T {
        self.bias.map_or(T::default(), |bias| bias[unit.group * self.sizes.channels_out + channel])
    }

    /// # Safety
    /// No one else has the outputs of the unit.
    unsafe fn flat(&self, unit: &Unit, packed: &[T], out: SharedMut<'_, T>) {
        let s = &self.sizes;
        let terms = s.channels_in * s.taps();
        let mut channel = unit.channels[0];
        let end = channel + unit.channels[1];
        while channel < end {
            let block = block(end - channel, widest(self.level));
            let weights = &self.weights[(unit.group * s.channels_out + channel) * terms..][..block * terms];
            // SAFETY: promised by the caller; the weights are this block's.
            unsafe {
                match block {
                    8 => self.channels::<8>(unit, channel, weights, packed, out),
                    4 => self.channels::<4>(unit, channel, weights, packed, out),
                    2 => self.channels::<2>(unit, channel, weights, packed, out),
                    _ => self.channels::<1>(unit, channel, weights, packed, out),
                }
            }
            channel += block;
        }
    }

    /// All outputs of `R` channels of a unit.
    ///
    /// # Safety
    /// As [`flat`](Self::flat).
    unsafe fn channels<const R: usize>(
        &self,
        unit: &Unit,
        channel: usize,
        weights: &[T],
        packed: &[T],
        out: SharedMut<'_, T>,
    ) {
        let (s, cut) = (&self.sizes, &self.cut);
        let lanes = T::per_vector(self.level);
        let (rows, columns) = (unit.rows[1], unit.columns[1]);
        let first = self.first(unit, channel);
        debug_assert!(self.first(unit, channel + R - 1) + (rows - 1) * s.output[2] + columns <= out.len());
        let sink = Sink {
            out: out.as_ptr().wrapping_add(first),
            channel: s.outputs(),
            row: s.output[2],
            pitch: cut.pitch,
            columns,
            rows,
        };
        let bias: [T; R] = std::array::from_fn(|r| self.bias(unit, channel + r));
        let run = |from: usize, vectors: usize, sink: Sink<T>| {
            let mut at = from;
            let mut left = vectors;
            while left > 0 {
                let width = self.width::<R>(left);
                let tiles = left / width;
                let tile = Tile { unit: self, weights, packed, bias, at, tiles, sink };
                // SAFETY: the rows and columns of the sink are the unit's; the places of a tile begin within the packed piece, and
                // what it reads beyond is less than `SLACK` elements.
                unsafe {
                    match width {
                        8 => tile.run::<8>(),
                        4 => tile.run::<4>(),
                        3 => tile.run::<3>(),
                        2 => tile.run::<2>(),
                        _ => tile.run::<1>(),
                    }
                }
                at += tiles * width * lanes;
                left -= tiles * width;
            }
        };
        let (joined, single) =
            (((rows - 1) * cut.pitch + columns).div_ceil(lanes), rows * columns.div_ceil(lanes));
        if joined < single {
            // Rows and what lies between them as one: fewer vectors than the ends of rows would waste.
            run(0, joined, sink);
        } else {
            for row in 0..rows {
                let out = sink.out.wrapping_add(row * sink.row);
                let from = row * cut.pitch;
                // One row whose places are counted from the start of the piece.
                let out = out.wrapping_sub(from);
                run(
                    from,
                    columns.div_ceil(lanes),
                    Sink { out, pitch: usize::MAX, columns: from + columns, rows: 1, ..sink },
                );
            }
        }
    }

    /// How many vectors a tile of `R` channels has when `left` are to be done.
    fn width<const R: usize>(&self, left: usize) -> usize {
        match left.min(sums(self.level) / R) {
            8.. => 8,
            5..8 => 4,
            width => width,
        }
    }

    /// # Safety
    /// No one else has the outputs of the unit.
    unsafe fn rows(&self, unit: &Unit, packed: &[T], out: SharedMut<'_, T>) {
        let (s, cut) = (&self.sizes, &self.cut);
        let dilation = s.dilation[1];
        // Rows that are a multiple of the dilation apart share rows of input.
        let vectors = unit.columns[1].div_ceil(T::per_vector(self.level)).min(4);
        for residue in 0..dilation.min(unit.rows[1]) {
            let count = (unit.rows[1] - residue).div_ceil(dilation);
            let most = count.min(s.kernel[1]);
            let fits = |block: usize| block <= most && vectors_of(self.level, block) > 0;
            let blocks = [6, 4, 3, 2, 1].into_iter().filter(|&block| fits(block));
            let block = blocks.min_by_key(|&block| steps(block, vectors, count, s.kernel[1])).unwrap_or(1);
            let from = self.first(unit, 0) + residue * s.output[2];
            debug_assert!(from + (count - 1) * dilation * s.output[2] + unit.columns[1] <= out.len());
            let lines = Block {
                unit: self,
                x: &packed[residue * cut.pitch..],
                weights: &self.weights[unit.group * s.taps()..][..s.taps()],
                bias: self.bias(unit, 0),
                out: out.as_ptr().wrapping_add(from),
                rows: count,
                columns: unit.columns[1],
            };
            // SAFETY: these rows are the unit's, and no fewer than those of a block.
            unsafe {
                match block {
                    6 => lines.run::<6>(),
                    4 => lines.run::<4>(),
                    3 => lines.run::<3>(),
                    2 => lines.run::<2>(),
                    _ => lines.run::<1>(),
                }
            }
        }
    }
}

/// Consecutive tiles of a unit.
struct Tile<'a, T, const R: usize> {
    unit: &'a Direct<'a, T>,
    weights: &'a [T],
    packed: &'a [T],
    bias: [T; R],
    at: usize,
    tiles: usize,
    sink: Sink<T>,
}

impl<T: Summand, const R: usize> Tile<'_, T, R> {
    /// # Safety
    /// As [`Flat`] says.
    unsafe fn run<const C: usize>(self) {
        let work = self.unit;
        dispatch_at(
            work.level,
            Flat::<T, R, C> {
                x: self.packed.as_ptr(),
                plane: work.cut.plane,
                channels: work.sizes.channels_in,
                offsets: work.offsets,
                weights: self.weights.as_ptr(),
                bias: self.bias,
                at: self.at,
                tiles: self.tiles,
                sink: self.sink,
            },
        );
    }
}

/// Rows of a unit that share rows of input.
struct Block<'a, T> {
    unit: &'a Direct<'a, T>,
    x: &'a [T],
    weights: &'a [T],
    bias: T,
    out: *mut T,
    rows: usize,
    columns: usize,
}

impl<T: Summand> Block<'_, T> {
    /// # Safety
    /// As [`Rows`] says.
    unsafe fn run<const R: usize>(self) {
        let (s, cut) = (&self.unit.sizes, &self.unit.cut);
        let dilation = s.dilation[1];
        dispatch_at(
            self.unit.level,
            Rows::<T, R> {
                x: self.x.as_ptr(),
                row: dilation * cut.pitch,
                depth: cut.phases[1].count * cut.area,
                taps: [s.kernel[0], s.kernel[1]],
                offsets: &self.unit.offsets[..s.kernel[2]],
                weights: self.weights.as_ptr(),
                bias: self.bias,
                out: self.out,
                out_row: dilation * s.output[2],
                rows: self.rows,
                columns: self.columns,
            },
        );
    }
}
