//! Transposed convolutions: the adjoints of convolutions.

use super::convolution::{check_operands, computed_in, expect_dimensions};
use crate::convolution::{ConvGeometry, ConvMethod, ConvSpec, Phase, transposed_axes, transposed_shape};
use crate::{Dims, Result, Tensor, ViewMut};

/// What tells the public forms apart.
#[derive(Clone, Copy)]
struct Form<'a> {
    op: &'static str,
    /// The number of spatial axes, where the name says it.
    axes: Option<usize>,
    method: &'a ConvMethod,
}

impl Form<'static> {
    const fn of(op: &'static str, axes: usize) -> Self {
        Self { op, axes: Some(axes), method: &ConvMethod::Auto }
    }
}

impl Tensor {
    /// Transposed convolution (as `torch.nn.functional.conv_transpose1d`) of `[batch, channels, length]`, or `[channels, length]`, with a `weight`
    /// of `[channels, channels out / groups, taps]` and a `bias` of `[channels out]`; `output_padding` adds outputs behind.
    ///
    /// # Errors
    /// As [`conv_transpose`](Self::conv_transpose); [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a `spec` of another number of axes.
    pub fn conv_transpose1d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        output_padding: &[usize],
    ) -> Result<Self> {
        self.transposed(Form::of("conv_transpose1d", 1), weight, bias, spec, output_padding)
    }

    /// [`conv_transpose1d`](Self::conv_transpose1d) of images.
    ///
    /// # Errors
    /// As [`conv_transpose1d`](Self::conv_transpose1d).
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        output_padding: &[usize],
    ) -> Result<Self> {
        self.transposed(Form::of("conv_transpose2d", 2), weight, bias, spec, output_padding)
    }

    /// [`conv_transpose1d`](Self::conv_transpose1d) of volumes.
    ///
    /// # Errors
    /// As [`conv_transpose1d`](Self::conv_transpose1d).
    pub fn conv_transpose3d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        output_padding: &[usize],
    ) -> Result<Self> {
        self.transposed(Form::of("conv_transpose3d", 3), weight, bias, spec, output_padding)
    }

    /// `y[b, co, i * stride + k * dilation - padding] += x[b, ci, i] weight[ci, co, k]` from `bias[co]`, in as many dimensions as `spec` has;
    /// `(length - 1) * stride - padding + dilation * (taps - 1) + output_padding + 1` outputs, `padding` being that of both sides. It is
    /// the adjoint of [`conv`](Self::conv) with the same `spec` and weight. Dtypes as there; only zeros as padding.
    ///
    /// The outputs of each residue modulo the stride that taps reach are a convolution of stride 1 with some of the taps, computed as
    /// [`conv`](Self::conv) computes it: along each axis no more of them than taps, however long the stride is.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a stride, dilation or number of groups of 0, groups that do not
    /// divide channels, padding that leaves no output, `output_padding` as large as both stride and dilation, other padding than zeros,
    /// no channels or no elements.
    pub fn conv_transpose(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        output_padding: &[usize],
    ) -> Result<Self> {
        self.conv_transpose_with(weight, bias, spec, output_padding, &ConvMethod::Auto)
    }

    /// [`conv_transpose`](Self::conv_transpose) by a method of the caller's choice; tiles must be at least as long as the taps of one
    /// residue reach.
    ///
    /// # Errors
    /// As [`conv_transpose`](Self::conv_transpose); [`Error::InvalidArgument`](crate::Error::InvalidArgument) for tiles that do not fit.
    pub fn conv_transpose_with(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        output_padding: &[usize],
        method: &ConvMethod,
    ) -> Result<Self> {
        let form = Form { op: "conv_transpose", axes: None, method };
        self.transposed(form, weight, bias, spec, output_padding)
    }

    fn transposed(
        &self,
        form: Form<'_>,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        output_padding: &[usize],
    ) -> Result<Self> {
        let Form { op, axes, method } = form;
        expect_dimensions(op, axes, spec)?;
        let channels = weight.shape().get(1).map(|&n| n.saturating_mul(spec.groups));
        check_operands(op, self, weight, bias, channels)?;
        let (x, batched) = self.batched(op, spec.axes(), weight)?;
        let axes = transposed_axes(op, x.shape(), weight.shape(), spec, output_padding)?;
        let shape = transposed_shape(x.shape(), weight.shape(), spec.groups, &axes);
        let dtype = computed_in(self.dtype());
        let x = x.to_dtype(dtype)?;
        let weight = turned(&weight.to_dtype(dtype)?, spec.groups)?;
        let bias = bias.map(|b| b.to_dtype(dtype)?.contiguous()).transpose()?;
        let groups = spec.groups;
        let one = |phases: &[Phase]| phase_outputs(op, &x, &weight, bias.as_ref(), groups, phases, method);
        let y = if axes.iter().all(|axis| axis.phases() == 1) && !x.is_empty() {
            let phases: Vec<Phase> = axes.iter().map(|axis| axis.phase(0)).collect();
            one(&phases)?
        } else {
            Tensor::build(x.device(), op, &shape, dtype, |dst| {
                let reached: Vec<Vec<Phase>> = axes.iter().map(|axis| axis.reached()).collect();
                if reached.iter().zip(&axes).any(|(reached, axis)| reached.len() < axis.phases()) {
                    only_bias(
                        &x,
                        bias.as_ref(),
                        ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype },
                    )?;
                }
                for at in 0..reached.iter().map(Vec::len).product() {
                    let mut rest = at;
                    let mut phases = Vec::with_capacity(axes.len());
                    for reached in reached.iter().rev() {
                        phases.insert(0, reached[rest % reached.len()]);
                        rest /= reached.len();
                    }
                    let mut place = dst.layout.clone();
                    for (a, phase) in phases.iter().enumerate() {
                        place = place.narrowed(2 + a, phase.first, shape[2 + a] - phase.first);
                        place = place.stepped(2 + a, axes[a].step());
                    }
                    let part = one(&phases)?;
                    let to = ViewMut { buffer: &mut *dst.buffer, layout: &place, dtype };
                    x.device().copy(part.view(), to)?;
                }
                Ok(())
            })?
        };
        let y = y.to_dtype(self.dtype())?;
        if batched { Ok(y) } else { y.squeeze(0) }
    }
}

/// `[channels, channels out / groups, taps..]` as the weight of a convolution, `[channels out, channels / groups, taps..]`.
fn turned(weight: &Tensor, groups: usize) -> Result<Tensor> {
    let shape = weight.shape();
    let mut split = Dims::from_slice(&[groups, shape[0] / groups]);
    split.extend_from_slice(&shape[1..]);
    let mut joined = Dims::from_slice(&[groups * shape[1], shape[0] / groups]);
    joined.extend_from_slice(&shape[2..]);
    weight.reshape(&split)?.transpose(1, 2)?.reshape(&joined)
}

/// The outputs of one phase along each axis; `weight` as a convolution's.
fn phase_outputs(
    op: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    groups: usize,
    phases: &[Phase],
    method: &ConvMethod,
) -> Result<Tensor> {
    let mut shape = Dims::from_slice(&[x.shape()[0], weight.shape()[0]]);
    shape.extend(phases.iter().map(|p| p.outputs));
    let (mut x, mut taps) = (x.clone(), weight.clone());
    let mut spec = ConvSpec::new(phases.len()).groups(groups);
    for (a, phase) in phases.iter().enumerate() {
        let length = x.shape()[2 + a] as isize;
        // The part of the input that the outputs see, and how far they look beyond it.
        let end = phase.start + (phase.outputs + phase.taps.saturating_sub(1) * phase.dilation) as isize;
        let (from, to) = (phase.start.clamp(0, length), end.clamp(0, length));
        if phase.taps == 0 || from >= to {
            return Tensor::build(x.device(), op, &shape, x.dtype(), |dst| only_bias(&x, bias, dst));
        }
        spec.padding[a] = [(from - phase.start) as usize, (end - to) as usize];
        spec.dilation[a] = phase.dilation;
        x = x.narrow(2 + a, from as usize, (to - from) as usize)?;
        let used = (phase.taps - 1) * phase.tap_step + 1;
        taps = taps.narrow(2 + a, phase.tap, used)?.step(2 + a, phase.tap_step as isize)?.step(2 + a, -1)?;
    }
    let geometry = ConvGeometry::new(op, x.shape(), taps.shape(), &spec)?;
    let taps = taps.contiguous()?;
    let way = method.way(op, &geometry, x.dtype(), &x.device().conv_costs(), false)?;
    super::convolution::Prepared { x, geometry }.by_way(&way, &taps, bias)
}

/// Outputs, `[batch, channels, ..]`, that no tap reaches.
fn only_bias(x: &Tensor, bias: Option<&Tensor>, to: ViewMut<'_>) -> Result<()> {
    let Some(bias) = bias else { return x.device().fill(0.0, 0.0, to) };
    let mut along = Dims::from_elem(1, to.layout.shape().len());
    along[1] = bias.len();
    let repeated = bias.reshape(&along)?.broadcast_to(to.layout.shape())?;
    x.device().copy(repeated.view(), to)
}
