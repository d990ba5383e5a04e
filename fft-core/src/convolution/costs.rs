//! What the steps of a convolution cost on a machine, and how many of them there are.

use std::borrow::Cow;

use serde::Serialize;

use super::ConvGeometry;
use crate::DType;

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A number for each kind of step that convolutions are made of: how many steps there are, or nanoseconds for each.
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
        pub struct ConvSteps {
            $($(#[$doc])* pub $name: f64,)*
        }

        impl ConvSteps {
            /// The names of the fields, in the order of [`to_array`](Self::to_array).
            pub const NAMES: [&str; [$(stringify!($name)),*].len()] = [$(stringify!($name)),*];

            /// The numbers as a row: of features, say, to fit costs by least squares.
            pub const fn to_array(&self) -> [f64; Self::NAMES.len()] {
                [$(self.$name),*]
            }

            /// The inverse of [`to_array`](Self::to_array).
            pub const fn from_array(values: [f64; Self::NAMES.len()]) -> Self {
                let [$($name),*] = values;
                Self { $($name),* }
            }
        }
    };
}

steps! {
    /// A call of the direct way.
    direct_call,
    /// A multiply-add of the direct way where a group has several channels in or out: a matrix product.
    direct_product,
    /// An element of the windows that such a product multiplies, read or copied once.
    direct_window,
    /// A multiply-add of the direct way where a group has one channel in and out: a kernel along rows.
    direct_tap,
    /// A row of outputs times a row of taps of such a kernel.
    direct_row,
    /// A call of the spectral way.
    fft_call,
    /// A tile of one channel, transformed forwards or back, whatever its length.
    fft_tile,
    /// `points log2(points)` of a transform of a tile that lies in near memory ([`ConvCosts::near_bytes`]).
    fft_near,
    /// The same of a longer one.
    fft_far,
    /// A complex multiply-add of spectra where a group has several channels in or out.
    fft_product,
    /// The same where it has one.
    fft_pointwise,
}

impl ConvSteps {
    /// `sum self * other`: nanoseconds, of costs and counts.
    pub fn dot(&self, other: &Self) -> f64 {
        self.to_array().iter().zip(other.to_array()).map(|(a, b)| a * b).sum()
    }
}

/// The measured constants of the cost model that [`ConvPlan`](super::ConvPlan) chooses by: nanoseconds on one thread, in `F32`. Threads divide
/// all of them about equally, so the choice stands for any number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvCosts {
    /// The machine that they were measured on.
    pub machine: Cow<'static, str>,
    /// The longest tile whose transform counts as [`ConvSteps::fft_near`], in bytes of the points of all input channels of a group and of one
    /// output channel.
    pub near_bytes: usize,
    /// How many lines a transform in one dimension takes at the price of one, side by side in the lanes of its registers.
    pub lanes: usize,
    /// How many times as long everything takes in `F64`.
    pub double: f64,
    /// Nanoseconds for each step.
    pub nanoseconds: ConvSteps,
}

impl ConvCosts {
    /// Constants measured nowhere in particular: about those of one thread of a processor with 256-bit vectors.
    pub const GENERIC: Self = Self {
        machine: Cow::Borrowed("generic"),
        near_bytes: 1 << 18,
        lanes: 1,
        double: 2.0,
        nanoseconds: ConvSteps {
            direct_call: 2000.0,
            direct_product: 0.025,
            direct_window: 0.3,
            direct_tap: 0.08,
            direct_row: 5.0,
            fft_call: 6000.0,
            fft_tile: 50.0,
            fft_near: 0.15,
            fft_far: 0.25,
            fft_product: 0.6,
            fft_pointwise: 0.8,
        },
    };

    /// Seconds for this many steps.
    pub fn seconds(&self, steps: &ConvSteps, dtype: DType) -> f64 {
        let factor = if dtype == DType::F64 { self.double } else { 1.0 };
        self.nanoseconds.dot(steps) * factor * 1e-9
    }
}

impl Default for ConvCosts {
    fn default() -> Self {
        Self::GENERIC
    }
}

fn product(lengths: impl Iterator<Item = usize>) -> f64 {
    lengths.map(|n| n as f64).product()
}

impl ConvGeometry {
    /// Whether groups have a single channel in and out (a depthwise convolution, or one channel altogether).
    pub fn is_depthwise(&self) -> bool {
        self.channels_in == 1 && self.channels_out == 1
    }

    /// The steps of the direct way.
    pub fn direct_steps(&self) -> ConvSteps {
        let groups = (self.batch * self.groups) as f64;
        let taps = product(self.kernel.iter().copied());
        let outputs = product(self.output.iter().copied());
        let mut steps = ConvSteps { direct_call: 1.0, ..Default::default() };
        if self.is_depthwise() {
            let last = self.axes() - 1;
            steps.direct_tap = groups * taps * outputs;
            steps.direct_row =
                groups * taps * outputs / (self.kernel[last] as f64 * self.output[last] as f64);
        } else {
            steps.direct_window = groups * self.channels_in as f64 * taps * outputs;
            steps.direct_product = steps.direct_window * self.channels_out as f64;
        }
        steps
    }

    /// The steps of the spectral way in tiles of `tile` points, with the transforms of the kernel unless its spectrum is there already.
    /// Of the costs only the sizes count.
    pub fn fft_steps(
        &self,
        tile: &[usize],
        dtype: DType,
        costs: &ConvCosts,
        spectrum_cached: bool,
    ) -> ConvSteps {
        let (inputs, outputs) = (self.channels_in as f64, self.channels_out as f64);
        let groups = self.groups as f64;
        let tiles = self.batch as f64 * groups * product((0..self.axes()).map(|a| self.tiles(a, tile[a])));
        let points = product(tile.iter().copied());
        let last = tile[tile.len() - 1] as f64;
        let bins = points / last * (last / 2.0 + 1.0).floor();
        let kernels = if spectrum_cached { 0.0 } else { groups * inputs * outputs };
        let depthwise = self.is_depthwise();
        let transforms = tiles * (inputs + outputs) + kernels;
        // Lines that do not fill the lanes cost as many as would.
        let filled = |lines: f64| match (self.axes(), depthwise) {
            (1, false) => (lines / costs.lanes as f64).ceil() * costs.lanes as f64,
            _ => lines,
        };
        let lines = groups * (filled(tiles / groups * inputs) + filled(tiles / groups * outputs));
        let work = (lines + kernels) * points * points.log2().max(1.0);
        // A tile of each input channel and of an output channel are in use together.
        let near = points * (inputs + 1.0) * dtype.size() as f64 <= costs.near_bytes as f64;
        let products = tiles * inputs * outputs * bins;
        let mut steps = ConvSteps { fft_call: 1.0, fft_tile: transforms, ..Default::default() };
        *(if near { &mut steps.fft_near } else { &mut steps.fft_far }) = work;
        *(if depthwise { &mut steps.fft_pointwise } else { &mut steps.fft_product }) = products;
        steps
    }
}
