//! Complex lines of any layout, by a plan of rustfft: gathered into scratch, transformed there, scattered.

use std::sync::Arc;

use fft_core::Complex;
use rustfft::Fft;

use super::lines::{GROUP, Group, Numbers, gather, scatter};
use super::plans::{Precision, scale};

/// How lines are gathered and transformed.
pub(super) struct Gathered<T> {
    plan: Arc<dyn Fft<T>>,
    have: usize,
    factor: T,
    /// Most lines of a group.
    pub(super) group: usize,
}

impl<T: Precision> Gathered<T> {
    /// Of lines of which `have` points are there, followed by zeros, times a factor.
    pub(super) fn new(plan: Arc<dyn Fft<T>>, have: usize, factor: T) -> Self {
        let group = group_size::<Complex<T>>(plan.len());
        Self { plan, have, factor, group }
    }

    /// Complex numbers of scratch for groups of as many lines.
    pub(super) fn scratch_len(&self, lines: usize) -> usize {
        lines * pitch(self.plan.len()) + self.plan.get_inplace_scratch_len()
    }

    /// Transforms a group.
    ///
    /// # Safety
    /// The lines of `from` lie within the numbers of `input`, those of `to` within `output`, and no one else touches these; if some numbers
    /// are in both, each line is where it is in both.
    pub(super) unsafe fn process(
        &self,
        input: Numbers<Complex<T>>,
        from: Group,
        output: Numbers<Complex<T>>,
        to: Group,
        scratch: &mut [Complex<T>],
    ) {
        let n = self.plan.len();
        let pitch = pitch(n);
        let (lines, scratch) = scratch.split_at_mut(from.lines * pitch);
        // SAFETY: promised by the caller.
        unsafe { gather(input, from, self.have, lines, pitch) };
        for line in lines.chunks_exact_mut(pitch) {
            line[self.have..n].fill(Complex::default());
            self.plan
                .process_with_scratch(&mut line[..n], &mut scratch[..self.plan.get_inplace_scratch_len()]);
            scale(&mut line[..n], self.factor);
        }
        // SAFETY: promised by the caller.
        unsafe { scatter(lines, pitch, n, output, to) };
    }
}

/// Lines of a group: a cache line of neighbours at least, more while they fit the second-level cache.
pub(super) fn group_size<T>(n: usize) -> usize {
    if n * GROUP * size_of::<T>() <= 1 << 19 { GROUP } else { (64 / size_of::<T>()).clamp(4, GROUP) }
}

/// The distance of lines in scratch: not a power of two, so that they do not fall on the same cache sets.
pub(super) fn pitch(n: usize) -> usize {
    n.next_multiple_of(8) + 8
}
