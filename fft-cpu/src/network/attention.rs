//! Attention with a running softmax (Milakov and Gimelshein 2018; Dao et al. 2022): keys and values are read once in blocks,
//! the map of queries by keys never exists, and what is carried for each query is its maximum, its sum and its mean of values.

use std::sync::Arc;

use fft_core::backend::AttentionSpec;
use fft_core::{DType, Result, Tensor, bf16, compose, f16};

use super::softmax::{exp_minus, largest};
use crate::elementwise::Storage;
use crate::matmul::{ROWS, accumulate, dots};
use crate::memory::{BlockPool, SharedMut, elements, elements_mut};
use crate::reduction::sum_f32;
use crate::simd::Baseline;
use crate::threads::Threads;

const OP: &str = "attention";
/// Keys of a block: their values stay in the first-level cache.
const KEYS: usize = 64;

/// See `SpectralBackend::attention`.
pub(crate) fn attention(
    (threads, pool): (&Threads, &Arc<BlockPool>),
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    spec: AttentionSpec,
) -> Result<Tensor> {
    let unit = |t: &Tensor| t.layout().strides()[3] == 1 || t.shape()[3] == 1;
    if q.is_empty() || v.is_empty() || !unit(k) || !unit(v) {
        return compose::attention(q, k, v, spec);
    }
    match q.dtype() {
        DType::F32 => run::<f32>(threads, pool, q, k, v, spec),
        DType::F16 => run::<f16>(threads, pool, q, k, v, spec),
        DType::BF16 => run::<bf16>(threads, pool, q, k, v, spec),
        _ => compose::attention(q, k, v, spec),
    }
}

/// Where something of `[batch, heads, positions, dim]` starts.
fn at(t: &Tensor, item: usize, head: usize, position: usize) -> isize {
    let s = t.layout().strides();
    t.layout().offset() as isize + item as isize * s[0] + head as isize * s[1] + position as isize * s[2]
}

fn run<T: Storage>(
    threads: &Threads,
    pool: &Arc<BlockPool>,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    spec: AttentionSpec,
) -> Result<Tensor> {
    let (batch, heads, t, dim) = (q.shape()[0], q.shape()[1], q.shape()[2], q.shape()[3]);
    let (groups, s, dim_v) = (k.shape()[1], k.shape()[2], v.shape()[3]);
    let share = heads / groups;
    // The queries that see the same keys and values, in blocks that one pass over them serves.
    let rows = share * t;
    let blocks = rows.div_ceil(ROWS);
    let tasks = batch * groups * blocks;
    let pitch = dim.next_multiple_of(16);
    let pitch_v = dim_v.next_multiple_of(16);
    let team = threads.team(tasks, batch * heads * t * s * (dim + dim_v) / 16);
    let per_worker = ROWS * (pitch + pitch_v + KEYS);
    let mut scratch = pool.scratch(team.workers() * per_worker * size_of::<f32>())?;
    let parts = SharedMut::new(scratch.as_mut::<f32>());
    Tensor::build(q.device(), OP, &[batch, heads, t, dim_v], q.dtype(), |mut dst| {
        let queries = elements::<T>(OP, &q.view())?;
        let (keys, values) = (elements::<T>(OP, &k.view())?, elements::<T>(OP, &v.view())?);
        let out = SharedMut::new(elements_mut::<T>(OP, &mut dst)?);
        let (key_step, value_step) = (k.layout().strides()[2], v.layout().strides()[2]);
        let query_step = q.layout().strides()[3];
        team.run(tasks, |task, worker| {
            let (block, group, item) = (task % blocks, task / blocks % groups, task / blocks / groups);
            let first = block * ROWS;
            let m = ROWS.min(rows - first);
            // Row `r` of the group is head `r / t`, query `r % t`.
            let place = |r: usize| (group * share + (first + r) / t, (first + r) % t);
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let part = unsafe { parts.slice(worker * per_worker, per_worker) };
            let (x, part) = part.split_at_mut(ROWS * pitch);
            let (sums, scores) = part.split_at_mut(ROWS * pitch_v);
            sums.fill(0.0);
            // How many keys each row sees.
            let mut sees = [s; ROWS];
            for (r, row) in x.chunks_exact_mut(pitch).take(m).enumerate() {
                let (head, query) = place(r);
                if spec.causal {
                    sees[r] = (spec.offset + query + 1).min(s);
                }
                let from = at(q, item, head, query);
                for (i, x) in row[..dim].iter_mut().enumerate() {
                    let value = queries[(from + i as isize * query_step) as usize];
                    *x = value.wide::<Baseline>() * spec.scale;
                }
            }
            let (mut max, mut total) = ([f32::NEG_INFINITY; ROWS], [0f64; ROWS]);
            let end = sees[..m].iter().copied().max().unwrap_or(0);
            for key in (0..end).step_by(KEYS) {
                let n = KEYS.min(end - key);
                // SAFETY: keys and values lie in checked layouts; `scores` has `ROWS` rows of `KEYS`.
                unsafe {
                    let w = keys.as_ptr().offset(at(k, item, group, key));
                    dots(
                        (x.as_ptr(), pitch as isize),
                        (w, key_step),
                        (scores.as_mut_ptr(), KEYS),
                        (m, n, dim),
                    );
                }
                let w = values.as_ptr().wrapping_offset(at(v, item, group, key));
                for (r, scores) in scores.chunks_exact_mut(KEYS).take(m).enumerate() {
                    let n = n.min(sees[r].saturating_sub(key));
                    if n == 0 {
                        continue;
                    }
                    let scores = &mut scores[..n];
                    let sums = &mut sums[r * pitch_v..r * pitch_v + dim_v];
                    let higher = largest(scores).max(max[r]);
                    if higher > max[r] {
                        let shrink = (max[r] - higher).exp();
                        sums.iter_mut().for_each(|y| *y *= shrink);
                        total[r] *= shrink as f64;
                        max[r] = higher;
                    }
                    let mut weights = [0f32; KEYS];
                    exp_minus(scores, max[r], &mut weights[..n]);
                    total[r] += sum_f32(&weights[..n]);
                    // SAFETY: these values lie in a checked layout.
                    unsafe { accumulate(sums, &weights[..n], w, value_step) };
                }
            }
            for r in 0..m {
                let (head, query) = place(r);
                let scale = (1.0 / total[r]) as f32;
                // SAFETY: each row of the result is written once.
                let out = unsafe { out.slice(((item * heads + head) * t + query) * dim_v, dim_v) };
                for (y, &sum) in out.iter_mut().zip(&sums[r * pitch_v..]) {
                    *y = T::rounded::<Baseline>(sum * scale);
                }
            }
        });
        Ok(())
    })
}
