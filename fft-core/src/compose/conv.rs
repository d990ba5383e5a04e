//! Convolutions made of copies, matrix products and transforms.

use crate::convolution::ConvGeometry;
use crate::{Dims, Layout, Norm, Result, Tensor, UnaryOp, ViewMut};

/// `x` with `padding[i]` zeros before and after along its axis `first + i`.
pub(crate) fn pad_zeros(x: &Tensor, first: usize, padding: &[[usize; 2]]) -> Result<Tensor> {
    if padding.iter().all(|p| *p == [0; 2]) {
        return Ok(x.clone());
    }
    let mut shape = Dims::from_slice(x.shape());
    for (i, [before, after]) in padding.iter().enumerate() {
        shape[first + i] += before + after;
    }
    Tensor::build(x.device(), "pad", &shape, x.dtype(), |dst| {
        x.device().fill(
            0.0,
            0.0,
            ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype: dst.dtype },
        )?;
        if x.is_empty() {
            return Ok(());
        }
        let mut inner = dst.layout.clone();
        for (i, [before, _]) in padding.iter().enumerate() {
            inner = inner.narrowed(first + i, *before, x.shape()[first + i]);
        }
        x.device().copy(x.view(), ViewMut { buffer: dst.buffer, layout: &inner, dtype: dst.dtype })
    })
}

/// `y` with a bias for each channel (axis 1).
fn add_bias(y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Some(bias) = bias else { return Ok(y) };
    let mut shape = Dims::from_elem(1, y.rank());
    shape[1] = bias.len();
    y.add(&bias.reshape(&shape)?)
}

/// `y[b, co, o] = bias[co] + sum_{ci, k} weight[co, ci, k] x[b, ci, o * stride + k * dilation - padding]`: the windows of the input as
/// the columns of a matrix, and one product for each group.
///
/// # Errors
/// Memory and device errors.
pub fn conv_direct(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: &ConvGeometry) -> Result<Tensor> {
    let axes = g.axes();
    let padded = pad_zeros(x, 2, &g.padding)?.contiguous()?;
    let strides = padded.layout().strides();
    let mut shape = Dims::from_slice(&[g.batch, g.groups, g.channels_in]);
    let mut steps: smallvec::SmallVec<[isize; 8]> =
        smallvec::SmallVec::from_slice(&[strides[0], strides[1] * g.channels_in as isize, strides[1]]);
    for a in 0..axes {
        shape.push(g.kernel[a]);
        steps.push(strides[2 + a] * g.dilation[a] as isize);
    }
    for a in 0..axes {
        shape.push(g.output[a]);
        steps.push(strides[2 + a] * g.stride[a] as isize);
    }
    let windows = padded.with_layout(Layout::from_parts(&shape, &steps, padded.layout().offset())?);
    let taps = g.channels_in * g.kernel.iter().product::<usize>();
    let outputs = g.output.iter().product::<usize>();
    let columns = windows.reshape(&[g.batch, g.groups, taps, outputs])?;
    let rows = weight.reshape(&[g.groups, g.channels_out, taps])?;
    let rows = rows.broadcast_to(&[g.batch, g.groups, g.channels_out, taps])?;
    add_bias(rows.matmul(&columns)?.reshape(&g.output_shape())?, bias)
}

/// The conjugate spectrum of a kernel for tiles of `tile` points: `[groups, channels out, channels in, bins..]` of a group.
///
/// # Errors
/// Memory and device errors.
pub fn conv_spectrum(weight: &Tensor, g: &ConvGeometry, tile: &[usize]) -> Result<Tensor> {
    let axes = g.axes();
    let mut shape = Dims::from_slice(&[g.groups, g.channels_out, g.channels_in]);
    shape.extend_from_slice(&g.kernel);
    let kernel = weight.reshape(&shape)?;
    let mut spread = shape.clone();
    for a in 0..axes {
        spread[3 + a] = g.reach(a);
    }
    let kernel = Tensor::build(kernel.device(), "conv", &spread, kernel.dtype(), |dst| {
        let device = kernel.device();
        device.fill(0.0, 0.0, ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype: dst.dtype })?;
        let mut taps = dst.layout.clone();
        for a in 0..axes {
            taps = taps.stepped(3 + a, g.dilation[a] as isize);
        }
        device.copy(kernel.view(), ViewMut { buffer: dst.buffer, layout: &taps, dtype: dst.dtype })
    })?;
    let along: Dims = (3..3 + axes).collect();
    kernel.rfftn(&along, Some(tile), Norm::Backward)?.unary(UnaryOp::Conj)
}

/// [`conv_direct`] by the convolution theorem, with the [`conv_spectrum`] of its kernel: overlapping tiles of `tile` points along each axis
/// (overlap-save; one tile where that covers the axis), of which the outputs that do not wrap around are kept.
///
/// # Errors
/// Memory and device errors.
pub fn conv_fft(
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    let axes = g.axes();
    let mut padding = g.padding.clone();
    for a in 0..axes {
        // The last tile ends where the padded input does, or behind.
        let end = (g.tiles(a, tile[a]) - 1) * g.useful(a, tile[a]) + tile[a];
        padding[a][1] = end.saturating_sub(g.input[a] + g.padding[a][0]);
    }
    let padded = pad_zeros(x, 2, &padding)?;
    let strides = padded.layout().strides();
    let mut shape = Dims::from_slice(&[g.batch, g.groups, g.channels_in]);
    let mut steps: smallvec::SmallVec<[isize; 8]> =
        smallvec::SmallVec::from_slice(&[strides[0], strides[1] * g.channels_in as isize, strides[1]]);
    for a in 0..axes {
        shape.push(g.tiles(a, tile[a]));
        steps.push(strides[2 + a] * g.useful(a, tile[a]) as isize);
    }
    let count: usize = shape[3..].iter().product();
    shape.extend_from_slice(tile);
    steps.extend_from_slice(&strides[2..]);
    let tiles = padded.with_layout(Layout::from_parts(&shape, &steps, padded.layout().offset())?);
    let along: Dims = (3 + axes..3 + 2 * axes).collect();
    let x = tiles.rfftn(&along, None, Norm::Backward)?;
    let bins: usize = x.shape()[3 + axes..].iter().product();
    // [batch, groups, channels in, tiles, bins]
    let x = x.reshape(&[g.batch, g.groups, g.channels_in, count, bins])?;
    let w = spectrum.reshape(&[g.groups, g.channels_out, g.channels_in, bins])?;
    let y = if g.channels_in == 1 {
        x.mul(&w.reshape(&[1, g.groups, g.channels_out, 1, bins])?)?
    } else {
        // For each bin, group and part of the batch a product [tiles, channels in] x [channels in, channels out], of matrices that lie across one another,
        // as does the result.
        let order = [4, 1, 0, 3, 2];
        let x = x.permute(&order)?;
        let w = w.permute(&[3, 0, 2, 1])?.reshape(&[bins, g.groups, 1, g.channels_in, g.channels_out])?;
        let w = w.broadcast_to(&[bins, g.groups, g.batch, g.channels_in, g.channels_out])?;
        let shape = [g.batch, g.groups, g.channels_out, count, bins];
        Tensor::build(x.device(), "conv", &shape, x.dtype(), |dst| {
            let layout = dst.layout.permuted(&order);
            let dst = ViewMut { buffer: dst.buffer, layout: &layout, dtype: dst.dtype };
            x.device().matmul(x.view(), w.view(), dst)
        })?
    };
    let mut shape = Dims::from_slice(&[g.batch, g.groups * g.channels_out]);
    shape.extend((0..axes).map(|a| g.tiles(a, tile[a])));
    shape.extend_from_slice(&tile[..axes - 1]);
    shape.push(tile[axes - 1] / 2 + 1);
    let along: Dims = (2 + axes..2 + 2 * axes).collect();
    let mut y = y.reshape(&shape)?.irfftn(&along, Some(tile), Norm::Backward)?;
    for (a, &points) in tile.iter().enumerate() {
        y = y.narrow(2 + axes + a, 0, g.useful(a, points))?;
    }
    let mut order = Dims::from_slice(&[0, 1]);
    let mut joined = Dims::from_slice(&[g.batch, g.groups * g.channels_out]);
    for (a, &points) in tile.iter().enumerate() {
        order.extend_from_slice(&[2 + a, 2 + axes + a]);
        joined.push(g.tiles(a, points) * g.useful(a, points));
    }
    let mut y = y.permute(&order)?.reshape(&joined)?;
    for a in 0..axes {
        y = y.narrow(2 + a, 0, g.dense_output(a))?.step(2 + a, g.stride[a] as isize)?;
    }
    add_bias(y.contiguous()?, bias)
}
