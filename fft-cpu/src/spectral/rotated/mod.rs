//! Products with rotated quantised matrices.
//!
//! One vector or a few: rotate, multiply by the packed integers in registers, rotate back. Many: tiles are decoded to scratch, a block at a
//! time, and multiplied by `gemm`, since a decoded tile then serves all vectors.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod packed;
mod transform;

use fft_core::spectral::{RotatedMatrix, TILE};
use fft_core::{Complex32, DType, Result, Tensor, f16};

use self::packed::Packed;
use self::transform::{Forward, Inverse};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements, elements_mut};

const OP: &str = "rotated_product";

/// From this many vectors on, tiles are decoded to scratch.
const DECODE_FROM: usize = 6;
/// Tiles of a task of the packed product, and of a decoded block.
const TASK_TILES: usize = 8;

/// See `SpectralBackend::rotated_product`.
pub(crate) fn product(context: Context<'_>, w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
    let [rows, cols] = w.shape();
    let mut shape = fft_core::Dims::from_slice(x.shape());
    if let Some(last) = shape.last_mut() {
        *last = rows;
    }
    let x = x.contiguous()?;
    Tensor::build(x.device(), OP, &shape, DType::F32, |mut dst| {
        let xs = &elements::<f32>(OP, &x.view())?[x.layout().offset()..][..x.len()];
        let codes = &elements::<u8>(OP, &w.codes().view())?[w.codes().layout().offset()..][..w.codes().len()];
        let scales =
            &elements::<f16>(OP, &w.scales().view())?[w.scales().layout().offset()..][..w.scales().len()];
        let offset = dst.layout.offset();
        let len = dst.layout.len();
        let out = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];
        let group = w.options().group;
        let packed = Packed { bits: w.options().bits, codes, scales, group, groups: cols.div_ceil(group) };
        let job = Job { context, w, packed, width: packed.groups * group, height: packed.tiles() * TILE };
        if xs.len() / cols < DECODE_FROM { job.vectors(xs, out) } else { job.batch(xs, out) }
    })
}

struct Job<'a> {
    context: Context<'a>,
    w: &'a RotatedMatrix,
    packed: Packed<'a>,
    /// Columns with padding.
    width: usize,
    /// Rows with padding.
    height: usize,
}

impl Job<'_> {
    /// One vector after the other, straight from the packed codes.
    fn vectors(&self, xs: &[f32], out: &mut [f32]) -> Result<()> {
        let Self { context, w, packed, width, height } = self;
        let [rows, cols] = w.shape();
        let forward = Forward::new(context.plans, w.options().rotation, w.input_signs());
        let inverse = Inverse::new(context.plans, w.options().rotation, w.output_signs());
        let transform = forward.scratch_len().max(inverse.scratch_len());
        let numbers = (width + height).div_ceil(2) + transform;
        let mut scratch = context.pool.scratch(numbers * size_of::<Complex32>())?;
        let (transform, numbers) = scratch.as_mut::<Complex32>()[..numbers].split_at_mut(transform);
        let (rotated, sums) = bytemuck::cast_slice_mut::<_, f32>(numbers).split_at_mut(*width);
        let sums = &mut sums[..*height];
        let tasks = packed.tiles().div_ceil(TASK_TILES);
        // About 0.02 ns a weight.
        let team = context.threads.team(tasks, width * height / 50);
        for (x, out) in xs.chunks_exact(cols).zip(out.chunks_exact_mut(rows)) {
            forward.run(x, w.gain(), rotated, &mut transform[..forward.scratch_len()])?;
            let (shared, rotated) = (SharedMut::new(sums), &*rotated);
            team.run(tasks, |task, _| {
                let first = task * TASK_TILES;
                let tiles = TASK_TILES.min(packed.tiles() - first);
                // SAFETY: the sums of a task's tiles are its own.
                let sums = unsafe { shared.slice(first * TILE, tiles * TILE) };
                packed.product(first, rotated, sums);
            });
            inverse.run(sums, out, &mut transform[..inverse.scratch_len()])?;
        }
        Ok(())
    }

    /// All vectors at once, from decoded blocks of tiles.
    fn batch(&self, xs: &[f32], out: &mut [f32]) -> Result<()> {
        let Self { context, w, packed, width, height } = self;
        let [rows, cols] = w.shape();
        let count = xs.len() / cols;
        let forward = Forward::new(context.plans, w.options().rotation, w.input_signs());
        let inverse = Inverse::new(context.plans, w.options().rotation, w.output_signs());
        let mut rotated = context.pool.scratch(count * width * 4)?;
        let rotated = &mut rotated.as_mut::<f32>()[..count * width];
        let mut sums = context.pool.scratch(count * height * 4)?;
        let sums = &mut sums.as_mut::<f32>()[..count * height];

        // A vector's transform costs about n log n / 4 ns.
        let cost = |n: usize| count * n * (n.ilog2() as usize + 1) / 4;
        let failed = std::sync::Mutex::new(None);
        let note = |result: Result<()>| {
            if let Err(error) = result {
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            }
        };
        let team = context.threads.team(count, cost(cols));
        let transform = forward.scratch_len();
        let mut scratch = context.pool.scratch(team.workers() * transform * size_of::<Complex32>())?;
        let (spare, shared) = (SharedMut::new(scratch.as_mut::<Complex32>()), SharedMut::new(rotated));
        team.run(count, |i, worker| {
            // SAFETY: a vector's place is its task's own, and so is a worker's scratch while it runs.
            let (to, spare) =
                unsafe { (shared.slice(i * width, *width), spare.slice(worker * transform, transform)) };
            note(forward.run(&xs[i * cols..][..cols], w.gain(), to, spare));
        });

        let tasks = packed.tiles().div_ceil(TASK_TILES);
        let block = width * TASK_TILES * TILE;
        // About 0.02 ns a product.
        let team = context.threads.team(tasks, count * width * height / 50);
        let mut scratch = context.pool.scratch(team.workers() * block * 4)?;
        let (spare, shared, rotated) =
            (SharedMut::new(scratch.as_mut::<f32>()), SharedMut::new(sums), &*rotated);
        team.run(tasks, |task, worker| {
            let first = task * TASK_TILES;
            let tiles = TASK_TILES.min(packed.tiles() - first);
            // SAFETY: a worker's scratch is its own while it runs a task.
            let decoded = unsafe { spare.slice(worker * block, width * tiles * TILE) };
            packed.decode(first, tiles, decoded);
            // SAFETY: the columns of a task's tiles are its own; `sums` is [count, height], `rotated` [count, width] and `decoded`
            // [width, tiles * TILE], all row-major.
            unsafe {
                gemm::gemm(
                    count,
                    tiles * TILE,
                    *width,
                    shared.as_ptr().add(first * TILE),
                    1,
                    *height as isize,
                    false,
                    rotated.as_ptr(),
                    1,
                    *width as isize,
                    decoded.as_ptr(),
                    1,
                    (tiles * TILE) as isize,
                    0.0f32,
                    1.0f32,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });

        let team = context.threads.team(count, cost(rows));
        let transform = inverse.scratch_len();
        let mut scratch = context.pool.scratch(team.workers() * transform * size_of::<Complex32>())?;
        let (spare, shared, sums) =
            (SharedMut::new(scratch.as_mut::<Complex32>()), SharedMut::new(out), &*sums);
        team.run(count, |i, worker| {
            // SAFETY: as above.
            let (to, spare) =
                unsafe { (shared.slice(i * rows, rows), spare.slice(worker * transform, transform)) };
            note(inverse.run(&sums[i * height..][..*height], to, spare));
        });
        failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }
}
