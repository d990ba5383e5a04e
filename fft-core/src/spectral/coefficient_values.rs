//! Stored values of complex coefficients, in any [`ValueFormat`].

use num_complex::Complex32;

use crate::spectral::{ValueFormat, log8};
use crate::{DType, Device, Error, Result, Tensor};

/// Log8 codes that share one range: 128 coefficients.
pub const LOG8_GROUP: usize = 256;

/// Complex values in the order of their positions: `[count, 2]` real and imaginary parts, and what decodes them.
#[derive(Debug, Clone)]
pub struct CoefficientValues {
    format: ValueFormat,
    /// `[count, 2]`: `F32`, `F16` or (log8 codes) `U8`.
    values: Tensor,
    /// `F16`: the scale, `F32 [1]`. Log8: `F32 [groups, 2]`, the largest magnitude and the step of each group.
    decoder: Option<Tensor>,
}

impl CoefficientValues {
    /// Stores `values` in `format`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a value is NaN or infinite; memory errors.
    pub(crate) fn encode(
        op: &'static str,
        device: &Device,
        values: &[Complex32],
        format: ValueFormat,
    ) -> Result<Self> {
        let parts: &[f32] = bytemuck::cast_slice(values);
        if let Some(i) = parts.iter().position(|v| !v.is_finite()) {
            let reason = format!("coefficient {} is not finite", i / 2);
            return Err(Error::invalid(op, "values", parts[i], reason));
        }
        let shape = [values.len(), 2];
        let (values, decoder) = match format {
            ValueFormat::F32 => (Tensor::from_slice(device, parts, &shape)?, None),
            ValueFormat::F16 => {
                let scale = f16_scale(parts);
                let halves: Vec<half::f16> = parts.iter().map(|v| half::f16::from_f32(v / scale)).collect();
                (
                    Tensor::from_slice(device, &halves, &shape)?,
                    Some(Tensor::from_slice(device, &[scale], &[1])?),
                )
            }
            ValueFormat::Log8 => {
                let (codes, ranges) = log8::encode(parts, LOG8_GROUP)?;
                let flat = log8::ranges_to_flat(&ranges);
                (
                    Tensor::from_slice(device, &codes, &shape)?,
                    Some(Tensor::from_slice(device, &flat, &[ranges.len(), 2])?),
                )
            }
        };
        Ok(Self { format, values, decoder })
    }

    /// The values of a `C64 [count]` tensor, as they are.
    ///
    /// # Errors
    /// Memory errors, when the tensor is not contiguous.
    pub(crate) fn from_complex(values: &Tensor) -> Result<Self> {
        Ok(Self { format: ValueFormat::F32, values: values.contiguous()?.parts()?, decoder: None })
    }

    /// Values from stored tensors, all checked: dtypes, shapes, finite numbers. `part` finds a tensor by name.
    ///
    /// # Errors
    /// Those of `part`; mismatches of dtype or shape; [`Error::InvalidArgument`] for numbers that are not finite.
    pub(crate) fn from_parts(
        op: &'static str,
        device: &Device,
        format: ValueFormat,
        count: usize,
        part: &mut dyn FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        let mut load = |name: &str, dtype: DType, shape: &[usize]| -> Result<Tensor> {
            let tensor = part(name)?;
            tensor.expect_dtype(op, dtype)?;
            if tensor.shape() != shape {
                return Err(Error::shapes(op, tensor.shape(), shape, format!("{name} has the second shape")));
            }
            tensor.to_device(device)?.contiguous()
        };
        let shape = [count, 2];
        let (values, decoder) = match format {
            ValueFormat::F32 => {
                let values = load("values", DType::F32, &shape)?;
                in_chunks(&values, |chunk: &[f32]| check_finite(op, chunk.iter().copied()))?;
                (values, None)
            }
            ValueFormat::F16 => {
                let values = load("values", DType::F16, &shape)?;
                in_chunks(&values, |chunk: &[half::f16]| check_finite(op, chunk.iter().map(|v| v.to_f32())))?;
                let scale = load("scale", DType::F32, &[1])?;
                let number = scale.to_scalar::<f32>()?;
                // 65504 is the largest f16: no decoded value may overflow.
                if !(number > 0.0 && (number * 65504.0).is_finite()) {
                    let reason = "must be positive, and 65504 times it finite";
                    return Err(Error::invalid(op, "scale", number, reason));
                }
                (values, Some(scale))
            }
            ValueFormat::Log8 => {
                let values = load("values", DType::U8, &shape)?;
                let ranges = load("ranges", DType::F32, &[(2 * count).div_ceil(LOG8_GROUP), 2])?;
                log8::ranges_from_flat(&ranges.to_vec::<f32>()?)?;
                (values, Some(ranges))
            }
        };
        Ok(Self { format, values, decoder })
    }

    /// How the values are stored.
    pub fn format(&self) -> ValueFormat {
        self.format
    }

    /// Number of coefficients.
    pub fn len(&self) -> usize {
        self.values.shape()[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the values and of what decodes them.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.decoder.as_ref().map_or(0, Tensor::bytes)
    }

    /// The stored numbers, `[count, 2]`: `F32`, `F16` or `U8` codes.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// What decodes the stored numbers: the scale of `F16` (`F32 [1]`), the ranges of log8 (`F32 [groups, 2]`).
    pub fn decoder(&self) -> Option<&Tensor> {
        self.decoder.as_ref()
    }

    /// What is saved, by name: `values`, and `scale` or `ranges`.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        let mut parts = vec![("values", self.values.clone())];
        if let Some(decoder) = &self.decoder {
            parts.push((if self.format == ValueFormat::F16 { "scale" } else { "ranges" }, decoder.clone()));
        }
        parts
    }

    /// The values of coefficients `start..start + out.len()`, decoded to the host. The range must exist.
    ///
    /// # Errors
    /// Device errors.
    pub(crate) fn read(&self, start: usize, out: &mut [Complex32]) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let stored = self.values.narrow(0, start, out.len())?;
        let parts: &mut [f32] = bytemuck::cast_slice_mut(out);
        match (self.format, &self.decoder) {
            (ValueFormat::F32, _) | (_, None) => stored.read_into(parts)?,
            (ValueFormat::F16, Some(scale)) => {
                let scale = scale.to_scalar::<f32>()?;
                for (part, half) in parts.iter_mut().zip(stored.to_vec::<half::f16>()?) {
                    *part = half.to_f32() * scale;
                }
            }
            (ValueFormat::Log8, Some(ranges)) => {
                let codes = stored.to_vec::<u8>()?;
                let (first, last) = (2 * start / LOG8_GROUP, (2 * start + codes.len()).div_ceil(LOG8_GROUP));
                let ranges =
                    log8::ranges_from_flat(&ranges.narrow(0, first, last - first)?.to_vec::<f32>()?)?;
                let tables: Vec<[f32; 256]> = ranges.iter().map(|range| range.table()).collect();
                for (i, (part, code)) in parts.iter_mut().zip(codes).enumerate() {
                    *part = tables[(2 * start + i) / LOG8_GROUP - first][usize::from(code)];
                }
            }
        }
        Ok(())
    }

    /// All values, decoded to the host.
    ///
    /// # Errors
    /// Device errors.
    pub fn to_vec(&self) -> Result<Vec<Complex32>> {
        let mut out = vec![Complex32::default(); self.len()];
        self.read(0, &mut out)?;
        Ok(out)
    }
}

/// The power of two by which values are divided so that the largest magnitude lies in `[2^14, 2^15)`: half precision would
/// overflow at 65504, which unnormalised spectra pass.
fn f16_scale(parts: &[f32]) -> f32 {
    let max = parts.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    if max == 0.0 {
        return 1.0;
    }
    let exponent = f64::from(max).log2().floor() as i32 - 14;
    // Within normal f32: the scale is exact, and so is the division.
    2f32.powi(exponent.clamp(-126, 111))
}

fn check_finite(op: &'static str, values: impl Iterator<Item = f32>) -> Result<()> {
    for (i, v) in values.enumerate() {
        if !v.is_finite() {
            return Err(Error::invalid(op, "values", v, format!("number {i} of a chunk is not finite")));
        }
    }
    Ok(())
}

/// Calls `check` on the elements of a contiguous `[count, 2]` tensor, a chunk at a time.
fn in_chunks<T: crate::Element>(tensor: &Tensor, mut check: impl FnMut(&[T]) -> Result<()>) -> Result<()> {
    const CHUNK: usize = 1 << 16;
    let count = tensor.shape()[0];
    for start in (0..count).step_by(CHUNK) {
        check(&tensor.narrow(0, start, CHUNK.min(count - start))?.to_vec::<T>()?)?;
    }
    Ok(())
}
