//! A linear layer whose matrix consists of circulant blocks.

use fft_core::spectral::{BlockCirculantMatrix, CirculantOptions};
use fft_core::{DType, Error, Result, Tensor};

use super::expect::expect_dtype;
use super::{Init, Layer, Scope, expect_last};
use crate::autograd::Var;

const OP: &str = "BlockCirculantLinear";

/// `y = x W^T + b`, `[.., in]` to `[.., out]`, with `W[m b + p, n b + q] = columns[m, n, (p - q) mod b]`: parameters `columns`, `[out / b, in / b, b]`, the first columns
/// of the blocks, and `bias`, `[out]`. That is `1 / b` of a dense layer's parameters, and as little of its work for large blocks.
///
/// Each element of `W` is one of the parameters, so that these have the variance of a dense layer's weights.
#[derive(Debug, Clone)]
pub struct BlockCirculantLinear {
    path: String,
    columns: Var,
    bias: Option<Var>,
}

impl BlockCirculantLinear {
    /// A layer of blocks of `block` whose matrix and bias have variance `1 / (3 in)`, uniform, as those of [`Linear::new`](super::Linear::new).
    ///
    /// # Errors
    /// As [`with_init`](Self::with_init).
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, block: usize, bias: bool) -> Result<Self> {
        let init = Init::Uniform { bound: 1.0 / (inputs as f64).sqrt() };
        Self::with_init(scope, inputs, outputs, block, bias.then_some(init), init)
    }

    /// A layer whose columns, and bias if there is one, are drawn as told.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the block does not divide both sides; [`Error::InvalidArgument`] for sizes of 0; those of [`Scope::parameter`].
    pub fn with_init(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        block: usize,
        bias: Option<Init>,
        columns: Init,
    ) -> Result<Self> {
        check(scope, [outputs, inputs], block)?;
        let shape = [outputs / block, inputs / block, block];
        Ok(Self {
            path: scope.path().to_owned(),
            columns: scope.parameter("columns", &shape, columns)?,
            bias: bias.map(|init| scope.parameter("bias", &[outputs], init)).transpose()?,
        })
    }

    /// A layer that starts at the block-circulant matrix nearest to `weight`, `[out, in]` of any float dtype, and at `bias`.
    ///
    /// # Errors
    /// Those of [`BlockCirculantMatrix::from_dense`]; [`Error::ShapeMismatch`] when the block does not divide both sides, or for a bias of another length.
    pub fn from_dense(scope: &Scope, weight: &Tensor, bias: Option<&Tensor>, block: usize) -> Result<Self> {
        let &[outputs, inputs] = weight.shape() else {
            let reason = format!("layer {} needs a matrix [out, in]", scope.path());
            return Err(Error::shapes(OP, weight.shape(), &[0, 0], reason));
        };
        check(scope, [outputs, inputs], block)?;
        if let Some(bias) = bias
            && bias.shape() != [outputs]
        {
            let reason = format!("the bias of layer {} has one element an output", scope.path());
            return Err(Error::shapes(OP, bias.shape(), &[outputs], reason));
        }
        let own = |value: &Tensor| value.to_device(scope.device())?.to_dtype(scope.dtype());
        let matrix = BlockCirculantMatrix::from_dense(weight, &CirculantOptions { block })?;
        Ok(Self {
            path: scope.path().to_owned(),
            columns: scope.parameter_from("columns", own(matrix.first_columns())?)?,
            bias: bias.map(|bias| scope.parameter_from("bias", own(bias)?)).transpose()?,
        })
    }

    /// `[out / b, in / b, b]`.
    pub fn columns(&self) -> &Var {
        &self.columns
    }

    /// `[out]`.
    pub fn bias(&self) -> Option<&Var> {
        self.bias.as_ref()
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        let columns = self.columns.shape();
        [columns[0] * columns[2], columns[1] * columns[2]]
    }

    /// The size of a block.
    pub fn block(&self) -> usize {
        self.columns.shape()[2]
    }

    /// The matrix as it is now, in `F32`, for saving and for inference.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn matrix(&self) -> Result<BlockCirculantMatrix> {
        BlockCirculantMatrix::from_first_columns(&self.columns.value().to_dtype(DType::F32)?)
    }
}

impl Layer for BlockCirculantLinear {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_dtype(OP, &self.path, x, self.columns.dtype())?;
        expect_last(OP, &self.path, x, self.shape()[1])?;
        let y = self.columns.block_circulant(x)?;
        match &self.bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }
}

fn check(scope: &Scope, shape: [usize; 2], block: usize) -> Result<()> {
    if block == 0 || shape.contains(&0) {
        let reason = format!("layer {} needs inputs, outputs and blocks", scope.path());
        return Err(Error::invalid(OP, "shape", [shape[0], shape[1], block], reason));
    }
    if shape.iter().any(|n| !n.is_multiple_of(block)) {
        let reason = format!("blocks of {block} do not divide the sides of layer {}", scope.path());
        return Err(Error::shapes(OP, &shape, &[block, block], reason));
    }
    Ok(())
}
