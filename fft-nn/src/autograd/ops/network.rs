//! Softmax and norms, gates, rotary embeddings and attention: each one fused method of the backend, both ways.

use fft_core::backend::AttentionSpec;
use fft_core::{Device, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::real;
use crate::autograd::operation::{Context, Needs, Operation};
use crate::autograd::registry::{Sample, Samples};

/// Softmax along an axis.
#[derive(Debug, Clone, Copy)]
pub struct Softmax(pub usize);

impl Operation for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].softmax(self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(context.output()?.softmax_backward(grad, self.0)?)])
    }
}

impl Samples for Softmax {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let x = real(device, &[3, 4], 1)?;
        Ok(vec![Sample::new(Softmax(1), [x.clone()]), Sample::new(Softmax(0), [x])])
    }
}

/// The logarithm of the softmax along an axis.
#[derive(Debug, Clone, Copy)]
pub struct LogSoftmax(pub usize);

impl Operation for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].log_softmax(self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(context.output()?.log_softmax_backward(grad, self.0)?)])
    }
}

impl Samples for LogSoftmax {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let x = real(device, &[3, 4], 1)?;
        Ok(vec![Sample::new(LogSoftmax(1), [x.clone()]), Sample::new(LogSoftmax(0), [x])])
    }
}

/// Root-mean-square norm over the last axis, of operands `x` and `weight`.
#[derive(Debug, Clone, Copy)]
pub struct RmsNorm {
    /// Added to the mean square.
    pub eps: f32,
}

impl Operation for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].rms_norm(&inputs[1], self.eps)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let grads = context.input(0)?.rms_norm_backward(context.input(1)?, grad, self.eps)?;
        Ok(grads.map(Some).into())
    }
}

impl Samples for RmsNorm {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let weight = real(device, &[5], 2)?;
        Ok(vec![Sample::new(RmsNorm { eps: 1e-5 }, [real(device, &[2, 3, 5], 1)?, weight])])
    }
}

/// Layer norm over the last axis, of operands `x`, `weight` and `bias`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
}

impl Operation for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].layer_norm(&inputs[1], &inputs[2], self.eps)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let grads = context.input(0)?.layer_norm_backward(context.input(1)?, grad, self.eps)?;
        Ok(grads.map(Some).into())
    }
}

impl Samples for LayerNorm {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let (weight, bias) = (real(device, &[5], 2)?, real(device, &[5], 3)?);
        Ok(vec![Sample::new(LayerNorm { eps: 1e-5 }, [real(device, &[2, 3, 5], 1)?, weight, bias])])
    }
}

/// `silu(gate) * up`, of operands `gate` and `up` of one shape.
#[derive(Debug, Clone, Copy)]
pub struct SiluMul;

impl Operation for SiluMul {
    fn name(&self) -> &'static str {
        "silu_mul"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].silu_mul(&inputs[1])
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(context.input(0)?.silu_mul_backward(context.input(1)?, grad)?.map(Some).into())
    }
}

impl Samples for SiluMul {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(SiluMul, [real(device, &[2, 5], 1)?, real(device, &[2, 5], 2)?])])
    }
}

/// Rotary position embedding of `[batch, heads, tokens, dim]`.
#[derive(Debug, Clone)]
pub struct Rope {
    /// Cosines of the angles, `[tokens, dim / 2]`.
    pub cos: Tensor,
    /// Their sines.
    pub sin: Tensor,
}

impl Operation for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].rope(&self.cos, &self.sin)
    }

    /// The transpose of a rotation: that by the opposite angles.
    fn backward(&self, _: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(grad.rope(&self.cos, &self.sin.neg()?)?)])
    }
}

impl Samples for Rope {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let angles = real(device, &[3, 2], 1)?;
        let operation = Rope { cos: angles.cos()?, sin: angles.sin()? };
        Ok(vec![Sample::new(operation, [real(device, &[2, 2, 3, 4], 2)?])])
    }
}

/// Softmax attention of operands `q` `[batch, heads, t, dim]`, `k` `[batch, kv_heads, s, dim]` and `v` `[batch, kv_heads, s, dim_v]`.
#[derive(Debug, Clone, Copy)]
pub struct Attention(pub AttentionSpec);

impl Operation for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Tensor::attention(&inputs[0], &inputs[1], &inputs[2], self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (q, k, v) = (context.input(0)?, context.input(1)?, context.input(2)?);
        Ok(Tensor::attention_backward(q, k, v, grad, self.0)?.map(Some).into())
    }
}

impl Samples for Attention {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let operands = |heads, t, s| -> Result<[Tensor; 3]> {
            let q = real(device, &[2, heads, t, 4], 1)?;
            Ok([q, real(device, &[2, 2, s, 4], 2)?, real(device, &[2, 2, s, 3], 3)?])
        };
        let spec = AttentionSpec { scale: 0.5, causal: false, offset: 0 };
        let causal = AttentionSpec { causal: true, ..spec };
        Ok(vec![
            Sample::new(Attention(spec), operands(2, 3, 5)?),
            Sample::new(Attention(causal), operands(4, 3, 3)?),
            Sample::new(Attention(AttentionSpec { offset: 1, ..causal }), operands(4, 3, 5)?),
        ])
    }
}

impl Var {
    /// Softmax along `axis`.
    ///
    /// # Errors
    /// As [`Tensor::softmax`].
    pub fn softmax(&self, axis: usize) -> Result<Self> {
        Var::apply(Softmax(axis), &[self])
    }

    /// The logarithm of the softmax along `axis`, without overflow.
    ///
    /// # Errors
    /// As [`Tensor::softmax`].
    pub fn log_softmax(&self, axis: usize) -> Result<Self> {
        Var::apply(LogSoftmax(axis), &[self])
    }

    /// Root-mean-square norm over the last axis; see [`Tensor::rms_norm`].
    ///
    /// # Errors
    /// As [`Tensor::rms_norm`].
    pub fn rms_norm(&self, weight: &Var, eps: f32) -> Result<Self> {
        Var::apply(RmsNorm { eps }, &[self, weight])
    }

    /// Layer norm over the last axis; see [`Tensor::layer_norm`].
    ///
    /// # Errors
    /// As [`Tensor::layer_norm`].
    pub fn layer_norm(&self, weight: &Var, bias: &Var, eps: f32) -> Result<Self> {
        Var::apply(LayerNorm { eps }, &[self, weight, bias])
    }

    /// `silu(self) * up`, of one shape: the gate of SwiGLU.
    ///
    /// # Errors
    /// As [`Tensor::silu_mul`].
    pub fn silu_mul(&self, up: &Var) -> Result<Self> {
        Var::apply(SiluMul, &[self, up])
    }

    /// Rotary embedding of `[batch, heads, tokens, dim]` by tables `[tokens, dim / 2]`; see [`Tensor::rope`].
    ///
    /// # Errors
    /// As [`Tensor::rope`].
    pub fn rope(&self, cos: &Tensor, sin: &Tensor) -> Result<Self> {
        Var::apply(Rope { cos: cos.clone(), sin: sin.clone() }, &[self])
    }

    /// `softmax(scale * q k^T + mask) v` per head, keys and values shared by groups of heads; see [`Tensor::attention`].
    ///
    /// # Errors
    /// As [`Tensor::attention`].
    pub fn attention(q: &Var, k: &Var, v: &Var, spec: AttentionSpec) -> Result<Self> {
        Var::apply(Attention(spec), &[q, k, v])
    }
}
