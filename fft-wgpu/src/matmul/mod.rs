//! Products of matrices.

mod modes;
mod tile;
mod wide;

use fft_core::{Layout, Result, View, ViewMut};

use crate::call::fits_bytes;
use crate::context::Context;
use crate::elementwise::{Map, fill, store};
use crate::store::Store;
use crate::walk::{Operand, Walk, block_of};
use modes::Modes;
use tile::TILE;
use wide::{MOST_ROWS, Wide};

const OP: &str = "matmul";
/// The longest inner axis that one invocation sums.
const MOST_INNER: usize = 1 << 14;
/// Up to so many rows or columns tiles would be mostly empty.
const NARROW: usize = 8;
/// The shortest inner axis that several invocations share.
const LEAST_ALONG: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In tiles of so many quads an invocation.
    Tile(usize),
    /// An invocation for each result.
    Row,
    /// An invocation for a part of each product, neighbours for neighbouring products.
    Modes(Modes),
    /// Invocations along the inner axis.
    Dot,
    /// The same, several elements at a time.
    Wide(Wide),
}

/// An axis of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Rows,
    Columns,
    Inner,
}

/// Which types a kernel is for.
#[derive(Debug, Clone, Copy)]
struct Types {
    a: Store,
    b: Store,
    d: Store,
}

impl Types {
    fn label(self, way: Way) -> String {
        format!("matmul:{way:?} {:?} {:?}>{:?}", self.a, self.b, self.d)
    }

    fn is_complex(self) -> bool {
        self.a == Store::C64
    }

    fn source(self, way: Way) -> String {
        let body = match way {
            Way::Tile(quads) => tile::source(self, quads),
            Way::Row => fft_shaders::MATMUL_ROW.to_owned(),
            Way::Dot => fft_shaders::MATMUL_DOT.to_owned(),
            Way::Wide(wide) => wide.body(self.b),
            Way::Modes(modes) => modes.body(self),
        };
        let fma = if self.is_complex() {
            "vec2<f32>(fma(a.x, b.x, fma(-a.y, b.y, sum.x)), fma(a.x, b.y, fma(a.y, b.x, sum.y)))"
        } else {
            "fma(a, b, sum)"
        };
        let wide = matches!(way, Way::Wide(_));
        let elements = match self.b {
            _ if !wide => [self.a.element(), self.b.element()],
            Store::F32 => ["vec4<f32>"; 2],
            _ => ["vec4<f32>", "vec4<u32>"],
        };
        let words = [
            ("A", elements[0]),
            ("B", elements[1]),
            ("D", self.d.target()),
            ("V", self.a.value()),
            ("LOAD_A", &self.a.load("A", "i")),
            ("LOAD_B", &self.b.load("B", "i")),
            ("STORE", &self.d.put("at.x", "value")),
            ("FMA", fma),
        ];
        let elements = if wide { "" } else { fft_shaders::MATMUL };
        fft_shaders::fill(&[fft_shaders::MATMUL_BINDINGS, elements, &body].concat(), &words)
    }
}

/// A batch of products of one size.
#[derive(Clone)]
struct Problem<'a> {
    types: Types,
    rows: usize,
    columns: usize,
    inner: usize,
    /// Strides of `a` along rows and inner axis, of `b` along inner axis and columns, of the result along rows and columns.
    strides: [i64; 6],
    /// The result, `a`, `b`: the first element of each product.
    batch: Walk<'a>,
}

/// See `SpectralBackend::matmul`.
pub(crate) fn matmul(context: &Context, a: View<'_>, b: View<'_>, dst: ViewMut<'_>) -> Result<()> {
    let types = Types {
        a: store(context, OP, a.dtype)?,
        b: store(context, OP, b.dtype)?,
        d: store(context, OP, dst.dtype)?,
    };
    let real = |s: Store| matches!(s, Store::F32 | Store::F16 | Store::BF16);
    let complex = |s: Store| s == Store::C64;
    let all = [types.a, types.b, types.d];
    if !all.into_iter().all(real) && !all.into_iter().all(complex) {
        let reason = format!("{} times {} to {}", a.dtype, b.dtype, dst.dtype);
        return Err(context.unsupported(OP, reason));
    }
    if dst.layout.is_empty() {
        return Ok(());
    }
    let rank = dst.layout.rank();
    let (lead, m, n) = (rank - 2, rank - 2, rank - 1);
    if a.layout.shape()[n] == 0 {
        return fill(context, 0.0, 0.0, dst);
    }
    let mut operands = Vec::new();
    let mut strides = [0; 6];
    for (i, (buffer, layout, dtype)) in
        [(&*dst.buffer, dst.layout, dst.dtype), (a.buffer, a.layout, a.dtype), (b.buffer, b.layout, b.dtype)]
            .into_iter()
            .enumerate()
    {
        let mut operand = Operand::new(block_of(context, OP, buffer)?, dtype.size(), layout);
        let at = [4, 0, 2][i];
        strides[at..at + 2].copy_from_slice(&operand.strides[lead..]);
        operand.strides.truncate(lead);
        operands.push(operand);
    }
    let problem = Problem {
        types,
        rows: dst.layout.shape()[m],
        columns: dst.layout.shape()[n],
        inner: a.layout.shape()[n],
        strides,
        batch: Walk::new(&dst.layout.shape()[..lead], operands),
    };
    problem.run(context)
}

impl Problem<'_> {
    /// What each operand goes beyond its first element, told to the walk of batches.
    fn with_slack(mut self) -> Self {
        let (m, n, k) = (self.rows as i64 - 1, self.columns as i64 - 1, self.inner as i64 - 1);
        let [ar, ak, bk, bc, dr, dc] = self.strides;
        let spans = [[m * dr, n * dc], [m * ar, k * ak], [k * bk, n * bc]];
        for (operand, span) in self.batch.operands.iter_mut().zip(spans) {
            let part = |keep: fn(&i64) -> bool| span.iter().copied().filter(keep).sum::<i64>();
            operand.slack = (part(|s| *s < 0), part(|s| *s > 0));
        }
        self
    }

    fn fits_one(&self, context: &Context) -> bool {
        let operands = self.batch.operands.iter().enumerate();
        let ones = vec![1; self.batch.shape.len()];
        operands.into_iter().all(|(i, o)| o.window(context, &ones, i == 0).is_some())
    }

    /// In one dispatch, or in parts of the batch, of the rows, of the columns or of the inner axis when a binding cannot hold an operand.
    fn run(self, context: &Context) -> Result<()> {
        let problem = self.with_slack();
        let [_, _, bk, ..] = problem.strides;
        // Several invocations share a product, except where neighbours have neighbouring ones.
        let narrow = problem.rows.min(problem.columns) <= NARROW;
        let shared = narrow && bk.abs() == 1 && !problem.is_across(&problem.batch);
        if problem.inner > if shared { 32 * MOST_INNER } else { MOST_INNER } {
            return problem.halves(context);
        }
        if problem.fits_one(context) {
            return problem.batch.parts(context, OP, &mut |batch| problem.part(context, batch));
        }
        let Some(axis) = problem.longest(context) else {
            let requested = problem.inner * problem.types.a.bytes().max(problem.types.b.bytes());
            return Err(context.too_big(OP, requested));
        };
        if axis == Axis::Inner {
            return problem.halves(context);
        }
        let by_rows = axis == Axis::Rows;
        let length = if by_rows { problem.rows } else { problem.columns };
        let half = half(length);
        for range in [0..half, half..length] {
            let mut part = problem.clone();
            let [ar, _, _, bc, dr, dc] = part.strides;
            let (moved, stride, result) = if by_rows { (1, ar, dr) } else { (2, bc, dc) };
            part.batch.operands[moved].offset += range.start as i64 * stride;
            part.batch.operands[0].offset += range.start as i64 * result;
            *(if by_rows { &mut part.rows } else { &mut part.columns }) = range.len();
            part.run(context)?;
        }
        Ok(())
    }

    /// The axis along which an operand that no binding holds is longest; nothing when none can be cut.
    fn longest(&self, context: &Context) -> Option<Axis> {
        let [ar, ak, bk, bc, dr, dc] = self.strides.map(i64::abs);
        let (rows, columns, inner) = (self.rows as i64, self.columns as i64, self.inner as i64);
        let axes = [
            [(Axis::Rows, rows, dr), (Axis::Columns, columns, dc)],
            [(Axis::Rows, rows, ar), (Axis::Inner, inner, ak)],
            [(Axis::Inner, inner, bk), (Axis::Columns, columns, bc)],
        ];
        let ones = vec![1; self.batch.shape.len()];
        let operands = self.batch.operands.iter().zip(axes).enumerate();
        let large = operands.filter(|(i, (o, _))| o.window(context, &ones, *i == 0).is_none());
        let cut = large.flat_map(|(_, (_, axes))| axes).filter(|(_, length, _)| *length > 1);
        cut.max_by_key(|(_, length, stride)| length * stride).map(|(axis, ..)| axis)
    }

    /// The sum of the products of both halves of the inner axis.
    fn halves(&self, context: &Context) -> Result<()> {
        let sum = if self.types.is_complex() { Store::C64 } else { Store::F32 };
        let shape = [&self.batch.shape[..], &[self.rows, self.columns]].concat();
        let layout = Layout::contiguous(&shape);
        let lead = self.batch.shape.len();
        let half = half(self.inner);
        let mut sums = Vec::new();
        for range in [0..half, half..self.inner] {
            let scratch = context.scratch(layout.len() * sum.bytes())?;
            let mut part = self.clone();
            let mut result = Operand::new(&scratch, sum.bytes(), &layout);
            part.strides[4..].copy_from_slice(&result.strides[lead..]);
            result.strides.truncate(lead);
            let [_, ak, bk, ..] = part.strides;
            part.types.d = sum;
            part.inner = range.len();
            part.batch.operands[1].offset += range.start as i64 * ak;
            part.batch.operands[2].offset += range.start as i64 * bk;
            let [_, a, b] = &part.batch.operands[..] else { return Ok(()) };
            let batch =
                Walk { shape: part.batch.shape.clone(), operands: vec![result, a.clone(), b.clone()] };
            Problem { batch, ..part }.run(context)?;
            sums.push(scratch);
        }
        let mut result = self.batch.operands[0].clone();
        result.slack = (0, 0);
        result.strides.extend(&self.strides[4..]);
        let mut operands = vec![result];
        operands.extend(sums.iter().map(|s| Operand::new(s, sum.bytes(), &layout)));
        let text = sum.convert(self.types.d, "(a + b)");
        let name = format!("matmul:join {:?}", self.types.d);
        Map::new(name, self.types.d, vec![sum, sum], text).run(
            context,
            &Walk::new(&shape, operands),
            [0.0; 4],
        )
    }

    /// Whether every row of both matrices begins, and ends, where four words do.
    fn is_wide(&self, base: &[i32; 4], batch: &Walk<'_>) -> bool {
        let [ar, ak, ..] = self.strides;
        self.types.a == Store::F32
            && ak == 1
            && whole(base, batch, 1, ar, 4)
            && self.is_wide_to_the_right(base, batch)
    }

    /// The same of the right matrix alone, whose rows are its columns.
    fn is_wide_to_the_right(&self, base: &[i32; 4], batch: &Walk<'_>) -> bool {
        let [_, _, bk, bc, ..] = self.strides;
        let per = wide::per(self.types.b) as i64;
        let few = self.rows <= MOST_ROWS && self.inner >= LEAST_ALONG && !self.types.is_complex();
        few && bk == 1 && (self.inner as i64) % per == 0 && whole(base, batch, 2, bc, per)
    }

    /// The product with the left matrix in single precision: where a few rows meet a large matrix, converting them costs nothing beside it.
    fn in_single(&self, context: &Context, batch: &Walk<'_>) -> Result<()> {
        let shape = [&batch.shape[..], &[self.rows, self.inner]].concat();
        let layout = Layout::contiguous(&shape);
        let scratch = context.scratch(layout.len() * Store::F32.bytes())?;
        let mut left = Operand::new(&scratch, Store::F32.bytes(), &layout);
        let mut from = batch.operands[1].clone();
        from.slack = (0, 0);
        from.strides.extend(&self.strides[..2]);
        let text = self.types.a.convert(Store::F32, "a");
        let map = Map::new(format!("copy:{:?}", self.types.a), Store::F32, vec![self.types.a], text);
        map.run(context, &Walk::new(&shape, vec![left.clone(), from]), [0.0; 4])?;
        left.strides.truncate(batch.shape.len());
        let mut strides = self.strides;
        strides[..2].copy_from_slice(&[self.inner as i64, 1]);
        let operands = vec![batch.operands[0].clone(), left, batch.operands[2].clone()];
        let batch = Walk { shape: batch.shape.clone(), operands };
        let types = Types { a: Store::F32, ..self.types };
        Problem { types, strides, batch, ..*self }.run(context)
    }

    /// Whether neighbouring products of the batch have neighbouring elements of the operands, or share one of them.
    fn is_across(&self, batch: &Walk<'_>) -> bool {
        let step = |operand: usize| batch.operands[operand].strides.last().copied().unwrap_or(0);
        let many = batch.shape.last().is_some_and(|&n| n >= modes::GROUP / 2);
        many && [step(1), step(2)].iter().all(|s| (0..=1).contains(s)) && step(1) + step(2) > 0
    }

    fn part(&self, context: &Context, batch: &Walk<'_>) -> Result<()> {
        let Some((mut params, mut bindings)) = batch.params(context, 3) else { return Ok(()) };
        bindings.rotate_left(1);
        let (rows, columns, inner) = (self.rows, self.columns, self.inner);
        let [ar, ak, bk, bc, dr, dc] = self.strides;
        let across = self.is_across(batch);
        let half = matches!(self.types.a, Store::F16 | Store::BF16);
        let single = batch.len() * rows * inner * Store::F32.bytes();
        if half && !across && self.is_wide_to_the_right(&params.base, batch) && fits_bytes(context, single) {
            return self.in_single(context, batch);
        }
        let along_inner = bk.abs() == 1 && inner >= LEAST_ALONG;
        let large = rows.div_ceil(2 * TILE) * columns.div_ceil(2 * TILE) * batch.len();
        let quads = if rows.min(columns) > TILE && large >= context.limits.groups_at_once { 2 } else { 1 };
        let way = match rows.min(columns) {
            _ if across => Way::Modes(Modes::new(rows, columns)),
            narrow if narrow > NARROW => Way::Tile(quads),
            _ if self.is_wide(&params.base, batch) => Way::Wide(Wide::new(rows, inner, self.types.b)),
            _ if along_inner || (rows * columns < 256 && inner >= 256) => Way::Dot,
            _ => Way::Row,
        };
        let [down, along] = match way {
            Way::Modes(modes) => modes.tiles(rows, columns),
            _ => [rows, columns].map(|n| n.div_ceil(TILE * quads)),
        };
        let tiles = down * along;
        let signed = |stride: i64| stride as i32 as u32;
        params.more = [
            rows as u32,
            columns as u32,
            inner as u32,
            along as u32,
            signed(ar),
            signed(ak),
            signed(bk),
            signed(bc),
            signed(dr),
            signed(dc),
            tiles as u32,
            batch.len() as u32,
        ];
        // Which axis of the operands lies closer together.
        params.flags = u32::from(ar.abs() < ak.abs()) + 2 * u32::from(bk.abs() < bc.abs());
        let (count, per) = match way {
            Way::Tile(_) => (batch.len() * tiles, 1),
            Way::Wide(wide) => (batch.len() * columns, 256 / wide.lanes),
            Way::Modes(_) => (batch.len() * tiles, modes::GROUP),
            Way::Row => (batch.len() * rows * columns, 64),
            Way::Dot => (batch.len() * rows * columns, 8),
        };
        params.count = count as u32;
        let types = self.types;
        context.dispatch(&types.label(way), &bindings, &params, count.div_ceil(per), || types.source(way))
    }
}

/// Whether every row of an operand, so far apart, begins at a multiple of `per` elements.
fn whole(base: &[i32; 4], batch: &Walk<'_>, operand: usize, row: i64, per: i64) -> bool {
    let strides = &batch.operands[operand].strides;
    (i64::from(base[operand]) | row) % per == 0 && strides.iter().all(|s| s % per == 0)
}

/// About half of a length above 1, whole tiles where there are some.
fn half(length: usize) -> usize {
    if length > TILE { (length / 2).next_multiple_of(TILE).min(length - 1) } else { length / 2 }
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    let real = [Store::F32, Store::F16, Store::BF16];
    let mut all = vec![Types { a: Store::C64, b: Store::C64, d: Store::C64 }];
    for a in real {
        for b in real {
            all.extend(real.map(|d| Types { a, b, d }));
        }
    }
    for types in all {
        let mut ways = vec![Way::Tile(1), Way::Tile(2), Way::Row, Way::Dot];
        let parts = [(1, 1), (2, 4), (4, 4)];
        ways.extend(parts.map(|(rows, columns)| Way::Modes(Modes { rows, columns })));
        if types.a == Store::F32 {
            ways.extend([(1, 4), (2, 8), (8, 32)].map(|(rows, lanes)| Way::Wide(Wide { rows, lanes })));
        }
        out.extend(ways.into_iter().map(|way| (types.label(way), types.source(way))));
    }
    out
}
