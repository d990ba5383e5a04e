//! Convolutions by the convolution theorem in tiles of one to three dimensions, as few kernels: [`kernel`] has what they do.
//!
//! A tile has at least the points that are asked for along each axis, and all outputs that it then holds are taken. The spectrum of a kernel is kept conjugate, and
//! multiplied by the factor of the way back, in the order in which decimation leaves it.

mod call;
mod kernel;
mod tiles;

use std::ops::Range;

use fft_core::convolution::ConvGeometry;
use fft_core::{DType, Dims, Result, Tensor, View, ViewMut, compose};

pub(super) use self::call::every_shader;
use self::call::{Conv, OP, Operands, Share, read};
use self::kernel::Part;
use self::tiles::{Axis, Form};
use crate::call::{fits, fits_bytes};
use crate::context::Context;
use crate::matmul::matmul;

/// Bytes of tiles that are worked on together, so that a cache may hold them from kernel to kernel.
const NEAR: usize = 16 << 20;
/// Where that is less than so many tiles of all channels of a group, which share the kernel's spectrum, so many.
const LEAST: usize = 4;
/// The most bytes of them.
const MAX_SCRATCH: usize = 128 << 20;

/// See `SpectralBackend::conv_spectrum`.
pub(crate) fn conv_spectrum(
    context: &Context,
    weight: &Tensor,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    let Some(form) = Form::new(context, g, tile, weight.dtype()) else {
        return compose::conv_spectrum(weight, g, tile);
    };
    let mut shape = Dims::from_slice(&[1, g.groups * g.channels_out * g.channels_in]);
    shape.extend_from_slice(&g.kernel);
    let kernel = spread(&weight.reshape(&shape)?, &g.dilation)?;
    let mut axes = [Axis::NONE; 3];
    for a in 0..g.axes() {
        let reach = g.reach(a) as i64;
        axes[3 - g.axes() + a] = Axis { reach, input: reach, ..Axis::NONE };
    }
    let conv = Conv {
        context,
        form,
        axes: g.axes(),
        groups: shape[1],
        channels_in: 1,
        channels_out: 1,
        spectrum: None,
        bias: None,
    };
    let [n1, n2, n3] = form.0;
    let shape = [g.groups, g.channels_out, g.channels_in, n1, n2, n3];
    let share = Share { batch: 0..1, groups: 0..conv.groups, tiles: 0..1 };
    Tensor::build(weight.device(), OP, &shape, DType::C64, |dst| {
        // Conjugate, for a correlation.
        let scale = 1.0 / form.bins() as f32;
        conv.there(&axes, &share, kernel.view(), read(&dst), &conv.across(), [scale, -scale])
    })
}

/// A kernel with the zeros between its taps.
fn spread(kernel: &Tensor, dilation: &[usize]) -> Result<Tensor> {
    if dilation.iter().all(|&d| d == 1) {
        return kernel.contiguous();
    }
    let mut shape = Dims::from_slice(kernel.shape());
    for (n, d) in shape[2..].iter_mut().zip(dilation) {
        *n = (*n - 1) * d + 1;
    }
    Tensor::build(kernel.device(), OP, &shape, kernel.dtype(), |dst| {
        let device = kernel.device();
        device.fill(0.0, 0.0, ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype: dst.dtype })?;
        let mut taps = dst.layout.clone();
        for (a, &d) in dilation.iter().enumerate() {
            taps = taps.stepped(2 + a, d as isize);
        }
        device.copy(kernel.view(), ViewMut { buffer: dst.buffer, layout: &taps, dtype: dst.dtype })
    })
}

/// See `SpectralBackend::conv_fft`.
pub(crate) fn conv_fft(
    context: &Context,
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: &[usize],
) -> Result<Tensor> {
    let Some(form) = Form::new(context, g, tile, x.dtype()) else {
        return compose::conv_fft(x, spectrum, bias, g, tile);
    };
    let mut axes = [Axis::NONE; 3];
    for a in 0..g.axes() {
        let [reach, input, stride, output] =
            [g.reach(a), g.input[a], g.stride[a], g.output[a]].map(|n| n as i64);
        let start = -(g.padding[a][0] as i64);
        axes[3 - g.axes() + a] = Axis { reach, input, start, stride, output, ..Axis::NONE };
    }
    let (spectrum, bias) = (spectrum.contiguous()?, bias.map(Tensor::contiguous).transpose()?);
    let conv = Conv {
        context,
        form,
        axes: g.axes(),
        groups: g.groups,
        channels_in: g.channels_in,
        channels_out: g.channels_out,
        spectrum: Some(&spectrum),
        bias: bias.as_ref(),
    };
    conv.whole(x, axes)
}

impl Conv<'_> {
    fn output_shape(&self, batch: usize, axes: &[Axis; 3]) -> Dims {
        let mut shape = Dims::from_slice(&[batch, self.groups * self.channels_out]);
        shape.extend(axes[3 - self.axes..].iter().map(|a| a.output as usize));
        shape
    }

    /// The convolution, in parts where kernels cannot hold or count all of it.
    fn whole(&self, x: &Tensor, mut axes: [Axis; 3]) -> Result<Tensor> {
        let batch = x.shape()[0];
        let shape = self.output_shape(batch, &axes);
        let fits = fits(self.context, &[x]) && fits_bytes(self.context, shape.iter().product::<usize>() * 4);
        if fits && axes.iter().all(Axis::counts) {
            return self.tiled(&x.contiguous()?, axes);
        }
        let longest = (0..3).max_by_key(|&a| axes[a].output).unwrap_or(2);
        let along = longest + self.axes - 3 + 2;
        let parts: Vec<(usize, Range<usize>, Tensor, [Axis; 3])> = if batch > 1 {
            let part = |range: Range<usize>| -> Result<_> {
                Ok((0, range.clone(), x.narrow(0, range.start, range.len())?, axes))
            };
            vec![part(0..batch / 2)?, part(batch / 2..batch)?]
        } else if axes[longest].output > 1 {
            let half = axes[longest].output / 2;
            let part = |range: Range<i64>| -> Result<_> {
                let mut axes = axes;
                let seen;
                (axes[longest], seen) = axes[longest].part(range.clone());
                let x = x.narrow(along, seen.start as usize, (seen.end - seen.start) as usize)?;
                Ok((along, range.start as usize..range.end as usize, x, axes))
            };
            vec![part(0..half)?, part(half..axes[longest].output)?]
        } else {
            // One output along each axis: what it sees is smaller than the spectrum, which fits.
            let mut x = x.clone();
            for a in 3 - self.axes..3 {
                let seen;
                (axes[a], seen) = axes[a].part(0..1);
                x = x.narrow(a + self.axes - 3 + 2, seen.start as usize, (seen.end - seen.start) as usize)?;
            }
            return self.tiled(&x.contiguous()?, axes);
        };
        Tensor::build(x.device(), OP, &shape, DType::F32, |dst| {
            for (axis, range, x, axes) in &parts {
                let part = self.whole(x, *axes)?;
                let layout = dst.layout.narrowed(*axis, range.start, range.len());
                let dst = ViewMut { buffer: &mut *dst.buffer, layout: &layout, dtype: dst.dtype };
                x.device().copy(part.view(), dst)?;
            }
            Ok(())
        })
    }

    /// The convolution of an input in row-major order, in shares of so many tiles as scratch may hold.
    fn tiled(&self, x: &Tensor, mut axes: [Axis; 3]) -> Result<Tensor> {
        for (a, axis) in axes.iter_mut().enumerate() {
            *axis = axis.tiled(self.form.points(a));
        }
        let batch = x.shape()[0];
        let tiles = axes.iter().map(|a| a.tiles as usize).product::<usize>();
        let all = Share { batch: 0..batch, groups: 0..self.groups, tiles: 0..tiles };
        Tensor::build(x.device(), OP, &self.output_shape(batch, &axes), DType::F32, |dst| {
            if self.across().is_empty() && self.channels_in == 1 && self.channels_out <= 2 {
                let operands =
                    Operands { input: Some(x.view()), from: None, tiles: None, result: Some(read(&dst)) };
                return self.kernel(Part::Line, 2, &axes, &all, operands, [1.0; 2]);
            }
            let each = 8 * self.form.bins() * self.channels_in.max(self.channels_out);
            let most = MAX_SCRATCH.min(self.context.limits.binding as usize - 512) / each;
            let most = most.min(LEAST.max(NEAR / each));
            let tiles_at_once = most.clamp(1, tiles);
            let batch_at_once = (most / tiles_at_once).clamp(1, batch);
            let groups_at_once = (most / (tiles_at_once * batch_at_once)).clamp(1, self.groups);
            for groups in pieces(self.groups, groups_at_once) {
                for batch in pieces(batch, batch_at_once) {
                    for tiles in pieces(tiles, tiles_at_once) {
                        let share = Share { batch: batch.clone(), groups: groups.clone(), tiles };
                        self.share(x, read(&dst), &axes, &share)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Whether groups have one channel in and out.
    fn single(&self) -> bool {
        (self.channels_in, self.channels_out) == (1, 1)
    }

    /// Axes before the last, the outermost first.
    fn across(&self) -> Vec<usize> {
        (3 - self.axes..2).collect()
    }

    /// From the input to tiles transformed along the last axis and along those of `across`; `scale` multiplies the parts of what comes out.
    fn there(
        &self,
        axes: &[Axis; 3],
        share: &Share,
        x: View<'_>,
        tiles: View<'_>,
        across: &[usize],
        scale: [f32; 2],
    ) -> Result<()> {
        let scale_after = |left: usize| if left == 0 { scale } else { [1.0; 2] };
        let operands = Operands { input: Some(x), ..Operands::tiles(tiles) };
        self.kernel(Part::RowsThere, 2, axes, share, operands, scale_after(across.len()))?;
        for (left, &axis) in across.iter().enumerate().rev() {
            self.kernel(Part::ColumnsThere, axis, axes, share, Operands::tiles(tiles), scale_after(left))?;
        }
        Ok(())
    }

    /// The outputs of some tiles.
    fn share(&self, x: &Tensor, result: View<'_>, axes: &[Axis; 3], share: &Share) -> Result<()> {
        let lines = share.batch.len() * share.tiles.len();
        let (groups, bins) = (share.groups.len(), self.form.bins());
        let shape = |channels: usize| [groups, channels, lines, bins];
        let make = |channels: usize, write: &dyn Fn(ViewMut<'_>) -> Result<()>| {
            Tensor::build(x.device(), OP, &shape(channels), DType::C64, write)
        };
        let across = self.across();
        let along = |part: Part, axis: usize, from: Option<View<'_>>, tiles: View<'_>| {
            let operands = Operands { from, ..Operands::tiles(tiles) };
            self.kernel(part, axis, axes, share, operands, [1.0; 2])
        };
        let last = |operands: Operands<'_>| {
            let operands = Operands { result: Some(result), ..operands };
            self.kernel(Part::RowsBack, 2, axes, share, operands, [1.0; 2])
        };
        // The outermost columns, and those within.
        let (outer, inner) = across.split_first().map_or((None, &[][..]), |(a, rest)| (Some(*a), rest));
        let tiles = make(self.channels_in, &|to| match outer {
            Some(axis) if self.single() => {
                self.there(axes, share, x.view(), read(&to), inner, [1.0; 2])?;
                along(Part::Columns, axis, None, read(&to))
            }
            _ => self.there(axes, share, x.view(), read(&to), &across, [1.0; 2]),
        })?;
        let tiles = match outer {
            _ if self.single() => tiles,
            Some(axis) if self.channels_in == 1 => {
                make(self.channels_out, &|to| along(Part::ColumnsBack, axis, Some(tiles.view()), read(&to)))?
            }
            None if self.channels_in == 1 => {
                return last(Operands { input: None, from: Some(tiles.view()), tiles: None, result: None });
            }
            _ => make(self.channels_out, &|mut to| {
                self.mix(share, &tiles, &mut to)?;
                outer.map_or(Ok(()), |axis| along(Part::ColumnsBack, axis, None, read(&to)))
            })?,
        };
        for &axis in inner {
            along(Part::ColumnsBack, axis, None, tiles.view())?;
        }
        last(Operands::tiles(tiles.view()))
    }

    /// For each bin and group a product `[tiles, channels in] x [channels in, channels out]`, of matrices that lie across one another.
    fn mix(&self, share: &Share, tiles: &Tensor, to: &mut ViewMut<'_>) -> Result<()> {
        let Some(spectrum) = self.spectrum else { return Ok(()) };
        let (groups, bins) = (share.groups.clone(), self.form.bins());
        let order = [3, 0, 2, 1];
        let shape = [self.groups, self.channels_out, self.channels_in, bins];
        let w = spectrum.reshape(&shape)?.narrow(0, groups.start, groups.len())?.permute(&[3, 0, 2, 1])?;
        let x = tiles.permute(&order)?;
        let layout = to.layout.permuted(&order);
        let to = ViewMut { buffer: &mut *to.buffer, layout: &layout, dtype: to.dtype };
        matmul(self.context, x.view(), w.view(), to)
    }
}

/// The ranges of `step` below `n`.
fn pieces(n: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(step).map(move |first| first..(first + step).min(n))
}
