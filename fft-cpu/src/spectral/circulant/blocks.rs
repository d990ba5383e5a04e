//! Transforms of all blocks of all vectors, to planes `[b, blocks]` and back.

use fft_core::{Complex32, Result};

use super::basis::{Basis, LONGEST};
use crate::fourier::Context;
use crate::memory::SharedMut;

/// Blocks of a task.
const TASK: usize = 512;
/// Long blocks that are transformed before their spectra are spread over the planes: a cache line of neighbours.
const LONG_TASK: usize = 16;

/// Transforms `x`, blocks of `b` one after the other, to `planes`, `[b, blocks]`.
pub(super) fn forward(
    context: Context<'_>,
    basis: Option<&Basis>,
    b: usize,
    x: &[f32],
    planes: &mut [f32],
) -> Result<()> {
    let blocks = x.len() / b;
    let Some(basis) = basis else { return forward_long(context, b, x, planes) };
    let tasks = blocks.div_ceil(TASK);
    let team = context.threads.team(tasks, blocks * b * b / 50);
    let out = SharedMut::new(planes);
    team.run(tasks, |task, _| {
        let first = task * TASK;
        let count = TASK.min(blocks - first);
        let blocks_of = &x[first * b..][..count * b];
        // SAFETY: the columns `first..first + count` of the planes are this task's own.
        unsafe {
            product(&basis.forward, b, count, (blocks_of, [b, 1]), (out.as_ptr().add(first), [1, blocks]))
        };
    });
    Ok(())
}

/// `basis`, `[b, b]` row-major, times `from`, `[b, count]`, to `to`; each has the strides from column to column and from row to row.
///
/// # Safety
/// `to` may be written at all places of such a matrix, and is not within `from`.
unsafe fn product(
    basis: &[f32],
    b: usize,
    count: usize,
    (from, from_strides): (&[f32], [usize; 2]),
    (to, to_strides): (*mut f32, [usize; 2]),
) {
    let end = |strides: [usize; 2]| (count - 1) * strides[0] + (b - 1) * strides[1] + 1;
    assert!(basis.len() >= b * b && from.len() >= end(from_strides), "the operands have their shapes");
    let [[from_column, from_row], [to_column, to_row]] =
        [from_strides, to_strides].map(|s| s.map(|s| s as isize));
    // SAFETY: by the assertion and the promise of the caller.
    unsafe {
        gemm::gemm(
            b,
            count,
            b,
            to,
            to_column,
            to_row,
            false,
            basis.as_ptr(),
            1,
            b as isize,
            from.as_ptr(),
            from_column,
            from_row,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Transforms `planes`, `[b, blocks]`, back to blocks of `b` one after the other.
pub(super) fn inverse(
    context: Context<'_>,
    basis: Option<&Basis>,
    b: usize,
    planes: &[f32],
    y: &mut [f32],
) -> Result<()> {
    let blocks = y.len() / b;
    let Some(basis) = basis else { return inverse_long(context, b, planes, y) };
    let tasks = blocks.div_ceil(TASK);
    let team = context.threads.team(tasks, blocks * b * b / 50);
    let out = SharedMut::new(y);
    team.run(tasks, |task, _| {
        let first = task * TASK;
        let count = TASK.min(blocks - first);
        let columns = &planes[first..][..(b - 1) * blocks + count];
        // SAFETY: the blocks of a task are its own.
        unsafe {
            let to = out.slice(first * b, count * b);
            product(&basis.inverse, b, count, (columns, [1, blocks]), (to.as_mut_ptr(), [b, 1]));
        }
    });
    Ok(())
}

/// Whether blocks of `b` are transformed by a [`Basis`].
pub(super) fn by_basis(b: usize) -> bool {
    b <= LONGEST
}

fn forward_long(context: Context<'_>, b: usize, x: &[f32], planes: &mut [f32]) -> Result<()> {
    let blocks = x.len() / b;
    let plan = context.plans.forward::<f32>(b);
    let bins = b / 2 + 1;
    let tasks = blocks.div_ceil(LONG_TASK);
    let team = context.threads.team(tasks, blocks * b * 2);
    // The spectra of a group of blocks, a copy of one block, and what the plan wants.
    let own = LONG_TASK * bins + b.div_ceil(2) + plan.get_scratch_len();
    let mut scratch = context.pool.scratch(team.workers() * own * size_of::<Complex32>())?;
    let (spare, out) = (SharedMut::new(scratch.as_mut::<Complex32>()), SharedMut::new(planes));
    team.run(tasks, |task, worker| {
        // SAFETY: a worker's scratch is its own while it runs a task.
        let spare = unsafe { spare.slice(worker * own, own) };
        let (spectra, spare) = spare.split_at_mut(LONG_TASK * bins);
        let (input, spare) = spare.split_at_mut(b.div_ceil(2));
        let input: &mut [f32] = &mut bytemuck::cast_slice_mut(input)[..b];
        let first = task * LONG_TASK;
        let count = LONG_TASK.min(blocks - first);
        for (block, spectrum) in
            x[first * b..][..count * b].chunks_exact(b).zip(spectra.chunks_exact_mut(bins))
        {
            input.copy_from_slice(block);
            plan.process_with_scratch(input, spectrum, spare).expect("the buffers have the plan's lengths");
        }
        let parts: &[f32] = bytemuck::cast_slice(spectra);
        for plane in 0..b {
            // The imaginary part of bin 0 is left out; what follows is in the order of the planes.
            let part = if plane == 0 { 0 } else { plane + 1 };
            // SAFETY: the columns of a task's blocks are its own.
            let row = unsafe { out.slice(plane * blocks + first, count) };
            for (j, out) in row.iter_mut().enumerate() {
                *out = parts[j * 2 * bins + part];
            }
        }
    });
    Ok(())
}

fn inverse_long(context: Context<'_>, b: usize, planes: &[f32], y: &mut [f32]) -> Result<()> {
    let blocks = y.len() / b;
    let plan = context.plans.inverse::<f32>(b);
    let bins = b / 2 + 1;
    let tasks = blocks.div_ceil(LONG_TASK);
    let team = context.threads.team(tasks, blocks * b * 2);
    let own = LONG_TASK * bins + plan.get_scratch_len();
    let mut scratch = context.pool.scratch(team.workers() * own * size_of::<Complex32>())?;
    let (spare, out) = (SharedMut::new(scratch.as_mut::<Complex32>()), SharedMut::new(y));
    let unit = 1.0 / b as f32;
    team.run(tasks, |task, worker| {
        // SAFETY: a worker's scratch is its own while it runs a task.
        let spare = unsafe { spare.slice(worker * own, own) };
        let (spectra, spare) = spare.split_at_mut(LONG_TASK * bins);
        let first = task * LONG_TASK;
        let count = LONG_TASK.min(blocks - first);
        let parts: &mut [f32] = bytemuck::cast_slice_mut(spectra);
        for (j, parts) in parts.chunks_exact_mut(2 * bins).enumerate().take(count) {
            // The parts that are always zero: those of bin 0 and, for an even length, of the last bin.
            parts[1] = 0.0;
            parts[2 * bins - 1] = 0.0;
            for plane in 0..b {
                let part = if plane == 0 { 0 } else { plane + 1 };
                parts[part] = planes[plane * blocks + first + j] * unit;
            }
        }
        for (j, spectrum) in spectra.chunks_exact_mut(bins).enumerate().take(count) {
            // SAFETY: the blocks of a task are its own.
            let block = unsafe { out.slice((first + j) * b, b) };
            plan.process_with_scratch(spectrum, block, spare).expect("the buffers have the plan's lengths");
        }
    });
    Ok(())
}
