//! Causal convolution of whole sequences, a line at a time: pad, transform, multiply, transform back, crop, gate and skip while the line is in
//! the second-level cache.

use std::sync::Arc;

use fft_core::convolution::{LongConvPlan, LongConvTerms};
use fft_core::{Complex, DType, Result, Tensor, compose};

use crate::fourier::{Circular, Context, Precision};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, dispatch};

const OP: &str = "long_conv";
/// Points of a task: small against what a call has, large against the cost of starting one.
const TASK: usize = 1 << 16;

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

    fn line(&self, batch: usize, channel: usize, length: usize) -> &'a [T] {
        let at = self.offset as isize + batch as isize * self.strides[0] + channel as isize * self.strides[1];
        &self.data[at as usize..at as usize + length]
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
    // A kernel that all channels share is transformed once, not by each.
    let shared = kernel.shape()[0] == 1;
    let made =
        (shared && spectrum.is_none()).then(|| compose::long_conv_spectrum(kernel, plan)).transpose()?;
    let spectrum = spectrum.or(made.as_ref()).map(Tensor::contiguous).transpose()?;
    let kernel = kernel.contiguous()?;
    let skip = terms.skip.map(Tensor::contiguous).transpose()?;
    let circular = context.plans.circular::<T>(plan.points);
    let mut copies = [const { None }; 3];
    let [own, first, second] = &mut copies;
    let work = Work {
        u: Lines::new(u, own)?,
        before: terms.before.map(|gate| Lines::new(gate, first)).transpose()?,
        after: terms.after.map(|gate| Lines::new(gate, second)).transpose()?,
        kernel: &elements::<T>(OP, &kernel.view())?[kernel.layout().offset()..],
        taps: kernel.shape()[1],
        spectra: match &spectrum {
            Some(s) => Some(&elements::<Complex<T>>(OP, &s.view())?[s.layout().offset()..]),
            None => None,
        },
        shared,
        skip: match &skip {
            Some(skip) => Some(&elements::<T>(OP, &skip.view())?[skip.layout().offset()..]),
            None => None,
        },
        circular,
        plan,
        channels,
        length,
    };
    let tiles = length.div_ceil(plan.useful());
    // A task is a channel, so that its kernel is transformed once, or a part of one with many lines.
    let units = batch * tiles;
    let per_task = (TASK / plan.points).max(8).min(units);
    let parts = units.div_ceil(per_task);
    Tensor::build(u.device(), OP, u.shape(), u.dtype(), |mut dst| {
        let offset = dst.layout.offset();
        let out = SharedMut::new(&mut elements_mut::<T>(OP, &mut dst)?[offset..]);
        let team = context.threads.team(channels * parts, channels * units * plan.points);
        let bins = if spectrum.is_some() { 0 } else { plan.points / 2 + 1 };
        let sizes = [plan.points / 2, bins, work.circular.scratch_len()];
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
            let bins = work.bins(channel, bytemuck::cast_slice_mut(line), bins, scratch);
            for unit in part * per_task..((part + 1) * per_task).min(units) {
                let (batch, from) = (unit / tiles, unit % tiles * plan.useful());
                let count = plan.useful().min(length - from);
                // SAFETY: each unit of each channel is in one task, and has these outputs to itself.
                let y = unsafe { out.slice((batch * channels + channel) * length + from, count) };
                work.tile(line, bins, scratch, batch, channel, from, y);
            }
        });
        Ok(())
    })
}

/// A checked convolution.
struct Work<'a, T> {
    u: Lines<'a, T>,
    before: Option<Lines<'a, T>>,
    after: Option<Lines<'a, T>>,
    kernel: &'a [T],
    /// Taps of the kernel, of which the plan may use fewer.
    taps: usize,
    spectra: Option<&'a [Complex<T>]>,
    shared: bool,
    skip: Option<&'a [T]>,
    circular: Arc<Circular<T>>,
    plan: LongConvPlan,
    channels: usize,
    length: usize,
}

impl<T: Precision> Work<'_, T> {
    /// The half spectrum of a channel's kernel: a kept one, or made in `bins`.
    fn bins<'b>(
        &'b self,
        channel: usize,
        line: &mut [T],
        bins: &'b mut [Complex<T>],
        scratch: &mut [Complex<T>],
    ) -> &'b [Complex<T>] {
        let row = if self.shared { 0 } else { channel };
        debug_assert!(channel < self.channels);
        if let Some(spectra) = self.spectra {
            let count = self.plan.points / 2 + 1;
            return &spectra[row * count..][..count];
        }
        let (taps, rest) = line.split_at_mut(self.plan.taps);
        taps.copy_from_slice(&self.kernel[row * self.taps..][..self.plan.taps]);
        rest.fill(T::default());
        self.circular.spectrum(line, bins, scratch);
        bins
    }

    /// The outputs `from..from + y.len()` of a line.
    #[allow(clippy::too_many_arguments, reason = "three buffers and a position")]
    fn tile(
        &self,
        line: &mut [Complex<T>],
        bins: &[Complex<T>],
        scratch: &mut [Complex<T>],
        batch: usize,
        channel: usize,
        from: usize,
        y: &mut [T],
    ) {
        let u = self.u.line(batch, channel, self.length);
        let before = self.before.as_ref().map(|gate| gate.line(batch, channel, self.length));
        let after = self.after.as_ref().map(|gate| gate.line(batch, channel, self.length));
        // The first output needs as many inputs before it as there are further taps; before the start there are zeros.
        let reach = self.plan.taps - 1;
        let (start, silent) = (from.saturating_sub(reach), reach.saturating_sub(from));
        let end = (from + y.len()).min(self.length);
        let reals: &mut [T] = bytemuck::cast_slice_mut(line);
        reals[..silent].fill(T::default());
        let used = silent + end - start;
        let gate = before.map(|gate| &gate[start..end]);
        dispatch(Fill { to: &mut reals[silent..used], x: &u[start..end], gate });
        reals[used..].fill(T::default());
        self.circular.convolve(line, bins, scratch);
        let reals: &[T] = bytemuck::cast_slice(line);
        dispatch(Finish {
            y,
            conv: &reals[reach..],
            u: &u[from..end],
            before: before.map(|gate| &gate[from..end]),
            after: after.map(|gate| &gate[from..end]),
            skip: self.skip.map(|skip| skip[channel]),
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

/// `y = after (conv + skip before u)`.
struct Finish<'a, T> {
    y: &'a mut [T],
    conv: &'a [T],
    u: &'a [T],
    before: Option<&'a [T]>,
    after: Option<&'a [T]>,
    skip: Option<T>,
}

impl<T: Precision> Kernel for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { y, conv, u, before, after, skip } = self;
        match (skip, before) {
            (None, _) => y.copy_from_slice(&conv[..y.len()]),
            (Some(d), None) => {
                for ((y, c), u) in y.iter_mut().zip(conv).zip(u) {
                    *y = *c + d * *u;
                }
            }
            (Some(d), Some(gate)) => {
                for (((y, c), u), gate) in y.iter_mut().zip(conv).zip(u).zip(gate) {
                    *y = *c + d * (*u * *gate);
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
