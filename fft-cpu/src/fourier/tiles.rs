//! Which transforms run on lanes, and the lines of a tensor as tiles for them.

use std::sync::Arc;

use fft_core::{Direction, FftKind, Result};

use super::gathered::Gathered;
use super::lanes::{LanePlan, Lines, RealLanePlan, is_planned};
use super::lines::{Group, Numbers};
use super::plans::Precision;
use super::transform::Job;
use crate::memory::SharedMut;
use crate::simd::machine;

/// Bytes of lines in a task.
const TASK: usize = 1 << 16;
/// Lanes are worth while when at least this part of them has a line.
const LEAST_PART: usize = 4;
/// Most bytes of a tile's scratch.
const MOST_SCRATCH: usize = 16 << 20;
/// Bytes of output from which on it is written past the caches, since it would not stay there.
const STREAM: usize = 48 << 20;

/// A plan of either kind.
enum Plan<T> {
    Complex(Arc<LanePlan<T>>),
    Real(Arc<RealLanePlan<T>>),
}

/// Lengths of real lines behind each other that run on lanes.
const PACKED: std::ops::RangeInclusive<usize> = 512..=2048;

impl Job<'_> {
    /// Whether the transform runs on lanes.
    pub(super) fn is_on_lanes<T: Precision>(&self) -> bool {
        let (n, lanes) = (self.spec.n, T::lanes(machine()));
        let points = if self.spec.kind == FftKind::C2C { n } else { RealLanePlan::<T>::points(n) };
        n > 1
            && (self.contiguous() != [true; 2] || self.is_faster_packed::<T>())
            && self.walk.len >= lanes / LEAST_PART
            && (points + 1).saturating_mul(2 * lanes * size_of::<T>()) <= MOST_SCRATCH
            && is_planned(points)
    }

    /// Whether lines that lie behind each other are better taken together, though they must be brought side by side, than one by one: real ones of these lengths, in number.
    fn is_faster_packed<T: Precision>(&self) -> bool {
        let n = self.spec.n;
        self.spec.kind == FftKind::R2C
            && n.is_multiple_of(2)
            && PACKED.contains(&n)
            && self.walk.len >= 4 * T::lanes(machine())
    }

    /// For complex lines that are left over from whole tiles, where they are so few that tiles of them would mostly be empty.
    fn few<T: Precision>(&self, lanes: usize) -> Option<Gathered<T>> {
        let left = self.walk.len % lanes;
        (self.spec.kind == FftKind::C2C && left > 0 && is_few(left, lanes)).then(|| {
            let plan = self.context.plans.complex(self.spec.n, self.spec.direction);
            Gathered::new(plan, self.have, T::nearest(self.spec.scale))
        })
    }

    /// Transforms on lanes, from `source` to `target`, which may be the same numbers.
    ///
    /// # Safety
    /// The lines of the source lie within the numbers of `source`, those of the destination within `target`, and no one else touches them; if some numbers are in both, each line is
    /// where it is in both.
    pub(super) unsafe fn tiles<T: Precision>(&self, source: Numbers<T>, target: Numbers<T>) -> Result<()> {
        let (n, have, scale) = (self.spec.n, self.have, T::nearest(self.spec.scale));
        let plans = self.context.plans;
        let (plan, lanes, scratch) = match self.spec.kind {
            FftKind::C2C => {
                let plan = plans.lanes::<T>(n);
                (Plan::Complex(Arc::clone(&plan)), plan.lanes(), plan.scratch_len(n))
            }
            FftKind::R2C | FftKind::C2R => {
                let plan = plans.real_lanes::<T>(n);
                (Plan::Real(Arc::clone(&plan)), plan.lanes(), plan.scratch_len())
            }
        };
        let inverse = self.spec.direction == Direction::Inverse;
        let few = self.few::<T>(lanes);
        let scratch = scratch.max(few.as_ref().map_or(0, |few| 2 * few.scratch_len(lanes / LEAST_PART)));
        let (src_is_real, dst_is_real) = (self.spec.kind == FftKind::R2C, self.spec.kind == FftKind::C2R);
        let per_task = (TASK / (n * 2 * size_of::<T>())).next_multiple_of(lanes).max(lanes);
        let tasks = self.walk.tasks(per_task, lanes);
        let team = self.context.threads.team(tasks.count, self.walk.positions() * n);
        // Parts of different workers start at different cache lines.
        let scratch = scratch.next_multiple_of(64);
        let mut block = self.context.pool.scratch(team.workers() * scratch * size_of::<T>())?;
        let parts = SharedMut::new(block.as_mut::<T>());
        let written = self.walk.positions() * n * size_of::<T>() * if dst_is_real { 1 } else { 2 };
        let stream = written >= STREAM;
        let lines = |base: *mut T, across: isize, along: isize, is_real: bool, lanes: usize| {
            if is_real {
                Lines { at: base, step: along, im: None, across, lanes }
            } else {
                Lines { at: base, step: 2 * along, im: Some(1), across: 2 * across, lanes }
            }
        };
        let unit = |is_real: bool| if is_real { 1 } else { 2 };
        let ([across_src, across_dst], [along_src, along_dst]) = (self.walk.strides, self.along);
        team.run(tasks.count, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { parts.slice(worker * scratch, scratch) };
            self.walk.task(&tasks, task, |[s, d], count| {
                for from in (0..count).step_by(lanes) {
                    let (i, now) = (from as isize, (count - from).min(lanes));
                    if let Some(few) = few.as_ref().filter(|_| is_few(now, lanes)) {
                        let group = |at, across, along| Group { at, across, along, lines: now };
                        let from = group(s + i * across_src, across_src, along_src);
                        let to = group(d + i * across_dst, across_dst, along_dst);
                        let scratch = bytemuck::cast_slice_mut(&mut scratch[..]);
                        // SAFETY: as below.
                        unsafe { few.process(source.complex(), from, target.complex(), to, scratch) };
                        continue;
                    }
                    let a = source.at((s + i * across_src) * unit(src_is_real));
                    let b = target.at((d + i * across_dst) * unit(dst_is_real));
                    let a = lines(a, across_src, along_src, src_is_real, now);
                    let b = lines(b, across_dst, along_dst, dst_is_real, now);
                    let stream = stream && is_aligned(&b);
                    // SAFETY: positions of checked layouts, as promised by the caller; tasks have different lines, and a tile is read whole
                    // before it is written.
                    unsafe {
                        match &plan {
                            Plan::Complex(plan) => {
                                plan.complex(scratch, a, have, b, n, inverse, scale, stream);
                            }
                            Plan::Real(plan) if src_is_real => {
                                plan.forward(scratch, a, have, b, scale, stream);
                            }
                            Plan::Real(plan) => plan.inverse(scratch, a, have, b, scale, stream),
                        }
                    }
                }
            });
            if stream {
                fence();
            }
        });
        Ok(())
    }
}

/// Whether so many lines of a tile are better transformed one by one.
fn is_few(lines: usize, lanes: usize) -> bool {
    lines < lanes / LEAST_PART
}

/// Whether every line begins at a cache line.
fn is_aligned<T>(lines: &Lines<T>) -> bool {
    let across = lines.across.unsigned_abs() * size_of::<T>();
    lines.at.addr().is_multiple_of(64) && across.is_multiple_of(64)
}

/// Makes what was written past the caches visible to other threads in order.
fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every machine of the architecture has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}
