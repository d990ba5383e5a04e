//! The product with a matrix that is made dense a block of rows at a time.

use num_complex::Complex32;

use crate::spectral::SparseSpectralMatrix;
use crate::{DType, Error, Norm, Result, Tensor};

/// How the rows of an `M x N` matrix are cut for streaming.
///
/// With `M = P Q` the rows `i = r + P s` (`0 <= s < Q`) of one residue `r` are a small inverse transform of their own:
///
/// `W[r + P s, j] = Re( 1/(MN) sum_{u', v} t[u', v] exp(2 pi i (u' s / Q + v j / N)) )`,
/// `t[u', v] = sum over u = u' (mod Q) of c[u, v] exp(2 pi i u r / M)`,
///
/// so a block is folded from all coefficients once and transformed as a `Q x N` matrix. A block may take several residues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowBlocks {
    /// `Q`, a divisor of `M`: rows of one residue.
    pub(crate) rows_per_residue: usize,
    /// `P = M / Q`.
    pub(crate) residues: usize,
    /// Residues in one block.
    pub(crate) residues_per_block: usize,
}

impl RowBlocks {
    /// The largest divisor of `m` that is at most `block_rows` as `Q`, and as many residues as fit.
    pub(crate) fn new(m: usize, block_rows: usize) -> Self {
        let block_rows = block_rows.clamp(1, m);
        let mut rows_per_residue = 1;
        let mut d = 1;
        while d * d <= m {
            if m.is_multiple_of(d) {
                for candidate in [d, m / d] {
                    if candidate <= block_rows {
                        rows_per_residue = rows_per_residue.max(candidate);
                    }
                }
            }
            d += 1;
        }
        let residues = m / rows_per_residue;
        Self { rows_per_residue, residues, residues_per_block: (block_rows / rows_per_residue).min(residues) }
    }

    /// Of vectors `[batch, M]` the elements of residues `first..first + count`, in the order of a block's rows: `[batch, count Q]`.
    fn rows_of(&self, x: &Tensor, first: usize, count: usize) -> Result<Tensor> {
        let batch = x.shape()[0];
        let by_residue = x.reshape(&[batch, self.rows_per_residue, self.residues])?;
        let rows = by_residue.narrow(2, first, count)?.transpose(1, 2)?;
        rows.reshape(&[batch, count * self.rows_per_residue])
    }
}

/// `exp(2 pi i t / m)` for each `t` below `m`.
fn roots(m: usize) -> Vec<Complex32> {
    (0..m)
        .map(|t| num_complex::Complex64::cis(std::f64::consts::TAU * t as f64 / m as f64))
        .map(|root| Complex32::new(root.re as f32, root.im as f32))
        .collect()
}

impl SparseSpectralMatrix {
    /// `y = x W^T` by making blocks of at most `block_rows` rows of `W` dense, multiplying and dropping them: for large batches
    /// at high density a dense product costs less than the coefficients do.
    ///
    /// `x` is `F32 [.., in]`, the result `F32 [.., out]`. A block holds rows of equal residue modulo `out / rows`. Scratch: the
    /// block's `block_rows * in * 4` bytes, and as much again for its spectrum while it is transformed (three times
    /// in all); all of it counts on the device.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] when `block_rows` is 0; memory and device errors.
    pub fn block_streaming_matmul(&self, x: &Tensor, block_rows: usize) -> Result<Tensor> {
        const OP: &str = "block_streaming_matmul";
        let batch = self.expect_operand(OP, x, false)?;
        if block_rows == 0 {
            return Err(Error::invalid(OP, "block_rows", block_rows, "must be at least 1"));
        }
        let [m, n] = self.shape();
        let cut = RowBlocks::new(m, block_rows);
        let q = cut.rows_per_residue;
        let flat = x.reshape(&[batch, n])?;
        let mut shape = x.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = m;
        }
        let roots = roots(m);
        if cut.residues == 1 {
            let whole = self.dense_residues(cut, 0, 1, &roots)?.reshape(&[m, n])?;
            return flat.matmul(&whole.transpose(0, 1)?)?.reshape(&shape);
        }
        let mut out = Tensor::zeros(x.device(), &[batch, q, cut.residues], DType::F32)?;
        for first in (0..cut.residues).step_by(cut.residues_per_block) {
            let residues = cut.residues_per_block.min(cut.residues - first);
            let block = self.dense_residues(cut, first, residues, &roots)?;
            let product = flat.matmul(&block.reshape(&[residues * q, n])?.transpose(0, 1)?)?;
            drop(block);
            let product = product.reshape(&[batch, residues, q])?.transpose(1, 2)?;
            out.assign(2, first, &product)?;
        }
        out.reshape(&shape)
    }

    /// `y = x W` in the same way: `x` is `F32 [.., out]`, the result `F32 [.., in]`.
    ///
    /// # Errors
    /// As [`block_streaming_matmul`](Self::block_streaming_matmul).
    pub fn block_streaming_matmul_transposed(&self, x: &Tensor, block_rows: usize) -> Result<Tensor> {
        const OP: &str = "block_streaming_matmul_transposed";
        let batch = self.expect_operand(OP, x, true)?;
        if block_rows == 0 {
            return Err(Error::invalid(OP, "block_rows", block_rows, "must be at least 1"));
        }
        let [m, n] = self.shape();
        let cut = RowBlocks::new(m, block_rows);
        let flat = x.reshape(&[batch, m])?;
        let roots = roots(m);
        let mut sum: Option<Tensor> = None;
        for first in (0..cut.residues).step_by(cut.residues_per_block) {
            let residues = cut.residues_per_block.min(cut.residues - first);
            let block = self.dense_residues(cut, first, residues, &roots)?;
            let block = block.reshape(&[residues * cut.rows_per_residue, n])?;
            let product = cut.rows_of(&flat, first, residues)?.matmul(&block)?;
            sum = Some(match sum {
                None => product,
                Some(sum) => sum.add(&product)?,
            });
        }
        let mut shape = x.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = n;
        }
        match sum {
            Some(sum) => sum.reshape(&shape),
            None => Tensor::zeros(x.device(), &shape, DType::F32),
        }
    }

    /// [`coefficient_gradient`](Self::coefficient_gradient) by making blocks of the gradient in the dense matrix, `dy^T x`, and picking the stored positions of
    /// their transforms.
    ///
    /// # Errors
    /// As [`coefficient_gradient`](Self::coefficient_gradient); [`Error::InvalidArgument`] when `block_rows` is 0.
    pub fn block_streaming_gradient(&self, x: &Tensor, dy: &Tensor, block_rows: usize) -> Result<Tensor> {
        const OP: &str = "block_streaming_gradient";
        let batch = self.expect_gradient(OP, x, dy)?;
        if block_rows == 0 {
            return Err(Error::invalid(OP, "block_rows", block_rows, "must be at least 1"));
        }
        let [m, n] = self.shape();
        let cut = RowBlocks::new(m, block_rows);
        let (q, half) = (cut.rows_per_residue, n / 2 + 1);
        let (x, dy) = (x.reshape(&[batch, n])?, dy.reshape(&[batch, m])?);
        let roots = roots(m);
        let scale = (1.0 / (m as f64 * n as f64)) as f32;
        let mut out = vec![Complex32::default(); self.count()];
        for first in (0..cut.residues).step_by(cut.residues_per_block) {
            let residues = cut.residues_per_block.min(cut.residues - first);
            let dense = cut.rows_of(&dy, first, residues)?.transpose(0, 1)?.matmul(&x)?;
            let dense = dense.reshape(&[residues, q, n])?;
            let spectra = dense.rfft(2, None, Norm::Backward)?.fft(1, None, Norm::Backward)?;
            let spectra = spectra.to_vec::<Complex32>()?;
            let mut at = 0;
            self.for_each_columns(&mut |u, columns| {
                let (row, mirrored) = (u % q, (q - u % q) % q);
                let out = &mut out[at..at + columns.len()];
                at += columns.len();
                for (residue, plane) in spectra.chunks_exact(q * half).enumerate() {
                    let turn = roots[u * (first + residue) % m].conj() * scale;
                    for (out, &v) in out.iter_mut().zip(columns) {
                        let v = v as usize;
                        let bin = if v < half {
                            plane[row * half + v]
                        } else {
                            plane[mirrored * half + n - v].conj()
                        };
                        *out += bin * turn;
                    }
                }
                Ok(())
            })?;
        }
        Tensor::from_slice(x.device(), &out, &[out.len()])
    }

    /// Rows of the residues `first..first + count`: `[count, Q, N]`.
    fn dense_residues(
        &self,
        cut: RowBlocks,
        first: usize,
        count: usize,
        roots: &[Complex32],
    ) -> Result<Tensor> {
        let [m, n] = self.shape();
        let (q, half) = (cut.rows_per_residue, n / 2 + 1);
        let len = count * q * half;
        // The fold runs on the host; its bytes count like the device's own.
        let counted = self.device().memory().reserve(len * size_of::<Complex32>())?;
        let mut folded = vec![Complex32::default(); len];
        // Half of each coefficient at its place, half conjugated at its mirror: a Hermitian spectrum whose transform is real.
        let scale = 0.5 * (q as f64 / m as f64) as f32;
        self.for_each_piece(&mut |u, columns, values| {
            let (row, mirrored) = (u % q, (q - u % q) % q);
            for (residue, plane) in folded.chunks_exact_mut(q * half).enumerate() {
                let turn = roots[u * (first + residue) % m] * scale;
                for (&v, &c) in columns.iter().zip(values) {
                    let (v, c) = (v as usize, c * turn);
                    if v < half {
                        plane[row * half + v] += c;
                    }
                    let mirror = (n - v) % n;
                    if mirror < half {
                        plane[mirrored * half + mirror] += c.conj();
                    }
                }
            }
        })?;
        let spectrum = Tensor::from_slice(self.device(), &folded, &[count, q, half])?;
        drop(folded);
        drop(counted);
        // By hand, so that the spectrum is dropped before the dense block is made.
        let lines = spectrum.ifft(1, None, Norm::Backward)?;
        drop(spectrum);
        lines.irfft(2, Some(n), Norm::Backward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_all_rows() {
        for (m, block) in
            [(1, 1), (4096, 512), (4096, 500), (12, 5), (7, 3), (7, 7), (97, 10), (30, 1), (6, 100)]
        {
            let cut = RowBlocks::new(m, block);
            assert_eq!(cut.rows_per_residue * cut.residues, m);
            assert!(cut.residues_per_block >= 1);
            assert!(cut.residues_per_block * cut.rows_per_residue <= block.min(m));
        }
        assert_eq!(RowBlocks::new(4096, 512).residues, 8);
    }
}
