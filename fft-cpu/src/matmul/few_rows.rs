//! Products where one operand has few rows, as in decoding a language model: the other operand is streamed from memory once,
//! in its storage type.

use std::sync::Arc;

use fft_core::{DType, Result, View, ViewMut, bf16, f16};

use super::general::{OP, Sides};
use super::panel::{ROWS, accumulate, dots};
use crate::elementwise::Storage;
use crate::memory::{BlockPool, SharedMut, elements, elements_mut};
use crate::simd::Baseline;
use crate::threads::Threads;
use crate::walk::Walk;

/// Elements of the large operand in a task.
const TASK: usize = 1 << 15;
/// Columns that are accumulated together, in the first-level cache.
const COLUMNS: usize = 256;

/// Whether a product is one for [`few_rows`].
pub(super) fn suits(sides: &Sides, a: &View<'_>, b: &View<'_>) -> bool {
    let stored = |d| matches!(d, DType::F32 | DType::F16 | DType::BF16);
    let packed = sides.b[0] == 1 || sides.b[1] == 1 || sides.k == 1 || sides.n == 1;
    sides.m <= ROWS && stored(a.dtype) && stored(b.dtype) && packed
}

/// A product with at most [`ROWS`] rows.
pub(super) fn few_rows(
    (threads, pool): (&Threads, &Arc<BlockPool>),
    sides: Sides,
    batch: &Walk<3>,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    let job = Job { threads, pool, sides, batch };
    match b.dtype {
        DType::F32 => job.with_weights::<f32>(a, b, dst),
        DType::F16 => job.with_weights::<f16>(a, b, dst),
        _ => job.with_weights::<bf16>(a, b, dst),
    }
}

/// The first element of a small operand, which every task reads.
#[derive(Clone, Copy)]
struct Start(*const f32);
// SAFETY: it is only read, while the call borrows the operand.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

struct Job<'a> {
    threads: &'a Threads,
    pool: &'a Arc<BlockPool>,
    sides: Sides,
    batch: &'a Walk<3>,
}

impl Job<'_> {
    fn with_weights<T: Storage>(&self, a: View<'_>, b: View<'_>, mut dst: ViewMut<'_>) -> Result<()> {
        let weights = elements::<T>(OP, &b)?;
        let dtype = dst.dtype;
        // The small operand as rows of `f32`: where it lies, or widened.
        if a.dtype == DType::F32 && (self.sides.a[1] == 1 || self.sides.k == 1) {
            let x = elements::<f32>(OP, &a)?;
            let place = |at: [isize; 3], _index: usize| x.as_ptr().wrapping_offset(at[0]);
            return match dtype {
                DType::F32 => self.store::<T, f32>(self.sides.a[0], &place, weights, &mut dst),
                DType::F16 => self.store::<T, f16>(self.sides.a[0], &place, weights, &mut dst),
                _ => self.store::<T, bf16>(self.sides.a[0], &place, weights, &mut dst),
            };
        }
        let (m, k) = (self.sides.m, self.sides.k);
        let mut scratch = self.pool.scratch(self.batch.positions() * m * k * size_of::<f32>())?;
        let rows = scratch.as_mut::<f32>();
        for index in 0..self.batch.positions() {
            let rows = &mut rows[index * m * k..(index + 1) * m * k];
            let at = self.position(index)[0];
            match a.dtype {
                DType::F32 => self.widen(elements::<f32>(OP, &a)?, at, rows),
                DType::F16 => self.widen(elements::<f16>(OP, &a)?, at, rows),
                _ => self.widen(elements::<bf16>(OP, &a)?, at, rows),
            }
        }
        let x = SharedMut::new(rows);
        let place = |_at: [isize; 3], index: usize| x.as_ptr().wrapping_add(index * m * k).cast_const();
        match dtype {
            DType::F32 => self.store::<T, f32>(k as isize, &place, weights, &mut dst),
            DType::F16 => self.store::<T, f16>(k as isize, &place, weights, &mut dst),
            _ => self.store::<T, bf16>(k as isize, &place, weights, &mut dst),
        }
    }

    fn widen<S: Storage>(&self, src: &[S], at: isize, rows: &mut [f32]) {
        let [down, across] = self.sides.a;
        for (i, row) in rows.chunks_exact_mut(self.sides.k).enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                // The layout was checked, so this is in range.
                *x = src[(at + i as isize * down + j as isize * across) as usize].wide::<Baseline>();
            }
        }
    }

    /// Where the operands of a member of the batch start.
    fn position(&self, index: usize) -> [isize; 3] {
        let mut at = self.batch.row(index / self.batch.len);
        for (at, stride) in at.iter_mut().zip(self.batch.strides) {
            *at += (index % self.batch.len) as isize * stride;
        }
        at
    }

    fn store<T: Storage, D: Storage>(
        &self,
        x_pitch: isize,
        x: &dyn Fn([isize; 3], usize) -> *const f32,
        weights: &[T],
        dst: &mut ViewMut<'_>,
    ) -> Result<()> {
        let out = SharedMut::new(elements_mut::<D>(OP, dst)?);
        let Sides { m, n, k, b, d, .. } = self.sides;
        let by_rows = b[0] == 1 || k == 1;
        let piece = if by_rows { (TASK / k.max(1) / 8 * 8).clamp(8, COLUMNS) } else { COLUMNS };
        let pieces = n.div_ceil(piece);
        let count = self.batch.positions();
        let starts: smallvec::SmallVec<[([isize; 3], Start); 8]> = (0..count)
            .map(|index| {
                let at = self.position(index);
                (at, Start(x(at, index)))
            })
            .collect();
        let team = self.threads.team(count * pieces, count * m.div_ceil(2) * n * k / 8);
        team.run(count * pieces, |task, _| {
            let ([_, at_b, at_d], Start(x)) = starts[task / pieces];
            let from = task % pieces * piece;
            let len = piece.min(n - from);
            let tile = |sums: &mut [f32]| {
                // SAFETY: the operands lie in checked layouts, and `sums` has `m` rows of `COLUMNS >= len` elements.
                unsafe {
                    if by_rows {
                        let w = weights.as_ptr().offset(at_b + from as isize * b[1]);
                        dots((x, x_pitch), (w, b[1]), (sums.as_mut_ptr(), COLUMNS), (m, len, k));
                    } else {
                        let w = weights.as_ptr().offset(at_b + from as isize);
                        // A few rows of weights at a time: they stay in the cache for all rows of the small operand.
                        for k0 in (0..k).step_by(16) {
                            for (i, sums) in sums.chunks_exact_mut(COLUMNS).take(m).enumerate() {
                                let x = x.offset(i as isize * x_pitch).add(k0);
                                let x = std::slice::from_raw_parts(x, (k - k0).min(16));
                                accumulate(&mut sums[..len], x, w.offset(k0 as isize * b[0]), b[0]);
                            }
                        }
                    }
                }
                for (i, sums) in sums.chunks_exact(COLUMNS).take(m).enumerate() {
                    for (j, &sum) in sums[..len].iter().enumerate() {
                        let at = at_d + i as isize * d[0] + (from + j) as isize * d[1];
                        // SAFETY: positions of a checked layout; each task writes its own.
                        unsafe { out.write(at, D::rounded::<Baseline>(sum)) };
                    }
                }
            };
            // Clearing the larger tile would take longer than many a product with one row.
            if m == 1 { tile(&mut [0f32; COLUMNS]) } else { tile(&mut [0f32; COLUMNS * ROWS]) }
        });
        Ok(())
    }
}
