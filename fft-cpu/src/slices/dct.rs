//! Plans of cosine and sine transforms.

use std::sync::{Arc, LazyLock};

use fft_core::{DctSpec, DctType, Direction, Error, Norm, Result, Wave};

use super::{Scalar, expect_plan, lines_of};
use crate::cosine;

/// The cosine or sine transform of one type, and its inverse, of lines of one length, in place. Slices hold any number of lines one
/// after another. Cloning and threads: as [`Plan`](super::Plan).
pub struct DctPlan<T: Scalar> {
    forward: Arc<cosine::Plan<T>>,
    inverse: Arc<cosine::Plan<T>>,
    wave: Wave,
    kind: DctType,
    n: usize,
}

impl<T: Scalar> Clone for DctPlan<T> {
    fn clone(&self) -> Self {
        Self { forward: Arc::clone(&self.forward), inverse: Arc::clone(&self.inverse), ..*self }
    }
}

impl<T: Scalar> std::fmt::Debug for DctPlan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wave, kind, n, .. } = self;
        f.debug_struct("DctPlan")
            .field("wave", wave)
            .field("kind", kind)
            .field("n", n)
            .finish_non_exhaustive()
    }
}

impl<T: Scalar> DctPlan<T> {
    /// The plan of `n` points.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for `n = 0`, for `n = 1` of the cosine transform of type I, and when a plan of `n` points does not fit
    /// into memory.
    pub fn new(wave: Wave, kind: DctType, n: usize) -> Result<Self> {
        Self::named("DctPlan::new", wave, kind, n)
    }

    /// The plan of `n` points, for the operation that is named in errors.
    pub(super) fn named(op: &'static str, wave: Wave, kind: DctType, n: usize) -> Result<Self> {
        static PLANS: LazyLock<cosine::Plans> = LazyLock::new(Default::default);
        expect_plan::<T>(op, n)?;
        if DctSpec::period(wave, kind, n) == 0 {
            return Err(Error::invalid(op, "n", n, format!("type {kind:?} needs at least 2 points")));
        }
        let [forward, inverse] = [kind, kind.inverse()].map(|kind| PLANS.plan(wave, kind, n));
        Ok(Self { forward, inverse, wave, kind, n })
    }

    /// Points of a line; never 0.
    #[allow(clippy::len_without_is_empty, reason = "a plan is never empty")]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Each line replaced by its transform.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the slice is not a whole number of lines.
    pub fn process_in_place(&self, data: &mut [T], norm: Norm) -> Result<()> {
        self.run("DctPlan::process_in_place", &self.forward, data, norm, Direction::Forward)
    }

    /// Each line replaced by its inverse transform.
    ///
    /// # Errors
    /// As [`process_in_place`](Self::process_in_place).
    pub fn invert_in_place(&self, data: &mut [T], norm: Norm) -> Result<()> {
        self.run("DctPlan::invert_in_place", &self.inverse, data, norm, Direction::Inverse)
    }

    fn run(
        &self,
        op: &'static str,
        plan: &cosine::Plan<T>,
        data: &mut [T],
        norm: Norm,
        direction: Direction,
    ) -> Result<()> {
        lines_of(op, "data", data.len(), self.n)?;
        let scale = norm.scale(direction, DctSpec::period(self.wave, self.kind, self.n));
        T::with_scratch(plan.scratch_len(), |scratch| {
            for line in data.chunks_exact_mut(self.n) {
                plan.process(line, scratch, scale, norm == Norm::Ortho);
            }
        });
        Ok(())
    }
}
