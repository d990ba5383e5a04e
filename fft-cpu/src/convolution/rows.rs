//! The inner loop for one channel: a block of output rows by a few vectors stays in registers, and a row of input is read once for all the
//! output rows that it belongs to.

use crate::simd::{Kernel, Level, Vector};

/// `R` rows of outputs, no more than the kernel has rows, from column 0 on.
pub(super) struct Rows<'a, const R: usize, const C: usize> {
    /// The first input of the first row, and the distance to the next row of taps.
    pub(super) x: *const f32,
    pub(super) row: usize,
    /// From one tap in depth to the next.
    pub(super) depth: usize,
    /// Taps in depth and rows.
    pub(super) taps: [usize; 2],
    /// The distances of the taps of a row.
    pub(super) offsets: &'a [usize],
    /// `[depth][rows][offsets]`.
    pub(super) weights: *const f32,
    pub(super) bias: f32,
    /// The first output, and the distance to the next row of the block.
    pub(super) out: *mut f32,
    pub(super) out_row: usize,
    /// Outputs of a row.
    pub(super) columns: usize,
}

impl<const R: usize, const C: usize> Kernel for Rows<'_, R, C> {
    type Output = ();

    /// What makes it sound: `x` is readable at each place of `R` rows of outputs, up to a whole tile, plus each distance; `weights` has all
    /// terms; the outputs are writable by no one else.
    #[inline(always)]
    fn run<L: Level>(self) {
        let lanes = L::V::LANES;
        let mut at = 0;
        while at < self.columns {
            let left = self.columns - at;
            // SAFETY: as above.
            unsafe {
                if left > C * lanes / 2 {
                    self.tile::<L, C>(at);
                    at += C * lanes;
                } else if C > 2 && left > lanes {
                    self.tile::<L, 2>(at);
                    at += 2 * lanes;
                } else {
                    self.tile::<L, 1>(at);
                    at += lanes;
                }
            }
        }
    }
}

impl<const R: usize, const C: usize> Rows<'_, R, C> {
    #[inline(always)]
    unsafe fn tile<L: Level, const W: usize>(&self, at: usize) {
        let mut sums = [[L::V::splat(self.bias); W]; R];
        let [depth, height] = self.taps;
        for d in 0..depth {
            let x = self.x.wrapping_add(d * self.depth + at);
            let w = self.weights.wrapping_add(d * height * self.offsets.len());
            let input = |i: usize| x.wrapping_add(i * self.row);
            let tap = |i: usize| w.wrapping_add(i * self.offsets.len());
            // SAFETY: input row `i` meets output row `r` at tap `i - r`, which is one of the kernel's `height >= R` rows in each call: the
            // first output rows have begun, all have, and the first ones have ended.
            unsafe {
                if R > 1 {
                    self.line::<L, W, 0, 1>(&mut sums, input(0), tap(0));
                }
                if R > 2 {
                    self.line::<L, W, 0, 2>(&mut sums, input(1), tap(1));
                }
                if R > 3 {
                    self.line::<L, W, 0, 3>(&mut sums, input(2), tap(2));
                }
                if R > 4 {
                    self.line::<L, W, 0, 4>(&mut sums, input(3), tap(3));
                }
                if R > 5 {
                    self.line::<L, W, 0, 5>(&mut sums, input(4), tap(4));
                }
                for i in R - 1..height {
                    self.line::<L, W, 0, R>(&mut sums, input(i), tap(i));
                }
                let last = tap(height - 1);
                if R > 1 {
                    self.line::<L, W, 1, R>(&mut sums, input(height), last);
                }
                if R > 2 {
                    self.line::<L, W, 2, R>(&mut sums, input(height + 1), last);
                }
                if R > 3 {
                    self.line::<L, W, 3, R>(&mut sums, input(height + 2), last);
                }
                if R > 4 {
                    self.line::<L, W, 4, R>(&mut sums, input(height + 3), last);
                }
                if R > 5 {
                    self.line::<L, W, 5, R>(&mut sums, input(height + 4), last);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                let column = at + c * L::V::LANES;
                let to = self.out.wrapping_add(r * self.out_row + column);
                // SAFETY: columns below `columns` are outputs of this block.
                unsafe {
                    if column + L::V::LANES <= self.columns {
                        sum.store(to);
                    } else if column < self.columns {
                        let mut store = [0f32; 16];
                        sum.store(store.as_mut_ptr());
                        std::ptr::copy_nonoverlapping(store.as_ptr(), to, self.columns - column);
                    }
                }
            }
        }
    }

    /// Adds one row of input to output rows `LOW..HIGH`; `w` is the row of taps of output row `LOW`, that of the next row is the one before.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a range of registers that is known at compile time")]
    unsafe fn line<L: Level, const W: usize, const LOW: usize, const HIGH: usize>(
        &self,
        sums: &mut [[L::V; W]; R],
        x: *const f32,
        w: *const f32,
    ) {
        let taps = self.offsets.len();
        for (k, &offset) in self.offsets.iter().enumerate() {
            // SAFETY: as promised by the caller of `run`.
            unsafe {
                let x: [L::V; W] = std::array::from_fn(|c| L::V::load(x.add(offset + c * L::V::LANES)));
                for r in LOW..HIGH.min(R) {
                    let weight = L::V::splat(*w.wrapping_sub((r - LOW) * taps).add(k));
                    for (sum, x) in sums[r].iter_mut().zip(x) {
                        *sum = weight.fma(x, *sum);
                    }
                }
            }
        }
    }
}
