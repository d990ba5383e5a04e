//! From real rows to the spectra of tiles and back, by SIMD across lines.

use fft_core::Complex;

use super::Tiles;
use crate::fourier::Precision;
use crate::fourier::lanes::Lines;

impl<T: Precision> Tiles<'_, T> {
    /// The lines of rows `row..` of a block, as real numbers or as bins.
    fn rows(&self, block: &mut [T], row: usize) -> [Lines<T>; 2] {
        let pitch = 2 * self.shape.pitch;
        let lanes = self.real.lanes();
        let at = block[row * pitch..][..lanes * pitch].as_mut_ptr();
        let across = pitch as isize;
        [Lines { at, step: 1, im: None, across, lanes }, Lines { at, step: 2, im: Some(1), across, lanes }]
    }

    /// As many real rows as there are lanes, from `row` on, to their bins.
    fn forward_rows(&self, block: &mut [T], row: usize, scratch: &mut [T]) {
        let [reals, bins] = self.rows(block, row);
        // SAFETY: blocks have a multiple of the lanes of rows, which are read before they are written.
        unsafe { self.real.forward(scratch, reals, self.shape.points, bins, T::nearest(1.0), false) };
    }

    /// As many rows of bins as there are lanes, from `row` on, to real numbers, with the factor of the whole inverse transform.
    fn inverse_rows(&self, block: &mut [T], row: usize, scratch: &mut [T]) {
        let s = self.shape;
        let points = s.points * s.outer[0] * s.outer[1];
        let scale = T::nearest(1.0 / points as f64);
        let [reals, bins] = self.rows(block, row);
        // SAFETY: as in `forward_rows`.
        unsafe { self.real.inverse(scratch, bins, s.bins, reals, scale, false) };
    }

    /// The columns of a tile that are transformed: the last one of an even number of points is joined to the first.
    fn column_count(&self) -> usize {
        self.shape.points.div_ceil(2)
    }

    /// As many columns of a tile as there are lanes, from `column` on, transformed in place along each outer axis.
    fn column(&self, tile: &mut [T], column: usize, scratch: &mut [T], inverse: bool) {
        let s = self.shape;
        let [depth, height] = s.outer;
        // How many lines there are along each axis, and how many rows apart: they themselves, and their numbers.
        let along = [[height, 1, height], [depth, height, 1]];
        for (plan, [count, apart, step]) in self.columns.iter().zip(along) {
            let Some(plan) = plan else { continue };
            for line in 0..count {
                let lines = Lines {
                    at: tile[2 * (line * apart * s.pitch + column)..s.rows * 2 * s.pitch].as_mut_ptr(),
                    step: 2 * (step * s.pitch) as isize,
                    im: Some(1),
                    across: 2,
                    lanes: plan.lanes(),
                };
                let points = plan.len();
                // SAFETY: the pitch is a multiple of the lanes, so these columns lie in the tile; they are read before they are written.
                unsafe {
                    plan.complex(scratch, lines, points, lines, points, inverse, T::nearest(1.0), false);
                }
            }
        }
    }

    /// Real rows of some channels to their bins.
    pub(super) fn forward(&self, block: &mut [T], channels: usize, scratch: &mut [T]) {
        let s = self.shape;
        for row in (0..channels * s.rows).step_by(self.real.lanes()) {
            self.forward_rows(block, row, scratch);
        }
        if self.g.axes() == 1 {
            return;
        }
        let ends = Ends::of(self);
        for tile in block.chunks_exact_mut(s.rows * 2 * s.pitch).take(channels) {
            ends.join::<T>(bytemuck::cast_slice_mut(tile));
            for column in (0..self.column_count()).step_by(self.real.lanes()) {
                self.column(tile, column, scratch, false);
            }
            ends.part::<T>(bytemuck::cast_slice_mut(tile));
        }
    }

    /// Bins of some channels to real rows.
    pub(super) fn inverse(&self, block: &mut [T], channels: usize, scratch: &mut [T]) {
        let s = self.shape;
        if self.g.axes() > 1 {
            let ends = Ends::of(self);
            for tile in block.chunks_exact_mut(s.rows * 2 * s.pitch).take(channels) {
                ends.rejoin::<T>(bytemuck::cast_slice_mut(tile));
                for column in (0..self.column_count()).step_by(self.real.lanes()) {
                    self.column(tile, column, scratch, true);
                }
                ends.separate::<T>(bytemuck::cast_slice_mut(tile));
            }
        }
        for row in (0..channels * s.rows).step_by(self.real.lanes()) {
            self.inverse_rows(block, row, scratch);
        }
    }
}

/// The first and the last column of bins of a tile of real rows. With an even number of points both are real, and go through the transform of
/// columns as one complex column, the first.
#[derive(Clone, Copy)]
struct Ends {
    outer: [usize; 2],
    pitch: usize,
    /// The last column, where it is joined to the first.
    last: Option<usize>,
}

impl Ends {
    fn of<T>(tiles: &Tiles<'_, T>) -> Self {
        let s = tiles.shape;
        Self { outer: s.outer, pitch: s.pitch, last: s.points.is_multiple_of(2).then_some(s.bins - 1) }
    }

    /// Two columns of real numbers to one.
    fn join<T: Precision>(&self, tile: &mut [Complex<T>]) {
        let Some(last) = self.last else { return };
        for row in tile.chunks_exact_mut(self.pitch) {
            row[0].im = row[last].re;
        }
    }

    /// The reverse of [`join`](Self::join).
    fn separate<T: Precision>(&self, tile: &mut [Complex<T>]) {
        let Some(last) = self.last else { return };
        for row in tile.chunks_exact_mut(self.pitch) {
            row[last] = Complex::new(row[0].im, T::default());
            row[0].im = T::default();
        }
    }

    /// From the transforms of both columns to their joint one.
    fn rejoin<T: Precision>(&self, tile: &mut [Complex<T>]) {
        let Some(last) = self.last else { return };
        for row in tile.chunks_exact_mut(self.pitch) {
            row[0] = joint(row[0], row[last]);
        }
    }

    /// The reverse of [`rejoin`](Self::rejoin).
    fn part<T: Precision>(&self, tile: &mut [Complex<T>]) {
        let Some(last) = self.last else { return };
        let [depth, height] = self.outer;
        for k in 0..depth * height {
            let (z, y) = (k / height, k % height);
            let m = (depth - z) % depth * height + (height - y) % height;
            if m < k {
                continue;
            }
            let [first, other] = parts(tile[k * self.pitch], tile[m * self.pitch]);
            // In this order: a bin may be its own mirror image.
            (tile[m * self.pitch], tile[m * self.pitch + last]) = (first.conj(), other.conj());
            (tile[k * self.pitch], tile[k * self.pitch + last]) = (first, other);
        }
    }
}

/// From the joint transform of two real columns, at a bin and its mirror image, to that of each at the bin.
fn parts<T: Precision>(a: Complex<T>, b: Complex<T>) -> [Complex<T>; 2] {
    let half = T::nearest(0.5);
    let first = Complex::new((a.re + b.re) * half, (a.im - b.im) * half);
    let other = Complex::new((a.im + b.im) * half, (b.re - a.re) * half);
    [first, other]
}

/// `first + i other`.
fn joint<T: Precision>(first: Complex<T>, other: Complex<T>) -> Complex<T> {
    Complex::new(first.re - other.im, first.im + other.re)
}
