//! The plain linear layer.

use fft_core::{Error, Result};

use super::expect::expect_dtype;
use super::{Init, Layer, Scope, expect_last};
use crate::autograd::Var;

/// `y = x W^T + b`: `[.., in]` to `[.., out]`, with parameters `weight`, `[out, in]`, and `bias`, `[out]`.
#[derive(Debug, Clone)]
pub struct Linear {
    path: String,
    weight: Var,
    bias: Option<Var>,
}

impl Linear {
    /// A layer whose weight is drawn with variance `1 / (3 in)`, uniformly, as is its bias: PyTorch's default.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        Self::with_init(
            scope,
            inputs,
            outputs,
            bias.then_some(Init::Uniform { bound }),
            Init::Uniform { bound },
        )
    }

    /// A layer whose weight, and bias if there is one, are drawn as told.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_init(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        bias: Option<Init>,
        weight: Init,
    ) -> Result<Self> {
        if inputs == 0 || outputs == 0 {
            let reason = format!("layer {} needs inputs and outputs", scope.path());
            return Err(Error::invalid("Linear", "shape", [outputs, inputs], reason));
        }
        Ok(Self {
            path: scope.path().to_owned(),
            weight: scope.parameter("weight", &[outputs, inputs], weight)?,
            bias: bias.map(|init| scope.parameter("bias", &[outputs], init)).transpose()?,
        })
    }

    /// `[out, in]`.
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// `[out]`.
    pub fn bias(&self) -> Option<&Var> {
        self.bias.as_ref()
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_dtype("Linear", &self.path, x, self.weight.dtype())?;
        expect_last("Linear", &self.path, x, self.weight.shape()[1])?;
        let y = x.matmul(&self.weight.transpose(0, 1)?)?;
        match &self.bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }
}
