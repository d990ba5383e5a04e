//! The gradient of a convolution with respect to its weight.

use super::convolution::{check_operands, computed_in};
use crate::convolution::{ConvGeometry, ConvMethod, ConvSpec};
use crate::{Dims, Error, Result, Tensor};

impl Tensor {
    /// `dw[co, ci, k] = sum_{b, o} cotangent[b, co, o] x[b, ci, o * stride + k * dilation - padding]`: the gradient of [`conv`](Self::conv) of this input with
    /// respect to a weight of `taps` taps, `cotangent` being that of its output, `[batch, channels out, length..]`. In every padding mode.
    ///
    /// It is itself a convolution, with batch and channels, stride and dilation exchanged, and planned as one. (The gradient with respect to the
    /// input is [`conv_transpose`](Self::conv_transpose) of the cotangent; that with respect to the bias a sum.)
    ///
    /// # Errors
    /// As [`conv`](Self::conv) with such a weight; [`Error::ShapeMismatch`] when the cotangent has not the shape of the output.
    pub fn conv_weight_gradient(&self, cotangent: &Tensor, taps: &[usize], spec: &ConvSpec) -> Result<Self> {
        const OP: &str = "conv_weight_gradient";
        check_operands(OP, self, cotangent, None, None)?;
        let axes = spec.axes();
        let (x, _) = self.batched(OP, axes, cotangent)?;
        let (dy, _) = cotangent.batched(OP, axes, self)?;
        // Channels are checked by the geometry, which refuses 0 groups.
        let mut weight = Dims::from_slice(&[dy.shape()[1], x.shape()[1] / spec.groups.max(1)]);
        weight.extend_from_slice(taps);
        let geometry = ConvGeometry::new(OP, x.shape(), &weight, spec)?;
        if dy.shape() != geometry.output_shape().as_slice() {
            let reason = "the cotangent must have the shape of the output";
            return Err(Error::shapes(OP, dy.shape(), &geometry.output_shape(), reason));
        }
        if geometry.batch == 0 {
            return Tensor::zeros(x.device(), &weight, x.dtype());
        }
        let dtype = computed_in(x.dtype());
        let mut x = x.pad_for(OP, &geometry.padding, spec.mode)?;
        for a in 0..axes {
            // A stride may leave elements behind the last window.
            let seen = (geometry.output[a] - 1) * geometry.stride[a] + geometry.reach(a);
            x = x.narrow(2 + a, 0, seen)?;
        }
        // [channels in / groups, groups * batch, ..] with [channels out, batch, ..].
        let mut split = Dims::from_slice(&[geometry.batch, geometry.groups, geometry.channels_in]);
        split.extend_from_slice(&x.shape()[2..]);
        let mut order: Dims = (0..3 + axes).collect();
        order.swap(0, 2);
        let mut joined = Dims::from_slice(&[geometry.channels_in, geometry.groups * geometry.batch]);
        joined.extend_from_slice(&x.shape()[2..]);
        let turned = x.to_dtype(dtype)?.reshape(&split)?.permute(&order)?.reshape(&joined)?;
        let kernel = dy.to_dtype(dtype)?.transpose(0, 1)?.contiguous()?;
        let exchanged =
            ConvSpec::new(axes).stride(&geometry.dilation).dilation(&geometry.stride).groups(geometry.groups);
        let gradient = turned.convolved(OP, None, &kernel, None, &exchanged, &ConvMethod::Auto)?;
        gradient.transpose(0, 1)?.contiguous()?.to_dtype(self.dtype())
    }
}
