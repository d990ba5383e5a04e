//! Products with block-circulant matrices.

use fft_core::spectral::BlockCirculantMatrix;
use fft_core::{DType, Device, Dims, Error, Norm, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::real;
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

/// `y = x W^T` with the matrix of circulant blocks `W[m b + p, n b + q] = w[m, n, (p - q) mod b]`, of operands `w`, real `[out / b, in / b, b]`, the blocks' first
/// columns, and `x`, real `[batch, in]`.
///
/// In single precision both ways go through the products of [`BlockCirculantMatrix`], in double precision through transforms and complex matrix products.
#[derive(Debug, Clone)]
pub struct BlockCirculant {
    /// In single precision the matrix of the first operand with its spectrum, which both ways share.
    matrix: Option<BlockCirculantMatrix>,
}

/// The spectra of blocks of `b`, `[.., b]` to `[b / 2 + 1, ..]`.
fn spectra(x: &Tensor, shape: [usize; 3]) -> Result<Tensor> {
    x.reshape(&shape)?.rfft(2, None, Norm::Backward)?.permute(&[2, 0, 1])
}

/// Blocks of `b` of spectra `[b / 2 + 1, batch, blocks]`: `[batch, blocks b]`.
fn blocks(spectra: &Tensor, b: usize) -> Result<Tensor> {
    let shape = [spectra.shape()[1], spectra.shape()[2] * b];
    spectra.permute(&[1, 2, 0])?.irfft(2, Some(b), Norm::Backward)?.reshape(&shape)
}

impl Operation for BlockCirculant {
    fn name(&self) -> &'static str {
        "block_circulant"
    }

    /// For each frequency `Y = X W^T`.
    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (w, x) = (&inputs[0], &inputs[1]);
        if let Some(matrix) = &self.matrix {
            return matrix.apply(x);
        }
        let [out, inner, b] = [0, 1, 2].map(|axis| w.shape()[axis]);
        let x = spectra(x, [x.shape()[0], inner, b])?;
        blocks(&x.matmul(&spectra(w, [out, inner, b])?.transpose(1, 2)?)?, b)
    }

    /// For each frequency `dX = G conj(W)`, and `dW = G^T conj(X)`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (w, x) = (context.input(0)?, context.input(1)?);
        let [out, inner, b] = [0, 1, 2].map(|axis| w.shape()[axis]);
        let of_w = || match &self.matrix {
            Some(matrix) => matrix.first_columns_gradient(x, grad),
            None => grad.device().block_circulant_gradient(x, grad, b),
        };
        let of_x = || match &self.matrix {
            Some(matrix) => matrix.apply_transposed(grad),
            None => {
                let grad = spectra(grad, [grad.shape()[0], out, b])?;
                blocks(&grad.matmul(&spectra(w, [out, inner, b])?.conj()?)?, b)
            }
        };
        Ok(vec![context.wants(0).then(of_w).transpose()?, context.wants(1).then(of_x).transpose()?])
    }
}

impl Samples for BlockCirculant {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for shape in [[2, 3, 4], [3, 2, 5], [1, 2, 1], [2, 1, 2]] {
            let inputs = [real(device, &shape, 1)?, real(device, &[3, shape[1] * shape[2]], 2)?];
            samples.push(Sample::new(BlockCirculant { matrix: None }, inputs));
        }
        Ok(samples)
    }
}

impl Var {
    /// `x W^T` of `[.., in]` with the block-circulant matrix whose blocks have this variable as first columns, `[out / b, in / b, b]`; see [`BlockCirculant`]. The
    /// result is `[.., out]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn block_circulant(&self, x: &Var) -> Result<Self> {
        const OP: &str = "block_circulant";
        let (w, shape) = (self.shape(), x.shape());
        let fits = w.len() == 3 && shape.last().is_some_and(|&n| n == w[1] * w[2]) && !w.contains(&0);
        if !fits {
            let reason = "needed are blocks [out / b, in / b, b] and vectors [.., in]";
            return Err(Error::shapes(OP, &w, &shape, reason));
        }
        if self.dtype() != x.dtype() || !matches!(x.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: x.dtype() });
        }
        let single = x.dtype() == DType::F32;
        let matrix = single.then(|| BlockCirculantMatrix::from_first_columns(&self.value())).transpose()?;
        let outer = &shape[..shape.len() - 1];
        let flat = x.reshape(&[outer.iter().product(), w[1] * w[2]])?;
        let y = Var::apply(BlockCirculant { matrix }, &[self, &flat])?;
        let mut shape = Dims::from_slice(outer);
        shape.push(w[0] * w[2]);
        y.reshape(&shape)
    }
}
