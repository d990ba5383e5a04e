//! A reduction in one stage, or of parts and then of what these came to: where there are few results of many elements, and where the elements of a
//! result span more than a binding holds.

use fft_core::Result;

use super::{Kernel, MOST_STEPS, OP, Part, Stage};
use crate::call::fits_bytes;
use crate::context::Context;
use crate::memory::Block;
use crate::walk::{Operand, Walk};

/// The most elements that a workgroup reduces.
const MOST_PART: usize = 256 * MOST_STEPS;
/// Least elements of a part when a result is computed in parts.
const LEAST_PART: usize = 8192;
/// The most bytes of what parts came to: results are computed so many at a time.
const MOST_SCRATCH: usize = 16 << 20;

/// Elements that a binding holds together.
struct Piece<'a> {
    walk: Walk<'a>,
    /// The number of the first of them.
    first: usize,
}

/// How far elements lie apart, in bytes.
fn bytes(elements: &Walk<'_>) -> usize {
    let (low, high) = elements.operands[0].span(&elements.shape);
    (high - low + 1) as usize * elements.operands[0].bytes
}

/// Cuts elements in halves along their outermost axis, until a binding holds each piece twice, with what lies between results.
fn cut<'a>(context: &Context, elements: Walk<'a>, pieces: &mut Vec<Piece<'a>>) {
    if elements.shape.is_empty() || fits_bytes(context, 2 * bytes(&elements)) {
        let first = pieces.last().map_or(0, |last| last.first + last.walk.len());
        pieces.push(Piece { walk: elements, first });
        return;
    }
    let n = elements.shape[0];
    for range in [0..n / 2, n / 2..n] {
        cut(context, elements.part(range), pieces);
    }
}

/// Over the elements at `inner` from each of the places of `kept`, which has results and sources.
pub(super) fn run(context: &Context, kernel: &Kernel, kept: &Walk<'_>, inner: &Walk<'_>) -> Result<()> {
    let n = inner.len();
    if n > 1 << 31 {
        return Err(context.unsupported(OP, format!("a result of {n} elements, more than 2^31")));
    }
    if fits_bytes(context, bytes(inner)) {
        let whole = [Piece { walk: inner.clone(), first: 0 }];
        return kept.parts(context, OP, &mut |kept| staged(context, kernel, kept, &whole, n));
    }
    let mut pieces = Vec::new();
    cut(context, inner.clone(), &mut pieces);
    staged(context, kernel, kept, &pieces, n)
}

/// In one stage, or in parts: several of each piece where there are few results.
fn staged(
    context: &Context,
    kernel: &Kernel,
    kept: &Walk<'_>,
    pieces: &[Piece<'_>],
    total: usize,
) -> Result<()> {
    let results = kept.len();
    let longest = pieces.iter().map(|p| p.walk.len()).max().unwrap_or(0);
    let parts = if results >= 64 { 1 } else { (longest / LEAST_PART).clamp(1, 256) };
    let parts = parts.max(longest.div_ceil(MOST_PART));
    if let ([piece], 1) = (pieces, parts) {
        let all = Part { parts: 1, first: 0, total };
        return kernel.run(context, Stage::Whole, kept, &piece.walk, all);
    }
    let (count, bytes) = (pieces.len() * parts, kernel.reduction.acc_bytes);
    let needed = results.saturating_mul(count).saturating_mul(bytes);
    if needed > MOST_SCRATCH || !fits_bytes(context, needed) {
        let Some(&n) = kept.shape.first() else { return Err(context.too_big(OP, needed)) };
        for range in [0..n / 2, n / 2..n] {
            staged(context, kernel, &kept.part(range), pieces, total)?;
        }
        return Ok(());
    }
    let scratch = context.scratch(needed)?;
    let block: &Block = &scratch;
    // Results in the order of the walk, each with its parts side by side.
    let mut order: Vec<i64> = vec![1; kept.shape.len()];
    for d in (1..order.len()).rev() {
        order[d - 1] = order[d] * kept.shape[d] as i64;
    }
    let records = |apart: usize, offset: usize| {
        let strides = order.iter().map(|s| s * apart as i64).collect();
        Operand { block, bytes, offset: offset as i64, strides, slack: (0, 0) }
    };
    for (i, piece) in pieces.iter().enumerate() {
        let (elements, source) = (&piece.walk.operands[0], &kept.operands[1]);
        // `kept` begins at the first element of the first piece.
        let offset = source.offset + elements.offset - pieces[0].walk.operands[0].offset;
        let source = Operand { offset, slack: elements.span(&piece.walk.shape), ..source.clone() };
        let first = Walk { shape: kept.shape.clone(), operands: vec![records(pieces.len(), i), source] };
        let part = Part { parts, first: piece.first, total };
        first.parts(context, OP, &mut |first| kernel.run(context, Stage::First, first, &piece.walk, part))?;
    }
    let last =
        Walk { shape: kept.shape.clone(), operands: vec![kept.operands[0].clone(), records(count, 0)] };
    let along = Operand { block, bytes, offset: 0, strides: vec![1], slack: (0, 0) };
    let across = Walk { shape: vec![count], operands: vec![along] };
    let all = Part { parts: 1, first: 0, total };
    last.parts(context, OP, &mut |last| kernel.run(context, Stage::Last, last, &across, all))
}
