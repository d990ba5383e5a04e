//! Convolutions with the meaning of the frameworks.

use crate::convolution::{ConvGeometry, ConvMethod, ConvSpec, ConvWay, PaddingMode};
use crate::{DType, Error, Result, Tensor};

impl Tensor {
    /// Convolution (cross-correlation, as `torch.nn.functional.conv1d`) of `[batch, channels, length]`, or `[channels, length]`, with a
    /// `weight` of `[channels out, channels / groups, taps]` and a `bias` of `[channels out]`.
    ///
    /// The plan is made for this call, the kernel's spectrum included; for many inputs prepare a [`Conv`](crate::convolution::Conv).
    ///
    /// # Errors
    /// As [`conv`](Self::conv); [`Error::InvalidArgument`] for a `spec` of another number of axes.
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("conv1d", Some(1), weight, bias, spec, &ConvMethod::Auto)
    }

    /// [`conv1d`](Self::conv1d) of images, `[batch, channels, height, width]` or without the batch.
    ///
    /// # Errors
    /// As [`conv1d`](Self::conv1d).
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("conv2d", Some(2), weight, bias, spec, &ConvMethod::Auto)
    }

    /// [`conv1d`](Self::conv1d) of volumes, `[batch, channels, depth, height, width]` or without the batch.
    ///
    /// # Errors
    /// As [`conv1d`](Self::conv1d).
    pub fn conv3d(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("conv3d", Some(3), weight, bias, spec, &ConvMethod::Auto)
    }

    /// `y[b, co, o] = bias[co] + sum_{ci, k} weight[co, ci, k] x[b, ci, o * stride + k * dilation - padding]`, in as many dimensions as `spec`
    /// has. All operands have one dtype: `F32`, `F64`, or `F16` or `BF16`, computed in `F32` and rounded at the end.
    ///
    /// The way is chosen by sizes and the device's costs alone, never by values. A NaN or an infinity spoils the outputs that see it in
    /// the direct way, and all outputs of its tile in the spectral way.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; those of [`ConvGeometry::new`] and [`pad`](Self::pad) (a mode that cannot pad so much).
    pub fn conv(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("conv", None, weight, bias, spec, &ConvMethod::Auto)
    }

    /// [`conv`](Self::conv) by a method of the caller's choice.
    ///
    /// # Errors
    /// As [`conv`](Self::conv); [`Error::InvalidArgument`] for tiles that do not fit.
    pub fn conv_with(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        method: &ConvMethod,
    ) -> Result<Self> {
        self.convolved("conv", None, weight, bias, spec, method)
    }

    pub(crate) fn convolved(
        &self,
        op: &'static str,
        axes: Option<usize>,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spec: &ConvSpec,
        method: &ConvMethod,
    ) -> Result<Self> {
        expect_dimensions(op, axes, spec)?;
        check_operands(op, self, weight, bias, weight.shape().first().copied())?;
        let (x, batched) = self.batched(op, spec.axes(), weight)?;
        let prepared = Prepared::new(op, &x, weight.shape(), spec)?;
        let y = if prepared.geometry.batch == 0 {
            Tensor::zeros(self.device(), &prepared.geometry.output_shape(), self.dtype())?
        } else {
            let dtype = computed_in(self.dtype());
            let way = method.way(op, &prepared.geometry, dtype, &self.device().conv_costs(), false)?;
            let weight = weight.to_dtype(dtype)?.contiguous()?;
            let bias = bias.map(|b| b.to_dtype(dtype)?.contiguous()).transpose()?;
            prepared.by_way(&way, &weight, bias.as_ref())?.to_dtype(self.dtype())?
        };
        if batched { Ok(y) } else { y.squeeze(0) }
    }

    /// The tensor with a batch, and whether it had one.
    pub(crate) fn batched(&self, op: &'static str, axes: usize, weight: &Tensor) -> Result<(Self, bool)> {
        match self.rank() {
            rank if rank == axes + 2 => Ok((self.clone(), true)),
            rank if rank == axes + 1 => Ok((self.unsqueeze(0)?, false)),
            _ => {
                let reason = format!(
                    "the input needs a channel axis and {axes} spatial ones, and may have a batch axis"
                );
                Err(Error::shapes(op, self.shape(), weight.shape(), reason))
            }
        }
    }
}

/// Checks that `spec` has the number of spatial axes that the name of the operation says.
pub(super) fn expect_dimensions(op: &'static str, axes: Option<usize>, spec: &ConvSpec) -> Result<()> {
    if axes.is_none_or(|axes| axes == spec.axes()) {
        return Ok(());
    }
    let reason = format!("{op} has not {} spatial axes", spec.axes());
    Err(Error::invalid(op, "spec", &spec.stride, reason))
}

/// The dtype that a convolution of `dtype` is computed in.
pub(crate) fn computed_in(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Checks devices and dtypes, and that the bias has `channels` elements.
pub(crate) fn check_operands(
    op: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    channels: Option<usize>,
) -> Result<()> {
    x.same_device(op, weight)?;
    if !x.dtype().is_float() {
        return Err(Error::DTypeMismatch { op, lhs: x.dtype(), rhs: DType::F32 });
    }
    weight.expect_dtype(op, x.dtype())?;
    if let (Some(bias), Some(channels)) = (bias, channels) {
        x.same_device(op, bias)?;
        bias.expect_dtype(op, x.dtype())?;
        if bias.shape() != [channels] {
            return Err(Error::shapes(
                op,
                bias.shape(),
                &[channels],
                "the bias needs one element for each output channel",
            ));
        }
    }
    Ok(())
}

/// An input whose padding is zeros or already there, and the sizes of its convolution.
pub(crate) struct Prepared {
    pub(crate) x: Tensor,
    pub(crate) geometry: ConvGeometry,
}

impl Prepared {
    pub(crate) fn new(op: &'static str, x: &Tensor, weight: &[usize], spec: &ConvSpec) -> Result<Self> {
        let mut geometry = ConvGeometry::new(op, x.shape(), weight, spec)?;
        let mut x = x.clone();
        if spec.mode != PaddingMode::Zeros {
            x = x.pad_for(op, &geometry.padding, spec.mode)?;
            geometry = geometry.padded_before();
        }
        let x = x.to_dtype(computed_in(x.dtype()))?;
        Ok(Self { x, geometry })
    }

    /// The convolution by a way, with a spectrum of its own where it needs one.
    pub(crate) fn by_way(&self, way: &ConvWay, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let spectrum = |tile: &[usize]| self.x.device().conv_spectrum(weight, &self.geometry, tile);
        self.run(way, weight, bias, spectrum)
    }

    /// The convolution, by a way whose spectrum `spectrum` gives.
    pub(crate) fn run(
        &self,
        way: &ConvWay,
        weight: &Tensor,
        bias: Option<&Tensor>,
        spectrum: impl FnOnce(&[usize]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (device, g) = (self.x.device(), &self.geometry);
        match way {
            ConvWay::Direct => device.conv_direct(&self.x, weight, bias, g),
            ConvWay::Fft { tile } => device.conv_fft(&self.x, &spectrum(tile)?, bias, g, tile),
        }
    }
}
