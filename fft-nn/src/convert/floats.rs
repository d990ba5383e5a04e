//! Floats of any stored type to `f32` and back, in pieces, and how far two sequences of them are apart.

use fft_core::{DType, Error, Result, Tensor, bf16, f16};

use crate::checkpoint::{CHUNK, Checkpoint};

/// Replaces `out` by the little-endian floats in `bytes`; other types give none.
pub(super) fn decode(dtype: DType, bytes: &[u8], out: &mut Vec<f32>) {
    out.clear();
    match dtype {
        DType::F32 => out.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
        DType::F64 => out.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
        DType::F16 => out.extend(bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())),
        DType::BF16 => out.extend(bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32())),
        _ => {}
    }
}

/// Replaces `out` by `values` as little-endian `F32`, `F16` or `BF16`, rounded to nearest, and `values` by what was stored.
///
/// # Errors
/// The index of the first value that the type cannot hold.
pub(super) fn encode(dtype: DType, values: &mut [f32], out: &mut Vec<u8>) -> Result<(), usize> {
    out.clear();
    match dtype {
        DType::F16 => values.iter_mut().for_each(|v| {
            let stored = f16::from_f32(*v);
            *v = stored.to_f32();
            out.extend(stored.to_le_bytes());
        }),
        DType::BF16 => values.iter_mut().for_each(|v| {
            let stored = bf16::from_f32(*v);
            *v = stored.to_f32();
            out.extend(stored.to_le_bytes());
        }),
        _ => values.iter().for_each(|v| out.extend(v.to_le_bytes())),
    }
    values.iter().position(|v| !v.is_finite()).map_or(Ok(()), Err)
}

/// Checks that `dtype` is one that weights are written in.
pub(super) fn check_target(op: &'static str, dtype: DType) -> Result<()> {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => Ok(()),
        other => Err(Error::invalid(op, "dtype", other, "must be F32, F16 or BF16")),
    }
}

/// Squared norms of a difference and of what it is measured by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Difference {
    pub(super) error: f64,
    pub(super) norm: f64,
}

impl Difference {
    pub(super) fn add(&mut self, stored: &[f32], source: &[f32]) {
        for (a, b) in stored.iter().zip(source) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            self.error += (a - b) * (a - b);
            self.norm += b * b;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.error += other.error;
        self.norm += other.norm;
    }

    /// `|stored - source| / |source|`; 0 when there is no difference.
    pub(super) fn relative(&self) -> f64 {
        if self.error == 0.0 { 0.0 } else { (self.error / self.norm).sqrt() }
    }
}

/// Measures `dense` (`F32`, contiguous) against the tensor `name` of a checkpoint, which has its shape, in pieces.
pub(super) fn compare(dense: &Tensor, source: &Checkpoint, name: &str) -> Result<Difference> {
    let dtype = source.dtype(name)?;
    let mut sums = Difference::default();
    let (mut theirs, mut ours) = (Vec::new(), vec![0.0f32; CHUNK / dtype.size()]);
    let start = dense.layout().offset();
    source.stream(name, |at, piece| {
        decode(dtype, piece, &mut theirs);
        let ours = &mut ours[..theirs.len()];
        let offset = (start + at / dtype.size()) * size_of::<f32>();
        dense.device().download(dense.buffer(), offset, bytemuck::cast_slice_mut(ours))?;
        sums.add(ours, &theirs);
        Ok(())
    })?;
    Ok(sums)
}
