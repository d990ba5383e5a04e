//! Causal convolutions whose kernels may be as long as their input: padding, gates, product, cropping and skip in one kernel, or in three where
//! a line does not fit a workgroup.

use std::sync::Arc;

use fft_core::convolution::{LongConvPlan, LongConvTerms};
use fft_core::{DType, Result, Tensor, ViewMut, compose};

use super::butterfly::passes;
use super::circular::{Fit, Key, Part};
use super::plan_cache::Circle;
use crate::call::{Call, fits};
use crate::context::Context;
use crate::memory::Block;
use crate::pipelines::Binding;

const OP: &str = "long_conv";
/// The longest columns of a long line, so that several fit side by side.
const COLUMNS: usize = 512;
/// The most bytes of scratch for lines that are worked on together.
const MAX_SCRATCH: usize = 128 << 20;

/// How tiles are transformed: complex points of one, half of those that they stand for, and how they are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    columns: usize,
    points: usize,
}

impl Tile {
    /// What the plan asks for, or a little more; nothing when it is too long. The form of the spectrum follows from it.
    fn new(context: &Context, plan: LongConvPlan) -> Option<Self> {
        let least = plan.points.max(plan.taps + 1).div_ceil(2).max(2);
        let most = context.limits.line;
        if least > COLUMNS * most {
            return None;
        }
        // Few lengths, so that few kernels are compiled.
        let length = [1, 3, 5].map(|odd| odd * least.div_ceil(odd).next_power_of_two()).into_iter().min()?;
        if length <= most {
            return Some(Self { columns: 1, points: length });
        }
        let columns = || (2..=COLUMNS.min(most)).filter(|c| length.is_multiple_of(*c) && length / c <= most);
        // Columns of one pass never see workgroup memory; where rows are too long for that, both are about equally long.
        let one_pass = columns().filter(|&c| passes(c).is_some_and(|p| p.len() == 1)).max();
        let columns = one_pass.or_else(|| columns().min_by_key(|&c| c.max(length / c)))?;
        Some(Self { columns, points: length / columns })
    }

    /// Complex points.
    fn length(self) -> usize {
        self.columns * self.points
    }
}

/// Lines `[rows, length]` and how they are cut into tiles.
struct Lines {
    tile: Tile,
    rows: usize,
    channels: usize,
    length: usize,
    tiles: usize,
    useful: usize,
    /// Points of a tile before those.
    before: usize,
    /// From the spectrum of one channel to the next: 0 when they share it.
    spectrum_step: usize,
    scale: f32,
}

/// What kernels read and write beside scratch and roots.
#[derive(Clone, Copy)]
struct Operands<'a> {
    u: &'a Tensor,
    before: Option<&'a Tensor>,
    skip: Option<&'a Tensor>,
    after: Option<&'a Tensor>,
    /// The kernel's, unless it is made.
    spectrum: Option<&'a Tensor>,
}

/// See `SpectralBackend::long_conv_spectrum`: for each channel the spectrum in the order in which [`super::circular`] leaves it, times the
/// factor of the way back; that of the composition for plans and types that have no kernel.
pub(crate) fn long_conv_spectrum(context: &Context, kernel: &Tensor, plan: LongConvPlan) -> Result<Tensor> {
    let Some(tile) = Tile::new(context, plan).filter(|_| kernel.dtype() == DType::F32) else {
        return compose::long_conv_spectrum(kernel, plan);
    };
    let kernel = kernel.narrow(1, 0, plan.taps)?.contiguous()?;
    let channels = kernel.shape()[0];
    let lines = Lines {
        tile,
        rows: channels,
        channels,
        length: plan.taps,
        tiles: 1,
        useful: 2 * tile.length(),
        before: 0,
        spectrum_step: tile.length(),
        scale: 1.0 / tile.length() as f32,
    };
    let operands = Operands { u: &kernel, before: None, skip: None, after: None, spectrum: None };
    Tensor::build(kernel.device(), OP, &[channels, tile.length()], DType::C64, |dst| {
        lines.run(context, operands, dst)
    })
}

/// See `SpectralBackend::long_conv`.
pub(crate) fn long_conv(
    context: &Context,
    u: &Tensor,
    kernel: &Tensor,
    spectrum: Option<&Tensor>,
    terms: LongConvTerms<'_>,
    plan: LongConvPlan,
) -> Result<Tensor> {
    let tile = Tile::new(context, plan).filter(|_| u.dtype() == DType::F32);
    let (Some(tile), &[batch, channels, length]) = (tile, u.shape()) else {
        return compose::long_conv(u, kernel, spectrum, terms, plan);
    };
    let tensors = [Some(u), terms.before, terms.after].map(|x| x.map(Tensor::contiguous).transpose());
    let [u, before, after] = tensors;
    let (u, before, after) = (u?.unwrap_or_else(|| kernel.clone()), before?, after?);
    let made = spectrum.is_none().then(|| long_conv_spectrum(context, kernel, plan)).transpose()?;
    let spectrum = spectrum.or(made.as_ref()).unwrap_or(kernel).contiguous()?;
    if !fits(context, &[&u, &spectrum]) {
        return compose::long_conv(&u, kernel, None, terms, plan);
    }
    let whole = 2 * tile.length();
    let single = length + plan.taps - 1 <= whole;
    let reach = if single { 0 } else { plan.taps - 1 };
    let lines = Lines {
        tile,
        rows: batch * channels,
        channels,
        length,
        tiles: length.div_ceil(whole - reach),
        useful: whole - reach,
        before: reach,
        spectrum_step: if kernel.shape()[0] == 1 { 0 } else { tile.length() },
        scale: 1.0,
    };
    let skip = terms.skip.map(Tensor::contiguous).transpose()?;
    let operands = Operands {
        u: &u,
        before: before.as_ref(),
        skip: skip.as_ref(),
        after: after.as_ref(),
        spectrum: Some(&spectrum),
    };
    Tensor::build(u.device(), OP, u.shape(), DType::F32, |dst| lines.run(context, operands, dst))
}

impl Lines {
    fn key(&self, part: Part, operands: Operands<'_>) -> Key {
        let Tile { columns, points } = self.tile;
        let (points, items) =
            if matches!(part, Part::First | Part::Last) { (columns, points) } else { (points, columns) };
        let lines = super::lines(points, points.next_multiple_of(16));
        let ends = matches!(part, Part::Whole | Part::Last);
        let reads = part != Part::Rows;
        let half = self.tiles == 1 && self.length <= self.tile.length();
        let places = if half { self.tile.length() } else { 2 * self.tile.length() };
        let fit = match self.tiles == 1 && self.before == 0 {
            true if reads && self.length == places => Fit::Exact,
            true => Fit::Single,
            false => Fit::Tiles,
        };
        Key {
            part,
            points,
            lines,
            items,
            fit,
            half: reads && half,
            wraps: false,
            spectrum: operands.spectrum.is_none() && matches!(part, Part::Whole | Part::Rows),
            skip: ends && operands.skip.is_some(),
            before: reads && operands.before.is_some() && (part != Part::Last || operands.skip.is_some()),
            after: ends && operands.after.is_some(),
        }
    }

    /// The result, or the spectrum where none is given.
    fn run(&self, context: &Context, operands: Operands<'_>, mut dst: ViewMut<'_>) -> Result<()> {
        let Tile { columns, points } = self.tile;
        let rows = self.rows * self.tiles;
        let roots = context.plans.circle(context, points, points)?;
        if columns == 1 {
            return self.part(context, Part::Whole, operands, &roots, None, &mut dst, 0..rows);
        }
        let across = context.plans.circle(context, columns, columns * points)?;
        let most = MAX_SCRATCH.min(context.limits.binding as usize) / (8 * self.tile.length());
        for first in (0..rows).step_by(most.max(1)) {
            let range = first..(first + most.max(1)).min(rows);
            let scratch = context.scratch(range.len() * self.tile.length() * 8)?;
            self.part(context, Part::First, operands, &across, Some(&scratch), &mut dst, range.clone())?;
            self.part(context, Part::Rows, operands, &roots, Some(&scratch), &mut dst, range.clone())?;
            if operands.spectrum.is_some() {
                self.part(context, Part::Last, operands, &across, Some(&scratch), &mut dst, range)?;
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "operands, terms and the places of a part of the batch")]
    fn part(
        &self,
        context: &Context,
        part: Part,
        operands: Operands<'_>,
        roots: &Arc<Circle>,
        scratch: Option<&Block>,
        dst: &mut ViewMut<'_>,
        rows: std::ops::Range<usize>,
    ) -> Result<()> {
        let key = self.key(part, operands);
        let mut result = Some(ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype: dst.dtype });
        let mut call = Call::new(context, OP);
        for (name, _, written) in key.operands() {
            let tensor = match name {
                "U" => Some(operands.u),
                "G" => operands.before,
                "K" => operands.skip,
                "A" => operands.after,
                "H" => operands.spectrum,
                _ => None,
            };
            match (name, tensor, scratch) {
                (_, Some(tensor), _) => call.read(tensor.view())?,
                ("T", ..) => call.bind(Binding::whole(&roots.tables, false), 0),
                ("X", _, Some(block)) => call.bind(Binding::whole(block, written), 0),
                // The result, once at most.
                _ => result.take().map_or(Ok(()), |dst| call.write(dst))?,
            }
        }
        let count = rows.len() * key.items;
        call.params.count = count as u32;
        call.params.value[0] = self.scale;
        let more = [
            0,
            self.tiles,
            self.channels,
            self.length,
            self.useful,
            self.before,
            self.spectrum_step,
            self.tile.length(),
        ];
        for (to, n) in call.params.more.iter_mut().zip(more) {
            *to = n as u32;
        }
        let between = roots.between;
        call.params.more[8..].copy_from_slice(&[
            between.coarse,
            between.fine,
            between.bits,
            rows.start as u32,
        ]);
        call.run(&key.label(), count.div_ceil(key.lines), || key.source())
    }
}

/// Shaders of this module, one of each kind: lengths are too many for all.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for points in [2, 3, 16, 20, 48, 64, 96, 160, 256, 1280, 2048] {
        for part in [Part::Whole, Part::First, Part::Rows, Part::Last] {
            for bits in 0..32 {
                let bit = |i: usize| bits >> i & 1 == 1;
                let key = Key {
                    part,
                    points,
                    lines: super::lines(points, points.next_multiple_of(16)),
                    items: if part == Part::Whole { 1 } else { 24 },
                    fit: [Fit::Tiles, Fit::Single, Fit::Exact][bits % 3],
                    half: bit(0),
                    wraps: false,
                    spectrum: bit(1) && matches!(part, Part::Whole | Part::Rows),
                    skip: bit(2),
                    before: bit(3),
                    after: bit(4),
                };
                debug_assert!(passes(points).is_some());
                out.push((key.label(), key.source()));
            }
        }
    }
    out
}
