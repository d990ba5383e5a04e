//! Softmax, norms and the cross-entropy.

use fft_core::{Device, Error, ReduceOp, Result, ScatterMode, Tensor, tensor::check_indices};

use super::sum_to;
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

    /// `y (grad - sum grad y)`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let y = context.output()?;
        let along = grad.mul(y)?.reduce(ReduceOp::Sum, &[self.0])?;
        Ok(vec![Some(y.mul(&grad.sub(&along)?)?)])
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

/// `x - max - ln sum exp(x - max)`.
fn log_softmax(x: &Tensor, axis: usize) -> Result<Tensor> {
    let shifted = x.sub(&x.reduce(ReduceOp::Max, &[axis])?)?;
    let sum = shifted.exp()?.reduce(ReduceOp::Sum, &[axis])?;
    shifted.sub(&sum.ln()?)
}

impl Operation for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        log_softmax(&inputs[0], self.0)
    }

    /// `grad - exp(y) sum grad`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let sum = grad.reduce(ReduceOp::Sum, &[self.0])?;
        Ok(vec![Some(grad.sub(&context.output()?.exp()?.mul(&sum)?)?)])
    }
}

impl Samples for LogSoftmax {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(LogSoftmax(1), [real(device, &[3, 4], 1)?])])
    }
}

/// The mean over positions of `-ln softmax(logits)[target]`, from logits `[positions, classes]`.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// The class of each position, `U32 [positions]`.
    pub targets: Tensor,
}

impl CrossEntropy {
    /// The flat positions of the targets' logits.
    fn places(&self, classes: usize) -> Result<Tensor> {
        let targets: Vec<u32> = self.targets.to_vec()?;
        let places = |(i, &t): (usize, &u32)| (i * classes) as i64 + i64::from(t);
        let places: Vec<i64> = targets.iter().enumerate().map(places).collect();
        Tensor::from_slice(self.targets.device(), &places, &[places.len()])
    }
}

impl Operation for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let chosen = log_softmax(x, 1)?.flatten()?.gather(0, &self.places(x.shape()[1])?)?;
        chosen.reduce(ReduceOp::Mean, &[0])?.neg()?.reshape(&[])
    }

    /// `(softmax - one-hot) / positions`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let x = context.input(0)?;
        let positions = x.shape()[0];
        let mut softmax = x.softmax(1)?.flatten()?;
        let ones = Tensor::full(x.device(), &[positions], x.dtype(), -1.0)?;
        softmax.scatter(0, &self.places(x.shape()[1])?, &ones, ScatterMode::Add)?;
        Ok(vec![Some(softmax.reshape(x.shape())?.mul(&grad.scale(1.0 / positions as f64)?)?)])
    }
}

impl Samples for CrossEntropy {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let targets = Tensor::from_slice(device, &[2u32, 0, 2], &[3])?;
        Ok(vec![Sample::new(CrossEntropy { targets }, [real(device, &[3, 4], 1)?])])
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

    /// With `h = x r`, `r = 1 / sqrt(mean x^2 + eps)`: `r (g - h mean(g h))` for `g = grad weight`, and `sum grad h`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (context.input(0)?, context.input(1)?);
        let last = x.rank() - 1;
        let r = x.square()?.reduce(ReduceOp::Mean, &[last])?.affine(1.0, f64::from(self.eps))?.rsqrt()?;
        let h = x.mul(&r)?;
        let of_x = || {
            let g = grad.mul(weight)?;
            let along = g.mul(&h)?.reduce(ReduceOp::Mean, &[last])?;
            g.sub(&h.mul(&along)?)?.mul(&r)
        };
        let of_weight = || sum_to(&grad.mul(&h)?, weight.shape());
        Ok(vec![context.wants(0).then(of_x).transpose()?, context.wants(1).then(of_weight).transpose()?])
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

    /// With `h` the normalised input and `r` its factor: `r (g - mean g - h mean(g h))` for `g = grad weight`, `sum grad h`, `sum grad`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (context.input(0)?, context.input(1)?);
        let last = x.rank() - 1;
        let mean = |t: &Tensor| t.reduce(ReduceOp::Mean, &[last]);
        let centred = x.sub(&mean(x)?)?;
        let r = mean(&centred.square()?)?.affine(1.0, f64::from(self.eps))?.rsqrt()?;
        let h = centred.mul(&r)?;
        let of_x = || {
            let g = grad.mul(weight)?;
            let along = mean(&g.mul(&h)?)?;
            g.sub(&mean(&g)?)?.sub(&h.mul(&along)?)?.mul(&r)
        };
        let of_weight = || sum_to(&grad.mul(&h)?, weight.shape());
        let of_bias = || sum_to(grad, context.shape(2));
        Ok(vec![
            context.wants(0).then(of_x).transpose()?,
            context.wants(1).then(of_weight).transpose()?,
            context.wants(2).then(of_bias).transpose()?,
        ])
    }
}

impl Samples for LayerNorm {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let (weight, bias) = (real(device, &[5], 2)?, real(device, &[5], 3)?);
        Ok(vec![Sample::new(LayerNorm { eps: 1e-5 }, [real(device, &[2, 3, 5], 1)?, weight, bias])])
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

    /// The mean over positions of `-ln softmax(self)[target]`, in nats: `self` is `[positions, classes]`, with one target a position.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the shapes do not fit; [`Error::IndexOutOfRange`] for a target that is no class.
    pub fn cross_entropy(&self, targets: &[u32]) -> Result<Self> {
        const OP: &str = "cross_entropy";
        let shape = self.shape();
        if shape.len() != 2 || shape[0] != targets.len() || targets.is_empty() {
            return Err(Error::shapes(
                OP,
                &shape,
                &[targets.len()],
                "needed are [positions, classes], and a target a position",
            ));
        }
        check_indices(OP, targets, shape[1])?;
        let targets = Tensor::from_slice(&self.device(), targets, &[targets.len()])?;
        Var::apply(CrossEntropy { targets }, &[self])
    }
}
