//! The gradient of a loss in the stored coefficients.

use crate::spectral::SparseSpectralMatrix;
use crate::{DType, Error, Norm, ReduceOp, Result, Tensor};

impl SparseSpectralMatrix {
    /// `dL/dRe c + i dL/dIm c` for each stored coefficient, `C64 [count]`, of a loss whose gradient in `y = x W^T` is `dy`.
    ///
    /// `x` is `F32 [.., in]`, `dy` `F32 [.., out]` with the same leading axes, over which gradients add. From
    /// `W = Re(1/(MN) sum c exp(..))` it is the two-dimensional transform of `dy^T x` at the stored positions,
    /// `1/(MN) sum over vectors of FFT(dy)[u] FFT(x)[v]`, so that only those are computed. Scratch: 16384 coefficients times all
    /// vectors, and the spectra.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn coefficient_gradient(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        const OP: &str = "SparseSpectralMatrix::coefficient_gradient";
        let batch = self.expect_operand(OP, x, false)?;
        self.expect_operand(OP, dy, true)?;
        if x.shape()[..x.rank() - 1] != dy.shape()[..dy.rank() - 1] {
            return Err(Error::shapes(OP, x.shape(), dy.shape(), "the leading axes must agree"));
        }
        let [m, n] = self.shape();
        let spectra = x.reshape(&[batch, n])?.fft(1, None, Norm::Backward)?;
        let gradients = dy.reshape(&[batch, m])?.rfft(1, None, Norm::Backward)?;
        let mut out = Tensor::zeros(x.device(), &[self.count()], DType::C64)?;
        self.for_each_chunk(&mut |first, range| {
            let columns = self.columns().narrow(0, range.start, range.len())?.to_dtype(DType::U32)?;
            let mut rows = vec![0u32; range.len()];
            self.split_rows(first, range.clone(), &mut |u, part| {
                rows[part].fill(u as u32);
                Ok(())
            })?;
            let rows = Tensor::from_slice(x.device(), &rows, &[rows.len()])?;
            let products = gradients.gather(1, &rows)?.mul(&spectra.gather(1, &columns)?)?;
            let sums = products.reduce(ReduceOp::Sum, &[0])?.flatten()?;
            out.assign(0, range.start, &sums.scale(1.0 / (m as f64 * n as f64))?)
        })?;
        Ok(out)
    }
}
