//! Transforms of which only the lowest frequencies are in memory: the first step reads zeros for the others, the last one does not write them.

use fft_core::{DType, Dims, Direction, FftKind, FftSpec, Result, Tensor};

use crate::context::Context;

/// Which bins of a line are in memory: so many, and after a gap those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bins {
    pub(super) low: usize,
    pub(super) gap: usize,
}

impl Bins {
    pub(super) const ALL: Self = Self { low: i32::MAX as usize, gap: 0 };

    /// `low` bins and those of the last `kept` of `n` that are left.
    fn new(low: usize, kept: usize, n: usize) -> Self {
        if kept < n { Self { low, gap: n - kept } } else { Self::ALL }
    }
}

/// See `SpectralBackend::low_frequencies`: a transform an axis, the last one first.
pub(crate) fn low_frequencies(context: &Context, x: &Tensor, modes: &[usize]) -> Result<Tensor> {
    const OP: &str = "low_frequencies";
    let (first, last) = (x.rank() - modes.len(), x.rank() - 1);
    let mut z = x.clone();
    for axis in (first..=last).rev() {
        let (m, n) = (modes[axis - first], x.shape()[axis]);
        let (kind, kept) = if axis == last { (FftKind::R2C, m) } else { (FftKind::C2C, 2 * m - 1) };
        // Of a real line's bins a transform writes half.
        let whole = if axis == last && m == n / 2 + 1 { kept } else { n };
        let write = Bins::new(m, kept, whole);
        let spec = FftSpec { kind, direction: Direction::Forward, axis, n, scale: 1.0 };
        let mut shape = Dims::from_slice(z.shape());
        shape[axis] = kept;
        z = Tensor::build(z.device(), OP, &shape, DType::C64, |dst| {
            super::transform(context, spec, z.view(), dst, Bins::ALL, write)
        })?;
    }
    Ok(z)
}

/// See `SpectralBackend::band_limited`: a transform an axis, the last one last.
pub(crate) fn band_limited(context: &Context, z: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    const OP: &str = "band_limited";
    let (first, last) = (z.rank() - lengths.len(), z.rank() - 1);
    let mut z = z.clone();
    for axis in first..=last {
        let (kept, n) = (z.shape()[axis], lengths[axis - first]);
        // Behind the bins of a half spectrum there are zeros in any case.
        let (kind, dtype, read) = match axis == last {
            true => (FftKind::C2R, DType::F32, Bins::ALL),
            false => (FftKind::C2C, DType::C64, Bins::new(kept / 2 + 1, kept, n)),
        };
        let spec = FftSpec { kind, direction: Direction::Inverse, axis, n, scale: 1.0 / n as f64 };
        let mut shape = Dims::from_slice(z.shape());
        shape[axis] = n;
        z = Tensor::build(z.device(), OP, &shape, dtype, |dst| {
            super::transform(context, spec, z.view(), dst, read, Bins::ALL)
        })?;
    }
    Ok(z)
}
