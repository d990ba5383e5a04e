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
    // The first and the first beyond the last of those inside.
    let begin = if left < 0 { left.unsigned_abs().div_ceil(stride) } else { 0 }.min(to.len());
    let end = (row.len() as isize - left).max(0) as usize;
    let end = end.div_ceil(stride).clamp(begin, to.len());
    to[..begin].fill(T::default());
    to[end..].fill(T::default());
    if begin == end {
        return;
    }
    let first = (left + (begin * stride) as isize) as usize;
    let inside = &mut to[begin..end];
    if stride == 1 {
        inside.copy_from_slice(&row[first..first + inside.len()]);
    } else {
        for (to, x) in inside.iter_mut().zip(row[first..].iter().step_by(stride)) {
            *to = *x;
        }
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
        let row = [1.0, 2.0, 3.0, 4.0, 5.0];
        for stride in 1..4 {
            for left in -12isize..9 {
                let mut to = [9.0; 7];
                pack_row(&row, left, stride, &mut to);
                for (i, &got) in to.iter().enumerate() {
                    let at = left + (i * stride) as isize;
                    let want = usize::try_from(at).ok().and_then(|at| row.get(at)).copied().unwrap_or(0.0);
                    assert_eq!(got, want, "stride {stride}, left {left}, {i}");
                }
            }
        }
    }
}
