//! The gradient of a loss in the stored coefficients.

use crate::spectral::{ProductWay, SparseSpectralMatrix};
use crate::{Error, Result, Tensor};

impl SparseSpectralMatrix {
    /// `dL/dRe c + i dL/dIm c` for each stored coefficient, `C64 [count]`, of a loss whose gradient in `y = x W^T` is `dy`.
    ///
    /// `x` is `F32 [.., in]`, `dy` `F32 [.., out]` with the same leading axes, over which gradients add. From
    /// `W = Re(1/(MN) sum c exp(..))` it is the two-dimensional transform of `dy^T x` at the stored positions,
    /// `1/(MN) sum over vectors of FFT(dy)[u] FFT(x)[v]`, so that only those are computed; or, where [`plan`](Self::plan) finds that cheaper,
    /// all of it in blocks.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn coefficient_gradient(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let batch = self.expect_gradient("SparseSpectralMatrix::coefficient_gradient", x, dy)?;
        match self.plan(batch).way {
            ProductWay::Exact => self.device().sparse_spectral_gradient(self, x, dy),
            ProductWay::Streaming { block_rows } => self.block_streaming_gradient(x, dy, block_rows),
        }
    }

    /// Checks the operands of [`coefficient_gradient`](Self::coefficient_gradient) and returns the number of vectors.
    pub fn expect_gradient(&self, op: &'static str, x: &Tensor, dy: &Tensor) -> Result<usize> {
        let batch = self.expect_operand(op, x, false)?;
        self.expect_operand(op, dy, true)?;
        if x.shape()[..x.rank() - 1] != dy.shape()[..dy.rank() - 1] {
            return Err(Error::shapes(op, x.shape(), dy.shape(), "the leading axes must agree"));
        }
        Ok(batch)
    }
}
