//! The inner loop over all input channels and taps: a block of output channels by a few vectors of outputs stays in registers.

use super::direct::{sums, widest};
use crate::simd::{Kernel, Level, Numbers, Summand};

/// Where outputs go: those of a packed piece lie in rows of `pitch` places, of which the first `columns` are outputs.
#[derive(Clone, Copy)]
pub(super) struct Sink<T> {
    /// The first output of the piece, of the first channel.
    pub(super) out: *mut T,
    /// From channel to channel, and from row to row.
    pub(super) channel: usize,
    pub(super) row: usize,
    pub(super) pitch: usize,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Outputs `at..at + tiles C LANES` in the places of a packed piece, of `R` channels.
pub(super) struct Flat<'a, T, const R: usize, const C: usize> {
    /// The packed piece, and the distance between its channels.
    pub(super) x: *const T,
    pub(super) plane: usize,
    pub(super) channels: usize,
    /// The distance of each tap.
    pub(super) offsets: &'a [usize],
    /// `[channels][taps][R]`.
    pub(super) weights: *const T,
    pub(super) bias: [T; R],
    pub(super) at: usize,
    pub(super) tiles: usize,
    pub(super) sink: Sink<T>,
}

/// The most numbers of a tile: 8 channels by 3 registers of 16, or fewer by more.
const LARGEST: usize = 8 * 3 * 16;

impl<T: Summand, const R: usize, const C: usize> Kernel for Flat<'_, T, R, C> {
    type Output = ();

    /// What makes it sound: `x` is readable at each place of a tile plus each distance, in each channel; `weights` has all terms; the
    /// rows and columns of `sink` are writable by no one else.
    #[inline(always)]
    fn run<L: Level>(self) {
        // More would not fit the registers: `Direct::width` asks for no such tile.
        if const { R * C > sums(L::MACHINE) || R > widest(L::MACHINE) } {
            return;
        }
        let lanes = <T::V<L>>::LANES;
        for tile in 0..self.tiles {
            let at = self.at + tile * C * lanes;
            // SAFETY: as above.
            unsafe {
                let sums = self.sums::<L>(self.x.add(at));
                let (row, column) = (at / self.sink.pitch, at % self.sink.pitch);
                if column + C * lanes <= self.sink.columns && row < self.sink.rows {
                    let out = self.sink.out.add(row * self.sink.row + column);
                    for (r, sums) in sums.iter().enumerate() {
                        for (c, sum) in sums.iter().enumerate() {
                            sum.store(out.add(r * self.sink.channel + c * lanes));
                        }
                    }
                } else {
                    self.scatter::<L>(&sums, at);
                }
            }
        }
    }
}

impl<T: Summand, const R: usize, const C: usize> Flat<'_, T, R, C> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "several arrays of registers are indexed in step")]
    unsafe fn sums<L: Level>(&self, mut x: *const T) -> [[T::V<L>; C]; R] {
        let mut sums: [[T::V<L>; C]; R] = self.bias.map(|bias| [<T::V<L>>::splat(bias); C]);
        let mut w = self.weights;
        for _ in 0..self.channels {
            for &offset in self.offsets {
                // SAFETY: as promised by the caller of `run`.
                unsafe {
                    let x: [T::V<L>; C] =
                        std::array::from_fn(|c| <T::V<L>>::load(x.add(offset + c * <T::V<L>>::LANES)));
                    for r in 0..R {
                        let weight = <T::V<L>>::splat(*w.add(r));
                        for c in 0..C {
                            sums[r][c] = weight.fma(x[c], sums[r][c]);
                        }
                    }
                    w = w.add(R);
                }
            }
            x = x.wrapping_add(self.plane);
        }
        sums
    }

    /// Stores a tile that is not within one row of outputs.
    #[inline(always)]
    unsafe fn scatter<L: Level>(&self, sums: &[[T::V<L>; C]; R], at: usize) {
        let width = C * <T::V<L>>::LANES;
        debug_assert!(R * width <= LARGEST);
        let mut store = [T::default(); LARGEST];
        for (i, sum) in sums.as_flattened().iter().enumerate() {
            // SAFETY: `store` is large enough for every instance.
            unsafe { sum.store(store.as_mut_ptr().add(i * <T::V<L>>::LANES)) };
        }
        let mut done = 0;
        while done < width {
            let (row, column) = ((at + done) / self.sink.pitch, (at + done) % self.sink.pitch);
            if row >= self.sink.rows {
                break;
            }
            if column < self.sink.columns {
                let count = (self.sink.columns - column).min(width - done);
                let to = row * self.sink.row + column;
                for r in 0..R {
                    // SAFETY: these are outputs of the piece, as promised by the caller of `run`.
                    unsafe {
                        let from = store.as_ptr().add(r * width + done);
                        let to = self.sink.out.add(r * self.sink.channel + to);
                        std::ptr::copy_nonoverlapping(from, to, count);
                    }
                }
            }
            done += self.sink.pitch - column;
        }
    }
}
