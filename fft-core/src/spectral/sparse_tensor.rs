//! Real tensors stored as a few coefficients of their spectrum.

use num_complex::{Complex32, Complex64};

use crate::spectral::half_spectrum::{dense_from_planes, half_spectrum};
use crate::spectral::selection::select;
use crate::spectral::{CoefficientValues, HalfSpectrum, SparseOptions, ValueFormat};
use crate::{DType, Device, Error, Result, Tensor};

/// A real tensor of 1 to 8 axes stored as coefficients `c` of its spectrum at some positions `k`:
///
/// `W[i] = Re( 1/T * sum c[k] exp(2 pi i sum_a k_a i_a / n_a) )`, with `T` the number of elements.
///
/// [`HalfSpectrum`] says which positions can be stored and what a coefficient is worth. Positions are ascending `u32`, values as
/// [`ValueFormat`] says: 12, 8 or 6.06 bytes a coefficient.
///
/// The storage lies on the tensor's device. Transforms run there; selection and the algebra on positions run on the host.
#[derive(Debug, Clone)]
pub struct SparseSpectralTensor {
    half: HalfSpectrum,
    /// `U32 [count]`, ascending, all stored positions of `half`.
    positions: Tensor,
    values: CoefficientValues,
}

impl SparseSpectralTensor {
    /// The coefficients of `w` (any float dtype, 1 to 8 axes) that `options` select.
    ///
    /// Cost: one FFT of the tensor and linear-time selection; scratch on the host of twice the bytes of `w` in `F32`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an impossible shape, an amount out of range, NaN or infinite values;
    /// [`Error::DTypeMismatch`] when `w` is not float; memory and device errors.
    pub fn from_dense(w: &Tensor, options: &SparseOptions) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::from_dense";
        options.selection.validate(OP)?;
        let half = HalfSpectrum::new(OP, w.shape())?;
        let spectrum = half_spectrum(OP, w, &half)?;
        let positions = select(OP, &options.selection, &half, &spectrum)?;
        let values: Vec<Complex32> =
            positions.iter().map(|&p| stored_value(&half, p, spectrum[p as usize])).collect();
        drop(spectrum);
        Self::build(OP, w.device(), half, &positions, &values, options.values)
    }

    /// A tensor from coefficients at any positions of the whole spectrum: `indices[i]` is `k` (one index an axis), and the
    /// meaning is that of the [type](Self). A position in the mirrored half is stored at its mirror, conjugated; equal
    /// positions are summed; imaginary parts at self-mirrored positions, which have no effect, are dropped.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an impossible shape or values that are not finite; [`Error::IndexOutOfRange`];
    /// [`Error::ShapeMismatch`] when the counts or ranks differ; memory errors.
    pub fn from_coefficients(
        device: &Device,
        shape: &[usize],
        indices: &[&[usize]],
        values: &[Complex32],
        format: ValueFormat,
    ) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::from_coefficients";
        let half = HalfSpectrum::new(OP, shape)?;
        if indices.len() != values.len() || u32::try_from(indices.len()).is_err() {
            return Err(Error::shapes(OP, &[indices.len()], &[values.len()], "one value for each index"));
        }
        let mut flat = Vec::with_capacity(indices.len());
        for index in indices {
            if index.len() != shape.len() {
                return Err(Error::shapes(OP, index, shape, "one index for each axis"));
            }
            let mut position = 0usize;
            for (&k, &n) in index.iter().zip(shape) {
                if k >= n {
                    return Err(Error::IndexOutOfRange { op: OP, index: k as i64, len: n });
                }
                position = position * n + k;
            }
            flat.push(position);
        }
        let mut coefficients: Vec<(u32, Complex64)> =
            values.iter().enumerate().map(|(i, c)| (i as u32, widen(*c))).collect();
        half.canonical(&mut coefficients, |slot| flat[slot]);
        Self::from_sorted(OP, device, half, &coefficients, format)
    }

    /// From ascending stored positions.
    pub(crate) fn from_sorted(
        op: &'static str,
        device: &Device,
        half: HalfSpectrum,
        coefficients: &[(u32, Complex64)],
        format: ValueFormat,
    ) -> Result<Self> {
        let positions: Vec<u32> = coefficients.iter().map(|&(p, _)| p).collect();
        let values: Vec<Complex32> =
            coefficients.iter().map(|&(_, c)| Complex32::new(c.re as f32, c.im as f32)).collect();
        Self::build(op, device, half, &positions, &values, format)
    }

    /// As [`from_sorted`](Self::from_sorted), keeping only what `selection` names.
    pub(crate) fn from_sorted_selected(
        op: &'static str,
        device: &Device,
        half: HalfSpectrum,
        coefficients: &[(u32, Complex64)],
        options: &SparseOptions,
    ) -> Result<Self> {
        options.selection.validate(op)?;
        let mut spectrum = vec![Complex32::default(); half.len()];
        for &(p, c) in coefficients {
            let s = c / half.freedom(p as usize) as f64;
            spectrum[p as usize] = Complex32::new(s.re as f32, s.im as f32);
        }
        let kept = select(op, &options.selection, &half, &spectrum)?;
        let kept: Vec<(u32, Complex64)> = kept
            .into_iter()
            .filter_map(|p| coefficients.binary_search_by_key(&p, |c| c.0).ok().map(|i| coefficients[i]))
            .collect();
        Self::from_sorted(op, device, half, &kept, options.values)
    }

    fn build(
        op: &'static str,
        device: &Device,
        half: HalfSpectrum,
        positions: &[u32],
        values: &[Complex32],
        format: ValueFormat,
    ) -> Result<Self> {
        let values = CoefficientValues::encode(op, device, values, format)?;
        let positions = Tensor::from_slice(device, positions, &[positions.len()])?;
        Ok(Self { half, positions, values })
    }

    /// A tensor from stored parts, all checked; `part` finds a tensor by name (see [`parts`](Self::parts)).
    ///
    /// # Errors
    /// Those of `part`; mismatches of dtype or shape; [`Error::InvalidArgument`] when positions are not ascending stored
    /// positions of `shape`, or values are not finite.
    pub fn from_parts(
        device: &Device,
        shape: &[usize],
        format: ValueFormat,
        part: &mut dyn FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::from_parts";
        let half = HalfSpectrum::new(OP, shape)?;
        let positions = part("positions")?;
        positions.expect_dtype(OP, DType::U32)?;
        if positions.rank() != 1 {
            return Err(Error::shapes(OP, positions.shape(), &[positions.len()], "positions have one axis"));
        }
        let positions = positions.to_device(device)?.contiguous()?;
        let host = positions.to_vec::<u32>()?;
        for (i, &p) in host.iter().enumerate() {
            if p as usize >= half.len() || half.freedom(p as usize) == 0 {
                return Err(Error::invalid(OP, "positions", p, format!("entry {i} is no stored position")));
            }
            if i > 0 && host[i - 1] >= p {
                return Err(Error::invalid(OP, "positions", p, format!("entry {i} is not ascending")));
            }
        }
        let values = CoefficientValues::from_parts(OP, device, format, host.len(), part)?;
        Ok(Self { half, positions, values })
    }

    /// What is saved, by name: `positions`, `values`, and `scale` or `ranges`.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        let mut parts = vec![("positions", self.positions.clone())];
        parts.extend(self.values.parts());
        parts
    }

    /// The shape of the dense tensor.
    pub fn shape(&self) -> &[usize] {
        self.half.shape()
    }

    /// Which positions can be stored.
    pub fn half_spectrum(&self) -> &HalfSpectrum {
        &self.half
    }

    /// The device of the storage.
    pub fn device(&self) -> &Device {
        self.positions.device()
    }

    /// Stored positions, `U32 [count]`, ascending.
    pub fn positions(&self) -> &Tensor {
        &self.positions
    }

    /// Stored values.
    pub fn values(&self) -> &CoefficientValues {
        &self.values
    }

    /// Number of stored complex coefficients.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Stored real degrees of freedom as a fraction of the elements; at most 1.
    ///
    /// # Errors
    /// Device errors.
    pub fn density(&self) -> Result<f64> {
        let kept: usize =
            self.positions.to_vec::<u32>()?.iter().map(|&p| self.half.freedom(p as usize)).sum();
        Ok(kept as f64 / self.half.total() as f64)
    }

    /// All stored bytes.
    pub fn bytes(&self) -> usize {
        self.positions.bytes() + self.values.bytes()
    }

    /// Bytes of the dense tensor in `F32`, divided by the stored bytes.
    pub fn compression_ratio(&self) -> f64 {
        (self.half.total() * 4) as f64 / self.bytes().max(1) as f64
    }

    /// The stored coefficients on the host: flat positions and decoded values.
    ///
    /// # Errors
    /// Device errors.
    pub fn coefficients(&self) -> Result<(Vec<u32>, Vec<Complex32>)> {
        Ok((self.positions.to_vec()?, self.values.to_vec()?))
    }

    /// The coefficients as pairs, widened.
    pub(crate) fn pairs(&self) -> Result<Vec<(u32, Complex64)>> {
        let (positions, values) = self.coefficients()?;
        Ok(positions.into_iter().zip(values.into_iter().map(widen)).collect())
    }

    /// The dense tensor, `F32`, on the device. Cost: one FFT of the tensor.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dense(&self) -> Result<Tensor> {
        dense_from_half(self.device(), &self.half, &self.positions.to_vec()?, &self.values.to_vec()?)
    }

    /// `||W - w|| / ||w||` of the stored tensor `W` against its source `w`, computed from all elements in `f64`; 0 when both are
    /// zero.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`]; memory and device errors.
    pub fn relative_error(&self, source: &Tensor) -> Result<f64> {
        let (difference, norm, _) = self.against(source)?;
        Ok(if difference == 0.0 { 0.0 } else { (difference / norm).sqrt() })
    }

    /// `||W||^2 / ||w||^2`: the share of the source's squared norm that is kept (1 when both are zero). Exact selections of
    /// unquantised values have a relative error of `sqrt(1 - kept energy)`.
    ///
    /// # Errors
    /// As [`relative_error`](Self::relative_error).
    pub fn kept_energy(&self, source: &Tensor) -> Result<f64> {
        let (_, norm, own) = self.against(source)?;
        Ok(if own == norm { 1.0 } else { own / norm })
    }

    /// Squared norms of the difference, of the source, and of the tensor itself.
    fn against(&self, source: &Tensor) -> Result<(f64, f64, f64)> {
        if source.shape() != self.shape() {
            let reason = "the source has the shape of the tensor";
            return Err(Error::shapes("relative_error", self.shape(), source.shape(), reason));
        }
        let own = self.to_dense()?.flatten()?;
        let source = source.flatten()?;
        let mut sums = (0.0, 0.0, 0.0);
        const CHUNK: usize = 1 << 18;
        for start in (0..own.len()).step_by(CHUNK) {
            let len = CHUNK.min(own.len() - start);
            let a = own.narrow(0, start, len)?.to_vec::<f32>()?;
            let b = source.narrow(0, start, len)?.to_dtype(DType::F32)?.to_vec::<f32>()?;
            for (a, b) in a.into_iter().zip(b) {
                let (a, b) = (f64::from(a), f64::from(b));
                sums.0 += (a - b) * (a - b);
                sums.1 += b * b;
                sums.2 += a * a;
            }
        }
        Ok(sums)
    }

    /// The same positions with values in another format.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn with_values(&self, format: ValueFormat) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::with_values";
        let values = CoefficientValues::encode(OP, self.device(), &self.values.to_vec()?, format)?;
        Ok(Self { half: self.half.clone(), positions: self.positions.clone(), values })
    }

    /// Fewer of the stored coefficients, in the value format of `options`: density and energy are those of this tensor's shape
    /// and norm.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an amount out of range; memory and device errors.
    pub fn compress(&self, options: &SparseOptions) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::compress";
        Self::from_sorted_selected(OP, self.device(), self.half.clone(), &self.pairs()?, options)
    }
}

/// `c` of a position from its bin of the spectrum.
fn stored_value(half: &HalfSpectrum, position: u32, s: Complex32) -> Complex32 {
    match half.freedom(position as usize) {
        1 => Complex32::new(s.re, 0.0),
        _ => s * 2.0,
    }
}

pub(crate) fn widen(c: Complex32) -> Complex64 {
    Complex64::new(f64::from(c.re), f64::from(c.im))
}

/// The real tensor whose stored coefficients are `values` at `positions`, which lie in the half spectrum, and zeros elsewhere.
///
/// Planes that are their own mirror need not be Hermitian: the real part is taken.
pub(crate) fn dense_from_half(
    device: &Device,
    half: &HalfSpectrum,
    positions: &[u32],
    values: &[Complex32],
) -> Result<Tensor> {
    let mut spectrum = vec![Complex32::default(); half.len()];
    for (&p, &c) in positions.iter().zip(values) {
        // A plane whose mirror is another one is mirrored by the real transform, the others count once.
        let weight = if half.is_own_mirror(p as usize / half.plane_len()) { 1.0 } else { 0.5 };
        spectrum[p as usize] = c * weight;
    }
    dense_from_planes(device, half, spectrum)
}
