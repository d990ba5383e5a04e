//! Convolution of long lines by the convolution theorem, a tile at a time: pad, transform, multiply, transform back and keep the useful
//! outputs while the tile is in the cache (overlap-save, Stockham 1966).

use std::sync::Arc;

use fft_core::convolution::ConvGeometry;
use fft_core::{Complex, Result, Tensor};

use super::pack::pack_row;
use crate::fourier::{Circular, Context, Precision};
use crate::memory::{SharedMut, elements, elements_mut};

const OP: &str = "conv_fft";
/// Points of a task: small against what a call has, large against the cost of starting one.
const TASK: usize = 1 << 16;

/// Whether lines of one input channel a group are convolved here, in tiles of `tile` points.
pub(super) fn serves(g: &ConvGeometry, tile: &[usize]) -> bool {
    g.axes() == 1 && g.channels_in == 1 && tile[0].is_multiple_of(2)
}

/// `SpectralBackend::conv_fft`, where [`serves`] says so. The spectrum is that of `compose::conv_spectrum`.
pub(super) fn conv_fft<T: Precision>(
    context: Context<'_>,
    x: &Tensor,
    spectrum: &Tensor,
    bias: Option<&Tensor>,
    g: &ConvGeometry,
    tile: usize,
) -> Result<Tensor> {
    let x = if x.layout().strides()[2] == 1 || x.shape()[2] == 1 { x.clone() } else { x.contiguous()? };
    let spectrum = spectrum.contiguous()?;
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let channels = g.groups * g.channels_out;
    let work = Lines {
        data: elements::<T>(OP, &x.view())?,
        offset: x.layout().offset(),
        strides: [x.layout().strides()[0], x.layout().strides()[1]],
        spectra: &elements::<Complex<T>>(OP, &spectrum.view())?[spectrum.layout().offset()..],
        bias: match &bias {
            Some(bias) => Some(&elements::<T>(OP, &bias.view())?[bias.layout().offset()..][..channels]),
            None => None,
        },
        circular: context.plans.circular::<T>(tile),
        g,
        tile,
    };
    let tiles = g.tiles(0, tile);
    let units = g.batch * g.groups * tiles;
    let per_task = (TASK / tile / (1 + g.channels_out)).clamp(1, units);
    Tensor::build(x.device(), OP, &g.output_shape(), x.dtype(), |mut dst| {
        let offset = dst.layout.offset();
        let out = SharedMut::new(&mut elements_mut::<T>(OP, &mut dst)?[offset..]);
        let tasks = units.div_ceil(per_task);
        let team = context.threads.team(tasks, units * tile * (1 + g.channels_out));
        let sizes = [tile / 2, if g.channels_out > 1 { tile / 2 } else { 0 }, work.circular.scratch_len()];
        // Parts of different workers start at different cache lines.
        let each = sizes.iter().sum::<usize>().next_multiple_of(16);
        let mut block = context.pool.scratch(team.workers() * each * size_of::<Complex<T>>())?;
        let scratch = SharedMut::new(block.as_mut::<Complex<T>>());
        team.run(tasks, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { scratch.slice(worker * each, each) };
            let (line, scratch) = scratch.split_at_mut(sizes[0]);
            let (copy, scratch) = scratch.split_at_mut(sizes[1]);
            for unit in task * per_task..((task + 1) * per_task).min(units) {
                // Tiles of one group follow each other over the batch, so that its spectra stay near.
                let (from, batch, group) = (unit % tiles, unit / tiles % g.batch, unit / tiles / g.batch);
                // SAFETY: each unit is in one task, and has its outputs to itself.
                unsafe { work.unit(batch, group, from, line, copy, scratch, out) };
            }
        });
        Ok(())
    })
}

/// A checked convolution.
struct Lines<'a, T> {
    data: &'a [T],
    offset: usize,
    /// Of batch and channel.
    strides: [isize; 2],
    /// `[groups, channels out, bins]`.
    spectra: &'a [Complex<T>],
    bias: Option<&'a [T]>,
    circular: Arc<Circular<T>>,
    g: &'a ConvGeometry,
    tile: usize,
}

impl<T: Precision> Lines<'_, T> {
    /// All outputs of one tile of a group.
    ///
    /// # Safety
    /// No one else has these outputs.
    #[allow(clippy::too_many_arguments, reason = "three buffers and a position")]
    unsafe fn unit(
        &self,
        batch: usize,
        group: usize,
        tile: usize,
        line: &mut [Complex<T>],
        copy: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
        out: SharedMut<'_, T>,
    ) {
        let g = self.g;
        let first = tile * g.useful(0, self.tile);
        self.load(batch, group, first, bytemuck::cast_slice_mut(line));
        // The useful outputs of the tile that the stride meets.
        let end = (first + g.useful(0, self.tile)).min(g.dense_output(0));
        let (from, to) = (first.div_ceil(g.stride[0]), end.div_ceil(g.stride[0]));
        if from >= to {
            return;
        }
        let several = g.channels_out > 1;
        if several {
            self.circular.forward(line, scratch);
        }
        let bins = self.tile / 2 + 1;
        for i in 0..g.channels_out {
            let channel = group * g.channels_out + i;
            let spectrum = &self.spectra[channel * bins..][..bins];
            let line = if several {
                copy.copy_from_slice(line);
                self.circular.finish(copy, spectrum, scratch);
                &*copy
            } else {
                self.circular.convolve(line, spectrum, scratch);
                &*line
            };
            let at = (batch * g.groups * g.channels_out + channel) * g.output[0] + from;
            // SAFETY: promised by the caller.
            let y = unsafe { out.slice(at, to - from) };
            let reals: &[T] = &bytemuck::cast_slice(line)[from * g.stride[0] - first..];
            let bias = self.bias.map(|bias| bias[channel]);
            match (g.stride[0], bias) {
                (1, None) => y.copy_from_slice(&reals[..y.len()]),
                (stride, bias) => {
                    let bias = bias.unwrap_or_default();
                    for (y, x) in y.iter_mut().zip(reals.iter().step_by(stride)) {
                        *y = *x + bias;
                    }
                }
            }
        }
    }

    /// The padded input from `first` on.
    fn load(&self, batch: usize, group: usize, first: usize, to: &mut [T]) {
        let at = self.offset as isize + batch as isize * self.strides[0] + group as isize * self.strides[1];
        let row = &self.data[at as usize..][..self.g.input[0]];
        pack_row(row, first as isize - self.g.padding[0][0] as isize, 1, to);
    }
}
