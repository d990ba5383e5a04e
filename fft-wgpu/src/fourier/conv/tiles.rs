//! The tiles of a convolution by the convolution theorem: their lengths, and which outputs each has.

use std::ops::Range;

use fft_core::DType;
use fft_core::convolution::ConvGeometry;

use crate::call::fits_bytes;
use crate::context::Context;

/// The most elements of the padded input along an axis: places are 31-bit numbers.
const MAX_SPAN: i64 = 1 << 30;

/// Complex points of a tile along each of three axes: 1 along those that are not there, half the real ones along the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form(pub(super) [usize; 3]);

/// At least so many points; few lengths, so that few kernels are compiled.
fn padded(least: usize) -> usize {
    let lengths = [1, 3, 5, 7, 9].map(|odd: usize| odd * least.div_ceil(odd).next_power_of_two());
    lengths.into_iter().fold(usize::MAX, usize::min)
}

impl Form {
    /// The form of a kernel's spectrum, which kernel, channels and tile alone decide; nothing for what is left to the composition.
    pub(super) fn new(context: &Context, g: &ConvGeometry, tile: &[usize], dtype: DType) -> Option<Self> {
        let most = context.limits.line;
        if dtype != DType::F32 || g.axes() > 3 || tile.len() != g.axes() {
            return None;
        }
        let mut points = [1; 3];
        for (a, &tile) in tile.iter().enumerate() {
            let least = tile.max(g.reach(a));
            let last = a + 1 == g.axes();
            if least > 2 * most {
                return None;
            }
            let length = padded(if last { least.div_ceil(2) } else { least }.max(2));
            if length > most {
                return None;
            }
            points[3 - g.axes() + a] = length;
        }
        let form = Self(points);
        let kernels = (g.groups * g.channels_out).checked_mul(g.channels_in)?;
        let bytes = kernels.checked_mul(8 * form.bins())?;
        fits_bytes(context, bytes).then_some(form)
    }

    /// Complex numbers of a tile.
    pub(super) fn bins(self) -> usize {
        self.0.iter().product()
    }

    /// From one point to the next along an axis.
    pub(super) fn step(self, axis: usize) -> usize {
        self.0[axis + 1..].iter().product()
    }

    /// Points of a tile, real ones along the last axis.
    pub(super) fn points(self, axis: usize) -> usize {
        if axis == 2 { 2 * self.0[axis] } else { self.0[axis] }
    }
}

/// An axis of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) reach: i64,
    pub(super) input: i64,
    /// The element of the input, perhaps outside, that the first output multiplies with the first tap.
    pub(super) start: i64,
    pub(super) stride: i64,
    pub(super) output: i64,
    pub(super) tiles: i64,
    /// Outputs of a tile.
    pub(super) outputs: i64,
}

impl Axis {
    pub(super) const NONE: Self =
        Self { reach: 1, input: 1, start: 0, stride: 1, output: 1, tiles: 1, outputs: 1 };

    /// As few tiles of so many points as may be, with about as many outputs each.
    pub(super) fn tiled(mut self, points: usize) -> Self {
        let most = (points as i64 - self.reach) / self.stride + 1;
        let tiles = (self.output + most - 1) / most;
        self.outputs = (self.output + tiles - 1) / tiles;
        self.tiles = (self.output + self.outputs - 1) / self.outputs;
        self
    }

    /// The elements from the first to the last that outputs see.
    pub(super) fn span(&self) -> i64 {
        (self.output - 1) * self.stride + self.reach
    }

    /// Points of a tile that its outputs see.
    pub(super) fn needed(&self) -> i64 {
        (self.outputs - 1) * self.stride + self.reach
    }

    /// Rows of a tile that are read, at most.
    pub(super) fn read(&self) -> i64 {
        self.needed().min(self.input)
    }

    /// The outputs of a range, and the elements of the input that they see, at least one.
    pub(super) fn part(mut self, range: Range<i64>) -> (Self, Range<i64>) {
        self.start += range.start * self.stride;
        self.output = range.end - range.start;
        let low = self.start.clamp(0, self.input - 1);
        let high = (self.start + self.span()).clamp(low + 1, self.input);
        if self.output == 1 {
            self.stride = 1;
        }
        // Where outputs see nothing but padding it does not count how far away they are.
        self.start = (self.start - low).clamp(-self.span(), 1);
        self.input = high - low;
        (self, low..high)
    }

    /// Whether kernels can count along it.
    pub(super) fn counts(&self) -> bool {
        self.span() <= MAX_SPAN && self.stride <= MAX_SPAN && self.start >= -MAX_SPAN
    }
}
