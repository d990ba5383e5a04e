//! Walking several strided operands of one shape together.

use fft_core::Layout;
use smallvec::SmallVec;

/// An axis: its length, and each operand's stride.
pub(crate) type Axis<const N: usize> = (usize, [isize; N]);

/// The positions of `N` operands of the same shape as rows: axes that lie behind each other in every operand are merged, and
/// the last that remains is the row.
#[derive(Debug, Clone)]
pub(crate) struct Walk<const N: usize> {
    outer: SmallVec<[Axis<N>; 6]>,
    start: [isize; N],
    /// Number of rows.
    pub(crate) rows: usize,
    /// Elements of a row.
    pub(crate) len: usize,
    /// Each operand's stride in a row.
    pub(crate) strides: [isize; N],
}

impl<const N: usize> Walk<N> {
    /// A walk over all positions of layouts of the same shape.
    pub(crate) fn new(layouts: [&Layout; N]) -> Self {
        let shape = layouts[0].shape();
        let axes = (0..shape.len()).map(|a| (shape[a], layouts.map(|l| l.strides()[a])));
        Self::from_axes(axes, layouts.map(|l| l.offset() as isize))
    }

    /// A walk over the given axes, outermost first.
    pub(crate) fn from_axes(axes: impl IntoIterator<Item = Axis<N>>, start: [isize; N]) -> Self {
        let mut outer: SmallVec<[Axis<N>; 6]> = SmallVec::new();
        for (n, strides) in axes {
            if n == 1 {
                continue;
            }
            if let Some((m, last)) = outer.last_mut()
                && (0..N).all(|i| last[i] == strides[i] * n as isize)
            {
                *m *= n;
                *last = strides;
                continue;
            }
            outer.push((n, strides));
        }
        let (len, strides) = outer.pop().unwrap_or((1, [1; N]));
        let rows = outer.iter().map(|a| a.0).product();
        Self { outer, start, rows, len, strides }
    }

    /// Number of positions.
    pub(crate) fn positions(&self) -> usize {
        self.rows * self.len
    }

    /// The operands' positions at the start of a row.
    #[inline]
    pub(crate) fn row(&self, mut row: usize) -> [isize; N] {
        let mut at = self.start;
        for (n, strides) in self.outer.iter().rev() {
            let index = (row % n) as isize;
            row /= n;
            for (at, stride) in at.iter_mut().zip(strides) {
                *at += index * stride;
            }
        }
        at
    }

    /// Cuts the walk into tasks of about `size` elements, by the shape alone; a row is only cut at multiples of `unit`.
    pub(crate) fn tasks(&self, size: usize, unit: usize) -> Tasks {
        if self.len >= size.saturating_mul(2) {
            let pieces = self.len.div_ceil(size);
            let piece = self.len.div_ceil(pieces).next_multiple_of(unit);
            let pieces = self.len.div_ceil(piece);
            Tasks { rows: 1, piece, pieces, count: self.rows * pieces }
        } else {
            let rows = (size / self.len.max(1)).max(1);
            Tasks { rows, piece: self.len, pieces: 1, count: self.rows.div_ceil(rows) }
        }
    }

    /// Calls `f(positions, len)` for each row, or piece of one, in a task.
    #[inline]
    pub(crate) fn task(&self, tasks: &Tasks, index: usize, mut f: impl FnMut([isize; N], usize)) {
        if tasks.pieces > 1 {
            let (row, piece) = (index / tasks.pieces, index % tasks.pieces);
            let from = piece * tasks.piece;
            let mut at = self.row(row);
            for (at, stride) in at.iter_mut().zip(self.strides) {
                *at += from as isize * stride;
            }
            f(at, tasks.piece.min(self.len - from));
            return;
        }
        let from = index * tasks.rows;
        for row in from..(from + tasks.rows).min(self.rows) {
            f(self.row(row), self.len);
        }
    }
}

/// How a walk is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tasks {
    rows: usize,
    piece: usize,
    pieces: usize,
    /// Number of tasks.
    pub(crate) count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_and_covers_every_position_once() {
        let base = Layout::contiguous(&[4, 6, 5]);
        let whole = Walk::new([&base, &base]);
        assert_eq!((whole.rows, whole.len), (1, 120));
        let turned = base.permuted(&[1, 0, 2]);
        let dst = Layout::contiguous(&[6, 4, 5]);
        let walk = Walk::new([&turned, &dst]);
        assert_eq!((walk.rows, walk.len), (24, 5));
        for size in [1, 3, 7, 1000] {
            let tasks = walk.tasks(size, 64);
            let mut seen = vec![0; 120];
            for task in 0..tasks.count {
                walk.task(&tasks, task, |[s, d], n| {
                    for i in 0..n as isize {
                        assert_eq!(walk.strides, [1, 1]);
                        let (x, y, z) = ((d + i) / 20, (d + i) / 5 % 4, (d + i) % 5);
                        assert_eq!(s + i, y * 30 + x * 5 + z);
                        seen[(d + i) as usize] += 1;
                    }
                });
            }
            assert!(seen.iter().all(|&c| c == 1));
        }
        let scalar = Layout::contiguous(&[]);
        assert_eq!(Walk::new([&scalar]).positions(), 1);
    }
}
