//! Causal convolution of whole sequences, a line at a time: pad, transform, multiply, transform back, crop, gate and skip while the line is in
//! the second-level cache; a few long lines in pieces of their spectra.

mod pieces;

use std::ops::Range;
use std::sync::Arc;

use fft_core::convolution::{LongConvPlan, LongConvTerms};
use fft_core::{Complex, DType, Result, Tensor, compose};

use crate::fourier::{Circular, Context, Precision};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, dispatch};
use pieces::{Pieces, Segment};

const OP: &str = "long_conv";
/// Points of a task: small against what a call has, large against the cost of starting one.
const TASK: usize = 1 << 16;
/// Tiles of fewer points are never cut into pieces: with the last-level cache behind them they take less time whole.
const LONG: usize = 1 << 19;
/// Tiles of more than this part of all numbers are: what a thread needs for them whole, three times their points, would be more than a quarter of input
/// and output with more than a few threads.
const FEW: usize = 48;

/// See `SpectralBackend::long_conv`. The spectrum is that of [`compose::long_conv_spectrum`].
pub(crate) fn long_conv(
    context: Context<'_>,
    u: &Tensor,
    kernel: &Tensor,
    spectrum: Option<&Tensor>,
    terms: LongConvTerms<'_>,
    plan: LongConvPlan,
) -> Result<Tensor> {
    if !plan.points.is_multiple_of(2) || plan.points <= plan.taps || u.rank() != 3 {
        return compose::long_conv(u, kernel, spectrum, terms, plan);
    }
    match u.dtype() {
        DType::F32 => run::<f32>(context, u, kernel, spectrum, terms, plan),
        DType::F64 => run::<f64>(context, u, kernel, spectrum, terms, plan),
        _ => compose::long_conv(u, kernel, spectrum, terms, plan),
    }
}

/// Lines `[batch, channels, length]`, each contiguous.
struct Lines<'a, T> {
    data: &'a [T],
    offset: usize,
    strides: [isize; 2],
}

impl<'a, T: Precision> Lines<'a, T> {
    /// `x`'s own storage, or that of a contiguous copy kept in `copy`.
    fn new(x: &'a Tensor, copy: &'a mut Option<Tensor>) -> Result<Self> {
        let x =
            if x.layout().strides()[2] == 1 || x.shape()[2] == 1 { x } else { copy.insert(x.contiguous()?) };
        let strides = [x.layout().strides()[0], x.layout().strides()[1]];
        Ok(Self { data: elements(OP, &x.view())?, offset: x.layout().offset(), strides })
    }

    /// Some positions of a tile's line.
    fn part(&self, tile: Tile, positions: Range<usize>) -> &'a [T] {
        let [batches, channels] = self.strides;
        let at = self.offset as isize + tile.batch as isize * batches + tile.channel as isize * channels;
        &self.data[at as usize..][positions]
    }
}

fn run<T: Precision>(
    context: Context<'_>,
    u: &Tensor,
    kernel: &Tensor,
    spectrum: Option<&Tensor>,
    terms: LongConvTerms<'_>,
    plan: LongConvPlan,
) -> Result<Tensor> {
    let (batch, channels, length) = (u.shape()[0], u.shape()[1], u.shape()[2]);
    let tiles = length.div_ceil(plan.useful());
    // A task is a channel, so that its kernel is transformed once, or a part of one with many lines.
    let units = batch * tiles;
    let per_task = (TASK / plan.points).max(8).min(units);
    let parts = units.div_ceil(per_task);
    // A kernel that several tasks share is transformed once, not by each.
    let shared = kernel.shape()[0] == 1;
    let made = (shared && spectrum.is_none() && channels * parts > 1)
        .then(|| compose::long_conv_spectrum(kernel, plan))
        .transpose()?;
    let spectrum = spectrum.or(made.as_ref()).map(Tensor::contiguous).transpose()?;
    // Taps beyond the input act on nothing.
    let kernel = kernel.narrow(1, 0, plan.taps)?.contiguous()?;
    let skip = terms.skip.map(Tensor::contiguous).transpose()?;
    let few = plan.points >= LONG && plan.points.saturating_mul(FEW) > batch * channels * length;
    let way = if few && Pieces::<T>::divide(plan.points) {
        // Of three lines or fewer, scratch would otherwise be more than a quarter of input and output. The number of threads is left out: results do not
        // depend on it.
        Way::Pieces(Pieces::new(context, plan.points, batch * channels < 4))
    } else {
        Way::Whole(context.plans.circular(plan.points))
    };
    let mut copies = [const { None }; 3];
    let [own, first, second] = &mut copies;
    let work = Work {
        u: Lines::new(u, own)?,
        before: terms.before.map(|gate| Lines::new(gate, first)).transpose()?,
        after: terms.after.map(|gate| Lines::new(gate, second)).transpose()?,
        kernel: &elements::<T>(OP, &kernel.view())?[kernel.layout().offset()..],
        spectra: match &spectrum {
            Some(s) => Some(&elements::<Complex<T>>(OP, &s.view())?[s.layout().offset()..]),
            None => None,
        },
        shared,
        skip: match &skip {
            Some(skip) => Some(&elements::<T>(OP, &skip.view())?[skip.layout().offset()..]),
            None => None,
        },
        way,
        plan,
    };
    Tensor::build(u.device(), OP, u.shape(), u.dtype(), |mut dst| {
        let offset = dst.layout.offset();
        let out = SharedMut::new(&mut elements_mut::<T>(OP, &mut dst)?[offset..]);
        let team = context.threads.team(channels * parts, channels * units * plan.points);
        let sizes = work.sizes();
        // Parts of different workers start at different cache lines.
        let each = sizes.iter().sum::<usize>().next_multiple_of(16);
        let mut block = context.pool.scratch(team.workers() * each * size_of::<Complex<T>>())?;
        let scratch = SharedMut::new(block.as_mut::<Complex<T>>());
        team.run(channels * parts, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { scratch.slice(worker * each, each) };
            let (line, scratch) = scratch.split_at_mut(sizes[0]);
            let (bins, scratch) = scratch.split_at_mut(sizes[1]);
            let (channel, part) = (task / parts, task % parts);
            let tiles = (part * per_task..((part + 1) * per_task).min(units)).map(|unit| {
                let (batch, from) = (unit / tiles, unit % tiles * plan.useful());
                let count = plan.useful().min(length - from);
                // SAFETY: each unit of each channel is in one task, and has these outputs to itself; they are borrowed one at a time.
                let y = unsafe { out.slice((batch * channels + channel) * length + from, count) };
                (Tile { batch, channel, from }, y)
            });
            work.run(channel, tiles, line, bins, scratch);
        });
        Ok(())
    })
}

/// How the circular convolution of a tile goes.
enum Way<T> {
    Whole(Arc<Circular<T>>),
    Pieces(Pieces<T>),
}

/// Outputs of a line from one on.
#[derive(Clone, Copy)]
struct Tile {
    batch: usize,
    channel: usize,
    from: usize,
}

/// A checked convolution.
struct Work<'a, T> {
    u: Lines<'a, T>,
    before: Option<Lines<'a, T>>,
    after: Option<Lines<'a, T>>,
    /// As many taps a row as the plan uses.
    kernel: &'a [T],
    spectra: Option<&'a [Complex<T>]>,
    shared: bool,
    skip: Option<&'a [T]>,
    way: Way<T>,
    plan: LongConvPlan,
}

impl<T: Precision> Work<'_, T> {
    /// Complex numbers of a line, of a kernel's spectrum that is made, and of scratch.
    fn sizes(&self) -> [usize; 3] {
        match &self.way {
            Way::Pieces(pieces) => pieces.sizes(),
            Way::Whole(circular) => {
                let half = self.plan.points / 2;
                [half, if self.spectra.is_some() { 0 } else { half + 1 }, circular.scratch_len()]
            }
        }
    }

    /// The given tiles of a channel.
    fn run<'y>(
        &self,
        channel: usize,
        tiles: impl Iterator<Item = (Tile, &'y mut [T])> + Clone,
        line: &mut [Complex<T>],
        bins: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
    ) where
        T: 'y,
    {
        let row = if self.shared { 0 } else { channel };
        let count = self.plan.points / 2 + 1;
        let kept = self.spectra.map(|spectra| &spectra[row * count..][..count]);
        let taps = &self.kernel[row * self.plan.taps..][..self.plan.taps];
        let reach = self.plan.taps - 1;
        match &self.way {
            Way::Whole(circular) => {
                let bins = kept.unwrap_or_else(|| {
                    let line: &mut [T] = bytemuck::cast_slice_mut(line);
                    line[..taps.len()].copy_from_slice(taps);
                    line[taps.len()..].fill(T::default());
                    circular.spectrum(line, bins, scratch);
                    bins
                });
                for (tile, y) in tiles {
                    self.load(self.segment(tile, y.len()), bytemuck::cast_slice_mut(line));
                    circular.convolve(line, bins, scratch);
                    y.copy_from_slice(&bytemuck::cast_slice(line)[reach..][..y.len()]);
                    self.finish(tile, y);
                }
            }
            Way::Pieces(pieces) => {
                for piece in 0..pieces.worked() {
                    match kept {
                        Some(kept) => pieces.pick(piece, kept, bins),
                        None => pieces.spectrum(piece, taps, line, bins, scratch),
                    }
                    for (tile, y) in tiles.clone() {
                        let from = self.segment(tile, y.len());
                        pieces.add(piece, from, bins, line, scratch, reach, y);
                    }
                }
                tiles.for_each(|(tile, y)| self.finish(tile, y));
            }
        }
    }

    /// The inputs of `count` outputs. The first one needs as many before it as there are further taps; before the start there are zeros.
    fn segment(&self, tile: Tile, count: usize) -> Segment<'_, T> {
        let reach = self.plan.taps - 1;
        let positions = tile.from.saturating_sub(reach)..tile.from + count;
        Segment {
            at: reach.saturating_sub(tile.from),
            x: self.u.part(tile, positions.clone()),
            gate: self.before.as_ref().map(|gate| gate.part(tile, positions)),
        }
    }

    fn load(&self, from: Segment<'_, T>, to: &mut [T]) {
        let Segment { at, x, gate } = from;
        to[..at].fill(T::default());
        dispatch(Fill { to: &mut to[at..at + x.len()], x, gate });
        to[at + x.len()..].fill(T::default());
    }

    /// Skip and gate after.
    fn finish(&self, tile: Tile, y: &mut [T]) {
        let positions = || tile.from..tile.from + y.len();
        dispatch(Finish {
            u: self.u.part(tile, positions()),
            before: self.before.as_ref().map(|gate| gate.part(tile, positions())),
            after: self.after.as_ref().map(|gate| gate.part(tile, positions())),
            skip: self.skip.map(|skip| skip[tile.channel]),
            y,
        });
    }
}

/// `to = x gate`.
struct Fill<'a, T> {
    to: &'a mut [T],
    x: &'a [T],
    gate: Option<&'a [T]>,
}

impl<T: Precision> Kernel for Fill<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        match self.gate {
            None => self.to.copy_from_slice(self.x),
            Some(gate) => {
                for ((to, x), gate) in self.to.iter_mut().zip(self.x).zip(gate) {
                    *to = *x * *gate;
                }
            }
        }
    }
}

/// `y = after (y + skip before u)`.
struct Finish<'a, T> {
    y: &'a mut [T],
    u: &'a [T],
    before: Option<&'a [T]>,
    after: Option<&'a [T]>,
    skip: Option<T>,
}

impl<T: Precision> Kernel for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { y, u, before, after, skip } = self;
        match (skip, before) {
            (None, _) => {}
            (Some(d), None) => {
                for (y, u) in y.iter_mut().zip(u) {
                    *y = *y + d * *u;
                }
            }
            (Some(d), Some(gate)) => {
                for ((y, u), gate) in y.iter_mut().zip(u).zip(gate) {
                    *y = *y + d * (*u * *gate);
                }
            }
        }
        if let Some(gate) = after {
            for (y, gate) in y.iter_mut().zip(gate) {
                *y = *y * *gate;
            }
        }
    }
}
