//! Real matrices stored as a few coefficients of their spectrum, multiplied without being made dense.

use num_complex::{Complex32, Complex64};

use crate::spectral::sparse_tensor::{dense_from_half, widen};
use crate::spectral::{
    CoefficientValues, HalfSpectrum, Plan, ProductWay, SparseOptions, SparseSpectralTensor, ValueFormat,
};
use crate::{DType, Device, Error, Result, Tensor};

/// Takes a row, and the columns and values of some of its coefficients.
type Visit<'a> = dyn FnMut(usize, &[u32], &[Complex32]) + 'a;

/// A real matrix `W` of shape `[M, N]` (`[out, in]`) stored as complex coefficients `c` at half-plane positions `(u, v)`,
/// `0 <= u <= M/2`:
///
/// `W[i, j] = Re( 1/(MN) * sum c[u, v] exp(2 pi i (u i / M + v j / N)) )`.
///
/// The product is exact (to rounding) without `W`: with `X = FFT(x)`,
///
/// - `z[u] = 1/N * sum_v c[u, v] conj(X[v])`, a sparse complex matrix times `conj(X)`;
/// - `W x = Re IFFT_M(z)`, one real inverse transform of `z[u] / 2` (of `Re z[u]` at `u = 0` and `u = M/2`);
///
/// and of the same kind `W^T y = Re IFFT_N(q)` with `q[v] = 1/M * sum_u c[u, v] conj(Y[u])`. A vector costs
/// `O(N log N + count + M log M)`.
///
/// Storage is row-compressed by `u`: row offsets (`u32`), columns (`u16` when `N <= 65536`, else `u32`), values as [`ValueFormat`]
/// says. That is 10, 6 or 4.06 bytes a coefficient, and 8 bytes a row of the half plane.
#[derive(Debug, Clone)]
pub struct SparseSpectralMatrix {
    half: HalfSpectrum,
    /// Row `u` holds coefficients `row_offsets[u]..row_offsets[u + 1]`; `M / 2 + 2` entries.
    row_offsets: std::sync::Arc<[u32]>,
    /// The same on the device, `U32`.
    device_offsets: Tensor,
    /// `U16` or `U32`, `[count]`; ascending within a row, below `N`.
    columns: Tensor,
    values: CoefficientValues,
}

impl SparseSpectralMatrix {
    /// The coefficients of `w` (`[out, in]`, any float dtype) that `options` select.
    ///
    /// # Errors
    /// As [`SparseSpectralTensor::from_dense`], and [`Error::ShapeMismatch`] when `w` is no matrix.
    pub fn from_dense(w: &Tensor, options: &SparseOptions) -> Result<Self> {
        Self::expect_matrix("SparseSpectralMatrix::from_dense", w.shape())?;
        Self::from_sparse_tensor(&SparseSpectralTensor::from_dense(w, options)?)
    }

    /// The same coefficients, row-compressed. The values are shared, not copied.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the tensor is no matrix; memory and device errors.
    pub fn from_sparse_tensor(tensor: &SparseSpectralTensor) -> Result<Self> {
        Self::expect_matrix("SparseSpectralMatrix::from_sparse_tensor", tensor.shape())?;
        let positions = tensor.positions().to_vec::<u32>()?;
        Self::build(tensor.device(), tensor.half_spectrum().clone(), &positions, tensor.values().clone())
    }

    /// A matrix of shape `[out, in]` from coefficients `(u, v, c)` at any positions of the whole plane; rules of
    /// [`SparseSpectralTensor::from_coefficients`].
    ///
    /// # Errors
    /// As [`SparseSpectralTensor::from_coefficients`].
    pub fn from_coefficients(
        device: &Device,
        shape: [usize; 2],
        coefficients: &[(usize, usize, Complex32)],
        format: ValueFormat,
    ) -> Result<Self> {
        const OP: &str = "SparseSpectralMatrix::from_coefficients";
        let half = HalfSpectrum::new(OP, &shape)?;
        if u32::try_from(coefficients.len()).is_err() {
            return Err(Error::invalid(OP, "coefficients", coefficients.len(), "more than 2^32 - 1"));
        }
        let mut stored: Vec<(u32, Complex64)> = Vec::with_capacity(coefficients.len());
        for (slot, &(u, v, c)) in coefficients.iter().enumerate() {
            for (index, len) in [(u, shape[0]), (v, shape[1])] {
                if index >= len {
                    return Err(Error::IndexOutOfRange { op: OP, index: index as i64, len });
                }
            }
            stored.push((slot as u32, widen(c)));
        }
        half.canonical(&mut stored, |slot| coefficients[slot].0 * shape[1] + coefficients[slot].1);
        Self::from_sparse_tensor(&SparseSpectralTensor::from_sorted(OP, device, half, &stored, format)?)
    }

    /// Zeros at `positions` `[u, v]` of the half plane, for [`with_values`](Self::with_values): what of a matrix stays while its values are trained. Positions
    /// ascend, by `u` and then by `v`; where some are equal their coefficients add up.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a position outside the half plane; [`Error::InvalidArgument`] for an impossible shape, or when positions do not ascend;
    /// memory errors.
    pub fn from_positions(device: &Device, shape: [usize; 2], positions: &[[u32; 2]]) -> Result<Self> {
        const OP: &str = "SparseSpectralMatrix::from_positions";
        let half = HalfSpectrum::new(OP, &shape)?;
        if u32::try_from(positions.len()).is_err() {
            return Err(Error::invalid(OP, "positions", positions.len(), "more than 2^32 - 1"));
        }
        for &[u, v] in positions {
            for (index, len) in [(u, half.planes()), (v, shape[1])] {
                if index as usize >= len {
                    return Err(Error::IndexOutOfRange { op: OP, index: i64::from(index), len });
                }
            }
        }
        if let Some(i) = (1..positions.len()).find(|&i| positions[i - 1] > positions[i]) {
            return Err(Error::invalid(OP, "positions", i, "the one of this index does not ascend"));
        }
        let flat: Vec<u32> = positions.iter().map(|&[u, v]| u * shape[1] as u32 + v).collect();
        let values = Tensor::zeros(device, &[flat.len()], DType::C64)?;
        Self::build(device, half, &flat, CoefficientValues::from_complex(&values)?)
    }

    /// The same positions with other values, `C64 [count]`, which are shared if they are contiguous.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory errors.
    pub fn with_values(&self, values: &Tensor) -> Result<Self> {
        const OP: &str = "SparseSpectralMatrix::with_values";
        values.expect_dtype(OP, DType::C64)?;
        values.same_device(OP, &self.columns)?;
        if values.shape() != [self.count()] {
            let reason = "one value for each position is needed";
            return Err(Error::shapes(OP, values.shape(), &[self.count()], reason));
        }
        Ok(Self { values: CoefficientValues::from_complex(values)?, ..self.clone() })
    }

    fn expect_matrix(op: &'static str, shape: &[usize]) -> Result<()> {
        match shape.len() {
            2 => Ok(()),
            _ => Err(Error::shapes(op, shape, &[0, 0], "a matrix [out, in] is needed")),
        }
    }

    fn build(
        device: &Device,
        half: HalfSpectrum,
        positions: &[u32],
        values: CoefficientValues,
    ) -> Result<Self> {
        let n = half.plane_len();
        let mut offsets = vec![0u32; half.planes() + 1];
        positions.iter().for_each(|&p| offsets[p as usize / n + 1] += 1);
        for u in 0..half.planes() {
            offsets[u + 1] += offsets[u];
        }
        let columns = if Self::column_dtype(n) == DType::U16 {
            let columns: Vec<u16> = positions.iter().map(|&p| (p as usize % n) as u16).collect();
            Tensor::from_slice(device, &columns, &[columns.len()])?
        } else {
            let columns: Vec<u32> = positions.iter().map(|&p| (p as usize % n) as u32).collect();
            Tensor::from_slice(device, &columns, &[columns.len()])?
        };
        let device_offsets = Tensor::from_slice(device, &offsets, &[offsets.len()])?;
        Ok(Self { half, row_offsets: offsets.into(), device_offsets, columns, values })
    }

    /// The dtype of columns for `n` of them: `U16` up to 65536, else `U32`.
    pub fn column_dtype(n: usize) -> DType {
        if n <= 1 << 16 { DType::U16 } else { DType::U32 }
    }

    /// A matrix of shape `[out, in]` from stored parts, all checked; `part` finds a tensor by name (see [`parts`](Self::parts)).
    /// Columns of a mapped file are copied, values stay where they are.
    ///
    /// # Errors
    /// Those of `part`; mismatches of dtype or shape; [`Error::InvalidArgument`] when row offsets do not ascend from 0 to the
    /// number of columns, columns do not ascend within a row or pass the end, or values are not finite.
    pub fn from_parts(
        device: &Device,
        shape: [usize; 2],
        format: ValueFormat,
        part: &mut dyn FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        const OP: &str = "SparseSpectralMatrix::from_parts";
        let half = HalfSpectrum::new(OP, &shape)?;
        let offsets = part("row_offsets")?;
        offsets.expect_dtype(OP, DType::U32)?;
        if offsets.shape() != [half.planes() + 1] {
            let reason = "row_offsets has out / 2 + 2 entries";
            return Err(Error::shapes(OP, offsets.shape(), &[half.planes() + 1], reason));
        }
        let device_offsets = offsets.to_device(device)?.contiguous()?;
        let offsets = offsets.to_vec::<u32>()?;
        let columns = part("columns")?;
        columns.expect_dtype(OP, Self::column_dtype(shape[1]))?;
        let count = offsets[half.planes()] as usize;
        if columns.shape() != [count] {
            let reason = "columns has as many entries as the last row offset says";
            return Err(Error::shapes(OP, columns.shape(), &[count], reason));
        }
        if offsets[0] != 0 {
            return Err(Error::invalid(OP, "row_offsets", offsets[0], "must start with 0"));
        }
        if let Some(u) = (0..half.planes()).find(|&u| offsets[u] > offsets[u + 1]) {
            let reason = format!("entry {} is not ascending", u + 1);
            return Err(Error::invalid(OP, "row_offsets", offsets[u + 1], reason));
        }
        // Kernels index by columns without a check, so what is checked below must not change later, as a mapped file may.
        let columns = columns.to_device(device)?.contiguous()?.owned(OP)?;
        let values = CoefficientValues::from_parts(OP, device, format, count, part)?;
        let out = Self { half, row_offsets: offsets.into(), device_offsets, columns, values };
        let mut previous: Option<(usize, u32)> = None;
        out.for_each_columns(&mut |u, columns| {
            for &v in columns {
                if v as usize >= shape[1] {
                    return Err(Error::IndexOutOfRange { op: OP, index: i64::from(v), len: shape[1] });
                }
                if previous.is_some_and(|(row, last)| row == u && last >= v) {
                    let reason = format!("row {u} does not ascend");
                    return Err(Error::invalid(OP, "columns", v, reason));
                }
                previous = Some((u, v));
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// What is saved, by name: `row_offsets` (`U32`), `columns` (`U16` or `U32`), `values`, and `scale` or `ranges`.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        let mut parts = vec![("row_offsets", self.device_offsets.clone()), ("columns", self.columns.clone())];
        parts.extend(self.values.parts());
        parts
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.half.shape()[0], self.half.shape()[1]]
    }

    /// Which positions can be stored.
    pub fn half_spectrum(&self) -> &HalfSpectrum {
        &self.half
    }

    /// The device of the storage.
    pub fn device(&self) -> &Device {
        self.columns.device()
    }

    /// Where each row of the half plane starts among the coefficients; `out / 2 + 2` entries.
    pub fn row_offsets(&self) -> &[u32] {
        &self.row_offsets
    }

    /// The row offsets on the device, `U32 [out / 2 + 2]`.
    pub fn device_row_offsets(&self) -> &Tensor {
        &self.device_offsets
    }

    /// The column of each coefficient, `[count]`, `U16` or `U32` ([`column_dtype`](Self::column_dtype)).
    pub fn columns(&self) -> &Tensor {
        &self.columns
    }

    /// The stored values.
    pub fn values(&self) -> &CoefficientValues {
        &self.values
    }

    /// Number of stored complex coefficients.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Real numbers stored as a fraction of the elements, `2 count / (out in)`.
    pub fn density(&self) -> f64 {
        2.0 * self.count() as f64 / self.half.total() as f64
    }

    /// All stored bytes: row offsets (on the host and on the device), columns, values and what decodes them.
    pub fn bytes(&self) -> usize {
        self.row_offsets.len() * 4 + self.device_offsets.bytes() + self.columns.bytes() + self.values.bytes()
    }

    /// Bytes of the dense matrix in `F32`, divided by the stored bytes.
    pub fn compression_ratio(&self) -> f64 {
        (self.half.total() * 4) as f64 / self.bytes() as f64
    }

    /// The stored coefficients on the host: flat positions `u * in + v` and decoded values.
    ///
    /// # Errors
    /// Device errors.
    pub fn coefficients(&self) -> Result<(Vec<u32>, Vec<Complex32>)> {
        let mut positions = Vec::with_capacity(self.count());
        let n = self.shape()[1];
        self.for_each_columns(&mut |u, columns| {
            positions.extend(columns.iter().map(|&v| (u * n) as u32 + v));
            Ok(())
        })?;
        Ok((positions, self.values.to_vec()?))
    }

    /// The dense matrix, `F32 [out, in]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dense(&self) -> Result<Tensor> {
        let (positions, values) = self.coefficients()?;
        dense_from_half(self.device(), &self.half, &positions, &values)
    }

    /// `y = x W^T`: `x` is `F32 [.., in]`, the result `F32 [.., out]`. Goes the way that [`plan`](Self::plan) names.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let batch = self.expect_operand("SparseSpectralMatrix::apply", x, false)?;
        match self.plan(batch).way {
            ProductWay::Exact => self.device().sparse_spectral_product(self, x, false),
            ProductWay::Streaming { block_rows } => self.block_streaming_matmul(x, block_rows),
        }
    }

    /// `y = x W`: `x` is `F32 [.., out]`, the result `F32 [.., in]`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_transposed(&self, x: &Tensor) -> Result<Tensor> {
        let batch = self.expect_operand("SparseSpectralMatrix::apply_transposed", x, true)?;
        match self.plan(batch).way {
            ProductWay::Exact => self.device().sparse_spectral_product(self, x, true),
            ProductWay::Streaming { block_rows } => self.block_streaming_matmul_transposed(x, block_rows),
        }
    }

    /// Which way [`apply`](Self::apply), its transpose and the gradient take for `batch` vectors, and why.
    pub fn plan(&self, batch: usize) -> Plan {
        Plan::new(self.shape(), self.count(), batch, &crate::spectral::CostModel::default())
    }

    /// Checks an operand of the product and returns the number of vectors in it.
    pub fn expect_operand(&self, op: &'static str, x: &Tensor, transpose: bool) -> Result<usize> {
        x.same_device(op, &self.columns)?;
        x.expect_dtype(op, DType::F32)?;
        let shape = self.shape();
        let wanted = if transpose { shape[0] } else { shape[1] };
        match x.shape().last() {
            Some(&last) if last == wanted => Ok(x.len() / last),
            _ => {
                let reason = format!("the last axis must have length {wanted}");
                Err(Error::shapes(op, x.shape(), &shape, reason))
            }
        }
    }

    /// Calls `visit` with the columns of each row, in pieces, in order.
    pub(crate) fn for_each_columns(&self, visit: &mut dyn FnMut(usize, &[u32]) -> Result<()>) -> Result<()> {
        self.for_each_chunk(&mut |first, range| {
            let columns = self.columns.narrow(0, range.start, range.len())?;
            let columns: Vec<u32> = columns.to_dtype(DType::U32)?.to_vec()?;
            self.split_rows(first, range, &mut |u, part| visit(u, &columns[part]))
        })
    }

    /// Calls `visit` with the columns and decoded values of each row, in pieces, in order; the host holds one piece.
    ///
    /// # Errors
    /// Those of `visit`; device errors.
    pub(crate) fn for_each_piece(&self, visit: &mut Visit<'_>) -> Result<()> {
        let mut values = Vec::new();
        self.for_each_chunk(&mut |first, range| {
            let columns = self.columns.narrow(0, range.start, range.len())?;
            let columns: Vec<u32> = columns.to_dtype(DType::U32)?.to_vec()?;
            values.resize(range.len(), Complex32::default());
            self.values.read(range.start, &mut values)?;
            self.split_rows(first, range, &mut |u, part| {
                visit(u, &columns[part.clone()], &values[part]);
                Ok(())
            })
        })
    }

    /// Calls `visit` with consecutive ranges of coefficients and the row in which each starts.
    pub(crate) fn for_each_chunk(
        &self,
        visit: &mut dyn FnMut(usize, std::ops::Range<usize>) -> Result<()>,
    ) -> Result<()> {
        const CHUNK: usize = 1 << 14;
        let count = self.columns.len();
        for start in (0..count).step_by(CHUNK) {
            // The last row that starts at or before `start`.
            let first = self.row_offsets.partition_point(|&o| o as usize <= start) - 1;
            visit(first, start..count.min(start + CHUNK))?;
        }
        Ok(())
    }

    /// Calls `visit` with each row that has coefficients in `range`, and where they are, counted from the range's start.
    pub(crate) fn split_rows(
        &self,
        first: usize,
        range: std::ops::Range<usize>,
        visit: &mut dyn FnMut(usize, std::ops::Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let mut u = first;
        let mut at = range.start;
        while at < range.end {
            let end = (self.row_offsets[u + 1] as usize).min(range.end);
            if end > at {
                visit(u, at - range.start..end - range.start)?;
                at = end;
            }
            u += 1;
        }
        Ok(())
    }
}
