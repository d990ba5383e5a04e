//! Operations element by element.

mod functions;
mod fused;
mod kernel;

use fft_core::{BinaryOp, DType, Error, Result, UnaryOp, View, ViewMut, bf16, f16};

use crate::context::Context;
use crate::store::Store;
use crate::walk::{Operand, Walk, block_of};

pub(crate) use fused::{log8_decode, rope, silu_mul, unary_backward};
pub(crate) use kernel::Map;

/// The storage of a type, or why there is none.
pub(crate) fn store(context: &Context, op: &'static str, dtype: DType) -> Result<Store> {
    Store::of(dtype).ok_or_else(|| context.unsupported(op, format!("it has no {dtype}")))
}

/// Sources and destination as a walk; nothing when there are no elements.
fn walk<'a>(
    context: &Context,
    op: &'static str,
    dst: &'a ViewMut<'_>,
    sources: &[View<'a>],
) -> Result<Option<Walk<'a>>> {
    if dst.layout.is_empty() {
        return Ok(None);
    }
    let mut operands = vec![Operand::new(block_of(context, op, dst.buffer)?, dst.dtype.size(), dst.layout)];
    for source in sources {
        let block = block_of(context, op, source.buffer)?;
        operands.push(Operand::new(block, source.dtype.size(), source.layout));
    }
    Ok(Some(Walk::new(dst.layout.shape(), operands)))
}

/// See `SpectralBackend::copy`.
pub(crate) fn copy(context: &Context, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    const OP: &str = "copy";
    let (from, to) = (store(context, OP, src.dtype)?, store(context, OP, dst.dtype)?);
    let Some(walk) = walk(context, OP, &dst, &[src])? else { return Ok(()) };
    if src.dtype == dst.dtype {
        return copy_bits(context, from, &walk, src.dtype);
    }
    let map = Map::new(format!("copy:{from:?}"), to, vec![from], from.convert(to, "a"));
    map.run(context, &walk, [0.0; 4])
}

/// Elements as they are, whole words by the copy engine where they follow one another.
fn copy_bits(context: &Context, store: Store, walk: &Walk<'_>, dtype: DType) -> Result<()> {
    let bytes = store.bytes() as u64;
    let range = |i: usize| (walk.operands[i].offset as u64 * bytes, walk.len() as u64 * bytes);
    let [(from, size), (to, _)] = [range(1), range(0)];
    let whole = [from, to, size].iter().all(|v| v.is_multiple_of(4));
    if walk.contiguous(0) && walk.contiguous(1) && whole {
        let (dst, src) = (walk.operands[0].block, walk.operands[1].block);
        return context.copy_words((src, from), (dst, to), size);
    }
    let Some(raw) = Store::raw(dtype) else { return Ok(()) };
    Map::new("move".to_owned(), raw, vec![raw], "a".to_owned()).run(context, walk, [0.0; 4])
}

/// The bits of `re + i im` in a type, the low word first.
fn constant(dtype: DType, re: f64, im: f64) -> [u32; 2] {
    match dtype {
        DType::F32 => [(re as f32).to_bits(), 0],
        DType::F16 => [f16::from_f64(re).to_bits().into(), 0],
        DType::BF16 => [bf16::from_f64(re).to_bits().into(), 0],
        DType::C64 => [(re as f32).to_bits(), (im as f32).to_bits()],
        DType::U8 => [(re as u8).into(), 0],
        DType::I8 => [(re as i8 as u8).into(), 0],
        DType::U16 => [(re as u16).into(), 0],
        DType::U32 => [re as u32, 0],
        _ => {
            let bits = re as i64 as u64;
            [bits as u32, (bits >> 32) as u32]
        }
    }
}

/// See `SpectralBackend::fill`.
pub(crate) fn fill(context: &Context, re: f64, im: f64, dst: ViewMut<'_>) -> Result<()> {
    const OP: &str = "fill";
    store(context, OP, dst.dtype)?;
    let Some(walk) = walk(context, OP, &dst, &[])? else { return Ok(()) };
    let Some(raw) = Store::raw(dst.dtype) else { return Ok(()) };
    let text = if raw == Store::Raw8 { "P.more[0].xy" } else { "P.more[0].x" };
    let mut map = Map::new("fill".to_owned(), raw, Vec::new(), text.to_owned());
    map.words[..2].copy_from_slice(&constant(dst.dtype, re, im));
    map.run(context, &walk, [0.0; 4])
}

/// See `SpectralBackend::unary`.
pub(crate) fn unary(context: &Context, op: UnaryOp, src: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    const OP: &str = "unary";
    let from = store(context, OP, src.dtype)?;
    let out = if op.is_real_valued() { src.dtype.to_real() } else { src.dtype };
    if dst.dtype != out {
        return Err(Error::DTypeMismatch { op: OP, lhs: dst.dtype, rhs: out });
    }
    let to = store(context, OP, out)?;
    let refused = || context.unsupported(OP, format!("{op:?} does not take {}", src.dtype));
    let function = functions::unary(op, from).ok_or_else(refused)?;
    let Some(walk) = walk(context, OP, &dst, &[src])? else { return Ok(()) };
    let map = Map::new(format!("unary:{}", function.name), to, vec![from], function.text);
    map.run(context, &walk, function.value)
}

/// See `SpectralBackend::binary`.
pub(crate) fn binary(
    context: &Context,
    op: BinaryOp,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "binary";
    if a.dtype != b.dtype {
        return Err(Error::DTypeMismatch { op: OP, lhs: a.dtype, rhs: b.dtype });
    }
    let from = store(context, OP, a.dtype)?;
    let refused = || context.unsupported(OP, format!("{op:?} does not take {}", a.dtype));
    let (text, out) = functions::binary(op, a.dtype).ok_or_else(refused)?;
    if dst.dtype != out {
        return Err(Error::DTypeMismatch { op: OP, lhs: dst.dtype, rhs: out });
    }
    let to = store(context, OP, out)?;
    let Some(walk) = walk(context, OP, &dst, &[a, b])? else { return Ok(()) };
    Map::new(format!("binary:{op:?}"), to, vec![from, from], text).run(context, &walk, [0.0; 4])
}

/// See `SpectralBackend::select`.
pub(crate) fn select(
    context: &Context,
    condition: View<'_>,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "select";
    store(context, OP, dst.dtype)?;
    let Some(walk) = walk(context, OP, &dst, &[condition, a, b])? else { return Ok(()) };
    let Some(raw) = Store::raw(dst.dtype) else { return Ok(()) };
    let text = "select(c, b, a != 0u)".to_owned();
    Map::new("select".to_owned(), raw, vec![Store::U8, raw, raw], text).run(context, &walk, [0.0; 4])
}

/// Every shader of this module, for the test that validates them all: a name and the text.
#[doc(hidden)]
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let numbers = &Store::ALL[..9];
    let mut maps = Vec::new();
    for &from in numbers {
        for &to in numbers {
            maps.push(Map::new(format!("copy:{from:?}"), to, vec![from], from.convert(to, "a")));
        }
        for op in functions::EVERY_UNARY {
            if let Some(f) = functions::unary(*op, from) {
                let to = if op.is_real_valued() && from == Store::C64 { Store::F32 } else { from };
                maps.push(Map::new(format!("unary:{}", f.name), to, vec![from], f.text));
            }
        }
    }
    for dtype in DType::ALL {
        let Some(from) = Store::of(dtype) else { continue };
        for op in functions::EVERY_BINARY {
            if let Some((text, out)) = functions::binary(*op, dtype)
                && let Some(to) = Store::of(out)
            {
                maps.push(Map::new(format!("binary:{op:?}"), to, vec![from, from], text));
            }
        }
    }
    for raw in [Store::Raw1, Store::Raw2, Store::Raw4, Store::Raw8] {
        maps.push(Map::new("move".to_owned(), raw, vec![raw], "a".to_owned()));
        let text = if raw == Store::Raw8 { "P.more[0].xy" } else { "P.more[0].x" };
        maps.push(Map::new("fill".to_owned(), raw, Vec::new(), text.to_owned()));
        let text = "select(c, b, a != 0u)".to_owned();
        maps.push(Map::new("select".to_owned(), raw, vec![Store::U8, raw, raw], text));
    }
    maps.extend(fused::every_map());
    maps.iter().flat_map(Map::every_shader).collect()
}
