//! Stored coefficients as the kernels read them: row-compressed, decoded a few at a time.

use std::ops::Range;

use fft_core::spectral::{LOG8_GROUP, SparseSpectralMatrix, ValueFormat};
use fft_core::{DType, Result, f16};
use half::slice::HalfFloatSliceExt;

use crate::memory::elements;
use crate::simd::scaled_power;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Machine, machine};

/// Coefficients that share a log8 range, and that are decoded at a time.
const SEGMENT: usize = LOG8_GROUP / 2;

/// Decoded numbers of one segment: two for each coefficient.
pub(super) type Decoded = [f32; 2 * SEGMENT];

/// A column index.
pub(super) trait Column: Copy + Send + Sync {
    fn at(self) -> usize;
}

impl Column for u16 {
    #[inline(always)]
    fn at(self) -> usize {
        usize::from(self)
    }
}

impl Column for u32 {
    #[inline(always)]
    fn at(self) -> usize {
        self as usize
    }
}

/// Stored numbers, two for each coefficient.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    F32(&'a [f32]),
    F16(&'a [f16], f32),
    Log8(&'a [u8], &'a [f32]),
}

/// A matrix as the kernels read it. Columns are below the number of columns: [`SparseSpectralMatrix`] guarantees it.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, C> {
    pub(super) offsets: &'a [u32],
    pub(super) columns: &'a [C],
    pub(super) values: Values<'a>,
    /// `[out, in]`.
    pub(super) shape: [usize; 2],
}

/// The elements of a contiguous tensor.
pub(super) fn contiguous<'a, T: bytemuck::Pod>(op: &'static str, t: &'a fft_core::Tensor) -> Result<&'a [T]> {
    let all = elements::<T>(op, &t.view())?;
    let at = t.layout().offset();
    Ok(if t.is_empty() { &[] } else { &all[at..at + t.len()] })
}

/// The stored values of a matrix.
pub(super) fn values<'a>(op: &'static str, w: &'a SparseSpectralMatrix) -> Result<Values<'a>> {
    let stored = w.values().values();
    Ok(match (w.values().format(), w.values().decoder()) {
        (ValueFormat::F16, Some(scale)) => Values::F16(
            contiguous(op, stored)?,
            contiguous::<f32>(op, scale)?.first().copied().unwrap_or(1.0),
        ),
        (ValueFormat::Log8, Some(ranges)) => Values::Log8(contiguous(op, stored)?, contiguous(op, ranges)?),
        _ => Values::F32(contiguous(op, stored)?),
    })
}

impl<'a, C: Column> Rows<'a, C> {
    pub(super) fn new(op: &'static str, w: &'a SparseSpectralMatrix) -> Result<Self>
    where
        C: bytemuck::Pod,
    {
        let columns = contiguous(op, w.columns())?;
        let rows = Self { offsets: w.row_offsets(), columns, values: values(op, w)?, shape: w.shape() };
        // What the kernels index by, once more: they do not check single positions.
        let count = columns.len();
        let stored = match rows.values {
            Values::F32(v) => v.len(),
            Values::F16(v, _) => v.len(),
            Values::Log8(v, ranges) if ranges.len() == 2 * v.len().div_ceil(LOG8_GROUP) => v.len(),
            Values::Log8(..) => 0,
        };
        let planes = rows.shape[0] / 2 + 1;
        if stored != 2 * count
            || rows.offsets.len() != planes + 1
            || rows.offsets[planes] as usize != count
            || (size_of::<C>() == 2) != (w.columns().dtype() == DType::U16)
        {
            return Err(fft_core::Error::shapes(op, &[stored], &[count, 2], "the matrix is inconsistent"));
        }
        Ok(rows)
    }

    /// Rows of the half plane.
    pub(super) fn planes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The coefficients of row `u`.
    #[inline(always)]
    pub(super) fn row(&self, u: usize) -> Range<usize> {
        self.offsets[u] as usize..self.offsets[u + 1] as usize
    }

    /// The rows of part `part` of `parts`, with about equally many coefficients.
    pub(super) fn part(&self, part: usize, parts: usize) -> Range<usize> {
        let starts = &self.offsets[..self.planes()];
        let bound = |part: usize| match part {
            0 => 0,
            p if p == parts => self.planes(),
            p => starts.partition_point(|&o| (o as usize) < self.columns.len() * p / parts),
        };
        bound(part)..bound(part + 1)
    }

    /// The next columns and values of the coefficients `at..end`, moving `at` past them; all at once when they need no
    /// decoding.
    #[inline(always)]
    pub(super) fn piece<'b>(
        &'b self,
        at: &mut usize,
        end: usize,
        decoded: &'b mut Decoded,
    ) -> Option<(&'b [C], &'b [f32])> {
        let from = *at;
        if from >= end {
            return None;
        }
        if let Values::F32(values) = self.values {
            *at = end;
            return Some((&self.columns[from..end], &values[2 * from..2 * end]));
        }
        *at = (from / SEGMENT * SEGMENT + SEGMENT).min(end);
        let out = &mut decoded[..2 * (*at - from)];
        self.values.decode(2 * from, out);
        Some((&self.columns[from..*at], out))
    }
}

impl Values<'_> {
    /// The numbers from `start` on; they share a log8 range.
    #[inline(always)]
    fn decode(&self, start: usize, out: &mut [f32]) {
        let range = start..start + out.len();
        match *self {
            Values::F32(values) => out.copy_from_slice(&values[range]),
            Values::F16(values, scale) => {
                #[cfg(target_arch = "x86_64")]
                if machine() >= Machine::Avx2 {
                    // SAFETY: from that level on the machine has F16C and AVX.
                    return unsafe { f16c::decode(&values[range], scale, out) };
                }
                values[range].convert_to_f32_slice(out);
                out.iter_mut().for_each(|v| *v *= scale);
            }
            Values::Log8(codes, ranges) => {
                let group = start / LOG8_GROUP;
                let (max, step) = (ranges[2 * group], ranges[2 * group + 1]);
                for (v, &code) in out.iter_mut().zip(&codes[range]) {
                    *v = log8(code, max, step);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod f16c {
    use fft_core::f16;
    use std::arch::x86_64::*;

    /// `out = scale * values`, of equal lengths. Without the detection at every call that the conversions of `half` make, which costs
    /// more than the few numbers of a row.
    ///
    /// # Safety
    /// The machine has F16C and AVX.
    #[target_feature(enable = "avx,f16c")]
    pub(super) unsafe fn decode(values: &[f16], scale: f32, out: &mut [f32]) {
        assert_eq!(values.len(), out.len());
        let scale = _mm256_set1_ps(scale);
        let (whole, rest) = values.as_chunks::<8>();
        let (out_whole, out_rest) = out.as_chunks_mut::<8>();
        for (values, out) in whole.iter().zip(out_whole) {
            // SAFETY: both have eight numbers, and the instructions are enabled.
            unsafe {
                let wide = _mm256_cvtph_ps(_mm_loadu_si128(values.as_ptr().cast()));
                _mm256_storeu_ps(out.as_mut_ptr(), _mm256_mul_ps(wide, scale));
            }
        }
        if !rest.is_empty() {
            let (mut padded, mut numbers) = ([f16::ZERO; 8], [0.0f32; 8]);
            padded[..rest.len()].copy_from_slice(rest);
            // SAFETY: as above.
            unsafe {
                let wide = _mm256_cvtph_ps(_mm_loadu_si128(padded.as_ptr().cast()));
                _mm256_storeu_ps(numbers.as_mut_ptr(), _mm256_mul_ps(wide, scale));
            }
            out_rest.copy_from_slice(&numbers[..out_rest.len()]);
        }
    }
}

/// The number of a log8 code (see [`fft_core::spectral::log8`]): `max * 2^((m - 127) step)`, signed, or 0, without a table.
#[inline(always)]
fn log8(code: u8, max: f32, step: f32) -> f32 {
    let m = code & 0x7f;
    let magnitude = if m == 0 { 0.0 } else { scaled_power(max, f32::from(m) - 127.0, step) };
    f32::from_bits(magnitude.to_bits() | (u32::from(code & 0x80) << 24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fft_core::spectral::log8::Range;

    #[test]
    fn log8_without_a_table_is_that_of_the_table() {
        for (max, step) in [
            (1.0f32, 0.05),
            (3.7e20, 0.0471),
            (1e-3, 2.2),
            (2e38, 2.2),
            (5e30, 1.6249),
            (65_000.0, 0.0),
            (1e38, 1.9),
            (0.0, 0.0),
        ] {
            let table = Range::new(max, step).unwrap().table();
            for code in 0..=255u8 {
                let (got, want) = (log8(code, max, step), table[usize::from(code)]);
                let bound = 2e-7 * want.abs() + f32::MIN_POSITIVE;
                assert!((got - want).abs() <= bound, "{code} of {max} {step}: {got} instead of {want}");
            }
        }
    }
}
