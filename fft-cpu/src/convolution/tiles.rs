//! Convolution by the convolution theorem in tiles that stay in the second-level cache (overlap-save, Stockham 1966), in one and two axes.
//!
//! Transforms go by SIMD across lines: in two axes across the rows of a tile, then across its columns; in one axis a block of rows holds as
//! many tiles as a register has lanes. The first and the last column of bins of real rows are real, and go as one complex column.

use std::sync::Arc;

use fft_core::convolution::ConvGeometry;
use fft_core::{Complex, Result, Tensor};

use super::pack::pack_row;
use crate::fourier::lanes::{LanePlan, Lines, RealLanePlan, is_planned};
use crate::fourier::{Context, Precision};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, dispatch, machine};

const OP: &str = "conv_fft";
/// The most bytes of a unit's spectra: not far more than the second-level cache has.
const MOST: usize = 2 << 20;
/// Points of a task.
const TASK: usize = 1 << 15;

/// How a convolution goes in tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Rows of one channel in a unit: of a tile, or tiles in one axis.
    rows: usize,
    /// Points of a row, its bins, and complex numbers from row to row.
    points: usize,
    bins: usize,
    pitch: usize,
    /// Output channels that are transformed back together.
    together: usize,
    /// Rows of the blocks of input and of output.
    blocks: [usize; 2],
    /// Whether units go across groups, of one channel each.
    across: bool,
    /// Rows in one axis that there are in all, of a group or across groups.
    lines: usize,
}

impl Shape {
    /// `None` where tiles are too large, or of a length without a plan.
    pub(super) fn new<T: Precision>(g: &ConvGeometry, tile: &[usize]) -> Option<Self> {
        let lanes = T::lanes(machine());
        let points = tile[tile.len() - 1];
        if points < 2 || !is_planned(RealLanePlan::<T>::points(points)) {
            return None;
        }
        let bins = points / 2 + 1;
        let pitch = bins.next_multiple_of(lanes);
        let across = g.channels_in == 1 && g.channels_out == 1;
        let lines = g.batch * g.tiles(0, tile[0]) * if across { g.groups } else { 1 };
        let size = |rows: usize, together: usize| {
            [g.channels_in, together].map(|channels| (channels * rows).next_multiple_of(lanes))
        };
        let bytes = |blocks: [usize; 2]| (blocks[0] + blocks[1]) * pitch * 2 * size_of::<T>();
        let (rows, together) = match g.axes() {
            1 => {
                let mut rows = lanes.min(lines);
                let together = |rows: usize| lanes.div_ceil(rows).min(g.channels_out);
                // Many channels fill the lanes with fewer tiles.
                while rows > 1 && g.channels_in * rows > lanes && bytes(size(rows, together(rows))) > MOST {
                    rows = rows.div_ceil(2);
                }
                (rows, together(rows))
            }
            2 if is_planned(tile[0]) => (tile[0], 1),
            _ => return None,
        };
        let blocks = size(rows, together);
        (bytes(blocks) <= MOST).then_some(Self { rows, points, bins, pitch, together, blocks, across, lines })
    }

    /// Whether at least a quarter of the lanes is used in one axis.
    pub(super) fn is_full(&self, g: &ConvGeometry) -> bool {
        4 * self.rows * g.channels_in >= self.blocks[0]
    }
}

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
    let axes = g.axes();
    let last = axes + 1;
    let x = if x.layout().strides()[last] == 1 || x.shape()[last] == 1 { x.clone() } else { x.contiguous()? };
    let spectrum = spectrum.contiguous()?;
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let channels = g.groups * g.channels_out;
    let steps = x.layout().strides();
    let columns = (axes == 2).then(|| context.plans.lanes::<T>(shape.rows));
    let work = Tiles {
        data: elements::<T>(OP, &x.view())?,
        offset: x.layout().offset(),
        strides: [steps[0], steps[1], if axes == 2 { steps[2] } else { 0 }],
        spectra: &elements::<Complex<T>>(OP, &spectrum.view())?[spectrum.layout().offset()..],
        bias: match &bias {
            Some(bias) => Some(&elements::<T>(OP, &bias.view())?[bias.layout().offset()..][..channels]),
            None => None,
        },
        real: context.plans.real_lanes::<T>(shape.points),
        columns,
        g,
        tile,
        shape,
    };
    let units = work.units();
    let points = shape.rows * shape.points * (g.channels_in + g.channels_out);
    let per_task = (TASK / points).clamp(1, units);
    Tensor::build(x.device(), OP, &g.output_shape(), x.dtype(), |mut dst| {
        let offset = dst.layout.offset();
        let out = SharedMut::new(&mut elements_mut::<T>(OP, &mut dst)?[offset..]);
        let tasks = units.div_ceil(per_task);
        let team = context.threads.team(tasks, units * points);
        let lanes = work.columns.as_ref().map_or(0, |plan| plan.scratch_len(plan.len()));
        let [input, output] = shape.blocks.map(|rows| rows * shape.pitch * 2);
        let sizes = [input, output, lanes.max(work.real.scratch_len())];
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
                unsafe { work.unit(unit, input, output, scratch, out) };
            }
        });
        Ok(())
    })
}

/// Where a row of a unit comes from and goes to.
struct Row {
    group: usize,
    batch: usize,
    /// The first input that it needs, of the input without padding.
    at: [isize; 2],
    /// Its row of outputs, if it has one, and its first output if the stride were 1.
    to: [usize; 2],
    kept: bool,
}

/// A checked convolution.
struct Tiles<'a, T> {
    data: &'a [T],
    offset: usize,
    /// Of batch, channel and row.
    strides: [isize; 3],
    /// `[groups, channels out, channels in, rows or 1, bins]`.
    spectra: &'a [Complex<T>],
    bias: Option<&'a [T]>,
    real: Arc<RealLanePlan<T>>,
    columns: Option<Arc<LanePlan<T>>>,
    g: &'a ConvGeometry,
    tile: &'a [usize],
    shape: Shape,
}

impl<T: Precision> Tiles<'_, T> {
    fn units(&self) -> usize {
        let (g, s) = (self.g, self.shape);
        if self.columns.is_some() {
            return g.batch * g.groups * g.tiles(0, self.tile[0]) * g.tiles(1, self.tile[1]);
        }
        s.lines.div_ceil(s.rows) * if s.across { 1 } else { g.groups }
    }

    /// A row of a unit, if the unit has as many.
    fn row(&self, unit: usize, row: usize) -> Option<Row> {
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
            for row in 0..s.rows {
                let to = &mut input[(channel * s.rows + row) * 2 * s.pitch..][..s.points];
                if let Some(row) = self.row(unit, row) {
                    self.load(&row, channel, to);
                }
            }
        }
        self.forward(input, g.channels_in, scratch);
        let mut first = 0;
        while first < g.channels_out {
            let together = s.together.min(g.channels_out - first);
            for i in 0..together {
                self.products(unit, first + i, input, &mut output[i * s.rows * 2 * s.pitch..]);
            }
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
            first += together;
        }
    }

    fn load(&self, row: &Row, channel: usize, to: &mut [T]) {
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
    unsafe fn store(&self, row: &Row, channel: usize, from: &[T], out: SharedMut<'_, T>) {
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

    /// The lines of rows `row..` of a block, as real numbers or as bins.
    fn rows(&self, block: &mut [T], row: usize) -> [Lines<T>; 2] {
        let pitch = 2 * self.shape.pitch;
        let lanes = self.real.lanes();
        let at = block[row * pitch..][..lanes * pitch].as_mut_ptr();
        let across = pitch as isize;
        [Lines { at, step: 1, im: None, across, lanes }, Lines { at, step: 2, im: Some(1), across, lanes }]
    }

    /// The columns of the tile of each channel, transformed in place.
    fn columns(&self, block: &mut [T], channels: usize, scratch: &mut [T], inverse: bool) {
        let Some(plan) = &self.columns else { return };
        let s = self.shape;
        let size = s.rows * 2 * s.pitch;
        // The last column of an even number of points is joined to the first.
        let count = s.points.div_ceil(2);
        for tile in block[..channels * size].chunks_exact_mut(size) {
            for column in (0..count).step_by(plan.lanes()) {
                let lines = Lines {
                    at: tile[2 * column..].as_mut_ptr(),
                    step: 2 * s.pitch as isize,
                    im: Some(1),
                    across: 2,
                    lanes: plan.lanes(),
                };
                let one = T::nearest(1.0);
                // SAFETY: the pitch is a multiple of the lanes, so these columns lie in the tile; they are read before they are written.
                unsafe { plan.complex(scratch, lines, s.rows, lines, s.rows, inverse, one, false) };
            }
        }
    }

    /// Real rows of some channels to their bins.
    fn forward(&self, block: &mut [T], channels: usize, scratch: &mut [T]) {
        let s = self.shape;
        for row in (0..channels * s.rows).step_by(self.real.lanes()) {
            let [reals, bins] = self.rows(block, row);
            // SAFETY: blocks have a multiple of the lanes of rows, which are read before they are written.
            unsafe { self.real.forward(scratch, reals, s.points, bins, T::nearest(1.0), false) };
        }
        if self.columns.is_none() {
            return;
        }
        let joined = s.points.is_multiple_of(2);
        let size = s.rows * s.pitch;
        if joined {
            for tile in bytemuck::cast_slice_mut::<T, Complex<T>>(block).chunks_exact_mut(size).take(channels)
            {
                for row in tile.chunks_exact_mut(s.pitch) {
                    row[0].im = row[s.bins - 1].re;
                }
            }
        }
        self.columns(block, channels, scratch, false);
        if joined {
            for tile in bytemuck::cast_slice_mut::<T, Complex<T>>(block).chunks_exact_mut(size).take(channels)
            {
                part(tile, s.rows, s.pitch, s.bins - 1);
            }
        }
    }

    /// Bins of some channels to real rows.
    fn inverse(&self, block: &mut [T], channels: usize, scratch: &mut [T]) {
        let s = self.shape;
        let mut points = s.points;
        if self.columns.is_some() {
            points *= s.rows;
            let size = s.rows * s.pitch;
            if s.points.is_multiple_of(2) {
                for tile in
                    bytemuck::cast_slice_mut::<T, Complex<T>>(block).chunks_exact_mut(size).take(channels)
                {
                    for row in tile.chunks_exact_mut(s.pitch) {
                        let last = row[s.bins - 1];
                        row[0] = Complex::new(row[0].re - last.im, row[0].im + last.re);
                    }
                }
            }
            self.columns(block, channels, scratch, true);
            if s.points.is_multiple_of(2) {
                for row in bytemuck::cast_slice_mut::<T, Complex<T>>(block)
                    .chunks_exact_mut(s.pitch)
                    .take(channels * s.rows)
                {
                    row[s.bins - 1] = Complex::new(row[0].im, T::default());
                    row[0].im = T::default();
                }
            }
        }
        let scale = T::nearest(1.0 / points as f64);
        for row in (0..channels * s.rows).step_by(self.real.lanes()) {
            let [reals, bins] = self.rows(block, row);
            // SAFETY: as in `forward`.
            unsafe { self.real.inverse(scratch, bins, s.bins, reals, scale, false) };
        }
    }

    /// `output = sum_i input[i] spectrum[channel, i]`.
    fn products(&self, unit: usize, channel: usize, input: &[T], output: &mut [T]) {
        let (g, s) = (self.g, self.shape);
        let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
        // Rows of a tile have bins of their own, which follow each other; tiles in one axis have the same.
        let (runs, rows) = if self.columns.is_some() { (1, s.rows) } else { (s.rows, 1) };
        for run in 0..runs {
            let Some(place) = self.row(unit, run) else { return };
            let kernel = (place.group * g.channels_out + channel) * g.channels_in;
            let size = rows * s.bins;
            dispatch(Product {
                y: &mut output[run * s.pitch..],
                x: &input[run * s.pitch..],
                w: &self.spectra[kernel * size..][..g.channels_in * size],
                bins: s.bins,
                pitch: s.pitch,
                block: s.rows * s.pitch,
                channels: g.channels_in,
            });
        }
    }
}

/// From the joint transform of two real columns, in column 0, to that of each, in columns 0 and `last`.
fn part<T: Precision>(tile: &mut [Complex<T>], rows: usize, pitch: usize, last: usize) {
    let half = T::nearest(0.5);
    for k in 0..=rows / 2 {
        let m = (rows - k) % rows;
        let (a, b) = (tile[k * pitch], tile[m * pitch]);
        let first = Complex::new((a.re + b.re) * half, (a.im - b.im) * half);
        let other = Complex::new((a.im + b.im) * half, (b.re - a.re) * half);
        (tile[k * pitch], tile[m * pitch]) = (first, first.conj());
        (tile[k * pitch + last], tile[m * pitch + last]) = (other, other.conj());
        if k == m {
            (tile[k * pitch], tile[k * pitch + last]) = (first, other);
        }
    }
}

/// Rows `y = sum x w` over input channels.
struct Product<'a, T> {
    /// Rows `pitch` apart.
    y: &'a mut [Complex<T>],
    /// The same, with channels `block` apart.
    x: &'a [Complex<T>],
    /// `[channels][rows][bins]`, which says how many rows there are.
    w: &'a [Complex<T>],
    bins: usize,
    pitch: usize,
    block: usize,
    channels: usize,
}

impl<T: Precision> Kernel for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let product = |x: &Complex<T>, w: &Complex<T>| {
            Complex::new(x.re * w.re - x.im * w.im, x.re * w.im + x.im * w.re)
        };
        for (channel, w) in self.w.chunks_exact(self.w.len() / self.channels).enumerate() {
            let rows = self.x[channel * self.block..].chunks(self.pitch);
            for ((w, x), y) in w.chunks_exact(self.bins).zip(rows).zip(self.y.chunks_mut(self.pitch)) {
                if channel > 0 {
                    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                        let z = product(x, w);
                        *y = Complex::new(y.re + z.re, y.im + z.im);
                    }
                } else {
                    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                        *y = product(x, w);
                    }
                }
            }
        }
    }
}
