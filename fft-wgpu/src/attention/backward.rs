//! The way back of attention: scores are computed again, tile by tile, from what a first kernel leaves of each row.

use fft_core::backend::AttentionSpec;
use fft_core::{Result, Tensor, compose};

use super::source::{Finish, Keys, Queries, Tile};
use super::{Sizes, TILE, call, halves, suits, within};
use crate::call::fits_bytes;
use crate::context::Context;
use crate::pipelines::Binding;

const OP: &str = "attention_backward";
/// The longest rows: the sums of keys and of values lie in registers together.
const LONGEST: usize = 128;

/// See [`compose::attention_backward`].
pub(crate) fn attention_backward(
    context: &Context,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    grad: &Tensor,
    spec: AttentionSpec,
) -> Result<[Tensor; 3]> {
    let sizes = Sizes::new(q, k, v);
    let all = [q, k, v, grad];
    let (rows, keys) = (sizes.rows.div_ceil(TILE), sizes.keys.div_ceil(TILE));
    let (dim, width) = (sizes.dim.div_ceil(TILE), sizes.width.div_ceil(TILE));
    let kept_bytes = sizes.all * sizes.rows * size_of::<[f32; 4]>();
    let outputs = [q, k, v].map(|x| x.len() * x.dtype().size());
    let store = suits(&all).filter(|_| {
        let steps = sizes.rows.max(sizes.keys);
        sizes.dim.max(sizes.width) <= LONGEST && steps <= context.limits.steps
    });
    let Some(store) = store else { return compose::attention_backward(q, k, v, grad, spec) };
    let fits = outputs.into_iter().chain([kept_bytes]).all(|bytes| fits_bytes(context, bytes));
    if !fits || !within(context, &all) {
        let Some((axis, parts)) = halves(&all)? else {
            return compose::attention_backward(q, k, v, grad, spec);
        };
        let [first, rest] =
            parts.each_ref().map(|x| attention_backward(context, &x[0], &x[1], &x[2], &x[3], spec));
        let (first, rest) = (first?, rest?);
        let join = |i: usize| Tensor::cat(&[first[i].clone(), rest[i].clone()], axis);
        return Ok([join(0)?, join(1)?, join(2)?]);
    }
    let shapes = [q.shape(), k.shape(), v.shape()];
    Tensor::build_many(q.device(), OP, shapes, q.dtype(), |[of_q, of_k, of_v]| {
        let kept = context.scratch(kept_bytes)?;
        let start = |tiles: usize| {
            let mut call = call(context, &all, sizes, spec)?;
            call.params.more[6] = tiles as u32;
            call.params.count = (sizes.all * tiles) as u32;
            Ok(call)
        };
        let mut first = start(rows)?;
        first.bind(Binding::whole(&kept, true), 0);
        let kernel = Tile { store, finish: Finish::Statistics, width };
        first.run(&kernel.label(), sizes.all * rows, || kernel.source())?;

        let mut queries = start(rows)?;
        queries.bind(Binding::whole(&kept, false), 0);
        queries.write(of_q)?;
        let kernel = Queries { store, dim };
        queries.run(&kernel.label(), sizes.all * rows, || kernel.source())?;

        let mut last = start(keys)?;
        last.bind(Binding::whole(&kept, false), 0);
        last.write(of_k)?;
        last.write(of_v)?;
        let kernel = Keys { store, dim, width };
        last.run(&kernel.label(), sizes.all * keys, || kernel.source())
    })
}
