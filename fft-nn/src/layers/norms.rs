//! Norms over the last axis.

use fft_core::{Error, Result};

use super::expect::{expect_dtype, expect_last, expect_sizes};
use super::{Init, Layer, Scope};
use crate::autograd::Var;

fn check(op: &'static str, scope: &Scope, features: usize, eps: f32) -> Result<()> {
    expect_sizes(op, scope.path(), &[("features", features)])?;
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    let reason = format!("layer {} needs a finite number of at least 0", scope.path());
    Err(Error::invalid(op, "eps", eps, reason))
}

/// `y = x / sqrt(mean x^2 + eps) * weight` over the last axis (Zhang and Sennrich 2019); `weight`, `[features]`, starts at 1.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    path: String,
    weight: Var,
    eps: f32,
}

impl RmsNorm {
    /// A norm of `[.., features]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without features, and for an `eps` that is negative or not finite; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, features: usize, eps: f32) -> Result<Self> {
        check("RmsNorm", scope, features, eps)?;
        let weight = scope.parameter("weight", &[features], Init::ONES)?;
        Ok(Self { path: scope.path().to_owned(), weight, eps })
    }
}

impl Layer for RmsNorm {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_last("RmsNorm", &self.path, x, self.weight.shape()[0])?;
        expect_dtype("RmsNorm", &self.path, x, self.weight.dtype())?;
        x.rms_norm(&self.weight, self.eps)
    }
}

/// `y = (x - mean x) / sqrt(var x + eps) * weight + bias` over the last axis (Ba et al. 2016); `weight` starts at 1, `bias` at 0, both `[features]`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    path: String,
    weight: Var,
    bias: Var,
    eps: f32,
}

impl LayerNorm {
    /// A norm of `[.., features]`.
    ///
    /// # Errors
    /// As [`RmsNorm::new`].
    pub fn new(scope: &Scope, features: usize, eps: f32) -> Result<Self> {
        check("LayerNorm", scope, features, eps)?;
        let weight = scope.parameter("weight", &[features], Init::ONES)?;
        let bias = scope.parameter("bias", &[features], Init::ZEROS)?;
        Ok(Self { path: scope.path().to_owned(), weight, bias, eps })
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_last("LayerNorm", &self.path, x, self.weight.shape()[0])?;
        expect_dtype("LayerNorm", &self.path, x, self.weight.dtype())?;
        x.layer_norm(&self.weight, &self.bias, self.eps)
    }
}
