//! Convolutions.

use fft_core::convolution::{ConvSpec, LongConvPlan, LongConvTerms, PaddingMode};
use fft_core::{Device, Dims, Error, Norm, ReduceOp, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::real;
use crate::autograd::operation::{Context, Needs, Operation};
use crate::autograd::registry::{Sample, Samples};

/// A convolution of operands `x`, `[batch, channels, length..]`, and `weight`, `[channels out, channels / groups, taps..]`, with zeros as padding.
#[derive(Debug, Clone)]
pub struct Conv(pub ConvSpec);

/// The input's gradient: the transposed convolution, with as many more outputs as the stride left over.
fn conv_input(grad: &Tensor, weight: &Tensor, spec: &ConvSpec, input: &[usize]) -> Result<Tensor> {
    let left_over = |a: usize| {
        let reach = (weight.shape()[2 + a] - 1) * spec.dilation[a] + 1;
        (input[2 + a] + spec.padding[a][0] + spec.padding[a][1] - reach) % spec.stride[a]
    };
    let more: Dims = (0..spec.axes()).map(left_over).collect();
    grad.conv_transpose(weight, None, spec, &more)
}

impl Operation for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].conv(&inputs[1], None, &self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (context.input(0)?, context.input(1)?);
        let of_x = context.wants(0).then(|| conv_input(grad, weight, &self.0, x.shape())).transpose()?;
        let gradient = || x.conv_weight_gradient(grad, &weight.shape()[2..], &self.0);
        let of_weight = context.wants(1).then(gradient).transpose()?;
        Ok(vec![of_x, of_weight])
    }
}

/// Shapes of inputs and weights, and what is asked.
fn problems() -> [(&'static [usize], &'static [usize], ConvSpec); 6] {
    let (one, two) = (ConvSpec::new(1), ConvSpec::new(2));
    [
        (&[2, 2, 9], &[3, 2, 3], one.clone().padding(&[1])),
        (&[2, 2, 12], &[3, 2, 2], one.clone().stride(&[3]).dilation(&[2]).padding_sides(&[[2, 1]])),
        (&[1, 4, 8], &[6, 2, 3], one.groups(2).stride(&[2])),
        (&[2, 3, 5, 6], &[3, 1, 3, 2], two.clone().groups(3).padding(&[1, 0])),
        (&[1, 2, 6, 5], &[2, 2, 2, 3], two.stride(&[2, 1]).dilation(&[1, 2]).padding(&[1, 2])),
        (&[1, 2, 3, 4, 3], &[2, 2, 2, 2, 2], ConvSpec::new(3).stride(&[1, 2, 1]).padding(&[1, 0, 1])),
    ]
}

impl Samples for Conv {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let sample = |(x, w, spec): (&[usize], &[usize], ConvSpec)| {
            Ok(Sample::new(Conv(spec), [real(device, x, 1)?, real(device, w, 2)?]))
        };
        problems().into_iter().map(sample).collect()
    }
}

/// The adjoint of [`Conv`]: a transposed convolution of operands `x` and `weight`, `[channels, channels out / groups, taps..]`.
#[derive(Debug, Clone)]
pub struct ConvTranspose {
    /// Stride, dilation, padding and groups.
    pub spec: ConvSpec,
    /// Outputs added behind.
    pub output_padding: Dims,
}

impl Operation for ConvTranspose {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].conv_transpose(&inputs[1], None, &self.spec, &self.output_padding)
    }

    /// A convolution of the gradient; and the weight's gradient of that convolution, with operand and gradient exchanged. Where
    /// `output_padding` is not below the stride (but the dilation), that convolution has outputs behind those of the operand.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (context.input(0)?, context.input(1)?);
        let behind = self.output_padding.iter().zip(&self.spec.stride).map(|(more, stride)| more / stride);
        let of_x = || {
            let mut y = grad.conv(weight, None, &self.spec)?;
            for a in 2..x.rank() {
                y = y.narrow(a, 0, x.shape()[a])?;
            }
            Ok(y)
        };
        let of_weight = || {
            let behind: Vec<[usize; 2]> = behind.map(|more| [0, more]).collect();
            let x = x.pad(&behind, PaddingMode::Zeros)?;
            grad.conv_weight_gradient(&x, &weight.shape()[2..], &self.spec)
        };
        let of_x: Option<Result<Tensor>> = context.wants(0).then(of_x);
        Ok(vec![of_x.transpose()?, context.wants(1).then(of_weight).transpose()?])
    }
}

impl Samples for ConvTranspose {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for (input, weight, spec) in problems() {
            let x = real(device, input, 1)?;
            let y = x.conv(&real(device, weight, 2)?, None, &spec)?;
            let y = real(device, y.shape(), 3)?;
            for more in [0, 1] {
                let fits = spec.stride.iter().all(|&s| s > more);
                let output_padding = Dims::from_elem(if fits { more } else { 0 }, spec.axes());
                let operation = ConvTranspose { spec: spec.clone(), output_padding };
                samples.push(Sample::new(operation, [y.clone(), real(device, weight, 4)?]));
            }
        }
        // As many outputs behind as the dilation allows, more than a step of the stride.
        let spec = ConvSpec::new(1).stride(&[2]).dilation(&[5]).padding_sides(&[[1, 3]]);
        let operation = ConvTranspose { spec, output_padding: Dims::from_slice(&[4]) };
        samples.push(Sample::new(operation, [real(device, &[2, 2, 4], 5)?, real(device, &[2, 3, 3], 6)?]));
        Ok(samples)
    }
}

/// Zeros before and after each axis.
#[derive(Debug, Clone)]
pub struct Pad(pub Vec<[usize; 2]>);

impl Operation for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].pad(&self.0, PaddingMode::Zeros)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut grad = grad.clone();
        let rank = grad.rank();
        for (i, [before, _]) in self.0.iter().enumerate() {
            let axis = rank - self.0.len() + i;
            grad = grad.narrow(axis, *before, context.shape(0)[axis])?;
        }
        Ok(vec![Some(grad)])
    }
}

impl Samples for Pad {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(Pad(vec![[1, 2], [0, 3]]), [real(device, &[2, 3, 4], 1)?])])
    }
}

/// The causal convolution `y[.., c, t] = sum_s kernel[c, s] u[.., c, t - s]` of operands `u`, `[.., channels, length]`, and `kernel`, `[channels or 1, taps]`.
#[derive(Debug, Clone, Copy)]
pub struct LongConv;

/// The last axis backwards.
fn reversed(x: &Tensor) -> Result<Tensor> {
    x.step(x.rank() - 1, -1)
}

impl Operation for LongConv {
    fn name(&self) -> &'static str {
        "long_conv"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].long_conv(&inputs[1], LongConvTerms::default())
    }

    /// Read backwards in time the input's gradient is a causal convolution too. The kernel's is the correlation of gradient and input, summed
    /// over the batch in the frequency domain.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (u, kernel) = (context.input(0)?, context.input(1)?);
        let of_u = || {
            let back = reversed(grad)?.contiguous()?.long_conv(kernel, LongConvTerms::default())?;
            reversed(&back)?.contiguous()
        };
        let of_kernel = || {
            let (rank, length) = (u.rank(), u.shape()[u.rank() - 1]);
            // One tile of at least twice the length: what wraps around meets the zeros behind.
            let points = LongConvPlan::new(length, length).points.max(2 * length);
            let (g, u) = (
                grad.rfft(rank - 1, Some(points), Norm::Backward)?,
                u.rfft(rank - 1, Some(points), Norm::Backward)?,
            );
            let mut axes: Vec<usize> = (0..rank - 2).collect();
            if kernel.shape()[0] == 1 {
                axes.push(rank - 2);
            }
            let sums = g.mul_conj(&u)?.reduce(ReduceOp::Sum, &axes)?;
            let sums = sums.reshape(&[kernel.shape()[0], points / 2 + 1])?;
            let lags = sums.irfft(1, Some(points), Norm::Backward)?;
            let taps = kernel.shape()[1];
            // Taps beyond the input reach nothing.
            let own = lags.narrow(1, 0, taps.min(length))?;
            own.pad(&[[0, taps.saturating_sub(length)]], PaddingMode::Zeros)?.contiguous()
        };
        let of_u = context.wants(0).then(of_u).transpose()?;
        let of_kernel = context.wants(1).then(of_kernel).transpose()?;
        Ok(vec![of_u, of_kernel])
    }
}

impl Samples for LongConv {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for (u, kernel) in [
            (&[2, 3, 9][..], &[3, 9][..]),
            (&[3, 10], &[3, 4]),
            (&[2, 2, 2, 7], &[1, 7]),
            (&[2, 1, 5], &[1, 8]),
            (&[1, 1, 1], &[1, 1]),
        ] {
            samples.push(Sample::new(LongConv, [real(device, u, 1)?, real(device, kernel, 2)?]));
        }
        Ok(samples)
    }
}

/// The spec with the padding that follows from the kernel written out, which is what the ways back read.
fn given(op: &'static str, weight: &Var, spec: &ConvSpec) -> Result<ConvSpec> {
    match weight.shape().get(2..) {
        Some(taps) if taps.len() == spec.axes() => {
            Ok(spec.clone().padding_sides(&spec.padding_for(op, taps)?))
        }
        // The convolution itself says what is wrong.
        _ => Ok(spec.clone()),
    }
}

impl Var {
    /// Convolution in one to three dimensions; see [`Tensor::conv`], whose rules hold. Other padding modes than zeros pad first.
    ///
    /// # Errors
    /// As [`Tensor::conv`]; [`Error::ShapeMismatch`] without a batch axis.
    pub fn conv(&self, weight: &Var, bias: Option<&Var>, spec: &ConvSpec) -> Result<Self> {
        let axes = spec.axes();
        if self.rank() != axes + 2 {
            let reason = format!("the input is [batch, channels] and {axes} spatial axes");
            return Err(Error::shapes("conv", &self.shape(), &weight.shape(), reason));
        }
        let spec = given("conv", weight, spec)?;
        let y = if spec.mode == PaddingMode::Zeros || spec.padding.iter().all(|p| *p == [0; 2]) {
            let spec = ConvSpec { mode: PaddingMode::Zeros, ..spec };
            Var::apply(Conv(spec), &[self, weight])?
        } else {
            let bare = spec.clone().padding(&vec![0; axes]).mode(PaddingMode::Zeros);
            Var::apply(Conv(bare), &[&self.pad(&spec.padding, spec.mode)?, weight])?
        };
        y.with_channel_bias("conv", bias)
    }

    /// Transposed convolution; see [`Tensor::conv_transpose`].
    ///
    /// # Errors
    /// As [`Tensor::conv_transpose`].
    pub fn conv_transpose(
        &self,
        weight: &Var,
        bias: Option<&Var>,
        spec: &ConvSpec,
        output_padding: &[usize],
    ) -> Result<Self> {
        let operation = ConvTranspose {
            spec: given("conv_transpose", weight, spec)?,
            output_padding: Dims::from_slice(output_padding),
        };
        Var::apply(operation, &[self, weight])?.with_channel_bias("conv_transpose", bias)
    }

    fn with_channel_bias(self, op: &'static str, bias: Option<&Var>) -> Result<Self> {
        let Some(bias) = bias else { return Ok(self) };
        let channels = self.shape()[1];
        if bias.shape()[..] != [channels] {
            let reason = "a bias has one element for each output channel";
            return Err(Error::shapes(op, &bias.shape(), &[channels], reason));
        }
        let mut shape = Dims::from_elem(1, self.rank());
        shape[1] = channels;
        self.add(&bias.reshape(&shape)?)
    }

    /// Padded along the last axes, in any mode; see [`Tensor::pad`].
    ///
    /// # Errors
    /// As [`Tensor::pad`].
    pub fn pad(&self, padding: &[[usize; 2]], mode: PaddingMode) -> Result<Self> {
        if mode == PaddingMode::Zeros {
            return Var::apply(Pad(padding.to_vec()), &[self]);
        }
        // Where each element comes from is what the mode makes of the positions.
        let mut x = self.clone();
        for (i, &sides) in padding.iter().enumerate().filter(|(_, sides)| **sides != [0; 2]) {
            let axis = (self.rank() + i).checked_sub(padding.len()).ok_or_else(|| {
                Error::invalid(
                    "pad",
                    "padding",
                    padding.len(),
                    format!("the variable has {} axes", self.rank()),
                )
            })?;
            let positions: Vec<u32> = (0..self.shape()[axis] as u32).collect();
            let positions = Tensor::from_slice(&self.device(), &positions, &[positions.len()])?;
            x = x.gather(axis, &positions.pad(&[sides], mode)?.to_vec::<u32>()?)?;
        }
        Ok(x)
    }

    /// Causal convolution of `[.., channels, length]` with `kernel`, `[channels or 1, taps]`; see [`Tensor::long_conv`].
    ///
    /// # Errors
    /// As [`Tensor::long_conv`].
    pub fn long_conv(&self, kernel: &Var) -> Result<Self> {
        Var::apply(LongConv, &[self, kernel])
    }
}
