//! One batched transform along one axis.

use std::sync::Arc;

use fft_core::{Complex, DType, Error, FftKind, FftSpec, Layout, Result, View, ViewMut};
use realfft::{ComplexToReal, RealToComplex};
use rustfft::Fft;

use super::gathered::{Gathered, group_size, pitch};
use super::lines::{Group, Numbers, gather, scatter};
use super::plans::{Plans, Precision, scale, scale_real};
use crate::memory::{BlockPool, SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::Walk;

const OP: &str = "fft";
/// Bytes of lines in a task.
const TASK: usize = 1 << 16;

/// What a transform needs of its backend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) threads: &'a Threads,
    pub(crate) pool: &'a Arc<BlockPool>,
    pub(crate) plans: &'a Plans,
}

/// See `SpectralBackend::fft`.
pub(crate) fn fft(context: Context<'_>, spec: FftSpec, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    let job = Job::between(context, spec, src.layout, dst.layout)?;
    match (spec.kind, src.dtype, dst.dtype) {
        (FftKind::C2C, DType::C64, DType::C64) => job.complex::<f32>(src, dst),
        (FftKind::C2C, DType::C128, DType::C128) => job.complex::<f64>(src, dst),
        (FftKind::R2C, DType::F32, DType::C64) => job.forward::<f32>(src, dst),
        (FftKind::R2C, DType::F64, DType::C128) => job.forward::<f64>(src, dst),
        (FftKind::C2R, DType::C64, DType::F32) => job.inverse::<f32>(src, dst),
        (FftKind::C2R, DType::C128, DType::F64) => job.inverse::<f64>(src, dst),
        (_, lhs, rhs) => Err(Error::DTypeMismatch { op: OP, lhs, rhs }),
    }
}

/// A complex transform of an axis of all its `spec.n` elements, where they lie.
pub(super) fn fft_in_place(context: Context<'_>, spec: FftSpec, mut x: ViewMut<'_>) -> Result<()> {
    let job = Job::between(context, spec, x.layout, x.layout)?;
    match x.dtype {
        // SAFETY: positions of a checked layout.
        DType::C64 => unsafe { job.in_place(SharedMut::new(elements_mut::<Complex<f32>>(OP, &mut x)?)) },
        // SAFETY: as above.
        DType::C128 => unsafe { job.in_place(SharedMut::new(elements_mut::<Complex<f64>>(OP, &mut x)?)) },
        dtype => Err(Error::DTypeMismatch { op: OP, lhs: dtype, rhs: DType::C64 }),
    }
}

/// A checked transform.
pub(super) struct Job<'a> {
    pub(super) context: Context<'a>,
    pub(super) spec: FftSpec,
    /// Points that the source has of those that are needed.
    pub(super) have: usize,
    /// Over the lines.
    pub(super) walk: Walk<2>,
    /// From point to point, in the source and in the destination.
    pub(super) along: [isize; 2],
}

impl<'a> Job<'a> {
    /// The transform from the lines of one layout to those of another, checked.
    pub(super) fn between(context: Context<'a>, spec: FftSpec, ls: &Layout, ld: &Layout) -> Result<Self> {
        let others_agree = || (0..ls.rank()).all(|a| a == spec.axis || ls.shape()[a] == ld.shape()[a]);
        let bins = spec.n / 2 + 1;
        let out = if spec.kind == FftKind::R2C { bins } else { spec.n };
        if ls.rank() != ld.rank()
            || spec.axis >= ls.rank()
            || !others_agree()
            || ld.shape()[spec.axis] != out
            || spec.n == 0
        {
            let reason = format!("needed are {out} elements along axis {} and equal other axes", spec.axis);
            return Err(Error::shapes(OP, ls.shape(), ld.shape(), reason));
        }
        let needed = if spec.kind == FftKind::C2R { bins } else { spec.n };
        let have = ls.shape()[spec.axis].min(needed);
        let lines = (0..ls.rank())
            .filter(|&a| a != spec.axis)
            .map(|a| (ls.shape()[a], [ls.strides()[a], ld.strides()[a]]));
        let walk = Walk::from_axes(lines, [ls.offset() as isize, ld.offset() as isize]);
        Ok(Self { context, spec, have, walk, along: [ls.strides()[spec.axis], ld.strides()[spec.axis]] })
    }

    /// Whether lines are contiguous in the source, and in the destination.
    pub(super) fn contiguous(&self) -> [bool; 2] {
        self.along.map(|s| s == 1)
    }

    /// Runs `lines(scratch, source, destination)` on groups of lines; `scratch` elements of scratch for each worker.
    fn run<T: Precision>(
        &self,
        scratch: usize,
        group: usize,
        lines: impl Fn(&mut [Complex<T>], Group, Group) + Sync + Send,
    ) -> Result<()> {
        let size = self.spec.n * size_of::<Complex<T>>();
        let strided = self.contiguous() != [true; 2];
        let per_task = (TASK / size).max(1);
        let (per_task, unit) =
            if strided { (per_task.next_multiple_of(group), group) } else { (per_task, 1) };
        let tasks = self.walk.tasks(per_task, unit);
        let team = self.context.threads.team(tasks.count, self.walk.positions() * self.spec.n);
        // Parts of different workers start at different cache lines.
        let scratch = scratch.next_multiple_of(16);
        let mut block = self.context.pool.scratch(team.workers() * scratch * size_of::<Complex<T>>())?;
        let parts = SharedMut::new(block.as_mut::<Complex<T>>());
        let [across_src, across_dst] = self.walk.strides;
        let [along_src, along_dst] = self.along;
        team.run(tasks.count, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { parts.slice(worker * scratch, scratch) };
            self.walk.task(&tasks, task, |[s, d], n| {
                let step = if strided { group } else { n.max(1) };
                for from in (0..n).step_by(step) {
                    let (i, lines_now) = (from as isize, (n - from).min(step));
                    let source = Group {
                        at: s + i * across_src,
                        across: across_src,
                        along: along_src,
                        lines: lines_now,
                    };
                    let destination = Group {
                        at: d + i * across_dst,
                        across: across_dst,
                        along: along_dst,
                        lines: lines_now,
                    };
                    lines(scratch, source, destination);
                }
            });
        });
        Ok(())
    }

    fn complex<T: Precision>(&self, src: View<'_>, mut dst: ViewMut<'_>) -> Result<()> {
        let input = elements::<Complex<T>>(OP, &src)?;
        let output = SharedMut::new(elements_mut::<Complex<T>>(OP, &mut dst)?);
        // SAFETY: positions of checked layouts in two buffers.
        unsafe { self.complex_lines(input, output) }
    }

    /// Complex lines out of place.
    ///
    /// # Safety
    /// The lines lie within the numbers of `input` and `output`, and no one else touches those of `output`.
    pub(super) unsafe fn complex_lines<T: Precision>(
        &self,
        input: &[Complex<T>],
        output: SharedMut<'_, Complex<T>>,
    ) -> Result<()> {
        let (n, have) = (self.spec.n, self.have);
        if self.is_on_lanes::<T>() {
            let (source, target) = (Numbers::new(input.as_ptr()), Numbers::new(output.as_ptr()));
            // SAFETY: promised by the caller.
            return unsafe { self.tiles::<T>(source.real(), target.real()) };
        }
        let plan: Arc<dyn Fft<T>> = self.context.plans.complex(n, self.spec.direction);
        let factor = T::nearest(self.spec.scale);
        if self.contiguous() == [true; 2] {
            let whole = plan.get_immutable_scratch_len();
            let in_place = plan.get_inplace_scratch_len();
            let packed = self.walk.strides == [n as isize; 2] || self.walk.positions() == 1;
            return self.run(whole.max(in_place), 1, |scratch, s, d| {
                if packed && have == n {
                    // SAFETY: packed lines of a checked layout; tasks have different lines.
                    let out = unsafe { output.slice(d.at as usize, s.lines * n) };
                    let input = &input[s.at as usize..s.at as usize + s.lines * n];
                    plan.process_immutable_with_scratch(input, out, &mut scratch[..whole]);
                    return scale(out, factor);
                }
                for line in 0..s.lines as isize {
                    let from = (s.at + line * s.across) as usize;
                    // SAFETY: a line of a checked layout; tasks have different lines.
                    let out = unsafe { output.slice((d.at + line * d.across) as usize, n) };
                    out[..have].copy_from_slice(&input[from..from + have]);
                    out[have..].fill(Complex::default());
                    plan.process_with_scratch(out, &mut scratch[..in_place]);
                    scale(out, factor);
                }
            });
        }
        // SAFETY: positions of checked layouts in two buffers.
        unsafe { self.complex_groups(plan, Numbers::new(input.as_ptr()), Numbers::new(output.as_ptr())) }
    }

    /// Complex lines of any layout, from `input` to `output`, which may be the same numbers.
    ///
    /// # Safety
    /// The lines of the source lie within the numbers of `input`, those of the destination within `output`; if some numbers are in both, each
    /// line is where it is in both.
    unsafe fn complex_groups<T: Precision>(
        &self,
        plan: Arc<dyn Fft<T>>,
        input: Numbers<Complex<T>>,
        output: Numbers<Complex<T>>,
    ) -> Result<()> {
        let gathered = Gathered::new(plan, self.have, T::nearest(self.spec.scale));
        let group = gathered.group;
        self.run(gathered.scratch_len(group), group, |scratch, s, d| {
            // SAFETY: positions of checked layouts; tasks have different lines.
            unsafe { gathered.process(input, s, output, d, scratch) };
        })
    }

    /// Complex lines where they lie.
    ///
    /// # Safety
    /// The lines lie within the numbers of `output`, and no one else touches them.
    pub(super) unsafe fn in_place<T: Precision>(&self, output: SharedMut<'_, Complex<T>>) -> Result<()> {
        if self.is_on_lanes::<T>() {
            let numbers = Numbers::new(output.as_ptr()).real();
            // SAFETY: promised by the caller.
            return unsafe { self.tiles::<T>(numbers, numbers) };
        }
        let plan: Arc<dyn Fft<T>> = self.context.plans.complex(self.spec.n, self.spec.direction);
        if self.contiguous() != [true; 2] {
            // SAFETY: promised by the caller.
            return unsafe {
                let numbers = Numbers::new(output.as_ptr());
                self.complex_groups(plan, numbers, numbers)
            };
        }
        let (n, factor) = (self.spec.n, T::nearest(self.spec.scale));
        self.run(plan.get_inplace_scratch_len(), 1, |scratch, _, d| {
            for line in 0..d.lines as isize {
                // SAFETY: a line of a checked layout; tasks have different lines.
                let out = unsafe { output.slice((d.at + line * d.across) as usize, n) };
                plan.process_with_scratch(out, &mut scratch[..plan.get_inplace_scratch_len()]);
                scale(out, factor);
            }
        })
    }

    fn forward<T: Precision>(&self, src: View<'_>, mut dst: ViewMut<'_>) -> Result<()> {
        let input = elements::<T>(OP, &src)?;
        let output = SharedMut::new(elements_mut::<Complex<T>>(OP, &mut dst)?);
        // SAFETY: positions of checked layouts in two buffers.
        unsafe { self.forward_lines(input, output) }
    }

    /// Real lines to their half spectra.
    ///
    /// # Safety
    /// As [`complex_lines`](Self::complex_lines).
    pub(super) unsafe fn forward_lines<T: Precision>(
        &self,
        input: &[T],
        output: SharedMut<'_, Complex<T>>,
    ) -> Result<()> {
        let (n, have, bins) = (self.spec.n, self.have, self.spec.n / 2 + 1);
        if self.is_on_lanes::<T>() {
            let target = Numbers::new(output.as_ptr()).real();
            // SAFETY: promised by the caller.
            return unsafe { self.tiles(Numbers::new(input.as_ptr()), target) };
        }
        let factor = T::nearest(self.spec.scale);
        if self.contiguous() == [true; 2] && n.is_multiple_of(2) && have == n {
            let plan = self.context.plans.half_length::<T>(n);
            return self.run(plan.scratch_len(), 1, |scratch, s, d| {
                for line in 0..s.lines as isize {
                    let from = (s.at + line * s.across) as usize;
                    // SAFETY: a line of a checked layout; tasks have different lines.
                    let out = unsafe { output.slice((d.at + line * d.across) as usize, bins) };
                    plan.process(&input[from..from + n], out, scratch);
                    scale(out, factor);
                }
            });
        }
        let plan: Arc<dyn RealToComplex<T>> = self.context.plans.forward(n);
        let [packed_src, packed_dst] = self.contiguous();
        let group = group_size::<T>(n);
        let (pitch_in, pitch_out, work) = (pitch(n.div_ceil(2)), pitch(bins), plan.get_scratch_len());
        let lines_in = if packed_src { 1 } else { group };
        let lines_out = if packed_dst { 0 } else { group };
        self.run(lines_in * pitch_in + lines_out * pitch_out + work, group, |scratch, s, d| {
            let (reals, scratch) = scratch.split_at_mut(lines_in * pitch_in);
            let reals: &mut [T] = bytemuck::cast_slice_mut(reals);
            let (spectra, scratch) = scratch.split_at_mut(lines_out * pitch_out);
            if !packed_src {
                // SAFETY: positions of checked layouts.
                unsafe { gather(Numbers::new(input.as_ptr()), s, have, reals, 2 * pitch_in) };
            }
            for line in 0..s.lines {
                let own = if packed_src { 0 } else { line * 2 * pitch_in };
                let real = &mut reals[own..own + n];
                if packed_src {
                    let from = (s.at + line as isize * s.across) as usize;
                    real[..have].copy_from_slice(&input[from..from + have]);
                }
                real[have..].fill(T::zero());
                let spectrum = if packed_dst {
                    // SAFETY: a line of a checked layout; tasks have different lines.
                    unsafe { output.slice((d.at + line as isize * d.across) as usize, bins) }
                } else {
                    &mut spectra[line * pitch_out..line * pitch_out + bins]
                };
                plan.process_with_scratch(real, spectrum, &mut scratch[..work])
                    .expect("the slices have the lengths of the plan");
                scale(spectrum, factor);
            }
            if !packed_dst {
                // SAFETY: positions of checked layouts; tasks have different lines.
                unsafe { scatter(spectra, pitch_out, bins, Numbers::new(output.as_ptr()), d) };
            }
        })
    }

    fn inverse<T: Precision>(&self, src: View<'_>, mut dst: ViewMut<'_>) -> Result<()> {
        let input = elements::<Complex<T>>(OP, &src)?;
        let output = SharedMut::new(elements_mut::<T>(OP, &mut dst)?);
        // SAFETY: positions of checked layouts in two buffers.
        unsafe { self.inverse_lines(input, output) }
    }

    /// Half spectra to their real lines.
    ///
    /// # Safety
    /// As [`complex_lines`](Self::complex_lines).
    pub(super) unsafe fn inverse_lines<T: Precision>(
        &self,
        input: &[Complex<T>],
        output: SharedMut<'_, T>,
    ) -> Result<()> {
        let (n, have, bins) = (self.spec.n, self.have, self.spec.n / 2 + 1);
        if self.is_on_lanes::<T>() {
            let (source, target) = (Numbers::new(input.as_ptr()).real(), Numbers::new(output.as_ptr()));
            // SAFETY: promised by the caller.
            return unsafe { self.tiles::<T>(source, target) };
        }
        let factor = T::nearest(self.spec.scale);
        if self.contiguous() == [true; 2] && n.is_multiple_of(2) && have == bins {
            let plan = self.context.plans.inverse_half_length::<T>(n);
            return self.run(plan.scratch_len(), 1, |scratch, s, d| {
                for line in 0..s.lines as isize {
                    let from = (s.at + line * s.across) as usize;
                    // SAFETY: a line of a checked layout; tasks have different lines.
                    let out = unsafe { output.slice((d.at + line * d.across) as usize, n) };
                    plan.process(&input[from..from + bins], out, scratch);
                    scale_real(out, factor);
                }
            });
        }
        let plan: Arc<dyn ComplexToReal<T>> = self.context.plans.inverse(n);
        let [packed_src, packed_dst] = self.contiguous();
        let group = group_size::<T>(n);
        let (pitch_in, pitch_out, work) = (pitch(bins), pitch(n.div_ceil(2)), plan.get_scratch_len());
        let lines_in = if packed_src { 1 } else { group };
        let lines_out = if packed_dst { 0 } else { group };
        self.run(lines_in * pitch_in + lines_out * pitch_out + work, group, |scratch, s, d| {
            let (spectra, scratch) = scratch.split_at_mut(lines_in * pitch_in);
            let (reals, scratch) = scratch.split_at_mut(lines_out * pitch_out);
            let reals: &mut [T] = bytemuck::cast_slice_mut(reals);
            if !packed_src {
                // SAFETY: positions of checked layouts.
                unsafe { gather(Numbers::new(input.as_ptr()), s, have, spectra, pitch_in) };
            }
            for line in 0..s.lines {
                let own = if packed_src { 0 } else { line * pitch_in };
                let spectrum = &mut spectra[own..own + bins];
                if packed_src {
                    let from = (s.at + line as isize * s.across) as usize;
                    spectrum[..have].copy_from_slice(&input[from..from + have]);
                }
                spectrum[have..].fill(Complex::default());
                // A real signal has real bins there; whatever the imaginary parts say does not count.
                spectrum[0].im = T::zero();
                if n.is_multiple_of(2) {
                    spectrum[bins - 1].im = T::zero();
                }
                let real = if packed_dst {
                    // SAFETY: a line of a checked layout; tasks have different lines.
                    unsafe { output.slice((d.at + line as isize * d.across) as usize, n) }
                } else {
                    &mut reals[line * 2 * pitch_out..line * 2 * pitch_out + n]
                };
                plan.process_with_scratch(spectrum, real, &mut scratch[..work])
                    .expect("the slices have the lengths of the plan, and the outer bins are real");
                scale_real(real, factor);
            }
            if !packed_dst {
                // SAFETY: positions of checked layouts; tasks have different lines.
                unsafe { scatter(reals, 2 * pitch_out, n, Numbers::new(output.as_ptr()), d) };
            }
        })
    }
}
