//! Which tile of outputs an invocation sums, and how long sums are cut.

use fft_core::convolution::ConvGeometry;

use super::kernel::{GROUP, Tile};

/// Rows and columns of tiles.
const SHAPES: [[usize; 2]; 9] = [[1, 1], [1, 4], [1, 8], [1, 16], [2, 4], [2, 8], [3, 3], [4, 4], [4, 8]];
/// The most sums of an invocation.
const MOST_SUMS: usize = 72;
/// Steps of a loop of an invocation.
const MOST_STEPS: usize = 1 << 14;
/// Taps of a row that are one piece.
const PIECE: usize = 1024;
/// The most starts at which a row of taps is gone through, with shared inputs, each for itself.
const MOST_STARTS: usize = 256;
/// A part of a sum has at least so many steps, unless the device would be idle for want of a whole.
const LEAST_STEPS: usize = 256;

/// The sizes of a convolution with three spatial axes: those that it has not are of length 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) groups: usize,
    pub(super) channels_in: usize,
    pub(super) channels_out: usize,
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) taps: [usize; 3],
    pub(super) before: [usize; 3],
    pub(super) stride: [usize; 3],
    pub(super) dilation: [usize; 3],
}

impl Sizes {
    pub(super) fn new(g: &ConvGeometry) -> Self {
        let missing = 3 - g.axes();
        let axes = |of: &dyn Fn(usize) -> usize, none: usize| {
            std::array::from_fn(|a| a.checked_sub(missing).map_or(none, of))
        };
        Self {
            batch: g.batch,
            groups: g.groups,
            channels_in: g.channels_in,
            channels_out: g.channels_out,
            input: axes(&|a| g.input[a], 1),
            output: axes(&|a| g.output[a], 1),
            taps: axes(&|a| g.kernel[a], 1),
            before: axes(&|a| g.padding[a][0], 0),
            stride: axes(&|a| g.stride[a], 1),
            dilation: axes(&|a| g.dilation[a], 1),
        }
    }

    /// Taps of all input channels of a group.
    pub(super) fn terms(&self) -> usize {
        self.channels_in * self.taps.iter().product::<usize>()
    }

    /// The results of an image.
    pub(super) fn results(&self) -> usize {
        self.groups * self.channels_out * self.output.iter().product::<usize>()
    }
}

/// How a convolution is cut into invocations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    pub(super) tile: Tile,
    /// How far apart the columns of a tile lie, and the taps that share inputs.
    pub(super) spread: usize,
    pub(super) every: usize,
    /// Tiles along channels, rows and columns.
    pub(super) tiles: [usize; 3],
    /// Taps of a piece of a row, and pieces of a row.
    pub(super) piece: usize,
    pub(super) pieces: usize,
    /// Parts of a sum, and the pieces of a part.
    pub(super) parts: usize,
    pub(super) of_part: usize,
}

impl Tiling {
    /// The one of least expected time; `busy` is the number of workgroups that a device has room for.
    pub(super) fn new(s: &Sizes, busy: usize) -> Self {
        let each = tiles(s).map(|tile| (Self::of(s, tile, busy), tile));
        let best = each.min_by(|(a, _), (b, _)| a.price(s, busy).total_cmp(&b.price(s, busy)));
        match best {
            Some((tiling, _)) => tiling,
            None => Self::of(s, Tile { channels: 1, rows: 1, columns: 1, slides: false }, busy),
        }
    }

    fn of(s: &Sizes, tile: Tile, busy: usize) -> Self {
        let [spread, every] = if tile.slides { steps(s) } else { [1, 1] };
        let [_, height, width] = s.output;
        let tiles = [
            s.channels_out.div_ceil(tile.channels),
            height.div_ceil(tile.rows),
            width.div_ceil(spread * tile.columns) * spread,
        ];
        let taps = s.taps[2];
        let piece = if taps <= PIECE { taps } else { PIECE / every * every };
        let pieces = taps.div_ceil(piece);
        let all = s.channels_in * s.taps[0] * s.taps[1] * pieces;
        // A step for each tap, for each start and for the piece.
        let steps = piece + every + 1;
        let mut out = Self { tile, spread, every, tiles, piece, pieces, parts: 1, of_part: all };
        let most = (MOST_STEPS / steps).max(1);
        let wanted = (busy / out.invocations(s).div_ceil(GROUP).max(1)).max(1);
        let least = (LEAST_STEPS / steps).max(1);
        out.of_part = all.div_ceil(wanted).max(least).min(most).min(all);
        out.parts = all.div_ceil(out.of_part);
        out
    }

    /// Invocations for a part of all sums.
    pub(super) fn invocations(&self, s: &Sizes) -> usize {
        s.batch * s.groups * s.output[0] * self.tiles.iter().product::<usize>()
    }

    /// The expected time, in products that an invocation sums: reading a number or a vector takes as long as 13 of them, what goes with a tap 15, with a row
    /// of taps 60.
    fn price(&self, s: &Sizes, busy: usize) -> f64 {
        let Tile { channels, rows, columns, slides } = self.tile;
        let taps = s.taps[2];
        let inputs = if slides {
            rows * (taps + self.every * self.pieces * (columns - 1))
        } else {
            rows * columns * taps
        };
        let reads = inputs + channels.div_ceil(4) * taps;
        let row = 13 * reads + (channels * rows * columns + 15) * taps + 60;
        let invocations = self.invocations(s);
        // A device that is not filled takes as long as one that is.
        let idle = (busy * GROUP) as f64 / (invocations * self.parts) as f64;
        row as f64 * (s.terms() / taps) as f64 * invocations as f64 * idle.max(1.0)
    }
}

/// How far apart outputs lie, and taps, where an output takes with one tap what the next takes with the tap before.
fn steps(s: &Sizes) -> [usize; 2] {
    let (mut a, mut b) = (s.stride[2], s.dilation[2]);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    [s.dilation[2] / a, s.stride[2] / a]
}

/// The tiles that come into question.
fn tiles(s: &Sizes) -> impl Iterator<Item = Tile> {
    let [spread, every] = steps(s);
    let s = *s;
    let channels = [1, 4, 8].into_iter().filter(move |&channels| match s.channels_out {
        1 => channels == 1,
        n => channels > 1 && channels < 2 * n,
    });
    channels
        .flat_map(move |channels| SHAPES.into_iter().map(move |[rows, columns]| (channels, rows, columns)))
        .filter(move |&(channels, rows, columns)| {
            channels * rows * columns <= MOST_SUMS && (rows == 1 || s.output[1] > 1)
        })
        .flat_map(|(channels, rows, columns)| {
            [false, true].map(|slides| Tile { channels, rows, columns, slides })
        })
        .filter(move |tile| {
            let shares =
                every < s.taps[2] && every <= MOST_STARTS && spread * tile.columns <= 2 * s.output[2];
            !tile.slides || tile.columns > 1 && shares
        })
}

/// Every tile that may be chosen.
pub(super) fn every_tile() -> impl Iterator<Item = Tile> {
    let shapes = || SHAPES.into_iter();
    let all = [1, 4, 8].into_iter().flat_map(move |channels| shapes().map(move |[r, c]| (channels, r, c)));
    all.filter(|(channels, r, c)| channels * r * c <= MOST_SUMS).flat_map(|(channels, rows, columns)| {
        [false, true].map(|slides| Tile { channels, rows, columns, slides })
    })
}
