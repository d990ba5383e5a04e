//! Circulant and block-circulant matrices.

use crate::spectral::dense::{check_matrix, expect_rows, host_rows};
use crate::spectral::parts::saved_part;
use crate::{DType, Device, Error, Norm, Result, Tensor};

/// How [`BlockCirculantMatrix::from_dense`] stores a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CirculantOptions {
    /// The size `b` of a block; it divides both sides of the matrix.
    pub block: usize,
}

/// A real matrix `[out, in]` of circulant blocks of `b x b`: `W[m b + p, n b + q] = w[m, n, (p - q) mod b]`.
///
/// `w` is `[out / b, in / b, b]`, the **first columns** of the blocks: `out * in / b` numbers. The spectra of the columns are computed
/// once; a product then costs a transform of length `b` for each block of the vector, a complex matrix-vector product of
/// `out / b x in / b` for each of the `b / 2 + 1` frequencies, and a transform back: `1 / b` of the dense work and less, and exactly
/// the dense product up to rounding.
///
/// The convention of `C3A` adapters, `W[m b + p, n b + q] = w[m, n, (q - p) mod b]`, stores **first rows**:
/// [`from_first_rows`](Self::from_first_rows).
#[derive(Debug, Clone)]
pub struct BlockCirculantMatrix {
    shape: [usize; 2],
    columns: Tensor,
    spectrum: Tensor,
}

impl BlockCirculantMatrix {
    /// From the first columns of the blocks, `F32 [out / b, in / b, b]`: `W[m b + p, n b + q] = columns[m, n, (p - q) mod b]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when there are not three axes or one is empty; [`Error::DTypeMismatch`] when not `F32`; memory errors.
    pub fn from_first_columns(columns: &Tensor) -> Result<Self> {
        const OP: &str = "BlockCirculantMatrix::from_first_columns";
        columns.expect_dtype(OP, DType::F32)?;
        let &[m, n, b] = columns.shape() else {
            return Err(Error::shapes(OP, columns.shape(), &[], "needed is [out / b, in / b, b]"));
        };
        if m == 0 || n == 0 || b == 0 {
            return Err(Error::shapes(OP, columns.shape(), &[], "no axis may be empty"));
        }
        let overflow = || Error::invalid(OP, "shape", columns.shape(), "the matrix is too large");
        let shape = [m.checked_mul(b).ok_or_else(overflow)?, n.checked_mul(b).ok_or_else(overflow)?];
        let columns = columns.contiguous()?;
        let spectrum = columns.device().block_circulant_spectrum(&columns)?;
        Ok(Self { shape, columns, spectrum })
    }

    /// From the first rows of the blocks, `F32 [out / b, in / b, b]`: `W[m b + p, n b + q] = rows[m, n, (q - p) mod b]`.
    ///
    /// # Errors
    /// As [`from_first_columns`](Self::from_first_columns).
    pub fn from_first_rows(rows: &Tensor) -> Result<Self> {
        if rows.rank() != 3 || rows.shape()[2] < 2 {
            return Self::from_first_columns(rows);
        }
        // The first column is the first row read backwards from its start: 0, b - 1, .., 1.
        let b = rows.shape()[2];
        let tail = rows.narrow(2, 1, b - 1)?.step(2, -1)?;
        Self::from_first_columns(&Tensor::cat(&[rows.narrow(2, 0, 1)?, tail], 2)?)
    }

    /// The block-circulant matrix nearest to `w` (`[out, in]`, any float dtype) in the least-squares sense: each entry of a first
    /// column is the mean of a wrapped diagonal of its block.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `w` is not a matrix or the block does not divide both sides; [`Error::InvalidArgument`]
    /// naming an element that is NaN or infinite; memory and device errors.
    pub fn from_dense(w: &Tensor, options: &CirculantOptions) -> Result<Self> {
        Ok(Self::project(w, options)?.0)
    }

    /// As [`from_dense`](Self::from_dense), with the relative error `|W - P| / |W|` (Frobenius norms; 0 for a zero matrix).
    ///
    /// # Errors
    /// As [`from_dense`](Self::from_dense).
    pub fn project(w: &Tensor, options: &CirculantOptions) -> Result<(Self, f64)> {
        const OP: &str = "BlockCirculantMatrix::from_dense";
        let [rows, cols] = check_matrix(OP, w)?;
        check_block(OP, [rows, cols], options.block)?;
        let b = options.block;
        let (m, n) = (rows / b, cols / b);
        let mut columns = vec![0.0f32; m * n * b];
        let (mut total, mut kept) = (0.0, 0.0);
        for (block_row, out) in columns.chunks_exact_mut(n * b).enumerate() {
            let dense = host_rows(OP, w, block_row * b, b)?;
            let mut sums = vec![0.0f64; n * b];
            for (p, row) in dense.chunks_exact(cols).enumerate() {
                for (j, &v) in row.iter().enumerate() {
                    let (block, q) = (j / b, j % b);
                    sums[block * b + (p + b - q) % b] += f64::from(v);
                    total += f64::from(v) * f64::from(v);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = (sum / b as f64) as f32;
                // The projection is orthogonal: what it keeps is b times the squared mean.
                kept += sum * sum / b as f64;
            }
        }
        let error = if total > 0.0 { ((total - kept).max(0.0) / total).sqrt() } else { 0.0 };
        let columns = Tensor::from_slice(w.device(), &columns, &[m, n, b])?;
        Ok((Self::from_first_columns(&columns)?, error))
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The size of a block.
    pub fn block(&self) -> usize {
        self.columns.shape()[2]
    }

    /// The device that holds the matrix.
    pub fn device(&self) -> &Device {
        self.columns.device()
    }

    /// The first columns of the blocks, `F32 [out / b, in / b, b]`: the matrix's parameters.
    pub fn first_columns(&self) -> &Tensor {
        &self.columns
    }

    /// The spectra of the first columns, unnormalised, as `b` real planes `F32 [b, out / b, in / b]`: plane 0 is bin 0, planes `2k - 1` and
    /// `2k` are the real and imaginary parts of bin `k`, and for an even `b` the last plane is bin `b / 2`, which is real.
    pub fn spectrum(&self) -> &Tensor {
        &self.spectrum
    }

    /// Bytes in memory: the parameters and their cached spectra, which are as large.
    pub fn bytes(&self) -> usize {
        self.columns.bytes() + self.spectrum.bytes()
    }

    /// The matrix as `F32 [out, in]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dense(&self) -> Result<Tensor> {
        let b = self.block();
        let [m, n] = [self.shape[0] / b, self.shape[1] / b];
        let columns = self.columns.to_vec::<f32>()?;
        let mut dense = vec![0.0f32; self.shape[0] * self.shape[1]];
        for (i, row) in dense.chunks_exact_mut(self.shape[1]).enumerate() {
            let (block_row, p) = (i / b, i % b);
            for block_col in 0..n {
                let column = &columns[(block_row * n + block_col) * b..][..b];
                for (q, out) in row[block_col * b..][..b].iter_mut().enumerate() {
                    *out = column[(p + b - q) % b];
                }
            }
        }
        debug_assert_eq!(m * n * b, columns.len());
        Tensor::from_slice(self.device(), &dense, &self.shape)
    }

    /// `x W^T`: `x` is `F32 [.., in]`, the result `F32 [.., out]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        expect_rows("BlockCirculantMatrix::apply", x, &self.columns, self.shape[1])?;
        x.device().block_circulant_product(self, x, false)
    }

    /// `x W`: `x` is `F32 [.., out]`, the result `F32 [.., in]`; the product that gradients of [`apply`](Self::apply) take.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_transposed(&self, x: &Tensor) -> Result<Tensor> {
        expect_rows("BlockCirculantMatrix::apply_transposed", x, &self.columns, self.shape[0])?;
        x.device().block_circulant_product(self, x, true)
    }

    /// The gradient in the [first columns](Self::first_columns), `F32 [out / b, in / b, b]`, of a loss whose gradient in `y = x W^T` is `dy`: `x` is `F32 [.., in]`,
    /// `dy` `F32 [.., out]` with the same leading axes, over which gradients add.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn first_columns_gradient(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        const OP: &str = "BlockCirculantMatrix::first_columns_gradient";
        expect_rows(OP, x, &self.columns, self.shape[1])?;
        expect_rows(OP, dy, &self.columns, self.shape[0])?;
        if x.shape()[..x.rank() - 1] != dy.shape()[..dy.rank() - 1] {
            return Err(Error::shapes(OP, x.shape(), dy.shape(), "the leading axes must agree"));
        }
        x.device().block_circulant_gradient(x, dy, self.block())
    }

    /// The tensors to save: `columns`, `F32 [out / b, in / b, b]`. The spectra are computed again on loading.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        vec![("columns", self.columns.clone())]
    }

    /// From saved tensors; `part` returns the one of a name.
    ///
    /// # Errors
    /// Those of `part`; [`Error::ShapeMismatch`], [`Error::DTypeMismatch`] or [`Error::InvalidArgument`] when the tensor does not fit
    /// `shape` and `options`, or holds a number that is not finite; memory errors.
    pub fn from_parts(
        device: &Device,
        shape: [usize; 2],
        options: &CirculantOptions,
        part: &mut dyn FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        const OP: &str = "BlockCirculantMatrix::from_parts";
        check_block(OP, shape, options.block)?;
        let b = options.block;
        let shape = [shape[0] / b, shape[1] / b, b];
        let columns = saved_part(OP, part("columns")?, device, "columns", DType::F32, &shape)?;
        if let Some(i) = columns.to_vec::<f32>()?.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(OP, "columns", i, "the element at this index is not finite"));
        }
        Self::from_first_columns(&columns)
    }
}

/// A real circulant matrix `[n, n]`: `C[p, q] = c[(p - q) mod n]`, with `c` its first column. It is diagonal in the frequency domain; its
/// eigenvalues are the DFT of `c`, and a product is a circular convolution with `c`.
#[derive(Debug, Clone)]
pub struct CirculantMatrix(BlockCirculantMatrix);

impl CirculantMatrix {
    /// From the first column, `F32 [n]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when there is not one axis or it is empty; [`Error::DTypeMismatch`] when not `F32`; memory errors.
    pub fn from_first_column(column: &Tensor) -> Result<Self> {
        let blocks = as_block("CirculantMatrix::from_first_column", column)?;
        Ok(Self(BlockCirculantMatrix::from_first_columns(&blocks)?))
    }

    /// From the first row, `F32 [n]`.
    ///
    /// # Errors
    /// As [`from_first_column`](Self::from_first_column).
    pub fn from_first_row(row: &Tensor) -> Result<Self> {
        let blocks = as_block("CirculantMatrix::from_first_row", row)?;
        Ok(Self(BlockCirculantMatrix::from_first_rows(&blocks)?))
    }

    /// The circulant matrix nearest to the square matrix `w` in the least-squares sense.
    ///
    /// # Errors
    /// As [`BlockCirculantMatrix::from_dense`].
    pub fn from_dense(w: &Tensor) -> Result<Self> {
        let [rows, cols] = check_matrix("CirculantMatrix::from_dense", w)?;
        if rows != cols {
            return Err(Error::shapes("CirculantMatrix::from_dense", &[rows], &[cols], "it must be square"));
        }
        Ok(Self(BlockCirculantMatrix::from_dense(w, &CirculantOptions { block: rows })?))
    }

    /// The side of the matrix.
    pub fn n(&self) -> usize {
        self.0.block()
    }

    /// The first column, `F32 [n]`.
    ///
    /// # Errors
    /// Device errors.
    pub fn first_column(&self) -> Result<Tensor> {
        self.0.first_columns().reshape(&[self.n()])
    }

    /// The eigenvalues of bins `0..=n / 2`, `C64 [n / 2 + 1]`: the unnormalised DFT of the first column. The others are their conjugates.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn eigenvalues(&self) -> Result<Tensor> {
        self.first_column()?.rfft(0, None, Norm::Backward)
    }

    /// The matrix as `F32 [n, n]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dense(&self) -> Result<Tensor> {
        self.0.to_dense()
    }

    /// `x C^T` for `F32 [.., n]`, in `O(n log n)` a vector.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.0.apply(x)
    }

    /// `x C` for `F32 [.., n]`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_transposed(&self, x: &Tensor) -> Result<Tensor> {
        self.0.apply_transposed(x)
    }

    /// The matrix as a block-circulant one of a single block.
    pub fn as_block_circulant(&self) -> &BlockCirculantMatrix {
        &self.0
    }
}

/// `[n]` as `[1, 1, n]`.
fn as_block(op: &'static str, v: &Tensor) -> Result<Tensor> {
    match v.shape() {
        &[n] => v.reshape(&[1, 1, n]),
        other => Err(Error::shapes(op, other, &[], "needed is one axis")),
    }
}

/// Checks that `block` divides both sides.
fn check_block(op: &'static str, shape: [usize; 2], block: usize) -> Result<()> {
    if block == 0 {
        return Err(Error::invalid(op, "block", block, "must be at least 1"));
    }
    if shape.contains(&0) || shape.iter().any(|n| !n.is_multiple_of(block)) {
        return Err(Error::shapes(op, &shape, &[block], "the block must divide both sides"));
    }
    Ok(())
}
