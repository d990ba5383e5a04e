//! Slices by index.

use std::ops::Range;

use fft_core::{Dims, Error, Result, ScatterMode, View, ViewMut};

use crate::call::fits_bytes;
use crate::context::Context;
use crate::elementwise::{Map, store};
use crate::params::Params;
use crate::pipelines::Binding;
use crate::store::Store;
use crate::walk::{Operand, Walk, block_of};

/// Invocations of a workgroup.
const GROUP: usize = 256;

/// WGSL of the place that the index `index` names: limited to the last place, or as it is and too large where it is outside.
fn place(index: Store, limit: &str) -> String {
    match (index, limit) {
        (Store::I64, "") => "select(index.x, 0xffffffffu, index.y != 0u)".to_owned(),
        (_, "") => "index".to_owned(),
        (Store::I64, last) => format!("limit64_unsigned(index, {last})"),
        (_, last) => format!("min(index, {last})"),
    }
}

fn index_store(context: &Context, op: &'static str, indices: &View<'_>) -> Result<Store> {
    match Store::of(indices.dtype) {
        Some(store @ (Store::U32 | Store::I64)) => Ok(store),
        _ => Err(context.unsupported(op, format!("indices of {}", indices.dtype))),
    }
}

/// Strides of an operand that one axis alone moves.
fn along(axis: usize, rank: usize, stride: i64) -> Vec<i64> {
    (0..rank).map(|a| if a == axis { stride } else { 0 }).collect()
}

/// Which of `n` slices, so many elements apart, kernels see at once: all, or as many as lie in half of a binding.
fn shares(context: &Context, n: usize, stride: i64, bytes: usize) -> Vec<Range<usize>> {
    let apart = (stride.unsigned_abs() as usize).saturating_mul(bytes);
    let step = match fits_bytes(context, (n - 1).saturating_mul(apart).saturating_add(bytes)) {
        true => n,
        false => (context.limits.binding as usize / 2 / apart).max(1),
    };
    (0..n).step_by(step).map(|from| from..n.min(from + step)).collect()
}

/// An operand of which an axis goes, along which a kernel finds its own way within `range`.
fn across<'a>(operand: &Operand<'a>, axis: usize, range: &Range<usize>) -> Operand<'a> {
    let mut out = operand.clone();
    let stride = std::mem::replace(&mut out.strides[axis], 0);
    let reach = (range.len() as i64 - 1) * stride;
    out.offset += range.start as i64 * stride;
    out.slack = (reach.min(0), reach.max(0));
    out
}

fn gather_map(raw: Store, index: Store) -> Map {
    let body = format!(
        "    let index = S1[at.z];\n    let row = {};\n    let i = at.y + i32(row) * bitcast<i32>(P.more[0].x);\n    return {};\n",
        place(index, "P.more[0].y"),
        raw.load("S0", "i")
    );
    Map::with_body("gather".to_owned(), raw, vec![raw, index], body)
}

/// See `SpectralBackend::gather`.
pub(crate) fn gather(
    context: &Context,
    src: View<'_>,
    axis: usize,
    indices: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "gather";
    store(context, OP, dst.dtype)?;
    let index = index_store(context, OP, &indices)?;
    if dst.layout.is_empty() {
        return Ok(());
    }
    let (n, rank) = (src.layout.shape()[axis], dst.layout.rank());
    let Some(last) = n.checked_sub(1) else {
        return Err(Error::invalid(OP, "axis", axis, "has length 0"));
    };
    let bytes = dst.dtype.size();
    let source = Operand::new(block_of(context, OP, src.buffer)?, bytes, src.layout);
    let stride = source.strides[axis];
    let numbers = Operand {
        block: block_of(context, OP, indices.buffer)?,
        bytes: index.bytes(),
        offset: indices.layout.offset() as i64,
        strides: along(axis, rank, indices.layout.strides()[0] as i64),
        slack: (0, 0),
    };
    let result = Operand::new(block_of(context, OP, dst.buffer)?, bytes, dst.layout);
    let Some(raw) = Store::raw(dst.dtype) else { return Ok(()) };
    let ranges = shares(context, n, stride, bytes);
    let walk = |range| {
        let operands = vec![result.clone(), across(&source, axis, range), numbers.clone()];
        Walk::new(dst.layout.shape(), operands)
    };
    if let [range] = &ranges[..] {
        let mut map = gather_map(raw, index);
        map.words[..2].copy_from_slice(&[stride as i32 as u32, last as u32]);
        return map.run(context, &walk(range), [0.0; 4]);
    }
    // A row may be anywhere in the table: each part of it fills in what it has.
    let (name, text) = part_kernel(raw, index);
    for range in &ranges {
        walk(range).parts(context, OP, &mut |walk| {
            let Some((mut params, bindings)) = walk.params(context, 3) else { return Ok(()) };
            let words = [stride as i32 as u32, range.len() as u32, range.start as u32, last as u32];
            params.more[..4].copy_from_slice(&words);
            let bindings = [bindings[1], bindings[2], bindings[0]];
            context.dispatch(&name, &bindings, &params, walk.len().div_ceil(GROUP), || text.clone())
        })?;
    }
    Ok(())
}

/// The kernel of `gather` from a part of a table.
fn part_kernel(raw: Store, index: Store) -> (String, String) {
    let words = [
        ("SOURCE", raw.element()),
        ("DESTINATION", raw.target()),
        ("INDEX", index.element()),
        ("PLACE", &place(index, "P.more[0].w")),
        ("LOAD", &raw.load("S", "i")),
        ("STORE", &raw.put("at.x", "value")),
    ];
    (format!("gather_part:{raw:?} {index:?}"), fft_shaders::fill(fft_shaders::GATHER_PART, &words))
}

/// The kernels of `scatter`, by name and as text.
fn last_kernel(index: Store) -> (String, String) {
    let words = [("INDEX", index.element()), ("PLACE", &place(index, ""))];
    (format!("scatter_last:{index:?}"), fft_shaders::fill(fft_shaders::SCATTER_LAST, &words))
}

fn lists_kernel(index: Store) -> (String, String) {
    let words = [("INDEX", index.element()), ("PLACE", &place(index, ""))];
    (format!("scatter_lists:{index:?}"), fft_shaders::fill(fft_shaders::SCATTER_LISTS, &words))
}

fn set_kernel(raw: Store, index: Store) -> (String, String) {
    let words = [
        ("SOURCE", raw.element()),
        ("DESTINATION", raw.target()),
        ("INDEX", index.element()),
        ("PLACE", &place(index, "")),
        ("LOAD", &raw.load("S", "at.y")),
        ("STORE", &raw.put("at.x", "value")),
    ];
    (format!("scatter_set:{raw:?} {index:?}"), fft_shaders::fill(fft_shaders::SCATTER_SET, &words))
}

fn add_kernel(store: Store) -> (String, String) {
    let sum = match store {
        Store::I64 => "add64(value, x)".to_owned(),
        Store::F16 | Store::BF16 => store.decode(&store.encode("value + x")),
        _ => "value + x".to_owned(),
    };
    let words = [
        ("SOURCE", store.element()),
        ("DESTINATION", store.target()),
        ("OLD", &store.old("at.x")),
        ("LOAD", &store.load("S", "source")),
        ("SUM", &sum),
        ("STORE", &store.put("at.x", "value")),
    ];
    (format!("scatter_add:{store:?}"), fft_shaders::fill(fft_shaders::SCATTER_ADD, &words))
}

/// See `SpectralBackend::scatter`.
pub(crate) fn scatter(
    context: &Context,
    src: View<'_>,
    axis: usize,
    indices: View<'_>,
    mode: ScatterMode,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "scatter";
    let (values, index) = (store(context, OP, dst.dtype)?, index_store(context, OP, &indices)?);
    if src.layout.is_empty() || dst.layout.is_empty() {
        return Ok(());
    }
    let scatter = Scatter {
        context,
        values,
        index,
        axis,
        places: dst.layout.shape()[axis],
        sources: src.layout.shape()[axis],
        numbers: Operand {
            block: block_of(context, OP, indices.buffer)?,
            bytes: index.bytes(),
            offset: indices.layout.offset() as i64,
            strides: vec![indices.layout.strides()[0] as i64],
            slack: (0, 0),
        },
        src: Operand::new(block_of(context, OP, src.buffer)?, dst.dtype.size(), src.layout),
        dst: Operand::new(block_of(context, OP, dst.buffer)?, dst.dtype.size(), dst.layout),
    };
    match mode {
        ScatterMode::Set => scatter.in_parts(usize::MAX, |part| part.set(src.layout.shape())),
        ScatterMode::Add => {
            let whole = shares(context, scatter.sources, scatter.src.strides[axis], scatter.src.bytes);
            let most = whole.first().map_or(1, Range::len).min(MOST_SOURCES);
            scatter.in_parts(most, |part| part.add_listed(dst.layout.shape()))
        }
    }
}

/// The most sources whose lists are made at once.
const MOST_SOURCES: usize = 1 << 14;

struct Scatter<'a> {
    context: &'a Context,
    values: Store,
    index: Store,
    axis: usize,
    places: usize,
    sources: usize,
    numbers: Operand<'a>,
    src: Operand<'a>,
    dst: Operand<'a>,
}

impl<'a> Scatter<'a> {
    /// Calls `work` with the sources in order: at most so many at a time, and as many as a binding holds the indices of.
    fn in_parts(&self, most: usize, work: impl Fn(&Self) -> Result<()>) -> Result<()> {
        let stride = self.numbers.strides[0];
        let held = shares(self.context, self.sources, stride, self.numbers.bytes);
        let step = held.first().map_or(1, Range::len).min(most);
        for from in (0..self.sources).step_by(step) {
            let moved = |o: &Operand<'a>, stride: i64| {
                let offset = o.offset + from as i64 * stride;
                Operand { offset, ..o.clone() }
            };
            work(&Scatter {
                sources: step.min(self.sources - from),
                numbers: moved(&self.numbers, stride),
                src: moved(&self.src, self.src.strides[self.axis]),
                dst: self.dst.clone(),
                ..*self
            })?;
        }
        Ok(())
    }

    /// The indices alone: a binding, and what tells a kernel where they are.
    fn indices(&self) -> Result<(Binding<'a>, Params)> {
        let too_big = || self.context.too_big("scatter", self.sources * 8);
        let (binding, base) =
            self.numbers.window(self.context, &[self.sources], false).ok_or_else(too_big)?;
        let mut params: Params = bytemuck::Zeroable::zeroed();
        params.count = self.sources as u32;
        params.flags = self.places as u32;
        params.base[0] = base;
        params.steps[0][0] = self.numbers.strides[0] as i32;
        Ok((binding, params))
    }

    /// Words of scratch, all with one value.
    fn words(&self, count: usize, value: u32) -> Result<crate::memory::Scratch<'a>> {
        let scratch = self.context.scratch(count * 4)?;
        let operand = Operand { block: &scratch, bytes: 4, offset: 0, strides: vec![1], slack: (0, 0) };
        let mut map = Map::new("fill".to_owned(), Store::Raw4, Vec::new(), "P.more[0].x".to_owned());
        map.words[0] = value;
        map.run(self.context, &Walk::new(&[count], vec![operand]), [0.0; 4])?;
        Ok(scratch)
    }

    /// The last source of each place wins: first its number is found, then it is written.
    fn set(&self, shape: &[usize]) -> Result<()> {
        let mut shape = Dims::from_slice(shape);
        shape[self.axis] = self.sources;
        let last = self.words(self.places, 0)?;
        let (binding, params) = self.indices()?;
        let (name, text) = last_kernel(self.index);
        let bindings = [binding, Binding::whole(&last, true)];
        self.context.dispatch(&name, &bindings, &params, self.sources.div_ceil(GROUP), || text)?;

        let rank = shape.len();
        let numbers =
            Operand { strides: along(self.axis, rank, self.numbers.strides[0]), ..self.numbers.clone() };
        // Numbers the sources; nothing is read there.
        let order =
            Operand { strides: along(self.axis, rank, 1), offset: 0, bytes: 1, ..self.numbers.clone() };
        let Some(raw) = self.raw() else { return Ok(()) };
        let (name, text) = set_kernel(raw, self.index);
        let stride = self.dst.strides[self.axis];
        for range in shares(self.context, self.places, stride, self.dst.bytes) {
            let dst = across(&self.dst, self.axis, &range);
            let operands = vec![dst, self.src.clone(), numbers.clone(), order.clone()];
            let walk = Walk::ordered(&shape, operands, 1);
            walk.parts(self.context, "scatter", &mut |walk| {
                let Some((mut params, bindings)) = walk.params(self.context, 3) else { return Ok(()) };
                params.flags = self.places as u32;
                params.base[3] = walk.operands[3].offset as i32;
                let words = [stride as i32 as u32, range.len() as u32, range.start as u32];
                params.more[..3].copy_from_slice(&words);
                let bindings = [bindings[1], bindings[2], Binding::whole(&last, false), bindings[0]];
                let groups = walk.len().div_ceil(GROUP);
                self.context.dispatch(&name, &bindings, &params, groups, || text.clone())
            })?;
        }
        Ok(())
    }

    /// A list of sources for each place, then a sum along each list.
    fn add_listed(&self, shape: &[usize]) -> Result<()> {
        let first = self.words(self.places, u32::MAX)?;
        let next = self.context.scratch(self.sources * 4)?;
        let (binding, params) = self.indices()?;
        let (name, text) = lists_kernel(self.index);
        let bindings = [binding, Binding::whole(&first, true), Binding::whole(&next, true)];
        self.context.dispatch(&name, &bindings, &params, 1, || text)?;

        let rank = shape.len();
        let stride = self.src.strides[self.axis];
        let src = across(&self.src, self.axis, &(0..self.sources));
        let order =
            Operand { strides: along(self.axis, rank, 1), offset: 0, bytes: 1, ..self.numbers.clone() };
        let walk = Walk::new(shape, vec![self.dst.clone(), src, order]);
        let (name, text) = add_kernel(self.values);
        walk.parts(self.context, "scatter", &mut |walk| {
            let Some((mut params, bindings)) = walk.params(self.context, 2) else { return Ok(()) };
            params.base[2] = walk.operands[2].offset as i32;
            params.more[0] = stride as i32 as u32;
            let bindings =
                [bindings[1], Binding::whole(&first, false), Binding::whole(&next, false), bindings[0]];
            let groups = walk.len().div_ceil(GROUP);
            self.context.dispatch(&name, &bindings, &params, groups, || text.clone())
        })
    }

    fn raw(&self) -> Option<Store> {
        Some(match self.values.bytes() {
            1 => Store::Raw1,
            2 => Store::Raw2,
            4 => Store::Raw4,
            _ => Store::Raw8,
        })
    }
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for index in [Store::U32, Store::I64] {
        out.extend([last_kernel(index), lists_kernel(index)]);
        for raw in [Store::Raw1, Store::Raw2, Store::Raw4, Store::Raw8] {
            out.extend([set_kernel(raw, index), part_kernel(raw, index)]);
            out.extend(gather_map(raw, index).every_shader());
        }
    }
    out.extend(Store::ALL[..9].iter().map(|&store| add_kernel(store)));
    out
}
