//! Applying a slice kernel to strided operands, in tasks.

use bytemuck::{Pod, cast_slice, cast_slice_mut};
use fft_core::{Complex32, Complex64, Result, View, ViewMut, bf16, f16};

use super::lanes::{BLOCK, Lane};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::Walk;

/// An element type. Walking operands needs only its size, so that part is compiled once for each `Raw`.
pub(crate) trait Plain: Pod + Send + Sync {
    /// A type of the same size, aligned no less.
    type Raw: Pod + Send + Sync;
}

macro_rules! plain {
    ($($t:ty => $raw:ty),*) => {$(impl Plain for $t { type Raw = $raw; })*};
}
plain!(u8 => u8, i8 => u8, u16 => u16, f16 => u16, bf16 => u16, u32 => u32, f32 => u32, u64 => u64, i64 => u64,
    f64 => u64, Complex32 => u64, Complex64 => Complex64);

/// A kernel of two operands.
type Kernel2<'a, A, B, D> = dyn Fn(&[A], &[B], &mut [D]) + Sync + 'a;
/// A kernel of three operands.
type Kernel3<'a, C, T> = dyn Fn(&[C], &[T], &[T], &mut [T]) + Sync + 'a;

/// Elements of a task.
const TASK: usize = 1 << 15;

/// Writes through `store` what `kernel` makes for `n` elements at `at`.
///
/// # Safety
/// The positions lie within `dst`, and no one else touches them.
#[inline]
unsafe fn store<D: Pod>(
    dst: SharedMut<'_, D>,
    at: isize,
    stride: isize,
    n: usize,
    lane: &mut Lane<D>,
    kernel: &mut dyn FnMut(&mut [D]),
) {
    if stride == 1 {
        // SAFETY: promised by the caller; positions are not negative.
        kernel(unsafe { dst.slice(at as usize, n) });
        return;
    }
    let out = lane.output(n);
    kernel(out);
    for (i, &value) in out.iter().enumerate() {
        // SAFETY: promised by the caller.
        unsafe { dst.write(at + i as isize * stride, value) };
    }
}

/// `kernel(dst)` over the positions of one operand.
pub(crate) fn map0<D: Plain>(
    op: &'static str,
    threads: &Threads,
    dst: ViewMut<'_>,
    kernel: impl Fn(&mut [D]) + Sync,
) -> Result<()> {
    walk0::<D::Raw>(op, threads, dst, &|d| kernel(cast_slice_mut(d)))
}

fn walk0<D: Pod + Send + Sync>(
    op: &'static str,
    threads: &Threads,
    mut dst: ViewMut<'_>,
    kernel: &(dyn Fn(&mut [D]) + Sync),
) -> Result<()> {
    let walk = Walk::new([dst.layout]);
    let out = SharedMut::new(elements_mut::<D>(op, &mut dst)?);
    let tasks = walk.tasks(TASK, 64);
    let team = threads.team(tasks.count, walk.positions() / 4);
    let block = if walk.strides == [1] { usize::MAX } else { BLOCK };
    team.run(tasks.count, |task, _| {
        let mut lane = Lane::new();
        walk.task(&tasks, task, |[d], n| {
            for from in (0..n).step_by(block) {
                let (n, at) = ((n - from).min(block), d + from as isize * walk.strides[0]);
                // SAFETY: positions of a checked layout, each visited once.
                unsafe { store(out, at, walk.strides[0], n, &mut lane, &mut |d| kernel(d)) };
            }
        });
    });
    Ok(())
}

/// `kernel(src, dst)` over the positions of two operands. `cost` is about the nanoseconds of 16 elements.
pub(crate) fn map1<S: Plain, D: Plain>(
    op: &'static str,
    threads: &Threads,
    cost: usize,
    src: View<'_>,
    dst: ViewMut<'_>,
    kernel: impl Fn(&[S], &mut [D]) + Sync,
) -> Result<()> {
    walk1::<S::Raw, D::Raw>(op, threads, cost, src, dst, &|s, d| kernel(cast_slice(s), cast_slice_mut(d)))
}

fn walk1<S: Pod + Send + Sync, D: Pod + Send + Sync>(
    op: &'static str,
    threads: &Threads,
    cost: usize,
    src: View<'_>,
    mut dst: ViewMut<'_>,
    kernel: &(dyn Fn(&[S], &mut [D]) + Sync),
) -> Result<()> {
    let walk = Walk::new([src.layout, dst.layout]);
    let a = elements::<S>(op, &src)?;
    let out = SharedMut::new(elements_mut::<D>(op, &mut dst)?);
    let tasks = walk.tasks(TASK, 64);
    let team = threads.team(tasks.count, walk.positions() / 16 * cost);
    let [sa, sd] = walk.strides;
    let block = if walk.strides == [1; 2] { usize::MAX } else { BLOCK };
    team.run(tasks.count, |task, _| {
        let (mut la, mut ld) = (Lane::new(), Lane::new());
        walk.task(&tasks, task, |[pa, pd], n| {
            for from in (0..n).step_by(block) {
                let (n, i) = ((n - from).min(block), from as isize);
                // SAFETY: positions of checked layouts; those of `dst` are visited once.
                unsafe {
                    let a = la.load(a, pa + i * sa, sa, n);
                    store(out, pd + i * sd, sd, n, &mut ld, &mut |d| kernel(a, d));
                }
            }
        });
    });
    Ok(())
}

/// `kernel(a, b, dst)` over the positions of three operands. `cost` is about the nanoseconds of 16 elements.
pub(crate) fn map2<A: Plain, B: Plain, D: Plain>(
    op: &'static str,
    threads: &Threads,
    cost: usize,
    operands: (View<'_>, View<'_>),
    dst: ViewMut<'_>,
    kernel: impl Fn(&[A], &[B], &mut [D]) + Sync,
) -> Result<()> {
    walk2::<A::Raw, B::Raw, D::Raw>(op, threads, cost, operands, dst, &|a, b, d| {
        kernel(cast_slice(a), cast_slice(b), cast_slice_mut(d));
    })
}

fn walk2<A: Pod + Send + Sync, B: Pod + Send + Sync, D: Pod + Send + Sync>(
    op: &'static str,
    threads: &Threads,
    cost: usize,
    (a, b): (View<'_>, View<'_>),
    mut dst: ViewMut<'_>,
    kernel: &Kernel2<'_, A, B, D>,
) -> Result<()> {
    let walk = Walk::new([a.layout, b.layout, dst.layout]);
    let (a, b) = (elements::<A>(op, &a)?, elements::<B>(op, &b)?);
    let out = SharedMut::new(elements_mut::<D>(op, &mut dst)?);
    let tasks = walk.tasks(TASK, 64);
    let team = threads.team(tasks.count, walk.positions() / 16 * cost);
    let [sa, sb, sd] = walk.strides;
    let block = if walk.strides == [1; 3] { usize::MAX } else { BLOCK };
    team.run(tasks.count, |task, _| {
        let (mut la, mut lb, mut ld) = (Lane::new(), Lane::new(), Lane::new());
        walk.task(&tasks, task, |[pa, pb, pd], n| {
            for from in (0..n).step_by(block) {
                let (n, i) = ((n - from).min(block), from as isize);
                // SAFETY: positions of checked layouts; those of `dst` are visited once.
                unsafe {
                    let a = la.load(a, pa + i * sa, sa, n);
                    let b = lb.load(b, pb + i * sb, sb, n);
                    store(out, pd + i * sd, sd, n, &mut ld, &mut |d| kernel(a, b, d));
                }
            }
        });
    });
    Ok(())
}

/// `kernel(c, a, b, dst)` over the positions of four operands.
pub(crate) fn map3<C: Pod + Send + Sync, T: Pod + Send + Sync>(
    op: &'static str,
    threads: &Threads,
    (c, a, b): (View<'_>, View<'_>, View<'_>),
    mut dst: ViewMut<'_>,
    kernel: &Kernel3<'_, C, T>,
) -> Result<()> {
    let walk = Walk::new([c.layout, a.layout, b.layout, dst.layout]);
    let c = elements::<C>(op, &c)?;
    let (a, b) = (elements::<T>(op, &a)?, elements::<T>(op, &b)?);
    let out = SharedMut::new(elements_mut::<T>(op, &mut dst)?);
    let tasks = walk.tasks(TASK, 64);
    let team = threads.team(tasks.count, walk.positions() / 4);
    let [sc, sa, sb, sd] = walk.strides;
    let block = if walk.strides == [1; 4] { usize::MAX } else { BLOCK };
    team.run(tasks.count, |task, _| {
        let (mut lc, mut la, mut lb, mut ld) = (Lane::new(), Lane::new(), Lane::new(), Lane::new());
        walk.task(&tasks, task, |[pc, pa, pb, pd], n| {
            for from in (0..n).step_by(block) {
                let (n, i) = ((n - from).min(block), from as isize);
                // SAFETY: positions of checked layouts; those of `dst` are visited once.
                unsafe {
                    let c = lc.load(c, pc + i * sc, sc, n);
                    let a = la.load(a, pa + i * sa, sa, n);
                    let b = lb.load(b, pb + i * sb, sb, n);
                    store(out, pd + i * sd, sd, n, &mut ld, &mut |d| kernel(c, a, b, d));
                }
            }
        });
    });
    Ok(())
}
