//! Convolutions in one to three dimensions.

use fft_core::convolution::ConvSpec;
use fft_core::{Dims, Error, Result};

use super::expect::expect;
use super::{Init, Layer, Scope};
use crate::autograd::Var;

/// A convolution along the last `AXES` axes: `[batch, in, length..]` to `[batch, out, length..]`, with parameters `weight`, `[out, in / groups, taps..]`, and
/// `bias`, `[out]`:
///
/// ```text
/// y[b, o, t] = bias[o] + sum_{i, k} weight[o, i, k] x[b, i, t stride + k dilation - padding]
/// ```
///
/// A [`ConvSpec`] says stride, dilation, groups, padding and its mode; `ConvSpec::new(1).causal()` makes outputs that see no later input. Each call goes
/// the way that is planned to be fastest, direct or by transforms.
#[derive(Debug, Clone)]
pub struct Conv<const AXES: usize> {
    path: String,
    weight: Var,
    bias: Option<Var>,
    spec: ConvSpec,
}

/// A convolution of sequences.
pub type Conv1d = Conv<1>;
/// A convolution of images.
pub type Conv2d = Conv<2>;
/// A convolution of volumes.
pub type Conv3d = Conv<3>;

impl<const AXES: usize> Conv<AXES> {
    const OP: &str = match AXES {
        1 => "Conv1d",
        2 => "Conv2d",
        _ => "Conv3d",
    };

    /// A layer of `taps` along each axis, whose weight is drawn with variance `1 / (3 fan)`, `fan = in / groups` times the number of taps, uniformly, as is
    /// its bias: PyTorch's default.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0, groups that do not divide both numbers of channels, a `spec` of another number of axes than `AXES`, and other than
    /// one to three axes; those of [`Scope::parameter`].
    pub fn new(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        taps: [usize; AXES],
        spec: ConvSpec,
        bias: bool,
    ) -> Result<Self> {
        let path = scope.path();
        let invalid = |argument, value: &dyn std::fmt::Debug, reason: &str| {
            Err(Error::invalid(Self::OP, argument, value, format!("layer {path} {reason}")))
        };
        if !(1..=3).contains(&AXES) || spec.axes() != AXES {
            return invalid("spec", &spec, "takes one of its one to three axes");
        }
        if inputs == 0 || outputs == 0 || taps.contains(&0) {
            return invalid("shape", &(outputs, inputs, taps), "needs inputs, outputs and taps");
        }
        let groups = spec.groups;
        if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return invalid(
                "groups",
                &groups,
                &format!("has {inputs} inputs and {outputs} outputs to divide"),
            );
        }
        spec.padding_for(Self::OP, &taps)?;
        let mut shape = Dims::from_slice(&[outputs, inputs / groups]);
        shape.extend_from_slice(&taps);
        let bound = 1.0 / shape[1..].iter().map(|&n| n as f64).product::<f64>().sqrt();
        let init = Init::Uniform { bound };
        Ok(Self {
            path: path.to_owned(),
            weight: scope.parameter("weight", &shape, init)?,
            bias: bias.then(|| scope.parameter("bias", &[outputs], init)).transpose()?,
            spec,
        })
    }

    /// `[out, in / groups, taps..]`.
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// `[out]`.
    pub fn bias(&self) -> Option<&Var> {
        self.bias.as_ref()
    }
}

impl<const AXES: usize> Layer for Conv<AXES> {
    fn forward(&self, x: &Var) -> Result<Var> {
        let channels = self.weight.shape()[1] * self.spec.groups;
        let mut axes = vec![("batch", None), ("channels", Some(channels))];
        axes.extend([("length", None); AXES]);
        expect(Self::OP, &self.path, x, self.weight.dtype(), &axes)?;
        x.conv(&self.weight, self.bias.as_ref(), &self.spec)
    }
}
