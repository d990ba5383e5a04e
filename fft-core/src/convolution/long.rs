//! Causal convolutions whose kernels may be as long as their input, for sequence models.

use std::sync::{Arc, Mutex, PoisonError};

use super::LongConvStream;
use super::stream::Blocks;
use crate::{DType, Dims, Error, Result, Tensor};

const OP: &str = "long_conv";

/// How a causal convolution is cut into transforms: overlapping tiles (overlap-save), or one that holds all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LongConvPlan {
    /// Taps that reach an output: those of the kernel, at most as many as the input is long. At least 1.
    pub taps: usize,
    /// Points of a transform: even, at least `taps + 1`.
    pub points: usize,
}

impl LongConvPlan {
    /// The plan with the fewest operations for an input of `length` and a kernel of `taps`.
    ///
    /// Counted are `points log2(points)` for every tile; candidates have no prime factor above 5. Numbers count as at least 1 and at most 2^56, beyond
    /// what can be addressed.
    pub fn new(length: usize, taps: usize) -> Self {
        let length = length.clamp(1, 1 << 56);
        let taps = taps.clamp(1, length);
        let whole = length + taps - 1;
        let cost = |points: usize| {
            let tiles = length.div_ceil(points - taps + 1);
            tiles as f64 * points as f64 * ((points as f64).log2() + 4.0)
        };
        let mut best = (f64::INFINITY, 2);
        let mut two = 2;
        loop {
            for odd in [1, 3, 5, 9, 15, 25, 27, 45] {
                let points = two * odd;
                if points > taps && cost(points) < best.0 {
                    best = (cost(points), points);
                }
            }
            if two >= whole {
                return Self { taps, points: best.1 };
            }
            two *= 2;
        }
    }

    /// Outputs of a tile that do not wrap around.
    pub fn useful(&self) -> usize {
        self.points - self.taps + 1
    }
}

/// What a long convolution does besides convolving.
#[derive(Debug, Clone, Copy, Default)]
pub struct LongConvTerms<'a> {
    /// `D`, `[channels]`: the input itself, weighted, is added.
    pub skip: Option<&'a Tensor>,
    /// `w`, of the input's shape: multiplies the input first.
    pub before: Option<&'a Tensor>,
    /// `v`, of the input's shape: multiplies the result.
    pub after: Option<&'a Tensor>,
}

/// A causal convolution kernel for each channel, with its spectra kept for the lengths that it was applied to.
///
/// With `z = w u`, `y[t] = v[t] (sum_s kernel[s] z[t - s] + D z[t])`; without gates `w = v = 1`, without skip `D = 0`. The result is the linear
/// convolution, not the circular one: `z` is 0 before its start.
#[derive(Debug)]
pub struct LongConvolution {
    kernel: Tensor,
    skip: Option<Tensor>,
    spectra: Mutex<Vec<(LongConvPlan, Tensor)>>,
    blocks: Mutex<Option<Arc<Blocks>>>,
}

/// Spectra kept at once: training and validation lengths, and one of a prompt.
const KEPT: usize = 4;

impl LongConvolution {
    /// A kernel of shape `[channels, taps]`, or `[1, taps]` for one that all channels share, and optionally `D` of shape `[channels]`; `F32` or `F64`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] for a kernel without taps.
    pub fn new(kernel: Tensor, skip: Option<Tensor>) -> Result<Self> {
        check_kernel(&kernel)?;
        if let Some(skip) = &skip {
            kernel.same_device(OP, skip)?;
            skip.expect_dtype(OP, kernel.dtype())?;
            if skip.rank() != 1 || (kernel.shape()[0] != 1 && skip.len() != kernel.shape()[0]) {
                return Err(Error::shapes(
                    OP,
                    skip.shape(),
                    kernel.shape(),
                    "D has one number for each channel",
                ));
            }
        }
        Ok(Self { kernel, skip, spectra: Mutex::default(), blocks: Mutex::default() })
    }

    /// The kernel, `[channels or 1, taps]`.
    pub fn kernel(&self) -> &Tensor {
        &self.kernel
    }

    /// `D`, if there is one.
    pub fn skip(&self) -> Option<&Tensor> {
        self.skip.as_ref()
    }

    /// The convolution of `u`, `[.., channels, length]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn apply(&self, u: &Tensor) -> Result<Tensor> {
        self.apply_gated(u, None, None)
    }

    /// The convolution of `before * u`, times `after`; each `[.., channels, length]`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_gated(&self, u: &Tensor, before: Option<&Tensor>, after: Option<&Tensor>) -> Result<Tensor> {
        let terms = LongConvTerms { skip: self.skip.as_ref(), before, after };
        run(u, &self.kernel, terms, |plan| self.spectrum(plan).map(Some))
    }

    /// A stream that yields the same outputs one position at a time, for `batch` sequences of `channels` channels.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there are no sequences or channels, [`Error::ShapeMismatch`] when `channels` are not those of the kernel;
    /// memory errors.
    pub fn stream(&self, batch: usize, channels: usize) -> Result<LongConvStream> {
        LongConvStream::new(self, batch, channels)
    }

    /// What streams need of the kernel, made once.
    pub(super) fn blocks(&self) -> Result<Arc<Blocks>> {
        let kept = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blocks) = &*kept() {
            return Ok(Arc::clone(blocks));
        }
        // Not under the lock: while the device works, a caller's own thread pool may run another task that asks for them too.
        let blocks = Arc::new(Blocks::new(&self.kernel, self.skip.as_ref())?);
        Ok(Arc::clone(kept().get_or_insert(blocks)))
    }

    /// The kernel's spectrum for a plan, made once.
    fn spectrum(&self, plan: LongConvPlan) -> Result<Tensor> {
        let kept = || self.spectra.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, spectrum)) = kept().iter().find(|(p, _)| *p == plan) {
            return Ok(spectrum.clone());
        }
        let spectrum = self.kernel.device().long_conv_spectrum(&self.kernel, plan)?;
        let mut kept = kept();
        if !kept.iter().any(|(p, _)| *p == plan) {
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push((plan, spectrum.clone()));
        }
        Ok(spectrum)
    }
}

impl Tensor {
    /// The causal convolution of `[.., channels, length]` with `kernel`, `[channels or 1, taps]`, and what `terms` add; see
    /// [`LongConvolution`], which keeps the kernel's spectrum between calls. `F32` or `F64`.
    ///
    /// A processor needs no memory beyond the result and a few lines for each thread; operands whose last axis is not contiguous are copied first.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] for a kernel without taps; memory and device errors.
    pub fn long_conv(&self, kernel: &Tensor, terms: LongConvTerms<'_>) -> Result<Self> {
        check_kernel(kernel)?;
        run(self, kernel, terms, |_| Ok(None))
    }
}

fn check_kernel(kernel: &Tensor) -> Result<()> {
    if !matches!(kernel.dtype(), DType::F32 | DType::F64) {
        return Err(Error::DTypeMismatch { op: OP, lhs: kernel.dtype(), rhs: DType::F32 });
    }
    let &[channels, taps] = kernel.shape() else {
        return Err(Error::shapes(OP, kernel.shape(), &[], "a kernel is [channels, taps]"));
    };
    if channels == 0 || taps == 0 {
        let reason = "a kernel needs a channel and a tap";
        return Err(Error::invalid(OP, "kernel", kernel.shape(), reason));
    }
    Ok(())
}

/// Checks the operands, gives them the shape `[batch, channels, length]` and calls the device.
fn run(
    u: &Tensor,
    kernel: &Tensor,
    terms: LongConvTerms<'_>,
    spectrum: impl FnOnce(LongConvPlan) -> Result<Option<Tensor>>,
) -> Result<Tensor> {
    u.same_device(OP, kernel)?;
    u.expect_dtype(OP, kernel.dtype())?;
    let rank = u.rank();
    if rank < 2 {
        return Err(Error::shapes(OP, u.shape(), kernel.shape(), "the input is [.., channels, length]"));
    }
    let (channels, length) = (u.shape()[rank - 2], u.shape()[rank - 1]);
    if kernel.shape()[0] != 1 && kernel.shape()[0] != channels {
        let reason = "the kernel has one channel, or as many as the input";
        return Err(Error::shapes(OP, u.shape(), kernel.shape(), reason));
    }
    if let Some(skip) = terms.skip {
        u.same_device(OP, skip)?;
        skip.expect_dtype(OP, u.dtype())?;
        if skip.shape() != [channels] {
            return Err(Error::shapes(OP, u.shape(), skip.shape(), "D has one number for each channel"));
        }
    }
    for gate in [terms.before, terms.after].into_iter().flatten() {
        u.same_device(OP, gate)?;
        gate.expect_dtype(OP, u.dtype())?;
        if gate.shape() != u.shape() {
            return Err(Error::shapes(OP, u.shape(), gate.shape(), "a gate has the shape of the input"));
        }
    }
    if u.is_empty() {
        return Tensor::zeros(u.device(), u.shape(), u.dtype());
    }
    if length.checked_add(kernel.shape()[1]).is_none_or(|n| n > isize::MAX as usize / 64) {
        return Err(Error::invalid(OP, "length", length, "is too large"));
    }
    let batch: usize = u.shape()[..rank - 2].iter().product();
    let joined = |x: &Tensor| x.reshape(&[batch, channels, length]);
    let (before, after) = (terms.before.map(joined).transpose()?, terms.after.map(joined).transpose()?);
    let terms = LongConvTerms { skip: terms.skip, before: before.as_ref(), after: after.as_ref() };
    let plan = LongConvPlan::new(length, kernel.shape()[1]);
    let spectrum = spectrum(plan)?;
    let y = u.device().long_conv(&joined(u)?, kernel, spectrum.as_ref(), terms, plan)?;
    y.reshape(&Dims::from_slice(u.shape()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_cover_their_input() {
        LongConvPlan::new(usize::MAX, usize::MAX);
        LongConvPlan::new(usize::MAX, 2);
        assert_eq!(LongConvPlan::new(0, 0).taps, 1);
        for length in (1..70).chain([1000, 4096, 65_536, 1_000_003]) {
            for taps in (1..70).chain([1000, 4096, 65_536, 2_000_000]) {
                let plan = LongConvPlan::new(length, taps);
                assert_eq!(plan.taps, taps.min(length));
                assert!(plan.points > plan.taps && plan.points.is_multiple_of(2), "{length} {taps} {plan:?}");
                assert!(plan.points <= 4 * (length + plan.taps), "{length} {taps} {plan:?}");
            }
        }
        assert_eq!(LongConvPlan::new(4096, 4096).points, 8192);
        let cut = LongConvPlan::new(1 << 20, 100);
        assert!(cut.points < 1 << 13, "a short kernel is cut into tiles: {cut:?}");
    }
}
