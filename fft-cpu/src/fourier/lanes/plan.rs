//! Plans: what the transforms of one length on lanes need, made once.

use fft_core::Complex;

use super::butterflies::roots;
use super::code::{Args, Code, Lines};
use super::codes::{Codes, codes};
use super::factors;
use super::staging::{Gather, Scatter};
use crate::fourier::plans::Precision;
use crate::simd::Machine;

/// One pass of a plan.
struct Stage<T> {
    radix: usize,
    /// Points of a block before the pass; a block has `radix` times as many after it.
    leg: usize,
    /// `exp(-2 pi i s k / (radix leg))`, for each `k` below `leg` those of `s = 1..radix`.
    twiddles: Vec<Complex<T>>,
    roots: Vec<T>,
    codes: Codes<T>,
}

/// The transform of `n` complex points of each lane.
///
/// # Scratch
/// Point `p` of a tile lies at `scratch[2 lanes p..]`: the real parts of all lanes, then the imaginary ones. Bin `j` is point `j`; the first pass
/// reads number `j` from point `places()[j]`. A transform of the other direction is the forward one with real and imaginary parts swapped before and
/// after.
pub(crate) struct LanePlan<T> {
    n: usize,
    lanes: usize,
    stages: Vec<Stage<T>>,
    bases: Vec<u32>,
    places: Vec<u32>,
    /// Points of the blocks that are transformed whole before the next is begun, so that they stay in the first-level cache.
    resident: usize,
    gather: Code<T>,
    scatter: Code<T>,
    machine: Machine,
}

/// Bytes of the blocks that should stay in the first-level cache.
const RESIDENT: usize = 16 << 10;

impl<T: Precision> LanePlan<T> {
    /// A plan for `n` points, which [is planned](super::is_planned), for a level that this machine has.
    pub(crate) fn new(n: usize, machine: Machine) -> Self {
        debug_assert!(super::is_planned(n));
        let radices = factors::radices(n);
        let lanes = T::lanes(machine);
        let mut leg = 1;
        let stages = radices.iter().map(|&radix| {
            let block = leg * radix;
            let twiddle = |k: usize, s: usize| {
                let (sin, cos) = (-std::f64::consts::TAU * (k * s) as f64 / block as f64).sin_cos();
                Complex::new(T::nearest(cos), T::nearest(sin))
            };
            let twiddles = (0..leg).flat_map(|k| (1..radix).map(move |s| twiddle(k, s))).collect();
            let stage =
                Stage { radix, leg, twiddles, roots: roots(radix), codes: codes::<T>(radix, machine) };
            leg = block;
            stage
        });
        Self {
            n,
            lanes,
            stages: stages.collect(),
            bases: factors::bases(n, &radices),
            places: factors::places(n, &radices),
            resident: RESIDENT / (2 * lanes * size_of::<T>()),
            gather: T::code::<Gather>(machine),
            scatter: T::code::<Scatter>(machine),
            machine,
        }
    }

    /// Points of the transform.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Lines that are transformed together.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes
    }

    /// The level that the plan is for.
    pub(crate) fn machine(&self) -> Machine {
        self.machine
    }

    /// Numbers of scratch for `points` points.
    pub(crate) fn scratch_len(&self, points: usize) -> usize {
        points * 2 * self.lanes
    }

    /// The point that the first pass reads each number from.
    pub(crate) fn places(&self) -> &[u32] {
        &self.places
    }

    /// The complex transform of up to [`lanes`](Self::lanes) lines: numbers `0..have` of `src`, followed by zeros, to bins `0..bins` of `dst`, which
    /// may be where `src` is.
    ///
    /// # Safety
    /// The numbers of the lines are there, those of `dst` for writing; `scratch` has [`scratch_len`](Self::scratch_len) of `n` numbers.
    #[allow(clippy::too_many_arguments, reason = "two tiles and what happens between them")]
    pub(crate) unsafe fn complex(
        &self,
        scratch: &mut [T],
        src: Lines<T>,
        have: usize,
        dst: Lines<T>,
        bins: usize,
        inverse: bool,
        scale: T,
        stream: bool,
    ) {
        assert!(scratch.len() >= self.scratch_len(self.n));
        // SAFETY: scratch by the assertion, lines as promised by the caller.
        unsafe {
            let scratch = scratch.as_mut_ptr();
            self.read(scratch, src, have, inverse);
            self.write(scratch, dst, bins, inverse, scale, stream);
        }
    }

    /// From lines to scratch, up to the last pass.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    pub(super) unsafe fn read(&self, scratch: *mut T, src: Lines<T>, have: usize, swap: bool) {
        let whole = src.lanes == self.lanes && have == self.n;
        let first = match (self.stages.first(), src) {
            (Some(first), Lines { im: Some(1), across: 2, .. }) if whole => {
                first.codes.first[usize::from(swap)]
            }
            (Some(first), Lines { im: Some(_), across: 1, .. }) if whole && !swap => {
                first.codes.first_separate
            }
            _ => None,
        };
        // SAFETY: promised by the caller.
        unsafe {
            if first.is_none() {
                self.gather(scratch, src, have, self.n, swap);
            }
            self.all_but_last(scratch, first.map(|code| (code, src)));
        }
    }

    /// Lines to their places in scratch: `have` numbers, zeros to the `points` places after them.
    ///
    /// # Safety
    /// As [`complex`](Self::complex); a `points` beyond `n` is a place of its own.
    pub(super) unsafe fn gather(
        &self,
        scratch: *mut T,
        src: Lines<T>,
        have: usize,
        points: usize,
        swap: bool,
    ) {
        let args = Args { places: self.places.as_ptr(), have, points, swap, ..self.args(scratch, src) };
        // SAFETY: promised by the caller.
        unsafe { (self.gather)(&args) }
    }

    /// The last pass, and bins `0..bins` to lines.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    pub(super) unsafe fn write(
        &self,
        scratch: *mut T,
        dst: Lines<T>,
        bins: usize,
        swap: bool,
        scale: T,
        stream: bool,
    ) {
        let whole = dst.lanes == self.lanes && bins == self.n && self.stages.len() > 1;
        let last = match (self.stages.last(), dst) {
            (Some(last), Lines { im: Some(1), across: 2, .. }) if whole => {
                last.codes.last[usize::from(swap)].map(|code| (last, code))
            }
            (Some(last), Lines { im: Some(_), across: 1, .. }) if whole && swap => {
                last.codes.last_separate.map(|code| (last, code))
            }
            _ => None,
        };
        let args = Args { scale, swap, stream, points: bins, ..self.args(scratch, dst) };
        // SAFETY: promised by the caller.
        unsafe {
            if let Some((last, code)) = last {
                let (twiddles, roots) = (last.twiddles.as_ptr(), last.roots.as_ptr());
                return code(&Args { leg: last.leg, twiddles, roots, ..args });
            }
            self.last(scratch);
            (self.scatter)(&args);
        }
    }

    /// Lines to places that the arguments name.
    ///
    /// # Safety
    /// As [`Gather`].
    pub(super) unsafe fn gather_with(&self, args: &Args<T>) {
        // SAFETY: promised by the caller.
        unsafe { (self.gather)(args) }
    }

    /// Points of scratch in natural order to lines.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    pub(super) unsafe fn scatter(&self, scratch: *mut T, dst: Lines<T>, points: usize, stream: bool) {
        // SAFETY: promised by the caller.
        unsafe { (self.scatter)(&Args { points, stream, ..self.args(scratch, dst) }) }
    }

    /// The last pass in place, if there is another before it.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    pub(super) unsafe fn last(&self, scratch: *mut T) {
        if self.stages.len() > 1 {
            // SAFETY: promised by the caller.
            unsafe { self.combine(self.stages.len() - 1, scratch, 1) };
        }
    }

    /// Every pass but the last; the first, which may be the last too, by the given code from lines, or in place.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    pub(super) unsafe fn all_but_last(&self, scratch: *mut T, first: Option<(Code<T>, Lines<T>)>) {
        // SAFETY: promised by the caller.
        unsafe {
            match self.stages.len() {
                0 => {}
                1 => self.first(scratch, 0, 1, first),
                stages if self.n <= self.resident => self.passes(stages - 2, scratch, 0, self.n, first),
                stages => {
                    for part in 0..self.stages[stages - 1].radix {
                        self.block(stages - 2, scratch, part, first);
                    }
                }
            }
        }
    }

    /// The passes up to `stage` of `points` points from point `from` on, which lie at `own`.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    unsafe fn passes(
        &self,
        stage: usize,
        own: *mut T,
        from: usize,
        points: usize,
        first: Option<(Code<T>, Lines<T>)>,
    ) {
        let radix = self.stages[0].radix;
        // SAFETY: promised by the caller.
        unsafe {
            self.first(own, from / radix, points / radix, first);
            for pass in 1..=stage {
                self.combine(pass, own, points / (self.stages[pass].radix * self.stages[pass].leg));
            }
        }
    }

    /// The passes up to `stage` of the block `index` of its length.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    unsafe fn block(&self, stage: usize, scratch: *mut T, index: usize, first: Option<(Code<T>, Lines<T>)>) {
        let Stage { radix, leg, .. } = self.stages[stage];
        let points = radix * leg;
        // SAFETY: promised by the caller; the block lies in scratch.
        unsafe {
            let own = scratch.add(index * points * 2 * self.lanes);
            if stage == 0 || points <= self.resident {
                return self.passes(stage, own, index * points, points, first);
            }
            for part in 0..radix {
                self.block(stage - 1, scratch, index * radix + part, first);
            }
            self.combine(stage, own, 1);
        }
    }

    /// The first pass of `groups` groups from group `from` on, whose points lie at `own`.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    unsafe fn first(&self, own: *mut T, from: usize, groups: usize, first: Option<(Code<T>, Lines<T>)>) {
        let Stage { radix, roots, codes, .. } = &self.stages[0];
        let (code, lines) = first.unwrap_or((codes.adjacent, Lines::none()));
        let args = Args {
            blocks: groups,
            leg: self.n / radix,
            roots: roots.as_ptr(),
            bases: self.bases[from..].as_ptr(),
            ..self.args(own, lines)
        };
        // SAFETY: promised by the caller.
        unsafe { code(&args) }
    }

    /// A later pass of `blocks` blocks at `own`.
    ///
    /// # Safety
    /// As [`complex`](Self::complex).
    unsafe fn combine(&self, stage: usize, own: *mut T, blocks: usize) {
        let Stage { leg, twiddles, roots, codes, .. } = &self.stages[stage];
        let args = Args {
            blocks,
            leg: *leg,
            twiddles: twiddles.as_ptr(),
            roots: roots.as_ptr(),
            ..self.args(own, Lines::none())
        };
        // SAFETY: promised by the caller.
        unsafe { (codes.combine)(&args) }
    }

    /// Arguments that only have scratch and lines.
    pub(super) fn args(&self, scratch: *mut T, lines: Lines<T>) -> Args<T> {
        Args {
            scratch,
            blocks: 0,
            leg: 0,
            twiddles: std::ptr::null(),
            roots: std::ptr::null(),
            lines,
            bases: std::ptr::null(),
            places: std::ptr::null(),
            have: 0,
            points: 0,
            scale: T::nearest(1.0),
            swap: false,
            stream: false,
        }
    }
}

impl<T> std::fmt::Debug for LanePlan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let radices: Vec<usize> = self.stages.iter().map(|s| s.radix).collect();
        f.debug_struct("LanePlan").field("n", &self.n).field("radices", &radices).finish_non_exhaustive()
    }
}
