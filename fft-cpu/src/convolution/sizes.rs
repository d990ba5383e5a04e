//! A convolution in three axes, and how the direct way cuts it.

use fft_core::convolution::ConvGeometry;

/// Elements of a packed piece of input: what stays in the second-level cache beside the weights.
const PIECE: usize = 1 << 16;
/// Fewer columns than this are not cut.
const COLUMNS: usize = 256;
/// Products of a task, below which it is not cut for the sake of other threads.
const TASK: usize = 1 << 22;

/// The sizes of a convolution of one to three axes, seen as one of three: the missing outer axes have length 1.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) groups: usize,
    pub(super) channels_in: usize,
    pub(super) channels_out: usize,
    pub(super) input: [usize; 3],
    pub(super) kernel: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) stride: [usize; 3],
    pub(super) dilation: [usize; 3],
    /// Zeros before the input.
    pub(super) before: [usize; 3],
}

impl Sizes {
    pub(super) fn new(g: &ConvGeometry) -> Self {
        let missing = 3 - g.axes();
        let from = |values: &[usize], none: usize| {
            std::array::from_fn(|a| if a < missing { none } else { values[a - missing] })
        };
        Self {
            batch: g.batch,
            groups: g.groups,
            channels_in: g.channels_in,
            channels_out: g.channels_out,
            input: from(&g.input, 1),
            kernel: from(&g.kernel, 1),
            output: from(&g.output, 1),
            stride: from(&g.stride, 1),
            dilation: from(&g.dilation, 1),
            before: std::array::from_fn(|a| if a < missing { 0 } else { g.padding[a - missing][0] }),
        }
    }

    /// Taps of one input channel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Outputs of one channel.
    pub(super) fn outputs(&self) -> usize {
        self.output.iter().product()
    }

    /// Multiplications in all.
    pub(super) fn products(&self) -> usize {
        let channels = self.groups * self.channels_out * self.channels_in;
        (self.batch * channels).saturating_mul(self.outputs()).saturating_mul(self.taps())
    }

    /// Whether the groups have one channel each, of input and of output.
    pub(super) fn is_depthwise(&self) -> bool {
        self.channels_in == 1 && self.channels_out == 1
    }

    /// Whether rows of outputs share rows of input one to one, so that a block of them can be summed together.
    pub(super) fn rows_share(&self) -> bool {
        self.is_depthwise() && self.stride[1] == 1 && self.kernel[1] > 1 && self.output[1] > 1
    }
}

/// The phases of an axis: inputs that are a multiple of the stride apart lie together, so that a tap is one distance for all outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phases {
    stride: usize,
    dilation: usize,
    taps: usize,
    /// Phases that some tap reads.
    pub(super) count: usize,
    /// The largest distance within a phase.
    pub(super) span: usize,
}

impl Phases {
    fn new(s: &Sizes, axis: usize) -> Self {
        Self::with_stride(s, axis, s.stride[axis])
    }

    /// One phase for each tap, as if the stride went beyond the last: all distances are 0, so that nothing is packed of what lies between
    /// taps.
    fn apart(s: &Sizes, axis: usize) -> Self {
        Self::with_stride(s, axis, s.dilation[axis].saturating_mul(s.kernel[axis]))
    }

    fn with_stride(s: &Sizes, axis: usize, stride: usize) -> Self {
        let (dilation, taps) = (s.dilation[axis], s.kernel[axis]);
        // The phases k dilation mod stride repeat after stride / gcd(stride, dilation).
        let (mut a, mut b) = (stride, dilation % stride);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Self { stride, dilation, taps, count: taps.min(stride / a), span: (taps - 1) * dilation / stride }
    }

    /// Where a tap reads: its phase's number, and the distance within.
    pub(super) fn place(&self, tap: usize) -> (usize, usize) {
        debug_assert!(tap < self.taps);
        (tap % self.count, tap * self.dilation / self.stride)
    }

    /// The first input of a phase.
    pub(super) fn first(&self, phase: usize) -> usize {
        phase * self.dilation % self.stride
    }
}

/// The sizes of a piece of the output for the sake of the cache, with the phases in which its inputs are packed.
#[derive(Debug, Clone, Copy)]
struct Piece {
    phases: [Phases; 2],
    rows: usize,
    columns: usize,
}

impl Piece {
    fn new(s: &Sizes, phases: [Phases; 2]) -> Self {
        let mut piece = Self { phases, rows: s.output[1], columns: s.output[2] };
        while piece.columns > COLUMNS && (Self { rows: piece.rows.min(8), ..piece }).packed(s) > PIECE {
            piece.columns = piece.columns.div_ceil(2);
        }
        while piece.rows > 1 && piece.packed(s) > PIECE && piece.rows > phases[0].span / 2 {
            piece.rows = piece.rows.div_ceil(2);
        }
        piece
    }

    /// Elements of the packed inputs of a piece.
    fn packed(&self, s: &Sizes) -> usize {
        let [row, column] = self.phases;
        (s.channels_in * s.kernel[0] * row.count * column.count)
            .saturating_mul(self.rows + row.span)
            .saturating_mul(self.columns + column.span)
    }

    /// The same of all pieces of one depth.
    fn packed_in_all(&self, s: &Sizes) -> usize {
        let pieces = s.output[1].div_ceil(self.rows) * s.output[2].div_ceil(self.columns);
        self.packed(s).saturating_mul(pieces)
    }
}

/// How a convolution is cut: pieces of at most `rows x columns` outputs of one depth, whose inputs are packed as
/// `[channels in][taps in depth][phases of rows][phases of columns][rows + span][pitch]`.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// Outputs of a piece along the last two axes, and output channels of a group.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) channels: usize,
    /// The phases of the last two axes.
    pub(super) phases: [Phases; 2],
    /// From row to row of a packed phase.
    pub(super) pitch: usize,
    /// Elements of a packed phase.
    pub(super) area: usize,
    /// From channel to channel.
    pub(super) plane: usize,
    /// How many pieces there are along each axis.
    pub(super) pieces: [usize; 3],
}

impl Cut {
    pub(super) fn new(s: &Sizes) -> Self {
        let [_, height, width] = s.output;
        let [near, apart] = [Phases::new(s, 2), Phases::apart(s, 2)]
            .map(|columns| Piece::new(s, [Phases::new(s, 1), columns]));
        // Taps far from each other share little or nothing of what is packed for them.
        let piece = if apart.packed_in_all(s) < near.packed_in_all(s) { apart } else { near };
        let Piece { phases, mut rows, mut columns } = piece;
        let mut channels = s.channels_out;
        let outer = s.batch * s.groups * s.output[0];
        let count = |rows, columns, channels| {
            outer * height.div_ceil(rows) * width.div_ceil(columns) * s.channels_out.div_ceil(channels)
        };
        let wanted = (s.products() / TASK).clamp(1, 8);
        while count(rows, columns, channels) < wanted {
            if rows >= 8 {
                rows = rows.div_ceil(2);
            } else if columns >= 2 * COLUMNS {
                columns = columns.div_ceil(2);
            } else if channels >= 32 {
                channels = channels.div_ceil(2).next_multiple_of(8);
            } else {
                break;
            }
        }
        let mut pitch = columns + phases[1].span;
        if s.rows_share() {
            // Rows begin at cache lines, an odd number of them apart, so that a column of rows does not share one set of a cache.
            pitch = (pitch.div_ceil(16) | 1) * 16;
        }
        let area = (rows + phases[0].span) * pitch;
        let plane = s.kernel[0] * phases[0].count * phases[1].count * area;
        Self {
            rows,
            columns,
            channels,
            phases,
            pitch,
            area,
            plane: (plane.div_ceil(16) | 1) * 16,
            pieces: [height.div_ceil(rows), width.div_ceil(columns), s.channels_out.div_ceil(channels)],
        }
    }

    /// The distance of a tap, `[depth, row, column]`, from the place of the output in the packed piece.
    pub(super) fn offset(&self, tap: [usize; 3]) -> usize {
        let [row, column] = self.phases;
        let ((phase_row, shift_row), (phase_column, shift_column)) =
            (row.place(tap[1]), column.place(tap[2]));
        let phase = (tap[0] * row.count + phase_row) * column.count + phase_column;
        phase * self.area + shift_row * self.pitch + shift_column
    }

    /// Units of work: pieces of each item, group and depth.
    pub(super) fn units(&self, s: &Sizes) -> usize {
        s.batch * s.groups * s.output[0] * self.pieces.iter().product::<usize>()
    }

    /// The unit of a number; pieces of channels come last, so that units with the same input follow each other.
    pub(super) fn unit(&self, s: &Sizes, index: usize) -> Unit {
        let mut rest = index;
        let mut digit = |n: usize| {
            let digit = rest % n;
            rest /= n;
            digit
        };
        let part = |i: usize, size: usize, all: usize| [i * size, size.min(all - i * size)];
        let channels = part(digit(self.pieces[2]), self.channels, s.channels_out);
        let columns = part(digit(self.pieces[1]), self.columns, s.output[2]);
        let rows = part(digit(self.pieces[0]), self.rows, s.output[1]);
        let depth = digit(s.output[0]);
        let group = digit(s.groups);
        Unit { batch: digit(s.batch), group, depth, rows, columns, channels }
    }
}

/// A piece of the output: where ranges begin, and how long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) batch: usize,
    pub(super) group: usize,
    pub(super) depth: usize,
    pub(super) rows: [usize; 2],
    pub(super) columns: [usize; 2],
    pub(super) channels: [usize; 2],
}

impl Unit {
    /// Whether another unit needs the same input.
    pub(super) fn same_input(&self, other: &Self) -> bool {
        Self { channels: self.channels, ..*other } == *self
    }
}
