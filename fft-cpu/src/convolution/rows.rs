//! The inner loop for one channel: a block of output rows by a few vectors stays in registers, and a row of input is read once for all the
//! output rows that it belongs to.

use crate::simd::{Kernel, Level, Machine, Numbers, Summand};

/// `rows` rows of outputs, in blocks of `R`, by as many vectors as fit the registers. The kernel has no fewer rows than a block.
pub(super) struct Rows<'a, T, const R: usize> {
    /// The first input of the first row, and the distance to the next row of inputs, and of taps.
    pub(super) x: *const T,
    pub(super) row: usize,
    /// From one tap in depth to the next.
    pub(super) depth: usize,
    /// Taps in depth and rows.
    pub(super) taps: [usize; 2],
    /// The distances of the taps of a row.
    pub(super) offsets: &'a [usize],
    /// `[depth][rows][offsets]`.
    pub(super) weights: *const T,
    pub(super) bias: T,
    /// The first output, and the distance to the next row.
    pub(super) out: *mut T,
    pub(super) out_row: usize,
    /// Rows of outputs, at least `R`, and outputs of a row.
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// How many steps `count` rows in blocks of `block` take, of rows of `vectors` vectors: what is larger of products and of reading inputs, of
/// which two vectors in three lie in two cache lines; and no row of taps is faster than a product takes to be ready.
pub(super) fn steps(block: usize, vectors: usize, count: usize, taps: usize) -> usize {
    const LATENCY: usize = 4;
    let line = |rows: usize| (rows * vectors).max(2 * vectors).max(LATENCY);
    let ends: usize = (1..block).map(line).sum();
    count.div_ceil(block) * ((taps + 1 - block) * line(block) + 2 * ends)
}

/// The most vectors of each row in a block of `block` rows: as many as leave registers for those of an input and for a weight. 0 where a machine
/// has too few for such a block.
pub(super) const fn vectors_of(level: Machine, block: usize) -> usize {
    let registers = match level {
        Machine::Avx512 => 32,
        Machine::Avx2 => 16,
        Machine::Baseline if block > 3 => return 0,
        // Vectors of two registers.
        Machine::Baseline => 10,
    };
    let most = (registers - 1) / (block + 1);
    if most < 4 { most } else { 4 }
}

impl<T: Summand, const R: usize> Kernel for Rows<'_, T, R> {
    type Output = ();

    /// What makes it sound: `x` is readable at each output of `rows` rows plus each distance, and a vector there where rows have fewer outputs
    /// than a vector; `weights` has all terms; the outputs are writable by no one else.
    #[inline(always)]
    fn run<L: Level>(self) {
        let lanes = <T::V<L>>::LANES;
        let vectors = self.columns.div_ceil(lanes);
        let most = const { vectors_of(L::MACHINE, R) };
        // A block that is never asked for.
        if const { vectors_of(L::MACHINE, R) == 0 } {
            return;
        }
        for i in (0..self.rows).step_by(R) {
            // The last block repeats rows of the one before rather than being smaller.
            let row = i.min(self.rows - R);
            let x = self.x.wrapping_add(row * self.row);
            let out = self.out.wrapping_add(row * self.out_row);
            let mut done = 0;
            while done < vectors {
                let at = done * lanes;
                let width = (vectors - done).min(most);
                // SAFETY: as above.
                unsafe {
                    match width {
                        1 => self.tile::<L, 1>(x, out, at),
                        2 => self.tile::<L, 2>(x, out, at),
                        3 => self.tile::<L, 3>(x, out, at),
                        _ => self.tile::<L, 4>(x, out, at),
                    }
                }
                done += width;
            }
        }
    }
}

impl<T: Summand, const R: usize> Rows<'_, T, R> {
    /// `W` vectors of `R` rows; the last one ends where the row does, and so may repeat outputs of the one before.
    #[inline(always)]
    unsafe fn tile<L: Level, const W: usize>(&self, x: *const T, out: *mut T, at: usize) {
        // Never asked for.
        if const { W > vectors_of(L::MACHINE, R) } {
            return;
        }
        let lanes = <T::V<L>>::LANES;
        let places: [usize; W] =
            std::array::from_fn(|c| (at + c * lanes).min(self.columns.saturating_sub(lanes)));
        let mut sums = [[<T::V<L>>::splat(self.bias); W]; R];
        let [depth, height] = self.taps;
        for d in 0..depth {
            let x = x.wrapping_add(d * self.depth);
            let w = self.weights.wrapping_add(d * height * self.offsets.len());
            let input = |i: usize| x.wrapping_add(i * self.row);
            let tap = |i: usize| w.wrapping_add(i * self.offsets.len());
            // SAFETY: input row `i` meets output row `r` at tap `i - r`, which is one of the kernel's `height >= R` rows in each call: the
            // first output rows have begun, all have, and the first ones have ended.
            unsafe {
                if R > 1 {
                    self.line::<L, W, 0, 1>(&mut sums, input(0), &places, tap(0));
                }
                if R > 2 {
                    self.line::<L, W, 0, 2>(&mut sums, input(1), &places, tap(1));
                }
                if R > 3 {
                    self.line::<L, W, 0, 3>(&mut sums, input(2), &places, tap(2));
                }
                if R > 4 {
                    self.line::<L, W, 0, 4>(&mut sums, input(3), &places, tap(3));
                }
                if R > 5 {
                    self.line::<L, W, 0, 5>(&mut sums, input(4), &places, tap(4));
                }
                for i in R - 1..height {
                    self.line::<L, W, 0, R>(&mut sums, input(i), &places, tap(i));
                }
                let last = tap(height - 1);
                if R > 1 {
                    self.line::<L, W, 1, R>(&mut sums, input(height), &places, last);
                }
                if R > 2 {
                    self.line::<L, W, 2, R>(&mut sums, input(height + 1), &places, last);
                }
                if R > 3 {
                    self.line::<L, W, 3, R>(&mut sums, input(height + 2), &places, last);
                }
                if R > 4 {
                    self.line::<L, W, 4, R>(&mut sums, input(height + 3), &places, last);
                }
                if R > 5 {
                    self.line::<L, W, 5, R>(&mut sums, input(height + 4), &places, last);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let out = out.wrapping_add(r * self.out_row);
            for (sum, place) in sums.iter().zip(places) {
                // SAFETY: a vector from each place on, or the whole row where that is shorter, are outputs of this block.
                unsafe {
                    if self.columns >= lanes {
                        sum.store(out.add(place));
                    } else {
                        let mut store = [T::default(); 16];
                        sum.store(store.as_mut_ptr());
                        std::ptr::copy_nonoverlapping(store.as_ptr(), out, self.columns);
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
        sums: &mut [[T::V<L>; W]; R],
        x: *const T,
        places: &[usize; W],
        w: *const T,
    ) {
        let taps = self.offsets.len();
        for (k, &offset) in self.offsets.iter().enumerate() {
            // SAFETY: as promised by the caller of `run`.
            unsafe {
                let x = places.map(|place| <T::V<L>>::load(x.add(offset + place)));
                for r in LOW..HIGH.min(R) {
                    let weight = <T::V<L>>::splat(*w.wrapping_sub((r - LOW) * taps).add(k));
                    for (sum, x) in sums[r].iter_mut().zip(x) {
                        *sum = weight.fma(x, *sum);
                    }
                }
            }
        }
    }
}
