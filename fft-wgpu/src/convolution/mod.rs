//! Convolutions as sums over taps.
//!
//! Each invocation sums a tile of neighbouring outputs of several channels in registers, and reads the input where its strides lead: windows are not
//! written out. Weights of several output channels are put side by side first, to be read as vectors. Long sums are cut into parts, which a reduction joins in
//! their order.

mod costs;
mod kernel;
mod tiling;

use fft_core::convolution::ConvGeometry;
use fft_core::{DType, Result, Tensor, ViewMut, compose};

use crate::call::{Call, declare, fits, fits_bytes};
use crate::context::Context;
use crate::memory::Scratch;
use crate::pipelines::Binding;

pub(crate) use costs::conv_costs;
use kernel::GROUP;
use tiling::{Sizes, Tiling};

const OP: &str = "conv_direct";
/// Places along an axis, padding included, that indices have room for.
const LONGEST: usize = 1 << 28;

/// See [`compose::conv_direct`].
pub(crate) fn conv_direct(
    context: &Context,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
) -> Result<Tensor> {
    let sizes = Sizes::new(g);
    let short = (0..g.axes()).all(|a| g.padded(a) <= LONGEST);
    let reals = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    if x.is_empty() || weight.is_empty() || !reals || !short || is_product(&sizes) {
        return compose::conv_direct(x, weight, bias, g);
    }
    if is_row_product(&sizes, g) {
        return row_product(x, weight, bias, g);
    }
    let tiling = Tiling::new(&sizes, context.limits.groups_at_once);
    let results = (sizes.batch * sizes.results()).saturating_mul(tiling.parts);
    let packed = sizes.groups * tiling.tiles[0] * tiling.tile.channels * sizes.terms();
    if !fits_bytes(context, results.max(packed).saturating_mul(4)) || !fits(context, &[x, weight]) {
        return if g.batch > 1 {
            halves(context, x, weight, bias, g)
        } else {
            compose::conv_direct(x, weight, bias, g)
        };
    }
    let x = if fits_bytes(context, 4 * spans(x)) { x.clone() } else { x.contiguous()? };
    let weight = weight.contiguous()?;
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let work = Work { context, x: &x, weight: &weight, sizes, tiling };
    let shape = g.output_shape();
    if tiling.parts == 1 {
        return Tensor::build(x.device(), OP, &shape, DType::F32, |out| work.run(bias.as_ref(), out));
    }
    let shape_of_parts = [&[tiling.parts], shape.as_slice()].concat();
    let parts = Tensor::build(x.device(), OP, &shape_of_parts, DType::F32, |out| work.run(None, out))?;
    with_bias(parts.sum(0)?, bias.as_ref())
}

/// The sums with a bias for each channel.
fn with_bias(sums: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Some(bias) = bias else { return Ok(sums) };
    let mut along = vec![1; sums.rank()];
    along[1] = bias.len();
    sums.add(&bias.reshape(&along)?)
}

/// Whether each image has one window, which the images of the batch give as rows of a matrix.
fn is_row_product(s: &Sizes, g: &ConvGeometry) -> bool {
    s.output == [1; 3] && g.padding.iter().all(|p| *p == [0; 2]) && s.channels_out >= 8
}

/// The products of such rows with the weights.
fn row_product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: &ConvGeometry) -> Result<Tensor> {
    let mut seen = x.clone();
    for a in 0..g.axes() {
        seen = seen.narrow(2 + a, 0, g.reach(a))?.step(2 + a, g.dilation[a] as isize)?;
    }
    let terms = g.channels_in * g.kernel.iter().product::<usize>();
    let rows = seen.reshape(&[g.batch, g.groups, terms])?.transpose(0, 1)?;
    let columns = weight.reshape(&[g.groups, g.channels_out, terms])?.transpose(1, 2)?;
    let sums = rows.matmul(&columns)?.transpose(0, 1)?.reshape(&g.output_shape())?;
    with_bias(sums, bias)
}

/// Each half of the batch for itself, where a binding cannot hold the whole.
fn halves(
    context: &Context,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
) -> Result<Tensor> {
    Tensor::build(x.device(), OP, &g.output_shape(), x.dtype(), |out| {
        for range in [0..g.batch / 2, g.batch / 2..g.batch] {
            let of_half = ConvGeometry { batch: range.len(), ..g.clone() };
            let x = x.narrow(0, range.start, range.len())?;
            let part = conv_direct(context, &x, weight, bias, &of_half)?;
            let layout = out.layout.narrowed(0, range.start, range.len());
            let place = ViewMut { buffer: &mut *out.buffer, layout: &layout, dtype: out.dtype };
            x.device().copy(part.view(), place)?;
        }
        Ok(())
    })
}

/// Whether it is a plain product of matrices: for a single tap, whose windows need no copy.
fn is_product(s: &Sizes) -> bool {
    let plain = s.taps == [1; 3] && s.stride == [1; 3] && s.before == [0; 3] && s.input == s.output;
    plain && s.channels_in >= 8 && s.channels_out >= 8
}

/// Elements from the first to the last that a view has.
fn spans(x: &Tensor) -> usize {
    let steps = x.shape().iter().zip(x.layout().strides());
    steps.map(|(&n, &s)| (n.max(1) - 1) * s.unsigned_abs()).sum::<usize>() + 1
}

/// A checked convolution.
struct Work<'a> {
    context: &'a Context,
    x: &'a Tensor,
    weight: &'a Tensor,
    sizes: Sizes,
    tiling: Tiling,
}

impl Work<'_> {
    /// Writes `[parts, batch, channels, ..]`.
    fn run(&self, bias: Option<&Tensor>, out: ViewMut<'_>) -> Result<()> {
        let Self { context, sizes: s, tiling: t, .. } = self;
        let packed = if t.tile.channels > 1 { Some(self.packed()?) } else { None };
        let mut call = Call::new(context, OP);
        call.read(self.x.view())?;
        match &packed {
            Some(packed) => call.bind(Binding::whole(packed, false), 0),
            None => call.read(self.weight.view())?,
        }
        // Without a bias anything takes its place, and is not read.
        call.read(bias.unwrap_or(self.weight).view())?;
        call.write(out)?;
        let count = t.invocations(s) * t.parts;
        let p = &mut call.params;
        p.count = count as u32;
        p.flags = u32::from(bias.is_some());
        let signed = |n: usize| n as i32;
        for a in 0..3 {
            p.steps[a] = [s.input[a], s.output[a], s.taps[a], s.before[a]].map(signed);
            p.steps[3 + a] = [s.stride[a], s.dilation[a], t.spread, t.every].map(signed);
        }
        let strides = self.x.layout().strides();
        let missing = 5 - strides.len();
        let [z, y, x]: [isize; 3] =
            std::array::from_fn(|a| a.checked_sub(missing).map_or(0, |a| strides[2 + a]));
        p.steps[6] = [strides[0], strides[1], z, y].map(|s| s as i32);
        let all = s.terms() / s.taps[2] * t.pieces;
        let numbers = [
            s.groups,
            s.channels_in,
            s.channels_out,
            t.tiles[0],
            t.tiles[1],
            t.tiles[2],
            t.pieces,
            t.piece,
            t.of_part,
            all,
            0,
            s.batch,
        ];
        p.more = numbers.map(|n| n as u32);
        p.more[10] = x as i32 as u32;
        call.run(&t.tile.label(), count.div_ceil(GROUP), || t.tile.source())
    }

    /// The weights of each tile of channels, in vectors.
    fn packed(&self) -> Result<Scratch<'_>> {
        let Self { context, sizes: s, tiling: t, .. } = self;
        let vectors = t.tile.channels / 4;
        let count = s.groups * t.tiles[0] * s.terms() * vectors;
        let packed = context.scratch(count * 16)?;
        let mut call = Call::new(context, OP);
        call.read(self.weight.view())?;
        call.bind(Binding::whole(&packed, true), 0);
        call.params.count = count as u32;
        let numbers = [s.terms(), vectors, s.channels_out, t.tiles[0]];
        call.params.more[..4].copy_from_slice(&numbers.map(|n| n as u32));
        call.run("convolution:pack", count.div_ceil(GROUP), pack)?;
        Ok(packed)
    }
}

fn pack() -> String {
    declare(&[("W", "f32", false), ("D", "vec4<f32>", true)]) + fft_shaders::CONVOLUTION_PACK
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = vec![("convolution:pack".to_owned(), pack())];
    out.extend(tiling::every_tile().map(|tile| (tile.label(), tile.source())));
    out
}
