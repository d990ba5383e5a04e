//! How a reduction walks its operand: along rows, or row by row into columns, in pieces whose order is fixed.

use bytemuck::Pod;
use fft_core::{Error, Result, View, ViewMut};

use crate::elementwise::{BLOCK, Lane};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::{Tasks, Walk};

/// Elements of a task.
const TASK: usize = 1 << 15;
/// With fewer results than this, a long reduction is cut into partial ones.
const FEW: usize = 1024;

/// A reduction of one element type.
pub(super) trait Reducer: Copy + Send + Sync {
    /// The operand's elements.
    type In: Pod + Send + Sync;
    /// What is carried along.
    type Acc: Copy + Send + Sync;
    /// The result's elements.
    type Out: Pod + Send + Sync;
    /// The result of nothing, so far.
    fn start(self) -> Self::Acc;
    /// Takes in elements; `index` is the position of the first along the axis.
    fn slice(self, acc: Self::Acc, xs: &[Self::In], index: usize) -> Self::Acc;
    /// Takes one element into each of many; all have position `index` along the axis.
    fn columns(self, acc: &mut [Self::Acc], xs: &[Self::In], index: usize);
    /// Joins two parts; `b` comes after `a`.
    fn merge(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    /// The result over `n` elements.
    fn finish(self, acc: Self::Acc, n: usize) -> Self::Out;
}

struct Fold<'a, R: Reducer> {
    reducer: R,
    src: &'a [R::In],
    kept: Walk<2>,
    reduced: Walk<1>,
    pieces: Tasks,
    by_columns: bool,
}

impl<R: Reducer> Fold<'_, R> {
    /// Takes piece `piece` of the reduced positions into the accumulators of `acc.len()` neighbours from `at`.
    fn piece(&self, acc: &mut [R::Acc], at: isize, piece: usize, lane: &mut Lane<R::In>) {
        let (across, along) = (self.kept.strides[0], self.reduced.strides[0]);
        // Only arg reductions look at the index, and they have one axis, so one row.
        let index = |p: isize| if along == 0 { 0 } else { (p / along).unsigned_abs() };
        self.reduced.task(&self.pieces, piece, |[p], n| {
            if self.by_columns {
                for i in 0..n as isize {
                    let p = p + i * along;
                    // SAFETY: positions of a checked layout; at most `BLOCK` of them.
                    let xs = unsafe { lane.load(self.src, at + p, across, acc.len()) };
                    self.reducer.columns(acc, xs, index(p));
                }
                return;
            }
            let block = if along == 1 { n.max(1) } else { BLOCK };
            for (j, acc) in acc.iter_mut().enumerate() {
                for from in (0..n).step_by(block) {
                    let p = p + from as isize * along;
                    let start = at + j as isize * across + p;
                    // SAFETY: positions of a checked layout; at most `BLOCK` of them unless the stride is 1.
                    let xs = unsafe { lane.load(self.src, start, along, (n - from).min(block)) };
                    *acc = self.reducer.slice(*acc, xs, index(p));
                }
            }
        });
    }
}

/// Reduces `src` over `axes` into `dst`.
pub(super) fn fold<R: Reducer>(
    threads: &Threads,
    reducer: R,
    src: View<'_>,
    axes: &[usize],
    mut dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "reduce";
    let (ls, ld) = (src.layout, dst.layout);
    let fits = ls.rank() == ld.rank()
        && (0..ls.rank()).all(|a| ld.shape()[a] == if axes.contains(&a) { 1 } else { ls.shape()[a] });
    if !fits {
        return Err(Error::shapes(
            OP,
            ls.shape(),
            ld.shape(),
            "the result has length 1 along the reduced axes",
        ));
    }
    let all = 0..ls.rank();
    let kept = all.clone().filter(|a| !axes.contains(a));
    let kept = kept.map(|a| (ls.shape()[a], [ls.strides()[a], ld.strides()[a]]));
    let kept = Walk::from_axes(kept, [ls.offset() as isize, ld.offset() as isize]);
    let reduced = all.filter(|a| axes.contains(a)).map(|a| (ls.shape()[a], [ls.strides()[a]]));
    let reduced = Walk::from_axes(reduced, [0]);
    let (results, n) = (kept.positions(), reduced.positions());
    if results == 0 {
        return Ok(());
    }
    let by_columns = kept.len > 1 && kept.strides[0] == 1 && reduced.strides[0] != 1;
    let few = results < FEW && n > TASK / results.max(1) && n > 64;
    let per_piece = if few { (TASK / results).max(64) } else { usize::MAX / 4 };
    let pieces = reduced.tasks(per_piece, 64);
    let out = SharedMut::new(elements_mut::<R::Out>(OP, &mut dst)?);
    let fold = Fold { reducer, src: elements::<R::In>(OP, &src)?, kept, reduced, pieces, by_columns };
    let step = if by_columns { BLOCK } else { 1 };
    let kept = &fold.kept;
    let [ss, sd] = kept.strides;
    if few && pieces.count > 1 {
        // Partial results of every piece, joined in order.
        let mut partial = vec![reducer.start(); results * pieces.count];
        let parts = SharedMut::new(&mut partial);
        threads.team(pieces.count, results * n / 8).run(pieces.count, |piece, _| {
            let mut lane = Lane::new();
            // SAFETY: each piece has its own accumulators.
            let acc = unsafe { parts.slice(piece * results, results) };
            for (row, acc) in acc.chunks_mut(kept.len).enumerate() {
                let at = kept.row(row)[0];
                for (i, acc) in acc.chunks_mut(step).enumerate() {
                    fold.piece(acc, at + (i * step) as isize * ss, piece, &mut lane);
                }
            }
        });
        for result in 0..results {
            let parts = (0..pieces.count).map(|piece| partial[piece * results + result]);
            let acc = parts.reduce(|a, b| reducer.merge(a, b)).unwrap_or_else(|| reducer.start());
            let at = kept.row(result / kept.len)[1] + (result % kept.len) as isize * sd;
            // SAFETY: positions of a checked layout, each visited once.
            unsafe { out.write(at, reducer.finish(acc, n)) };
        }
        return Ok(());
    }
    let tasks = kept.tasks((TASK / n.max(1)).max(1), 16);
    threads.team(tasks.count, results * n / 8).run(tasks.count, |task, _| {
        let mut lane = Lane::new();
        let mut accs = [reducer.start(); BLOCK];
        kept.task(&tasks, task, |[s, d], len| {
            for from in (0..len).step_by(step) {
                let acc = &mut accs[..step.min(len - from)];
                acc.fill(reducer.start());
                for piece in 0..fold.pieces.count {
                    fold.piece(acc, s + from as isize * ss, piece, &mut lane);
                }
                for (i, &acc) in acc.iter().enumerate() {
                    // SAFETY: positions of a checked layout, each visited once.
                    unsafe { out.write(d + (from + i) as isize * sd, reducer.finish(acc, n)) };
                }
            }
        });
    });
    Ok(())
}
