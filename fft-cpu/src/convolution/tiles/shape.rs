//! How a convolution is cut into units of tiles.

use fft_core::convolution::ConvGeometry;

use crate::fourier::Precision;
use crate::fourier::lanes::{RealLanePlan, is_planned};
use crate::simd::machine;

/// The most bytes of a unit's spectra: not far more than the second-level cache has.
const MOST: usize = 2 << 20;
/// Fewer tiles than this, of several channels, are cut into tasks by channel.
const FEW: usize = 4;

/// How a convolution goes in tiles.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Shape {
    /// Rows of one channel in a unit: of a tile, or tiles in one axis.
    pub(super) rows: usize,
    /// Points of a tile along the two outer axes of three; 1 along those that are missing.
    pub(super) outer: [usize; 2],
    /// Rows from one input channel to the next.
    pub(super) block: usize,
    /// Points of a row, its bins, and complex numbers from row to row.
    pub(super) points: usize,
    pub(super) bins: usize,
    pub(super) pitch: usize,
    /// Output channels that are transformed back together.
    pub(super) together: usize,
    /// Rows of the blocks of input and of output. Where the spectra of inputs are shared, the first is that of a channel.
    pub(super) blocks: [usize; 2],
    /// Whether groups have one channel each; units in one axis then go across groups.
    pub(super) across: bool,
    /// Whether the spectra of all input channels of a unit are made first, for all threads.
    pub(super) shared: bool,
    /// Rows in one axis that there are in all, of a group or across groups.
    pub(super) lines: usize,
}

impl Shape {
    /// `None` where tiles are too large, or of a length without a plan.
    pub(in super::super) fn new<T: Precision>(g: &ConvGeometry, tile: &[usize]) -> Option<Self> {
        let lanes = T::lanes(machine());
        let points = tile[tile.len() - 1];
        let outer = match *tile {
            [depth, height, _] => [depth, height],
            [height, _] => [1, height],
            _ => [1, 1],
        };
        if points < 2 || !is_planned(RealLanePlan::<T>::points(points)) {
            return None;
        }
        let bins = points / 2 + 1;
        let pitch = bins.next_multiple_of(lanes);
        let across = g.is_depthwise();
        let lines = g.batch * g.tiles(0, tile[0]) * if across { g.groups } else { 1 };
        let size = |rows: usize, together: usize| {
            [g.channels_in, together].map(|channels| (channels * rows).next_multiple_of(lanes))
        };
        let bytes = |blocks: [usize; 2]| (blocks[0] + blocks[1]) * pitch * 2 * size_of::<T>();
        let shape = |rows: usize, together: usize| Self {
            rows,
            outer,
            block: rows,
            points,
            bins,
            pitch,
            together,
            blocks: size(rows, together),
            across,
            shared: false,
            lines,
        };
        let is_near = |shape: &Self| bytes(shape.blocks) <= MOST;
        match g.axes() {
            1 => {
                let mut rows = lanes.min(lines);
                let together = |rows: usize| lanes.div_ceil(rows).min(g.channels_out);
                // Many channels fill the lanes with fewer tiles.
                while rows > 1 && g.channels_in * rows > lanes && bytes(size(rows, together(rows))) > MOST {
                    rows = rows.div_ceil(2);
                }
                Some(shape(rows, together(rows))).filter(is_near)
            }
            _ if outer.iter().all(|&points| is_planned(points)) => {
                let rows = outer[0] * outer[1];
                let tiles = (0..g.axes()).map(|a| g.tiles(a, tile[a])).product::<usize>();
                let tiles = g.batch * g.groups * tiles;
                let whole = shape(rows, 1);
                if is_near(&whole) && (across || tiles >= FEW) {
                    return Some(whole);
                }
                Some(whole.sharing::<T>()).filter(is_near)
            }
            _ => None,
        }
    }

    /// The same tiles in several axes with the spectra of inputs shared.
    pub(in super::super) fn sharing<T: Precision>(self) -> Self {
        let own = self.rows.next_multiple_of(T::lanes(machine()));
        Self { block: own, blocks: [own, own], shared: true, ..self }
    }

    /// Whether at least a quarter of the lanes is used in one axis.
    pub(in super::super) fn is_full(&self, g: &ConvGeometry) -> bool {
        4 * self.rows * g.channels_in >= self.blocks[0]
    }
}
