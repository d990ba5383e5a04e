//! Linear layers whose weight is held by any codec.

use std::fmt::Debug;
use std::sync::Arc;

use fft_core::{DType, Error, Result, Tensor};

/// How a weight is stored, in words and numbers for reports.
#[derive(Debug, Clone, PartialEq)]
pub struct CodecDescription {
    /// The codec's name: `dense`, `sparse`, `rotated`, `log8`, `block-circulant`.
    pub codec: String,
    /// Its settings, free text: `bf16`, `4 bit, groups of 64`, `top-k, f16 values`.
    pub detail: String,
    /// Stored bits divided by the number of elements of the dense matrix.
    pub bits_per_weight: f64,
    /// Fraction of coefficients kept, for codecs that drop some.
    pub density: Option<f64>,
}

/// The weight `W` (`[out, in]`) of a linear layer `y = x W^T`, however it is stored.
pub trait LinearWeights: Send + Sync + Debug {
    /// Length of an input row.
    fn in_features(&self) -> usize;

    /// Length of an output row.
    fn out_features(&self) -> usize;

    /// `x W^T`: `[.., in]` `F32` to `[.., out]` `F32`. At least one axis.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the last axis is not `in`; memory and device errors.
    fn apply(&self, x: &Tensor) -> Result<Tensor>;

    /// All stored bytes of the weight, side data included.
    fn bytes(&self) -> usize;

    /// The matrix `[out, in]`, `F32`.
    ///
    /// # Errors
    /// Memory and device errors.
    fn to_dense(&self) -> Result<Tensor>;

    /// How it is stored.
    fn describe(&self) -> CodecDescription;

    /// Whether [`rows`](Self::rows) costs no more than the rows asked for. An embedding table without this is kept dense.
    fn has_rows(&self) -> bool {
        false
    }

    /// The matrix, when it is a plain one in memory.
    fn as_dense(&self) -> Option<&DenseLinear> {
        None
    }

    /// Rows of `W` by index: `ids` is one-dimensional `U32` or `I64`, the result `[ids, in]`, `F32`. The default decodes the
    /// whole matrix.
    ///
    /// # Errors
    /// Memory and device errors.
    fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        self.to_dense()?.gather(0, ids)
    }
}

/// A plain matrix in `F32`, `F16` or `BF16`.
#[derive(Debug, Clone)]
pub struct DenseLinear {
    weight: Tensor,
    /// A view, made once.
    transposed: Tensor,
}

impl DenseLinear {
    /// Wraps `[out, in]` without a copy.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there are two axes; [`Error::DTypeMismatch`] unless `F32`, `F16` or `BF16`.
    pub fn new(weight: Tensor) -> Result<Self> {
        const OP: &str = "DenseLinear::new";
        if weight.rank() != 2 {
            return Err(Error::shapes(OP, weight.shape(), &[0, 0], "a weight has two axes, [out, in]"));
        }
        if !matches!(weight.dtype(), DType::F32 | DType::F16 | DType::BF16) {
            return Err(Error::DTypeMismatch { op: OP, lhs: weight.dtype(), rhs: DType::F32 });
        }
        let transposed = weight.transpose(0, 1)?;
        Ok(Self { weight, transposed })
    }

    /// The matrix as it is stored.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl LinearWeights for DenseLinear {
    fn in_features(&self) -> usize {
        self.weight.shape()[1]
    }

    fn out_features(&self) -> usize {
        self.weight.shape()[0]
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() == 2 {
            return x.matmul_to(&self.transposed, DType::F32);
        }
        // One product of all rows, not one a batch.
        let (rows, mut shape) = flat_rows(x, self.in_features())?;
        let y = rows.matmul_to(&self.transposed, DType::F32)?;
        if let Some(last) = shape.last_mut() {
            *last = self.out_features();
        }
        y.reshape(&shape)
    }

    fn bytes(&self) -> usize {
        self.weight.bytes()
    }

    fn to_dense(&self) -> Result<Tensor> {
        self.weight.to_dtype(DType::F32)
    }

    fn describe(&self) -> CodecDescription {
        CodecDescription {
            codec: "dense".into(),
            detail: self.weight.dtype().to_string(),
            bits_per_weight: 8.0 * self.weight.dtype().size() as f64,
            density: None,
        }
    }

    fn has_rows(&self) -> bool {
        true
    }

    fn as_dense(&self) -> Option<&DenseLinear> {
        Some(self)
    }

    fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        self.weight.gather(0, ids)?.to_dtype(DType::F32)
    }
}

/// `x` as `[rows, features]`, and its shape before.
///
/// # Errors
/// [`Error::ShapeMismatch`] when the last axis is not `features`.
pub fn flat_rows(x: &Tensor, features: usize) -> Result<(Tensor, Vec<usize>)> {
    let shape = x.shape().to_vec();
    match shape.last() {
        Some(&last) if last == features => {
            let rows = shape[..shape.len() - 1].iter().product();
            Ok((x.reshape(&[rows, features])?, shape))
        }
        _ => Err(Error::shapes("linear", &shape, &[features], "the last axis must be the input features")),
    }
}

/// A linear layer: weight behind any codec, and an optional bias.
#[derive(Debug, Clone)]
pub struct Linear {
    weights: Arc<dyn LinearWeights>,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer with `bias` of `[out]`, `F32`, or none.
    ///
    /// # Errors
    /// Mismatches of shape or dtype of the bias.
    pub fn new(weights: Arc<dyn LinearWeights>, bias: Option<Tensor>) -> Result<Self> {
        const OP: &str = "Linear::new";
        if let Some(bias) = &bias {
            if bias.shape() != [weights.out_features()] {
                let reason = "the bias has one element an output";
                return Err(Error::shapes(OP, bias.shape(), &[weights.out_features()], reason));
            }
            if bias.dtype() != DType::F32 {
                return Err(Error::DTypeMismatch { op: OP, lhs: bias.dtype(), rhs: DType::F32 });
            }
        }
        Ok(Self { weights, bias })
    }

    /// `x W^T + b`: `[.., in]` to `[.., out]`, `F32`.
    ///
    /// # Errors
    /// As [`LinearWeights::apply`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.weights.apply(x)?;
        match &self.bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }

    /// The weight.
    pub fn weights(&self) -> &Arc<dyn LinearWeights> {
        &self.weights
    }

    /// The bias.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Stored bytes of weight and bias.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.as_ref().map_or(0, Tensor::bytes)
    }
}
