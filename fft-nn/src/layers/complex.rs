//! Layers of complex numbers.

use fft_core::Result;

use super::expect::{expect_dtype, expect_last, expect_sizes};
use super::{Init, Layer, Scope};
use crate::autograd::Var;

/// `y = x W^T + b` in complex numbers: `[.., in]` to `[.., out]`, with complex parameters `weight`, `[out, in]`, and `bias`, `[out]`.
#[derive(Debug, Clone)]
pub struct ComplexLinear {
    path: String,
    weight: Var,
    bias: Option<Var>,
}

impl ComplexLinear {
    /// A layer whose weights are normal with `E |w|^2 = 1 / in`, half of it in either part, so that the variance of its input stays; the bias starts at 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for sizes of 0; those of [`Scope::complex_parameter`].
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        expect_sizes("ComplexLinear", scope.path(), &[("inputs", inputs), ("outputs", outputs)])?;
        let init = Init::Normal { std: 1.0 / (inputs as f64).sqrt() };
        Ok(Self {
            path: scope.path().to_owned(),
            weight: scope.complex_parameter("weight", &[outputs, inputs], init)?,
            bias: bias.then(|| scope.complex_parameter("bias", &[outputs], Init::ZEROS)).transpose()?,
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

impl Layer for ComplexLinear {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_dtype("ComplexLinear", &self.path, x, self.weight.dtype())?;
        expect_last("ComplexLinear", &self.path, x, self.weight.shape()[1])?;
        let y = x.matmul(&self.weight.transpose(0, 1)?)?;
        match &self.bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }
}

/// `relu(|z| + b) z / |z|` for complex `[.., features]` and a real parameter `bias`, `[features]`: the magnitude is rectified and the phase stays; 0
/// stays 0. It is modReLU (Arjovsky, Shah and Bengio 2016).
#[derive(Debug, Clone)]
pub struct FrequencyRelu {
    path: String,
    bias: Var,
}

impl FrequencyRelu {
    /// A layer whose bias starts at `-0.1` everywhere: numbers smaller than that become 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) without features; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, features: usize) -> Result<Self> {
        expect_sizes("FrequencyRelu", scope.path(), &[("features", features)])?;
        let bias = scope.parameter("bias", &[features], Init::Constant(-0.1))?;
        Ok(Self { path: scope.path().to_owned(), bias })
    }
}

impl Layer for FrequencyRelu {
    fn forward(&self, z: &Var) -> Result<Var> {
        expect_dtype("FrequencyRelu", &self.path, z, self.bias.dtype().to_complex())?;
        expect_last("FrequencyRelu", &self.path, z, self.bias.shape()[0])?;
        z.mod_relu(&self.bias)
    }
}

/// `relu(|z| + bias) z / |z|`, 0 where `z` is 0; see [`FrequencyRelu`]. The bias is real and broadcasts.
///
/// # Errors
/// Mismatches of shape, dtype or device.
pub fn frequency_relu(z: &Var, bias: &Var) -> Result<Var> {
    if z.shape().last().is_some_and(|&n| bias.shape()[..] == [n]) {
        return z.mod_relu(bias);
    }
    let magnitude = z.abs()?.add(bias)?.relu()?;
    z.phasor()?.mul(&magnitude.to_dtype(z.dtype())?)
}

/// `weight z / sqrt(mean |z|^2 + eps)` for complex `[.., features]`, the mean over the features, and a real parameter `weight`, `[features]`, that starts at 1: the
/// magnitudes are brought to a mean square of 1, the phases stay (a negative weight turns its feature by pi).
#[derive(Debug, Clone)]
pub struct FrequencyLayerNorm {
    path: String,
    weight: Var,
    eps: f64,
}

impl FrequencyLayerNorm {
    /// A layer that adds `eps` to the mean square.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) without features; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, features: usize, eps: f64) -> Result<Self> {
        expect_sizes("FrequencyLayerNorm", scope.path(), &[("features", features)])?;
        let weight = scope.parameter("weight", &[features], Init::ONES)?;
        Ok(Self { path: scope.path().to_owned(), weight, eps })
    }
}

impl Layer for FrequencyLayerNorm {
    fn forward(&self, z: &Var) -> Result<Var> {
        expect_dtype("FrequencyLayerNorm", &self.path, z, self.weight.dtype().to_complex())?;
        expect_last("FrequencyLayerNorm", &self.path, z, self.weight.shape()[0])?;
        frequency_layernorm(z, &self.weight, self.eps)
    }
}

/// `weight z / sqrt(mean |z|^2 + eps)` over the last axis; see [`FrequencyLayerNorm`].
///
/// # Errors
/// Mismatches of shape, dtype or device; `weight` is real, `[features]`.
pub fn frequency_layernorm(z: &Var, weight: &Var, eps: f64) -> Result<Var> {
    z.magnitude_norm(weight, eps)
}
