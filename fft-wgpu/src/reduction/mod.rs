//! Sums, means, products, extrema and their places.

mod stages;

use fft_core::{DType, Error, Layout, ReduceOp, Result, Tensor, View, ViewMut, compose};

use crate::context::Context;
use crate::elementwise::{Map, fill, store};
use crate::params::MAX_RANK;
use crate::store::Store;
use crate::walk::{Operand, Walk, block_of};

const OP: &str = "reduce";
/// Up to so many elements an invocation reduces alone.
const SHORT: usize = 64;
/// From so many results on an invocation takes one each, when neighbours read neighbours.
const MANY: usize = 4096;
/// The most elements that an invocation reduces alone.
const MOST_STEPS: usize = 1 << 14;

/// A reduction as WGSL.
#[derive(Debug, Clone, Copy)]
struct Reduction {
    /// What is kept of the elements so far.
    acc: &'static str,
    /// Bytes of it in an array.
    acc_bytes: usize,
    init: &'static str,
    /// An element `x`, the one numbered `number`, as such.
    enter: &'static str,
    join: &'static str,
    /// The value that is stored.
    leave: &'static str,
}

fn reduction(op: ReduceOp, from: Store) -> Option<Reduction> {
    use ReduceOp::*;
    let new = |acc, acc_bytes, init, enter, join, leave| {
        Some(Reduction { acc, acc_bytes, init, enter, join, leave })
    };
    let float = matches!(from, Store::F32 | Store::F16 | Store::BF16);
    match op {
        Sum | Mean | Prod if float => {
            let (init, join) = if op == Prod { ("1.0", "a * b") } else { ("0.0", "a + b") };
            new("f32", 4, init, "x", join, if op == Mean { "a / P.value.x" } else { "a" })
        }
        Sum | Mean | Prod if from == Store::C64 => {
            let (init, join) = if op == Prod {
                ("vec2<f32>(1.0, 0.0)", "cmul(a, b)")
            } else {
                ("vec2<f32>(0.0, 0.0)", "a + b")
            };
            new("vec2<f32>", 8, init, "x", join, if op == Mean { "a / P.value.x" } else { "a" })
        }
        Sum if from == Store::I64 => new("vec2<u32>", 8, "vec2<u32>(0u, 0u)", "x", "add64(a, b)", "a"),
        Sum if from == Store::I8 => new("i32", 4, "0", "x", "a + b", "a"),
        Sum => new("u32", 4, "0u", "x", "a + b", "a"),
        Max | Min | ArgMax | ArgMin if from != Store::C64 => {
            let largest = matches!(op, Max | ArgMax);
            if from == Store::I64 {
                // The sign bit turned over, both words turned over for the smallest.
                let key = if largest {
                    ("vec2<u32>(x.x, x.y ^ 0x80000000u)", "vec3<u32>(x.x, x.y ^ 0x80000000u, number)")
                } else {
                    ("vec2<u32>(~x.x, x.y ^ 0x7fffffffu)", "vec3<u32>(~x.x, x.y ^ 0x7fffffffu, number)")
                };
                let value = if largest {
                    "vec2<u32>(a.x, a.y ^ 0x80000000u)"
                } else {
                    "vec2<u32>(~a.x, a.y ^ 0x7fffffffu)"
                };
                return match op {
                    Max | Min => new("vec2<u32>", 8, "vec2<u32>(0u, 0u)", key.0, "larger64(a, b)", value),
                    _ => {
                        let none = "vec3<u32>(0u, 0u, 0xffffffffu)";
                        new("vec3<u32>", 16, none, key.1, "larger_place64(a, b)", "vec2<u32>(a.z, 0u)")
                    }
                };
            }
            let (key, place, value) = match (float, from, largest) {
                (true, _, true) => ("float_key(x)", "vec2<u32>(float_key(x), number)", "float_of_key(a)"),
                (true, _, false) => (
                    "float_key_reversed(x)",
                    "vec2<u32>(float_key_reversed(x), number)",
                    "float_of_key_reversed(a)",
                ),
                (_, Store::I8, true) => {
                    ("u32(x + 128)", "vec2<u32>(u32(x + 128), number)", "bitcast<i32>(a) - 128")
                }
                (_, Store::I8, false) => {
                    ("u32(127 - x)", "vec2<u32>(u32(127 - x), number)", "127 - bitcast<i32>(a)")
                }
                (_, _, true) => ("x", "vec2<u32>(x, number)", "a"),
                (_, _, false) => ("~x", "vec2<u32>(~x, number)", "~a"),
            };
            match op {
                Max | Min => new("u32", 4, "0u", key, "max(a, b)", value),
                _ => new(
                    "vec2<u32>",
                    8,
                    "vec2<u32>(0u, 0xffffffffu)",
                    place,
                    "larger_place(a, b)",
                    "vec2<u32>(a.y, 0u)",
                ),
            }
        }
        _ => None,
    }
}

/// Which elements a kernel reads and what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// All from the source to the result.
    Whole,
    /// From the source to parts.
    First,
    /// From parts to the result.
    Last,
}

/// What a dispatch has of a reduction.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Workgroups of a result, each with a part of its elements.
    parts: usize,
    /// The number of the first element.
    first: usize,
    /// Elements of a result in all.
    total: usize,
}

/// What is reduced.
#[derive(Clone, Copy)]
enum Terms {
    /// The elements.
    Elements(ReduceOp),
    /// The squares of their magnitudes, summed.
    Squares,
}

struct Kernel {
    terms: Terms,
    from: Store,
    to: Store,
    reduction: Reduction,
}

impl Kernel {
    fn source(&self, stage: Stage, threads: bool, simple: bool) -> String {
        let r = &self.reduction;
        let (source, load, enter) = match stage {
            Stage::Last => (r.acc, "S[at]".to_owned(), "x"),
            _ => (self.from.element(), self.from.load("S", "at"), r.enter),
        };
        let (destination, leave) = match stage {
            Stage::First => (r.acc, "D[at.x] = a;".to_owned()),
            _ => (self.to.target(), self.to.put("at.x", r.leave)),
        };
        let place = if simple {
            "at += i32(r) * P.steps[7].y;"
        } else {
            "var rest = r;\n    for (var d = 8u; d > 8u - P.more[0].x; d -= 1u) {\n        let i = d - 1u;\n        \
             let n = P.shape[i >> 2u][i & 3u];\n        let q = rest / n;\n        \
             at += i32(rest - q * n) * P.steps[i].y;\n        rest = q;\n    }"
        };
        let body = if threads { fft_shaders::REDUCE_THREAD } else { fft_shaders::REDUCE_GROUP };
        let text = [fft_shaders::REDUCE, body].concat();
        let words = [
            ("SOURCE", source),
            ("DESTINATION", destination),
            ("ACC", r.acc),
            ("JOIN", r.join),
            ("PLACE", place),
            ("LOAD", &load),
            ("ENTER", enter),
            ("INIT", r.init),
            ("STORE", &leave),
        ];
        fft_shaders::fill(&text, &words)
    }

    fn label(&self, stage: Stage, threads: bool, simple: bool) -> String {
        let terms = match self.terms {
            Terms::Elements(op) => format!("{op:?}"),
            Terms::Squares => "Squares".to_owned(),
        };
        format!("reduce:{terms} {:?}>{:?} {stage:?} {threads} {simple}", self.from, self.to)
    }

    /// One dispatch over `kept` (destination and source) and the source's elements at `inner` from each of its places.
    fn run(
        &self,
        context: &Context,
        stage: Stage,
        kept: &Walk<'_>,
        inner: &Walk<'_>,
        part: Part,
    ) -> Result<()> {
        let (results, n) = (kept.len(), inner.len());
        // Whoever cut the walk made it fit.
        let too_big = || context.too_big(OP, results.saturating_mul(kept.operands[1].bytes));
        let (mut params, mut bindings) = kept.params(context, 2).ok_or_else(too_big)?;
        // A mean divides by the number of elements, not of parts.
        params.value[0] = part.total as f32;
        bindings.rotate_left(1);
        let rank = inner.shape.len();
        for d in 0..rank {
            params.shape[MAX_RANK - rank + d] = inner.shape[d] as u32;
            params.steps[MAX_RANK - rank + d][1] = inner.operands[0].strides[d] as i32;
        }
        let parts = part.parts;
        let words = [rank, n, parts, n.div_ceil(parts), part.first].map(|n| n as u32);
        params.more[..5].copy_from_slice(&words);
        // Neighbouring results next to each other in memory are read together by neighbouring invocations.
        let along = kept.operands[1].strides.last().is_some_and(|s| s.abs() <= 2);
        let threads = parts == 1 && (n <= SHORT || (n <= MOST_STEPS && results >= MANY && along));
        let groups = if threads { results.div_ceil(64) } else { results * parts };
        let simple = rank <= 1;
        context.dispatch(&self.label(stage, threads, simple), &bindings, &params, groups, || {
            self.source(stage, threads, simple)
        })
    }

    fn every_shader(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for simple in [true, false] {
            for (stage, threads) in [
                (Stage::Whole, true),
                (Stage::Whole, false),
                (Stage::First, true),
                (Stage::First, false),
                (Stage::Last, true),
                (Stage::Last, false),
            ] {
                out.push((self.label(stage, threads, simple), self.source(stage, threads, simple)));
            }
        }
        out
    }

    /// Over `axes` of a source that has elements.
    fn over(&self, context: &Context, src: View<'_>, axes: &[usize], dst: ViewMut<'_>) -> Result<()> {
        let kept_axes: Vec<usize> = (0..src.layout.rank()).filter(|a| !axes.contains(a)).collect();
        let lengths = |axes: &[usize]| axes.iter().map(|&a| src.layout.shape()[a]).collect::<Vec<_>>();
        let (kept_shape, inner_shape) = (lengths(&kept_axes), lengths(axes));
        let pick = |o: &Operand<'_>, axes: &[usize]| axes.iter().map(|&a| o.strides[a]).collect::<Vec<_>>();

        let mut result = Operand::new(block_of(context, OP, dst.buffer)?, dst.dtype.size(), dst.layout);
        result.strides = pick(&result, &kept_axes);
        let whole = Operand::new(block_of(context, OP, src.buffer)?, src.dtype.size(), src.layout);
        let turned = [pick(&whole, &kept_axes), pick(&whole, axes)];
        let (kept, inner) = walks(&result, &whole, [&kept_shape, &inner_shape], turned.clone());
        if kept.shape.len() + inner.shape.len() <= MAX_RANK {
            return stages::run(context, self, &kept, &inner);
        }
        // Elements in more axes than a kernel walks: first in a row each.
        let scratch = context.scratch(src.layout.len() * src.dtype.size())?;
        let shape = [kept_shape.clone(), inner_shape.clone()].concat();
        let rows = Operand::new(&scratch, src.dtype.size(), &Layout::contiguous(&shape));
        let source = Operand { strides: turned.concat(), ..whole };
        if let Some(raw) = Store::raw(src.dtype) {
            let walk = Walk::new(&shape, vec![rows.clone(), source]);
            Map::new("move".to_owned(), raw, vec![raw], "a".to_owned()).run(context, &walk, [0.0; 4])?;
        }
        let (kept, inner) = {
            let strides =
                [rows.strides[..kept_shape.len()].to_vec(), rows.strides[kept_shape.len()..].to_vec()];
            walks(&result, &rows, [&kept_shape, &inner_shape], strides)
        };
        if kept.shape.len() + inner.shape.len() > MAX_RANK {
            return Err(context
                .unsupported(OP, format!("{} axes of a strided result are too many", kept.shape.len())));
        }
        stages::run(context, self, &kept, &inner)
    }
}

/// See `SpectralBackend::reduce`.
pub(crate) fn reduce(
    context: &Context,
    op: ReduceOp,
    src: View<'_>,
    axes: &[usize],
    dst: ViewMut<'_>,
) -> Result<()> {
    let (from, to) = (store(context, OP, src.dtype)?, store(context, OP, dst.dtype)?);
    let refused = || context.unsupported(OP, format!("{op:?} does not take {}", src.dtype));
    let reduction = reduction(op, from).ok_or_else(refused)?;
    if dst.layout.is_empty() {
        return Ok(());
    }
    if src.layout.is_empty() {
        return match op {
            ReduceOp::Sum => fill(context, 0.0, 0.0, dst),
            ReduceOp::Mean => {
                let im = if src.dtype.is_complex() { f64::NAN } else { 0.0 };
                fill(context, f64::NAN, im, dst)
            }
            ReduceOp::Prod => fill(context, 1.0, 0.0, dst),
            _ => Err(Error::invalid(OP, "src", src.layout.shape(), "nothing has no extremum")),
        };
    }
    Kernel { terms: Terms::Elements(op), from, to, reduction }.over(context, src, axes, dst)
}

/// The sum of the squares of magnitudes.
fn squares(from: Store) -> Option<Reduction> {
    let reduction = reduction(ReduceOp::Sum, Store::F32)?;
    match from {
        Store::F32 => Some(Reduction { enter: "x * x", ..reduction }),
        Store::C64 => Some(Reduction { enter: "x.x * x.x + x.y * x.y", ..reduction }),
        _ => None,
    }
}

/// See `SpectralBackend::sum_of_squares`.
pub(crate) fn sum_of_squares(context: &Context, x: &Tensor) -> Result<Tensor> {
    let from = Store::of(x.dtype()).filter(|_| !x.is_empty());
    let Some((from, reduction)) = from.and_then(|from| Some((from, squares(from)?))) else {
        return compose::sum_of_squares(x);
    };
    let axes: Vec<usize> = (0..x.rank()).collect();
    Tensor::build(x.device(), "sum_of_squares", &[], DType::F32, |dst| {
        let kernel = Kernel { terms: Terms::Squares, from, to: Store::F32, reduction };
        kernel.over(context, x.view(), &axes, dst)
    })
}

/// The results with the first element of each, and the elements from there.
fn walks<'a>(
    result: &Operand<'a>,
    source: &Operand<'a>,
    [kept_shape, inner_shape]: [&[usize]; 2],
    [kept, inner]: [Vec<i64>; 2],
) -> (Walk<'a>, Walk<'a>) {
    let inner = Walk::new(inner_shape, vec![Operand { strides: inner, ..source.clone() }]);
    let slack = inner.operands[0].span(&inner.shape);
    let source = Operand { strides: kept, slack, ..source.clone() };
    (Walk::new(kept_shape, vec![result.clone(), source]), inner)
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    use ReduceOp::*;
    let mut out = Vec::new();
    for op in [Sum, Mean, Prod, Max, Min, ArgMax, ArgMin] {
        for &from in &Store::ALL[..9] {
            let Some(reduction) = reduction(op, from) else { continue };
            let to = if matches!(op, ArgMax | ArgMin) { Store::I64 } else { from };
            let kernel = Kernel { terms: Terms::Elements(op), from, to, reduction };
            out.extend(kernel.every_shader());
        }
    }
    for from in [Store::F32, Store::C64] {
        let Some(reduction) = squares(from) else { continue };
        out.extend(Kernel { terms: Terms::Squares, from, to: Store::F32, reduction }.every_shader());
    }
    out
}
