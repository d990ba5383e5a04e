//! Input and weights in the order in which the direct kernels read them.

use super::sizes::{Cut, Sizes, Unit};

/// An input whose rows are contiguous.
pub(super) struct Input<'a, T> {
    pub(super) data: &'a [T],
    pub(super) offset: usize,
    /// Of batch, channel, depth and row.
    pub(super) strides: [isize; 4],
}

impl<T: Copy + Default> Input<'_, T> {
    /// Writes the inputs of a unit to `to`: see [`Cut`]. Whatever lies outside of the input is zero.
    pub(super) fn pack(&self, s: &Sizes, cut: &Cut, unit: &Unit, to: &mut [T]) {
        let [row_phases, column_phases] = cut.phases;
        let (rows, columns) = (unit.rows[1] + row_phases.span, unit.columns[1] + column_phases.span);
        let origin = |axis: usize, first: usize| (first * s.stride[axis]) as isize - s.before[axis] as isize;
        let left = origin(2, unit.columns[0]);
        for channel in 0..s.channels_in {
            let plane = &mut to[channel * cut.plane..][..cut.plane];
            let from = self.offset as isize
                + unit.batch as isize * self.strides[0]
                + (unit.group * s.channels_in + channel) as isize * self.strides[1];
            let mut areas = plane.chunks_exact_mut(cut.area);
            for tap in 0..s.kernel[0] {
                let depth = origin(0, unit.depth) + (tap * s.dilation[0]) as isize;
                let inside = (0..s.input[0] as isize).contains(&depth);
                for row_phase in 0..row_phases.count {
                    let top = origin(1, unit.rows[0]) + row_phases.first(row_phase) as isize;
                    for column_phase in 0..column_phases.count {
                        let Some(area) = areas.next() else { return };
                        let left = left + column_phases.first(column_phase) as isize;
                        for (i, to) in area.chunks_exact_mut(cut.pitch).take(rows).enumerate() {
                            let to = &mut to[..columns];
                            let row = top + (i * s.stride[1]) as isize;
                            if inside && (0..s.input[1] as isize).contains(&row) {
                                let at = from + depth * self.strides[2] + row * self.strides[3];
                                pack_row(&self.data[at as usize..][..s.input[2]], left, s.stride[2], to);
                            } else {
                                to.fill(T::default());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `to[i] = row[left + i stride]`, or zero outside.
#[inline]
pub(super) fn pack_row<T: Copy + Default>(row: &[T], left: isize, stride: usize, to: &mut [T]) {
    // Divisions take as long as a row of an image.
    let steps = |n: usize| if stride == 1 { n } else { n.div_ceil(stride) };
    // The first and the first beyond the last of those inside.
    let begin = steps(left.min(0).unsigned_abs()).min(to.len());
    let end = steps((row.len() as isize - left).max(0) as usize).clamp(begin, to.len());
    clear(to, begin, end);
    if begin == end {
        return;
    }
    let first = (left + (begin * stride) as isize) as usize;
    let inside = &mut to[begin..end];
    if stride == 1 {
        copy(&row[first..first + inside.len()], inside);
    } else {
        for (to, x) in inside.iter_mut().zip(row[first..].iter().step_by(stride)) {
            *to = *x;
        }
    }
}

/// Elements that go in one step. Rows of images have few: calls of the system's functions for memory take longer than the work.
const STEP: usize = 16;

/// Zeros in `..begin` and in `end..`; what lies between is written next, and may become zero.
#[inline]
fn clear<T: Copy + Default>(to: &mut [T], begin: usize, end: usize) {
    let len = to.len();
    if len < STEP || begin > STEP || len - end > STEP {
        to[..begin].fill(T::default());
        return to[end..].fill(T::default());
    }
    if begin > 0 {
        to[..STEP].copy_from_slice(&[T::default(); STEP]);
    }
    if end < len {
        to[len - STEP..].copy_from_slice(&[T::default(); STEP]);
    }
}

/// Copies a row in steps of a fixed size, of which the last may repeat elements of the one before.
#[inline]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    fn by<T: Copy, const N: usize>(from: &[T], to: &mut [T]) {
        let last = to.len() - N;
        for at in (0..last).step_by(N).chain([last]) {
            to[at..at + N].copy_from_slice(&from[at..at + N]);
        }
    }
    match to.len() {
        STEP..=512 => by::<T, STEP>(from, to),
        4..STEP => by::<T, 4>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// The number of output channels that a block of weights has: as many as fit, a power of two.
pub(super) fn block(left: usize, most: usize) -> usize {
    most.min(1 << left.ilog2())
}

/// Weights `[R][terms]` as `[terms][R]`.
pub(super) fn pack_weights<T: Copy>(rows: &[T], terms: usize, to: &mut [T]) {
    fn fixed<T: Copy, const R: usize>(rows: &[T], terms: usize, to: &mut [T]) {
        let rows: [&[T]; R] = std::array::from_fn(|r| &rows[r * terms..(r + 1) * terms]);
        for (i, to) in to.as_chunks_mut::<R>().0.iter_mut().enumerate().take(terms) {
            *to = std::array::from_fn(|r| rows[r][i]);
        }
    }
    match rows.len() / terms {
        8 => fixed::<T, 8>(rows, terms, to),
        4 => fixed::<T, 4>(rows, terms, to),
        2 => fixed::<T, 2>(rows, terms, to),
        _ => to.copy_from_slice(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_zero_outside() {
        for (inputs, outputs) in [(5, 7), (5, 20), (20, 5), (20, 16), (20, 40), (50, 40), (600, 590)] {
            let row: Vec<f32> = (1..=inputs).map(|x| x as f32).collect();
            for stride in 1..4 {
                for left in -45isize..25 {
                    let mut to = vec![9.0; outputs];
                    pack_row(&row, left, stride, &mut to);
                    for (i, &got) in to.iter().enumerate() {
                        let at = left + (i * stride) as isize;
                        let want =
                            usize::try_from(at).ok().and_then(|at| row.get(at)).copied().unwrap_or(0.0);
                        assert_eq!(got, want, "{inputs} to {outputs}, stride {stride}, left {left}, {i}");
                    }
                }
            }
        }
    }
}
