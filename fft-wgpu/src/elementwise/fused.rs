//! Operations of networks that are one expression of an element of each operand.

use fft_core::{DType, Result, Tensor, UnaryOp, View, compose};

use super::functions::EVERY_UNARY;
use super::kernel::Map;
use super::walk;
use crate::call::{fits, real};
use crate::context::Context;
use crate::store::Store;
use crate::walk::{Operand, Walk, block_of};

/// An expression of `a` and `b`, whose result has their dtype.
fn pairs(name: &str, store: Store, text: &str) -> Map {
    Map::new(name.to_owned(), store, vec![store; 2], text.to_owned())
}

/// The result of a function of the elements of two tensors of one shape and dtype.
fn of_pairs(
    context: &Context,
    op: &'static str,
    map: &Map,
    a: &Tensor,
    b: &Tensor,
    value: [f32; 4],
) -> Result<Tensor> {
    Tensor::build(a.device(), op, a.shape(), a.dtype(), |dst| {
        match walk(context, op, &dst, &[a.view(), b.view()])? {
            Some(walk) => map.run(context, &walk, value),
            None => Ok(()),
        }
    })
}

const SILU_MUL: &str = "silu(a) * b";

/// See `SpectralBackend::silu_mul`.
pub(crate) fn silu_mul(context: &Context, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    const OP: &str = "silu_mul";
    let Some(store) = real(gate) else { return compose::silu_mul(gate, up) };
    of_pairs(context, OP, &pairs(OP, store, SILU_MUL), gate, up, [0.0; 4])
}

/// The way back of a real function: of what was kept, `a`, and the gradient, `b`. The formulas are those of `compose::unary_backward`.
fn slope(op: UnaryOp) -> Option<(&'static str, &'static str, [f32; 4])> {
    use UnaryOp as U;
    let (name, text) = match op {
        U::Exp => ("Exp", "b * a"),
        U::Ln => ("Ln", "b / a"),
        U::Sqrt => ("Sqrt", "b / (2.0 * a)"),
        U::Recip => ("Recip", "negated(b * (a * a))"),
        U::Square | U::AbsSquared => ("Square", "2.0 * (b * a)"),
        U::Rsqrt => ("Rsqrt", "-0.5 * (b * (a * a * a))"),
        U::Tanh => ("Tanh", "b * (1.0 - a * a)"),
        U::Sigmoid => ("Sigmoid", "b * (a * (1.0 - a))"),
        U::Sin => ("Sin", "b * cos_(a)"),
        U::Cos => ("Cos", "negated(b * sin_(a))"),
        U::Abs => ("Abs", "b * signum(a)"),
        U::Erf => ("Erf", "b * (1.1283791670955126 * exp_(negated(a * a)))"),
        U::Silu => ("Silu", "b * silu_slope(a)"),
        U::Gelu => ("Gelu", "b * gelu_slope(a)"),
        U::GeluTanh => ("GeluTanh", "b * gelu_tanh_slope(a)"),
        U::Relu => ("Relu", "select(0.0, b, less_f(0.0, a))"),
        U::Clamp { .. } => ("Clamp", "select(0.0, b, equal_f(a, limited(a, P.value.x, P.value.y)))"),
        U::Powf(_) => ("Powf", "b * pow_(a, P.value.x) * P.value.y"),
        _ => return None,
    };
    let value = match op {
        U::Clamp { min, max } => [min as f32, max as f32, 0.0, 0.0],
        U::Powf(e) => [(e - 1.0) as f32, e as f32, 0.0, 0.0],
        _ => [0.0; 4],
    };
    Some((name, text, value))
}

/// The same for complex numbers: the gradient times the conjugate of the derivative.
fn complex_slope(op: UnaryOp) -> Option<(&'static str, &'static str, [f32; 4])> {
    use UnaryOp as U;
    let (name, text) = match op {
        U::Exp => ("Exp", "cmul_conj(b, a)"),
        U::Ln => ("Ln", "cdiv(b, vec2<f32>(a.x, negated(a.y)))"),
        U::Sqrt => ("Sqrt", "cdiv(b, 2.0 * vec2<f32>(a.x, negated(a.y)))"),
        U::Recip => ("Recip", "cmul_conj(vec2<f32>(negated(b.x), negated(b.y)), cmul(a, a))"),
        U::Square => ("Square", "2.0 * cmul_conj(b, a)"),
        _ => return None,
    };
    Some((name, text, [0.0; 4]))
}

/// The way back of an operation on what this storage holds.
fn slope_of(op: UnaryOp, store: Store) -> Option<(&'static str, &'static str, [f32; 4])> {
    if store == Store::C64 { complex_slope(op) } else { slope(op) }
}

fn slope_map(name: &str, store: Store, text: &str) -> Map {
    pairs(&format!("unary_backward:{name}"), store, text)
}

/// See `SpectralBackend::unary_backward`.
pub(crate) fn unary_backward(context: &Context, op: UnaryOp, kept: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let store = if kept.dtype() == DType::C64 { Some(Store::C64) } else { real(kept) };
    let Some((store, (name, text, value))) = store.and_then(|s| Some((s, slope_of(op, s)?))) else {
        return compose::unary_backward(op, kept, grad);
    };
    of_pairs(context, "unary_backward", &slope_map(name, store, text), kept, grad, value)
}

/// The tensor, in a copy where its elements lie too far apart for one binding: for kernels that tell by a place what an element is.
fn within_reach(context: &Context, op: &'static str, x: &Tensor) -> Result<Tensor> {
    let operand = Operand::new(block_of(context, op, x.buffer())?, x.dtype().size(), x.layout());
    if operand.window(context, x.shape(), false).is_some() { Ok(x.clone()) } else { x.contiguous() }
}

/// Each element with the one half a row away from it, which `P.more` says: the length of a row, and the step to the other half.
fn rope_map(store: Store) -> Map {
    let load = |array: &str, at: &str| store.load(array, at);
    let body = format!(
        "    let n = P.more[0].x;\n    let second = u32(at.x) % n >= n / 2u;\n    let step = bitcast<i32>(P.more[0].y);\n    \
         let other = at.y + select(step, -step, second);\n    let cosine = {} * {};\n    let sine = {} * {};\n    \
         return select(cosine - sine, cosine + sine, second);\n",
        load("S0", "at.y"),
        load("S1", "at.z"),
        load("S0", "other"),
        load("S2", "at.w"),
    );
    Map::with_body("rope".to_owned(), store, vec![store; 3], body)
}

/// See `SpectralBackend::rope`.
pub(crate) fn rope(context: &Context, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    const OP: &str = "rope";
    // Whether an element is of the second half is seen from its place in the result, which must be in one binding.
    let Some(store) = real(x).filter(|_| fits(context, &[x]) && !x.is_empty()) else {
        return compose::rope(x, cos, sin);
    };
    let half = x.shape()[3] / 2;
    let [x, cos, sin] =
        [within_reach(context, OP, x)?, within_reach(context, OP, cos)?, within_reach(context, OP, sin)?];
    let [batch, heads, tokens, _] = [0, 1, 2, 3].map(|axis| x.shape()[axis]);
    let shape = [batch, heads, tokens, 2, half];
    let mut map = rope_map(store);
    Tensor::build(x.device(), OP, x.shape(), x.dtype(), |dst| {
        // The halves as an axis of their own, along which the tables repeat.
        let halves = |t: &View<'_>| -> Vec<i64> {
            let s: Vec<i64> = t.layout.strides().iter().map(|&s| s as i64).collect();
            match s[..] {
                [a, b, c, d] => vec![a, b, c, half as i64 * d, d],
                _ => vec![0, 0, s[0], 0, s[1]],
            }
        };
        let to = View { buffer: &*dst.buffer, layout: dst.layout, dtype: dst.dtype };
        let views = [to, x.view(), cos.view(), sin.view()];
        let mut operands = Vec::with_capacity(4);
        for view in &views {
            let block = block_of(context, OP, view.buffer)?;
            operands.push(Operand {
                strides: halves(view),
                ..Operand::new(block, view.dtype.size(), view.layout)
            });
        }
        map.words[..2].copy_from_slice(&[2 * half as u32, operands[1].strides[3] as i32 as u32]);
        map.run(context, &Walk::new(&shape, operands), [0.0; 4])
    })
}

/// A code and the range of its group, which `P.more` says: codes and groups of a row, codes of a group. The logarithm is a product of a whole
/// number, exact with what its rounding left over.
fn log8_map() -> Map {
    let code = Store::U8.load("S0", "at.y");
    let body = format!(
        "    let code = {code};\n    let item = u32(at.x);\n    let row = item / P.more[0].x;\n    \
         let group = (item - row * P.more[0].x) / P.more[0].z;\n    let range = at.z + 2 * i32(row * P.more[0].y + group);\n    \
         let value = log8_magnitude(code & 127u, S1[range], S1[range + 1]);\n    \
         return select(value, -value, code > 128u);\n"
    );
    Map::with_body("log8_decode".to_owned(), Store::F32, vec![Store::U8, Store::F32], body)
}

/// See `SpectralBackend::log8_decode`.
pub(crate) fn log8_decode(
    context: &Context,
    codes: &Tensor,
    ranges: &Tensor,
    group: usize,
) -> Result<Tensor> {
    const OP: &str = "log8_decode";
    let n = codes.shape().last().copied().unwrap_or(0);
    let groups = if group == 0 { 0 } else { n.div_ceil(group) };
    let mut expected = codes.shape().to_vec();
    expected.pop();
    expected.extend([groups, 2]);
    let right = codes.device() == ranges.device()
        && (codes.dtype(), ranges.dtype()) == (DType::U8, DType::F32)
        && ranges.shape() == expected;
    // The result is the largest; its places name the groups.
    let within = codes.len() as u64 * 4 + 512 <= context.limits.binding && fits(context, &[ranges]);
    if group == 0 || codes.is_empty() || !right || !within {
        return compose::log8_decode(codes, ranges, group);
    }
    let (codes, ranges) = (within_reach(context, OP, codes)?, ranges.contiguous()?);
    let mut map = log8_map();
    map.words[..3].copy_from_slice(&[n as u32, groups as u32, group.min(n) as u32]);
    Tensor::build(codes.device(), OP, codes.shape(), DType::F32, |dst| {
        let Some(mut walk) = walk(context, OP, &dst, &[codes.view()])? else { return Ok(()) };
        let block = block_of(context, OP, ranges.buffer())?;
        let offset = ranges.layout().offset() as i64;
        let strides = vec![0; walk.shape.len()];
        walk.operands.push(Operand { block, bytes: 4, offset, strides, slack: (0, ranges.len() as i64 - 1) });
        map.run(context, &walk, [0.0; 4])
    })
}

/// Every function of this module.
pub(super) fn every_map() -> Vec<Map> {
    let mut out = vec![log8_map()];
    for store in [Store::F32, Store::F16, Store::BF16] {
        out.push(pairs("silu_mul", store, SILU_MUL));
        out.push(rope_map(store));
    }
    for store in [Store::F32, Store::F16, Store::BF16, Store::C64] {
        let slopes = EVERY_UNARY.iter().filter_map(|&op| slope_of(op, store));
        out.extend(slopes.map(|(name, text, _)| slope_map(name, store, text)));
    }
    out
}
