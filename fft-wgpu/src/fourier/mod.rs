//! Transforms of any length along any axis.

mod band;
mod butterfly;
mod circular;
mod conv;
mod in_place;
mod kernel;
mod long_conv;
mod plan;
mod plan_cache;
mod scattered;
mod spectral_conv;
mod staged;

use std::sync::Arc;

use fft_core::{DType, Direction, FftKind, FftSpec, Result, View, ViewMut};

use crate::context::Context;
use crate::elementwise::fill;
use crate::memory::Scratch;
use crate::params::Params;
use crate::pipelines::Binding;
use crate::walk::{Operand, Walk, block_of};
use band::Bins;
use kernel::{Factor, Key, Load, Save};
use plan::{Plan, PlanKey, Step};

pub(crate) use band::{band_limited, low_frequencies};
pub(crate) use conv::{conv_fft, conv_spectrum};
pub(crate) use long_conv::{long_conv, long_conv_spectrum};
pub(crate) use plan_cache::Plans;
pub(crate) use spectral_conv::spectral_conv;

const OP: &str = "fft";
/// The most axes of a batch that are walked at once; others one by one.
const MAX_BATCH_RANK: usize = 4;
/// The most bytes of scratch that lines of a batch take together; longer lines go one by one.
const MAX_SCRATCH: usize = 256 << 20;
/// Points of a workgroup's lines, where these are shorter: so many that neighbours across lines are read together.
const POINTS: usize = 2048;
/// The most lines side by side.
const MAX_LINES: usize = 64;

/// A batch of transforms.
struct Transform<'a> {
    context: &'a Context,
    spec: FftSpec,
    plan: Arc<Plan>,
    load: Load,
    save: Save,
    /// Along the axis: the source's stride and how many of its elements count, the result's stride.
    stride_in: i64,
    length_in: usize,
    stride_out: i64,
    /// Elements of the result along it.
    length_out: usize,
    /// Which bins are in the source, and which in the result.
    read: Bins,
    write: Bins,
}

/// See `SpectralBackend::fft`.
pub(crate) fn fft(context: &Context, spec: FftSpec, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    transform(context, spec, src, dst, Bins::ALL, Bins::ALL)
}

/// The same with only some of the bins in source or result.
fn transform(
    context: &Context,
    spec: FftSpec,
    src: View<'_>,
    dst: ViewMut<'_>,
    read: Bins,
    write: Bins,
) -> Result<()> {
    let types = match spec.kind {
        FftKind::C2C => (DType::C64, DType::C64),
        FftKind::R2C => (DType::F32, DType::C64),
        FftKind::C2R => (DType::C64, DType::F32),
    };
    if (src.dtype, dst.dtype) != types {
        return Err(context.unsupported(OP, format!("{:?} from {} to {}", spec.kind, src.dtype, dst.dtype)));
    }
    if dst.layout.is_empty() {
        return Ok(());
    }
    if src.layout.is_empty() {
        return fill(context, 0.0, 0.0, dst);
    }
    let n = spec.n;
    if n > 1 << 30 {
        return Err(context.too_big(OP, n.saturating_mul(8)));
    }
    let even = n.is_multiple_of(2);
    let (load, save) = match (spec.kind, even) {
        (FftKind::C2C, _) => (Load::Complex, Save::Complex),
        (FftKind::R2C, false) => (Load::Real, Save::Half),
        (FftKind::R2C, true) => (Load::Pairs, Save::Unfolded),
        (FftKind::C2R, false) => (Load::Mirrored, Save::Real),
        (FftKind::C2R, true) => (Load::Folded, Save::Pairs),
    };
    let pairs = even && spec.kind != FftKind::C2C;
    let mut from = Operand::new(block_of(context, OP, src.buffer)?, src.dtype.size(), src.layout);
    let mut to = Operand::new(block_of(context, OP, dst.buffer)?, dst.dtype.size(), dst.layout);
    let (stride_in, stride_out) = (from.strides.remove(spec.axis), to.strides.remove(spec.axis));
    let most = if spec.kind == FftKind::C2R { n / 2 + 1 } else { n };
    let length_in = src.layout.shape()[spec.axis].min(most);
    let reach = |n: usize, stride: i64| {
        let end = (n as i64 - 1) * stride;
        (end.min(0), end.max(0))
    };
    from.slack = reach(length_in, stride_in);
    let length_out = dst.layout.shape()[spec.axis];
    to.slack = reach(length_out, stride_out);
    if [&from, &to].iter().any(|line| line.window(context, &[], false).is_none()) {
        return scattered::scattered(context, spec, src, dst, read, write);
    }
    let mut shape = dst.layout.shape().to_vec();
    shape.remove(spec.axis);
    let batch = Walk::new(&shape, vec![to, from]);
    let across = is_across(&batch, 1, stride_in) || is_across(&batch, 0, stride_out);
    let key = PlanKey { length: if pairs { n / 2 } else { n }, pairs, across };
    let plan = context.plans.get(context, key)?;
    let all = Transform {
        context,
        spec,
        plan,
        load,
        save,
        stride_in,
        length_in,
        stride_out,
        length_out,
        read,
        write,
    };
    all.chunks(&batch)
}

/// The words of what holds, each behind a space.
fn those_that_hold(words: &[(&str, bool)]) -> String {
    words.iter().filter(|(_, holds)| *holds).map(|(word, _)| format!(" {word}")).collect()
}

/// Whether neighbouring lines lie closer together than neighbouring points of a line.
fn is_across(batch: &Walk<'_>, operand: usize, stride: i64) -> bool {
    batch.operands[operand].strides.last().is_some_and(|lines| lines.abs() < stride.abs())
}

/// Where a kernel reads or writes.
#[derive(Clone, Copy)]
enum Place<'s> {
    /// The tensors of the caller.
    User,
    /// Lines of complex numbers, one after another.
    Lines(&'s crate::memory::Block),
}

impl Transform<'_> {
    /// All lines at once, or parts of them where bindings or scratch cannot hold them.
    fn chunks(&self, batch: &Walk<'_>) -> Result<()> {
        let bytes = batch.len() * self.plan.stored() * 8;
        let scratch =
            self.plan.steps.len() > 1 && bytes > MAX_SCRATCH.min(self.context.limits.binding as usize);
        let lines = batch.shape.first().copied().unwrap_or(1);
        let axes = batch.shape.len() > MAX_BATCH_RANK;
        if (!scratch && !axes) || lines == 1 {
            return batch.parts(self.context, OP, &mut |part| self.run(part));
        }
        let ranges: Vec<_> =
            if axes { (0..lines).map(|i| i..i + 1).collect() } else { vec![0..lines / 2, lines / 2..lines] };
        for range in ranges {
            self.chunks(&batch.part(range))?;
        }
        Ok(())
    }

    /// Every step of the plan.
    fn run(&self, batch: &Walk<'_>) -> Result<()> {
        let steps = &self.plan.steps;
        let single = steps.len() == 1;
        let bytes = batch.len() * self.plan.stored() * 8;
        let unfolds = self.save == Save::Unfolded && !single;
        let scratch: Vec<Scratch<'_>> =
            (0..2 - usize::from(single || (steps.len() == 2 && !unfolds)) - usize::from(single))
                .map(|_| self.context.scratch(bytes))
                .collect::<Result<_>>()?;
        let mut from = Place::User;
        for (i, step) in steps.iter().enumerate() {
            let to = match scratch.get(i % 2) {
                Some(lines) if i + 1 < steps.len() || unfolds => Place::Lines(lines),
                _ => Place::User,
            };
            self.step(batch, step, from, to)?;
            from = to;
        }
        match from {
            Place::Lines(lines) if unfolds => self.unfold(batch, lines),
            _ => Ok(()),
        }
    }

    /// The axes of the batch for a kernel: lengths, and for each operand strides, in the caller's tensors or in lines of scratch.
    fn axes(&self, batch: &Walk<'_>, from: Place<'_>, to: Place<'_>) -> Vec<(usize, [i64; 4])> {
        let mut line = self.plan.stored() as i64;
        let mut axes = Vec::new();
        for d in (0..batch.shape.len()).rev() {
            let place = |p: Place<'_>, o: usize| match p {
                Place::User => batch.operands[o].strides[d],
                Place::Lines(_) => line,
            };
            axes.push((batch.shape[d], [place(to, 0), place(from, 1), 0, 0]));
            line *= batch.shape[d] as i64;
        }
        axes.reverse();
        axes
    }

    fn bind<'b>(&self, batch: &Walk<'b>, place: Place<'b>, operand: usize) -> Result<(Binding<'b>, i32)> {
        match place {
            Place::Lines(block) => Ok((Binding::whole(block, operand == 0), 0)),
            Place::User => {
                let found = batch.operands[operand].window(self.context, &batch.shape, operand == 0);
                found.ok_or_else(|| self.context.too_big(OP, self.spec.n * 8))
            }
        }
    }

    fn step(&self, batch: &Walk<'_>, step: &Step, from: Place<'_>, to: Place<'_>) -> Result<()> {
        let levels = &self.plan.levels;
        let last = step.level + 1 == levels.len();
        let rest: usize = levels[step.level + 1..].iter().product();
        let before: usize = levels[..step.level].iter().product();
        // The first level finds its points by their place within the line.
        let logical = step.level == 0;
        let user_in = matches!(from, Place::User);
        let user_out = matches!(to, Place::User);
        let mut axes = self.axes(batch, from, to);
        if last {
            // The results of the levels before, the first fastest: their places within the line's results.
            let mut block = step.points;
            let mut weight = before;
            for &level in levels[..step.level].iter().rev() {
                weight /= level;
                axes.push((level, [0, block as i64, 0, weight as i64]));
                block *= level;
            }
        } else {
            if before > 1 {
                let block = (step.points * rest) as i64;
                axes.push((before, [block, block, 0, 0]));
            }
            axes.push((rest, [1, i64::from(!logical), 1, 0]));
        }
        let axes: Vec<_> = axes.into_iter().filter(|(n, _)| *n != 1).collect();

        let mut params: Params = bytemuck::Zeroable::zeroed();
        params.count = axes.iter().map(|(n, _)| n).product::<usize>() as u32;
        params.rank = axes.len() as u32;
        for (d, (n, strides)) in axes.iter().enumerate() {
            params.shape[d] = *n as u32;
            params.steps[d] = strides.map(|s| s as i32);
        }
        let (source, base_in) = self.bind(batch, from, 1)?;
        let (result, base_out) = self.bind(batch, to, 0)?;
        params.base = [base_out, base_in, 0, 0];

        let inverse = self.spec.direction == Direction::Inverse;
        let begins = user_in;
        let ends = self.plan.steps.last().is_some_and(|s| std::ptr::eq(s, step));
        params.flags = u32::from(inverse && begins)
            | u32::from(inverse && ends) << 1
            | u32::from(!logical) << 2
            | step.pairs.bits << 8
            | step.between.bits << 16;
        let load = if begins { self.load } else { Load::Complex };
        let save = match (ends, user_out) {
            (true, true) => self.save,
            _ => Save::Complex,
        };
        params.value[0] = if ends && user_out { self.spec.scale as f32 } else { 1.0 };
        let stored = self.plan.stored();
        params.more[..4].copy_from_slice(&match (user_in, logical) {
            (true, _) => {
                [self.stride_in as i32 as u32, self.length_in as u32, rest as u32, self.spec.n as u32]
            }
            (false, true) => [1, stored as u32, rest as u32, self.spec.n as u32],
            (false, false) => [rest as u32, u32::MAX, 1, self.spec.n as u32],
        });
        let out = match (last, user_out) {
            (true, true) => [self.stride_out as i32 as u32, before as u32],
            (true, false) => [1, before as u32],
            (false, _) => [rest as u32, 1],
        };
        params.more[4..6].copy_from_slice(&out);
        params.more[6..8].copy_from_slice(&[step.chirp, step.spectrum]);
        params.more[8..].copy_from_slice(&[
            step.pairs.coarse,
            step.pairs.fine,
            step.between.coarse,
            step.between.fine,
        ]);
        params.shape[7] = self.plan.length as u32;
        let read_bins = if begins { self.read } else { Bins::ALL };
        let write_bins = if ends && user_out { self.write } else { Bins::ALL };
        let band = [read_bins, write_bins] != [Bins::ALL; 2];
        params.steps[7] = [read_bins.low, read_bins.gap, write_bins.low, write_bins.gap].map(|n| n as i32);

        let load_across = match (user_in, last) {
            (true, true) => is_across(batch, 1, self.stride_in),
            (_, last) => !last,
        };
        let save_across = match (user_out, step.level) {
            (true, 0) => is_across(batch, 0, self.stride_out),
            (_, 0) if last => false,
            _ => true,
        };
        params.flags |= u32::from(load_across) << 7 | u32::from(save_across) << 30;
        let (points, read, write) = (step.points, step.read, step.write);
        let bindings = [source, Binding::whole(&step.tables, false), result];
        let key = Key { points, lines: lines(points, points | 1), load, save, read, write, band };
        let factors = (read, write) != (Factor::None, Factor::None);
        let complex = (load, save) == (Load::Complex, Save::Complex);
        if !step.chirped && (points.is_power_of_two() || (complex && !factors)) {
            let groups = (params.count as usize).div_ceil(key.lines);
            return self.context.dispatch(&key.label(), &bindings, &params, groups, || key.source());
        }
        params.flags |= staged::flags(&key);
        let lines = lines(points, points.next_multiple_of(16));
        let key =
            staged::Key { points, lines, chirped: step.chirped, factors: factors && !step.chirped, band };
        let groups = (params.count as usize).div_ceil(lines);
        self.context.dispatch(&key.label(), &bindings, &params, groups, || key.source())
    }

    /// Half spectra of real lines from the spectra of their pairs.
    fn unfold(&self, batch: &Walk<'_>, lines: &crate::memory::Block) -> Result<()> {
        let axes = self.axes(batch, Place::Lines(lines), Place::User);
        let mut params: Params = bytemuck::Zeroable::zeroed();
        params.count = batch.len() as u32;
        params.rank = axes.len() as u32;
        for (d, (n, strides)) in axes.iter().enumerate() {
            params.shape[d] = *n as u32;
            params.steps[d] = strides.map(|s| s as i32);
        }
        let (result, base) = self.bind(batch, Place::User, 0)?;
        params.base[0] = base;
        params.value[0] = self.spec.scale as f32;
        // The last step has the roots.
        let Some(step) = self.plan.steps.last() else { return Ok(()) };
        params.flags = step.pairs.bits << 8;
        params.more[3] = self.spec.n as u32;
        params.more[4..6].copy_from_slice(&[self.stride_out as i32 as u32, self.length_out as u32]);
        params.more[8..10].copy_from_slice(&[step.pairs.coarse, step.pairs.fine]);
        let bindings = [Binding::whole(lines, false), Binding::whole(&step.tables, false), result];
        let items = batch.len() * self.length_out;
        self.context.dispatch("fft:unfold", &bindings, &params, items.div_ceil(256), kernel::unfold_source)
    }
}

/// Lines of a workgroup, each of which begins `pitch` points behind the one before.
fn lines(points: usize, pitch: usize) -> usize {
    let lines = if points > POINTS / 2 { 1 } else { (POINTS / pitch).clamp(2, MAX_LINES) };
    if lines > 8 { lines / 8 * 8 } else { lines }
}

/// Shaders of this module, one of each kind: lengths are too many for all.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = vec![("fft:unfold".to_owned(), kernel::unfold_source())];
    out.extend(long_conv::every_shader());
    out.extend(conv::every_shader());
    out.extend(spectral_conv::every_shader());
    for points in [1, 2, 3, 4, 5, 7, 8, 12, 16, 30, 64, 105, 210, 256, 343, 1000, 1024, 2048] {
        for (load, save) in [
            (Load::Complex, Save::Complex),
            (Load::Real, Save::Half),
            (Load::Pairs, Save::Unfolded),
            (Load::Mirrored, Save::Real),
            (Load::Folded, Save::Pairs),
        ] {
            let lines = lines(points, points | 1);
            for band in [false, true] {
                let key = Key { points, lines, load, save, read: Factor::None, write: Factor::None, band };
                out.push((key.label(), key.source()));
                for read in [Factor::None, Factor::Chirp, Factor::Spectrum] {
                    let key = Key { save: Save::Complex, read, write: Factor::Roots, ..key };
                    out.push((key.label(), key.source()));
                }
            }
        }
        for (chirped, factors) in [(false, false), (false, true), (true, false)] {
            let lines = lines(points, points.next_multiple_of(16));
            for band in [false, true] {
                let key = staged::Key { points, lines, chirped, factors, band };
                if !chirped || points > 1 {
                    out.push((key.label(), key.source()));
                }
            }
        }
    }
    out
}
