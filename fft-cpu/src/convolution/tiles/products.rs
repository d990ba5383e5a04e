//! Products of the spectra of tiles with those of kernels, summed over input channels.

use std::ops::Range;

use fft_core::Complex;

use super::Tiles;
use crate::fourier::Precision;
use crate::simd::{Kernel, Level, dispatch};

impl<T: Precision> Tiles<'_, T> {
    /// `output[j] = sum_i input[i] spectrum[first + j, i]` of the output channels that are transformed back [together](Self::together), over
    /// the input channels that `input` holds; added to what is there, unless they are the first.
    pub(super) fn products(
        &self,
        unit: usize,
        first: usize,
        channels: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) {
        let (g, s) = (self.g, self.shape);
        let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
        // Rows of a tile have bins of their own, which follow each other: the spectra of a kernel, more than all else, are read as they lie. Tiles in
        // one axis have the same bins.
        let height = if g.axes() > 1 { s.rows } else { 1 };
        for row in (0..s.rows).step_by(height) {
            let Some(place) = self.row(unit, row) else { return };
            for i in 0..self.together(first) {
                let channel = place.group * g.channels_out + first + i;
                let kernel = (channel * g.channels_in + channels.start) * height;
                dispatch(Product {
                    y: &mut output[(i * s.rows + row) * s.pitch..],
                    x: &input[row * s.pitch..],
                    w: &self.spectra[kernel * s.bins..],
                    rows: height,
                    bins: s.bins,
                    pitch: s.pitch,
                    steps: [s.block * s.pitch, height * s.bins],
                    channels: channels.len(),
                    add: channels.start > 0,
                });
            }
        }
    }
}

/// Rows `y = sum x w` over input channels, or `y += sum x w`.
struct Product<'a, T> {
    /// Rows `pitch` apart.
    y: &'a mut [Complex<T>],
    /// The same for each channel.
    x: &'a [Complex<T>],
    /// Rows `bins` apart for each channel.
    w: &'a [Complex<T>],
    rows: usize,
    bins: usize,
    pitch: usize,
    /// From channel to channel of `x` and of `w`.
    steps: [usize; 2],
    channels: usize,
    add: bool,
}

/// `x w`.
#[inline(always)]
fn product<T: Precision>(x: Complex<T>, w: Complex<T>) -> Complex<T> {
    Complex::new(x.re * w.re - x.im * w.im, x.re * w.im + x.im * w.re)
}

impl<T: Precision> Kernel for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        for channel in 0..self.channels {
            let rows = self.x[channel * self.steps[0]..].chunks(self.pitch).take(self.rows);
            let w = self.w[channel * self.steps[1]..].chunks_exact(self.bins);
            for ((w, x), y) in w.zip(rows).zip(self.y.chunks_mut(self.pitch)) {
                if self.add || channel > 0 {
                    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                        let z = product(*x, *w);
                        *y = Complex::new(y.re + z.re, y.im + z.im);
                    }
                } else {
                    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                        *y = product(*x, *w);
                    }
                }
            }
        }
    }
}
