//! The way back of attention, in blocks of queries: the weights of a block are computed again from queries and keys, so that the map of all
//! queries by all keys never exists (as in Dao et al. 2022; here a block sees its keys at once, and needs nothing from the way forward).

use std::sync::Arc;

use fft_core::backend::AttentionSpec;
use fft_core::{DType, Result, Tensor, compose};

use super::softmax::{exp_minus, largest, multiply_by, through_softmax};
use crate::matmul::multiply;
use crate::memory::{BlockPool, SharedMut, elements, elements_mut};
use crate::reduction::sum_f32;
use crate::threads::Threads;

const OP: &str = "attention_backward";
/// Most queries of a block.
const QUERIES: usize = 64;
/// Weights of a block that stay in the second-level cache.
const WEIGHTS: usize = 1 << 15;
/// Tasks that are enough for the threads of most machines.
const TASKS: usize = 16;

/// A tensor `[batch, heads, positions, dim]`.
#[derive(Clone, Copy)]
struct Heads<'a> {
    data: &'a [f32],
    offset: isize,
    strides: [isize; 4],
}

impl<'a> Heads<'a> {
    fn new(t: &'a Tensor) -> Result<Self> {
        let mut strides = [0; 4];
        strides.copy_from_slice(t.layout().strides());
        Ok(Self { data: elements::<f32>(OP, &t.view())?, offset: t.layout().offset() as isize, strides })
    }

    /// The matrix of a head from a position on, with its strides `[positions, dim]`; it may be that of no element.
    fn at(&self, item: usize, head: usize, position: usize) -> (*const f32, [isize; 2]) {
        let [b, h, p, d] = self.strides;
        let at = self.offset + item as isize * b + head as isize * h + position as isize * p;
        (self.data.as_ptr().wrapping_offset(at), [p, d])
    }
}

/// A matrix with its axes exchanged.
fn turned<T>((p, [rows, columns]): (T, [isize; 2])) -> (T, [isize; 2]) {
    (p, [columns, rows])
}

/// See `SpectralBackend::attention_backward`.
pub(crate) fn attention_backward(
    (threads, pool): (&Threads, &Arc<BlockPool>),
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    grad: &Tensor,
    spec: AttentionSpec,
) -> Result<[Tensor; 3]> {
    if q.dtype() != DType::F32 || q.is_empty() || k.is_empty() || v.is_empty() {
        return compose::attention_backward(q, k, v, grad, spec);
    }
    let (batch, heads, t, dim) = (q.shape()[0], q.shape()[1], q.shape()[2], q.shape()[3]);
    let (groups, s, dim_v) = (k.shape()[1], k.shape()[2], v.shape()[3]);
    let share = heads / groups;
    // The queries that see the same keys and values, in blocks of one head.
    let queries = (WEIGHTS / s).clamp(8, QUERIES).min(t);
    let head_blocks = t.div_ceil(queries);
    let blocks = share * head_blocks;
    // Few groups are cut further: each part of the blocks makes a sum of its own, and the sums are added in order.
    let parts = (TASKS / (batch * groups)).clamp(1, blocks);
    let part_blocks = blocks.div_ceil(parts);
    let parts = blocks.div_ceil(part_blocks);
    let tasks = batch * groups * parts;
    let work = batch * heads * t * s * (3 * dim + 2 * dim_v) / 16;
    let team = threads.team(tasks, work);
    let per_worker = 2 * queries * s;
    let (len_k, len_v) = (s * dim, s * dim_v);
    let per_task = if parts == 1 { 0 } else { len_k + len_v };
    let needed = team.workers() * per_worker + tasks * per_task;
    let mut scratch = pool.scratch(needed * size_of::<f32>())?;
    let (weights, sums) = scratch.as_mut::<f32>().split_at_mut(team.workers() * per_worker);
    let (weights, sums) = (SharedMut::new(weights), SharedMut::new(sums));
    let (queries_of, keys_of, values_of) = (Heads::new(q)?, Heads::new(k)?, Heads::new(v)?);
    let grads_of = Heads::new(grad)?;
    let shapes = [q.shape(), k.shape(), v.shape()];
    Tensor::build_many(q.device(), OP, shapes, DType::F32, |[mut of_q, mut of_k, mut of_v]| {
        let of_q = SharedMut::new(elements_mut::<f32>(OP, &mut of_q)?);
        let of_k = SharedMut::new(elements_mut::<f32>(OP, &mut of_k)?);
        let of_v = SharedMut::new(elements_mut::<f32>(OP, &mut of_v)?);
        team.run(tasks, |task, worker| {
            let (pair, part) = (task / parts, task % parts);
            let (item, group) = (pair / groups, pair % groups);
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { weights.slice(worker * per_worker, per_worker) };
            let (weights, of_weights) = scratch.split_at_mut(queries * s);
            // SAFETY: each task has a sum of its own: a part of the scratch, or of the result.
            let (sum_k, sum_v) = unsafe {
                if parts == 1 {
                    (of_k.slice(pair * len_k, len_k), of_v.slice(pair * len_v, len_v))
                } else {
                    sums.slice(task * per_task, per_task).split_at_mut(len_k)
                }
            };
            sum_k.fill(0.0);
            sum_v.fill(0.0);
            let (sum_k, sum_v) =
                ((sum_k.as_mut_ptr(), [dim as isize, 1]), (sum_v.as_mut_ptr(), [dim_v as isize, 1]));
            let (keys, values) = (keys_of.at(item, group, 0), values_of.at(item, group, 0));
            for block in part * part_blocks..((part + 1) * part_blocks).min(blocks) {
                let head = group * share + block / head_blocks;
                let first = block % head_blocks * queries;
                let m = queries.min(t - first);
                let sees = |query: usize| if spec.causal { spec.offset + query + 1 } else { s };
                let n = sees(first + m - 1);
                let (x, g) = (queries_of.at(item, head, first), grads_of.at(item, head, first));
                let by_keys = [n as isize, 1];
                // SAFETY: `m` queries and `n` keys lie in checked layouts; both blocks hold `m n` numbers, read after they were written.
                unsafe {
                    let out = (of_weights.as_mut_ptr(), by_keys);
                    multiply((m, n, dim), out, false, spec.scale, x, turned(keys));
                }
                let rows = weights.chunks_exact_mut(n).zip(of_weights.chunks_exact(n)).take(m);
                for (i, (weights, scores)) in rows.enumerate() {
                    let (seen, hidden) = weights.split_at_mut(sees(first + i));
                    let scores = &scores[..seen.len()];
                    exp_minus(scores, largest(scores), seen);
                    multiply_by(seen, (1.0 / sum_f32(seen)) as f32);
                    hidden.fill(0.0);
                }
                // SAFETY: as above; the sums are those of this task.
                unsafe {
                    let of_keys = turned((weights.as_ptr(), by_keys));
                    multiply((n, dim_v, m), sum_v, true, 1.0, of_keys, g);
                    let out = (of_weights.as_mut_ptr(), by_keys);
                    multiply((m, n, dim_v), out, false, 1.0, g, turned(values));
                }
                let rows = weights.chunks_exact(n).zip(of_weights.chunks_exact_mut(n)).take(m);
                for (i, (weights, of_weights)) in rows.enumerate() {
                    let (seen, hidden) = of_weights.split_at_mut(sees(first + i));
                    through_softmax(&weights[..seen.len()], seen, spec.scale);
                    hidden.fill(0.0);
                }
                // SAFETY: as above; the rows of these queries belong to this block alone.
                unsafe {
                    let out = of_q.slice(((item * heads + head) * t + first) * dim, m * dim).as_mut_ptr();
                    let of_scores = (of_weights.as_ptr(), by_keys);
                    multiply((m, dim, n), (out, [dim as isize, 1]), false, 1.0, of_scores, keys);
                    multiply((n, dim, m), sum_k, true, 1.0, turned(of_scores), x);
                }
            }
        });
        if parts > 1 {
            threads.team(batch * groups, batch * groups * parts * per_task / 8).run(
                batch * groups,
                |pair, _| {
                    // SAFETY: all parts are done; each pair of keys and values is written by one task.
                    let (mut out, parts) = unsafe {
                        let out = [of_k.slice(pair * len_k, len_k), of_v.slice(pair * len_v, len_v)];
                        (out, sums.slice(pair * parts * per_task, parts * per_task))
                    };
                    out.iter_mut().for_each(|out| out.fill(0.0));
                    for part in parts.chunks_exact(per_task) {
                        let (of_k, of_v) = part.split_at(len_k);
                        for (out, part) in out.iter_mut().zip([of_k, of_v]) {
                            out.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
                        }
                    }
                },
            );
        }
        Ok(())
    })
}
