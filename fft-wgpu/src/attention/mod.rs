//! Softmax attention without the map of queries by keys (Dao et al. 2022).
//!
//! Rows are the queries of all heads that share keys. Many rows go in tiles of 64; a few, as when tokens are generated one by one, in a kernel
//! of their own with an invocation for each key. Where there are few tiles the keys are cut into parts, which are joined at the end.

mod backward;
mod source;

use fft_core::backend::AttentionSpec;
use fft_core::{Result, Tensor, ViewMut, compose};

use crate::call::{Call, fits_bytes, real};
use crate::context::Context;
use crate::pipelines::Binding;
use crate::store::Store;
use crate::walk::{Operand, block_of};
use source::{Few, Finish, Join, Tile};

pub(crate) use backward::attention_backward;

const OP: &str = "attention";
/// Rows of a tile.
const TILE: usize = 64;
/// The longest rows: a tile's sums lie in registers.
const LONGEST: usize = 256;
/// Up to so many rows would leave tiles mostly empty.
const FEW: usize = 16;
/// Keys of a workgroup that has a few rows.
const FEW_KEYS: usize = 128;
/// Fewer keys are not worth a part of their own.
const LEAST_PART: usize = 256;

/// The sizes of a problem.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    queries: usize,
    keys: usize,
    dim: usize,
    width: usize,
    /// Rows of a group: query heads that share keys, times queries.
    rows: usize,
    /// Groups of rows of a batch, and of all batches.
    groups: usize,
    all: usize,
}

impl Sizes {
    fn new(q: &Tensor, k: &Tensor, v: &Tensor) -> Self {
        let [batch, heads, queries, dim] = four(q.shape());
        let [_, groups, keys, _] = four(k.shape());
        let rows = heads / groups.max(1) * queries;
        Self { queries, keys, dim, width: four(v.shape())[3], rows, groups, all: batch * groups }
    }
}

fn four(shape: &[usize]) -> [usize; 4] {
    std::array::from_fn(|i| shape[i])
}

/// The storage of operands that the kernels take: of one type, not empty.
fn suits(operands: &[&Tensor]) -> Option<Store> {
    real(operands[0]).filter(|_| operands.iter().all(|x| !x.is_empty()))
}

/// Whether bindings hold all of these operands.
fn within(context: &Context, operands: &[&Tensor]) -> bool {
    let bound = |x: &Tensor| {
        let block = block_of(context, OP, x.buffer()).ok()?;
        Operand::new(block, x.dtype().size(), x.layout()).window(context, x.shape(), false).map(|_| ())
    };
    operands.iter().all(|x| bound(x).is_some())
}

/// Operands of half of the batches, or of half of the heads that share keys, and of the others; with the axis. Nothing of one head's.
fn halves(operands: &[&Tensor]) -> Result<Option<(usize, [Vec<Tensor>; 2])>> {
    let groups = operands[1].shape()[1];
    let axis = usize::from(operands[0].shape()[0] == 1);
    if operands[0].shape()[0] == 1 && groups == 1 {
        return Ok(None);
    }
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for x in operands {
        let n = x.shape()[axis];
        // Several heads of queries share those of keys.
        let half = if axis == 1 { groups / 2 * (n / groups) } else { n / 2 };
        first.push(x.narrow(axis, 0, half)?);
        rest.push(x.narrow(axis, half, n - half)?);
    }
    Ok(Some((axis, [first, rest])))
}

/// Whether the rows of `x`, whose first element is at `base`, begin and end at multiples of four elements, which are neighbours.
fn by_fours(x: &Tensor, base: i32) -> bool {
    let [outer @ .., last] = x.layout().strides() else { return false };
    *last == 1 && base % 4 == 0 && x.shape()[3].is_multiple_of(4) && outer.iter().all(|s| s % 4 == 0)
}

/// A call with these operands and their strides, and the sizes.
fn call<'a>(
    context: &'a Context,
    operands: &[&'a Tensor],
    sizes: Sizes,
    spec: AttentionSpec,
) -> Result<Call<'a>> {
    let mut call = Call::new(context, OP);
    for (i, x) in operands.iter().enumerate() {
        call.read(x.view())?;
        for (to, &stride) in call.params.steps[i].iter_mut().zip(x.layout().strides()) {
            *to = stride as i32;
        }
    }
    let Sizes { queries, keys, dim, width, rows, groups, .. } = sizes;
    let more = [queries, keys, dim, width, rows, groups, 1, 1, spec.offset, keys, 0, 0];
    call.params.more = more.map(|n| n as u32);
    call.params.flags = u32::from(spec.causal);
    call.params.value[0] = spec.scale;
    Ok(call)
}

/// See [`compose::attention`].
pub(crate) fn attention(
    context: &Context,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    spec: AttentionSpec,
) -> Result<Tensor> {
    let sizes = Sizes::new(q, k, v);
    let shape = [q.shape()[0], q.shape()[1], sizes.queries, sizes.width];
    let Some(store) = suits(&[q, k, v]).filter(|_| sizes.width <= LONGEST) else {
        return compose::attention(q, k, v, spec);
    };
    let out = shape.iter().product::<usize>() * q.dtype().size();
    if !fits_bytes(context, out) || !within(context, &[q, k, v]) {
        return in_halves(context, q, k, v, spec);
    }
    let few = sizes.rows <= FEW;
    let tiles = if few { sizes.rows.div_ceil(Few::rows(sizes.rows)) } else { sizes.rows.div_ceil(TILE) };
    let parts = if few {
        sizes.keys.div_ceil(FEW_KEYS)
    } else {
        (2 * context.limits.groups_at_once / (tiles * sizes.all)).min(sizes.keys / LEAST_PART).max(1)
    };
    let parts = parts.max(sizes.keys.div_ceil(context.limits.steps));
    let part = if few { FEW_KEYS } else { sizes.keys.div_ceil(parts).next_multiple_of(TILE) };
    let record = (sizes.width + 2) * size_of::<f32>();
    let scratch_bytes = if parts > 1 { sizes.all * sizes.rows * parts * record } else { 0 };
    if !fits_bytes(context, scratch_bytes) {
        return in_halves(context, q, k, v, spec);
    }
    let finish = if parts > 1 { Finish::Part } else { Finish::Whole };
    let run = |mut call: Call<'_>| -> Result<()> {
        call.params.more[6] = tiles as u32;
        call.params.more[7] = parts as u32;
        call.params.more[9] = part as u32;
        let count = sizes.all * parts * tiles;
        call.params.count = count as u32;
        if few {
            let (rows, lanes) = (Few::rows(sizes.rows), Few::lanes(sizes.width));
            let by_fours = [(k, 1), (v, 2)].iter().all(|&(x, i)| by_fours(x, call.params.base[i]));
            let kernel = Few { store, finish, rows, lanes, by_fours };
            call.run(&kernel.label(), count, || kernel.source())
        } else {
            let kernel = Tile { store, finish, width: sizes.width.div_ceil(TILE) };
            call.run(&kernel.label(), count, || kernel.source())
        }
    };
    Tensor::build(q.device(), OP, &shape, q.dtype(), |out| {
        let mut first = call(context, &[q, k, v], sizes, spec)?;
        if parts == 1 {
            first.write(out)?;
            return run(first);
        }
        let scratch = context.scratch(scratch_bytes)?;
        first.bind(Binding::whole(&scratch, true), 0);
        run(first)?;
        let mut join = Call::new(context, OP);
        join.bind(Binding::whole(&scratch, false), 0);
        join.write(out)?;
        let count = sizes.all * sizes.rows * sizes.width;
        join.params.more[..2].copy_from_slice(&[sizes.width as u32, parts as u32]);
        join.params.count = count as u32;
        join.run(&Join(store).label(), count.div_ceil(64), || Join(store).source())
    })
}

/// What bindings do not hold at once, in halves: of batches, of heads, of queries. The composition for keys that they do not hold.
fn in_halves(context: &Context, q: &Tensor, k: &Tensor, v: &Tensor, spec: AttentionSpec) -> Result<Tensor> {
    let queries = q.shape()[2];
    let shape = [q.shape()[0], q.shape()[1], queries, v.shape()[3]];
    let place = |out: &mut ViewMut<'_>, axis: usize, start: usize, part: &Tensor| {
        let layout = out.layout.narrowed(axis, start, part.shape()[axis]);
        let to = ViewMut { buffer: &mut *out.buffer, layout: &layout, dtype: out.dtype };
        q.device().copy(part.view(), to)
    };
    if let Some((axis, parts)) = halves(&[q, k, v])? {
        return Tensor::build(q.device(), OP, &shape, q.dtype(), |mut out| {
            let mut start = 0;
            for part in &parts {
                let part = attention(context, &part[0], &part[1], &part[2], spec)?;
                place(&mut out, axis, start, &part)?;
                start += part.shape()[axis];
            }
            Ok(())
        });
    }
    if queries == 1 || !within(context, &[k, v]) {
        return compose::attention(q, k, v, spec);
    }
    Tensor::build(q.device(), OP, &shape, q.dtype(), |mut out| {
        for range in [0..queries / 2, queries / 2..queries] {
            let part = AttentionSpec { offset: spec.offset + range.start, ..spec };
            let part = attention(context, &q.narrow(2, range.start, range.len())?, k, v, part)?;
            place(&mut out, 2, range.start, &part)?;
        }
        Ok(())
    })
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    source::every_shader()
}
