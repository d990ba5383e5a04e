//! Functions of complex numbers that change magnitudes and keep phases: each one fused method of the backend, both ways.

use fft_core::{Complex64, Device, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::{complex, real, real_dtype, tensor};
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

/// `max(|z| + bias, 0) z / |z|`, of operands `z`, complex `[.., n]`, and `bias`, real `[n]`.
#[derive(Debug, Clone, Copy)]
pub struct ModRelu;

impl Operation for ModRelu {
    fn name(&self) -> &'static str {
        "mod_relu"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].mod_relu(&inputs[1])
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(context.input(0)?.mod_relu_backward(context.input(1)?, grad)?.map(Some).into())
    }
}

impl Samples for ModRelu {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        // Magnitudes are above 0.4: one bias passes all, one none, the others some.
        let bias = [0.3, -5.0, -1.0, -0.8, -1.2].map(|b| Complex64::new(b, 0.0));
        let bias = tensor(device, &bias, &[5], real_dtype(device))?;
        Ok(vec![Sample::new(ModRelu, [complex(device, &[2, 3, 5], 1)?, bias])])
    }
}

/// `weight z / sqrt(mean |z|^2 + eps)` over the last axis, of operands `z`, complex `[.., n]`, and `weight`, real `[n]`.
#[derive(Debug, Clone, Copy)]
pub struct MagnitudeNorm {
    /// Added to the mean square.
    pub eps: f64,
}

impl Operation for MagnitudeNorm {
    fn name(&self) -> &'static str {
        "magnitude_norm"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].magnitude_norm(&inputs[1], self.eps)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let grads = context.input(0)?.magnitude_norm_backward(context.input(1)?, grad, self.eps)?;
        Ok(grads.map(Some).into())
    }
}

impl Samples for MagnitudeNorm {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let operation = MagnitudeNorm { eps: 1e-2 };
        Ok(vec![Sample::new(operation, [complex(device, &[2, 3, 5], 1)?, real(device, &[5], 2)?])])
    }
}

impl Var {
    /// `max(|z| + bias, 0) z / |z|` with a real `bias` along the last axis; see [`Tensor::mod_relu`].
    ///
    /// # Errors
    /// As [`Tensor::mod_relu`].
    pub fn mod_relu(&self, bias: &Var) -> Result<Self> {
        Var::apply(ModRelu, &[self, bias])
    }

    /// `weight z / sqrt(mean |z|^2 + eps)` over the last axis; see [`Tensor::magnitude_norm`].
    ///
    /// # Errors
    /// As [`Tensor::magnitude_norm`].
    pub fn magnitude_norm(&self, weight: &Var, eps: f64) -> Result<Self> {
        Var::apply(MagnitudeNorm { eps }, &[self, weight])
    }
}
