//! Linear layers of a kind that is chosen at run time.

use std::sync::Arc;

use fft_core::{DType, Result};

use super::{
    BlockCirculantLinear, Init, Layer, Learn, Linear, Positions, Scope, SpectralLinear, SpectralOptions,
};
use crate::autograd::Var;
use crate::codec::CodedMatrix;
use crate::linear::{DenseLinear, LinearWeights};

/// How the matrix of a linear layer is parametrised.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum LinearKind {
    /// By its elements.
    #[default]
    Dense,
    /// By a few coefficients of its spectrum: [`SpectralLinear`].
    Spectral {
        /// Degrees of freedom as a fraction of the elements, in `(0, 1]`.
        density: f64,
        /// Which frequencies.
        positions: Positions,
        /// What of a coefficient is trained.
        learn: Learn,
    },
    /// By the first columns of circulant blocks: [`BlockCirculantLinear`].
    BlockCirculant {
        /// The size of a block.
        block: usize,
    },
}

impl LinearKind {
    /// A layer of this kind in `scope`. The elements of its matrix have standard deviation `std`, whatever the kind, and so have its parameters; they are normal.
    ///
    /// # Errors
    /// Naming the layer's path: [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for sizes of 0 or a density out of `(0, 1]`,
    /// [`Error::ShapeMismatch`](fft_core::Error::ShapeMismatch) for a block that does not divide both sides; those of [`Scope::parameter`].
    pub fn build(
        &self,
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        bias: Option<Init>,
        std: f64,
    ) -> Result<LinearLayer> {
        Ok(match *self {
            Self::Dense => {
                LinearLayer::Dense(Linear::with_init(scope, inputs, outputs, bias, Init::Normal { std })?)
            }
            Self::Spectral { density, positions, learn } => {
                let options = SpectralOptions { density, positions, learn };
                LinearLayer::Spectral(SpectralLinear::with_std(scope, inputs, outputs, bias, std, &options)?)
            }
            Self::BlockCirculant { block } => {
                let columns = Init::Normal { std };
                let layer = BlockCirculantLinear::with_init(scope, inputs, outputs, block, bias, columns)?;
                LinearLayer::BlockCirculant(layer)
            }
        })
    }
}

/// A linear layer of any [`LinearKind`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LinearLayer {
    /// See [`LinearKind::Dense`].
    Dense(Linear),
    /// See [`LinearKind::Spectral`].
    Spectral(SpectralLinear),
    /// See [`LinearKind::BlockCirculant`].
    BlockCirculant(BlockCirculantLinear),
}

impl LinearLayer {
    /// `[out, in]`.
    fn shape(&self) -> [usize; 2] {
        match self {
            Self::Dense(layer) => [0, 1].map(|axis| layer.weight().shape()[axis]),
            Self::Spectral(layer) => layer.shape(),
            Self::BlockCirculant(layer) => layer.shape(),
        }
    }

    /// Length of an input row.
    pub fn in_features(&self) -> usize {
        self.shape()[1]
    }

    /// Length of an output row.
    pub fn out_features(&self) -> usize {
        self.shape()[0]
    }

    /// `[out]`.
    pub fn bias(&self) -> Option<&Var> {
        match self {
            Self::Dense(layer) => layer.bias(),
            Self::Spectral(layer) => layer.bias(),
            Self::BlockCirculant(layer) => layer.bias(),
        }
    }

    /// The matrix as it is now in the form that checkpoints hold; `None` for a dense one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) when a coefficient is not finite; memory and device errors.
    pub fn coded(&self) -> Result<Option<CodedMatrix>> {
        Ok(match self {
            Self::Dense(_) => None,
            Self::Spectral(layer) => Some(CodedMatrix::Sparse(Arc::new(layer.matrix()?))),
            Self::BlockCirculant(layer) => Some(CodedMatrix::BlockCirculant(Arc::new(layer.matrix()?))),
        })
    }

    /// The matrix as it is now, in `F32`, for inference.
    ///
    /// # Errors
    /// As [`coded`](Self::coded).
    pub fn weights(&self) -> Result<Arc<dyn LinearWeights>> {
        match self {
            Self::Dense(layer) => {
                Ok(Arc::new(DenseLinear::new(layer.weight().value().to_dtype(DType::F32)?)?))
            }
            Self::Spectral(layer) => Ok(Arc::new(layer.matrix()?)),
            Self::BlockCirculant(layer) => Ok(Arc::new(layer.matrix()?)),
        }
    }
}

impl Layer for LinearLayer {
    fn forward(&self, x: &Var) -> Result<Var> {
        match self {
            Self::Dense(layer) => layer.forward(x),
            Self::Spectral(layer) => layer.forward(x),
            Self::BlockCirculant(layer) => layer.forward(x),
        }
    }
}
