//! Products with block-circulant matrices, and the gradient of their first columns.
//!
//! Transforms write their spectra as `[bins, blocks, vectors]`; for each bin there is then a product of complex matrices.

use fft_core::spectral::BlockCirculantMatrix;
use fft_core::{DType, Norm, Result, Tensor, compose};
use fft_shaders::spectral as text;

use crate::call::{Call, declare, fits, fits_bytes};
use crate::context::Context;

/// Up to so many blocks along a side the other ways would mostly idle.
const FEW_BLOCKS: usize = 4;
/// From so many blocks along both sides the gradient is left to plain products of matrices, whose tiles are then full.
const MANY_BLOCKS: usize = 64;
/// Up to so many vectors are narrow.
const NARROW: usize = 8;
const TILE: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Each,
    /// At most so many columns.
    Narrow(usize),
    Tile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Factors {
    Product,
    Transposed,
    Gradient,
}

#[derive(Debug, Clone, Copy)]
struct Kernel {
    way: Way,
    factors: Factors,
}

impl Kernel {
    fn label(self) -> String {
        format!("circulant:{:?} {:?}", self.way, self.factors)
    }

    fn source(self) -> String {
        let a = if self.factors == Factors::Gradient { "vec2<f32>" } else { "f32" };
        let head = declare(&[("A", a, false), ("X", "vec2<f32>", false), ("D", "vec2<f32>", true)]);
        // Spectra are [bins, blocks, vectors].
        let side_by_side = "return X[P.base.y + i32((bin * P.more[0].y + k) * P.more[0].z + column)];";
        let (left, right) = match self.factors {
            Factors::Product => ("return weight(bin, row, k);", side_by_side),
            Factors::Transposed => {
                ("let w = weight(bin, k, row);\n    return vec2<f32>(w.x, -w.y);", side_by_side)
            }
            Factors::Gradient => (
                "return A[P.base.x + i32((bin * P.more[0].x + row) * P.more[0].y + k)];",
                "let x = X[P.base.y + i32((bin * P.more[0].z + column) * P.more[0].y + k)];\n    \
                 return vec2<f32>(x.x, -x.y);",
            ),
        };
        let columns = if let Way::Narrow(columns) = self.way { columns } else { 1 };
        let fast = |yes: bool| if yes { "true" } else { "false" };
        let words = [
            ("LEFT", left),
            ("RIGHT", right),
            ("RESULT", "P.base.z"),
            ("FACTOR", "1.0"),
            ("COLUMNS", &*columns.to_string()),
            ("SUMS", &*(columns * 64).to_string()),
            ("INNER_FAST", fast(self.factors != Factors::Transposed)),
            ("LEFT_INNER_FAST", fast(self.factors != Factors::Transposed)),
            ("RIGHT_INNER_FAST", fast(self.factors == Factors::Gradient)),
        ];
        let body = match self.way {
            Way::Each => text::CIRCULANT_EACH,
            Way::Narrow(_) => text::CIRCULANT_NARROW,
            Way::Tile => text::CIRCULANT_TILE,
        };
        let weights = if self.factors == Factors::Gradient { "" } else { text::CIRCULANT };
        head + weights + &fft_shaders::fill(&[text::CIRCULANT_OPERANDS, body].concat(), &words)
    }
}

/// The spectra of the blocks of `[batch, blocks * block]` numbers, `[bins, blocks, batch]`.
fn side_by_side(x: &Tensor, [batch, blocks, block]: [usize; 3]) -> Result<Tensor> {
    x.reshape(&[batch, blocks, block])?.permute(&[2, 1, 0])?.rfft(0, None, Norm::Backward)
}

/// The product of `left` and `right` for each bin, `[bins, rows, columns]`.
fn products(
    context: &Context,
    op: &'static str,
    factors: Factors,
    [left, right]: [&Tensor; 2],
    [bins, rows, inner, columns]: [usize; 4],
    [block, m, n]: [usize; 3],
) -> Result<Tensor> {
    let blocks = if factors == Factors::Gradient { columns } else { inner };
    let way = if rows.min(blocks) <= FEW_BLOCKS {
        Way::Each
    } else if columns <= NARROW {
        Way::Narrow(columns.next_power_of_two())
    } else {
        Way::Tile
    };
    let (count, groups) = match way {
        Way::Each => (bins * rows * columns, (bins * rows * columns).div_ceil(64)),
        Way::Narrow(_) => (bins * rows.div_ceil(8), bins * rows.div_ceil(8)),
        Way::Tile => {
            let tiles = bins * rows.div_ceil(TILE) * columns.div_ceil(TILE);
            (tiles, tiles)
        }
    };
    Tensor::build(left.device(), op, &[bins, rows, columns], DType::C64, |out| {
        let mut call = Call::new(context, op);
        call.read(left.view())?;
        call.read(right.view())?;
        call.write(out)?;
        call.params.count = count as u32;
        call.params.more[..7].copy_from_slice(&[rows, inner, columns, bins, block, m, n].map(|n| n as u32));
        let kernel = Kernel { way, factors };
        call.run(&kernel.label(), groups, || kernel.source())
    })
}

/// See [`compose::block_circulant_product`].
pub(crate) fn product(
    context: &Context,
    w: &BlockCirculantMatrix,
    x: &Tensor,
    transpose: bool,
) -> Result<Tensor> {
    const OP: &str = "block_circulant_product";
    let (block, [rows, cols]) = (w.block(), w.shape());
    let (m, n) = (rows / block, cols / block);
    let (inner, outer) = if transpose { (m, n) } else { (n, m) };
    let batch = x.len() / (inner * block);
    let bins = block / 2 + 1;
    let bytes = batch.saturating_mul(bins * m.max(n) * DType::C64.size());
    let suits = x.dtype() == DType::F32 && w.spectrum().layout().is_contiguous();
    if batch == 0 || !suits || !fits(context, &[w.spectrum()]) || !fits_bytes(context, bytes) {
        return compose::block_circulant_product(w, x, transpose);
    }
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = outer * block;
    }
    let spectra = side_by_side(x, [batch, inner, block])?;
    let factors = if transpose { Factors::Transposed } else { Factors::Product };
    let sizes = [bins, outer, inner, batch];
    let z = products(context, OP, factors, [w.spectrum(), &spectra], sizes, [block, m, n])?;
    z.permute(&[2, 1, 0])?.irfft(2, Some(block), Norm::Backward)?.reshape(&shape)
}

/// See [`compose::block_circulant_gradient`].
pub(crate) fn gradient(context: &Context, x: &Tensor, dy: &Tensor, block: usize) -> Result<Tensor> {
    const OP: &str = "block_circulant_gradient";
    let side = |t: &Tensor| t.shape().last().copied().unwrap_or(1) / block;
    let (m, n) = (side(dy), side(x));
    let batch = x.len() / (n * block).max(1);
    let bins = block / 2 + 1;
    let bytes = bins.saturating_mul((m * n).max(batch.saturating_mul(m.max(n)))) * DType::C64.size();
    let real = x.dtype() == DType::F32 && dy.dtype() == DType::F32;
    if batch == 0 || !real || m.min(n) >= MANY_BLOCKS || !fits_bytes(context, bytes) {
        return compose::block_circulant_gradient(x, dy, block);
    }
    let (spectra, gradients) = (side_by_side(x, [batch, n, block])?, side_by_side(dy, [batch, m, block])?);
    let sizes = [bins, m, batch, n];
    let sums = products(context, OP, Factors::Gradient, [&gradients, &spectra], sizes, [block, m, n])?;
    sums.permute(&[1, 2, 0])?.irfft(2, Some(block), Norm::Backward)
}

/// See [`compose::block_circulant_spectrum`].
pub(crate) fn spectrum(context: &Context, columns: &Tensor) -> Result<Tensor> {
    const OP: &str = "block_circulant_spectrum";
    let bytes = columns.len().saturating_mul(2 * DType::C64.size());
    let &[m, n, block] = columns.shape() else { return compose::block_circulant_spectrum(columns) };
    if columns.is_empty() || columns.dtype() != DType::F32 || !fits_bytes(context, bytes) {
        return compose::block_circulant_spectrum(columns);
    }
    let spectra = columns.permute(&[2, 0, 1])?.rfft(0, None, Norm::Backward)?;
    Tensor::build(columns.device(), OP, &[block, m, n], DType::F32, |out| {
        let mut call = Call::new(context, OP);
        call.read(spectra.view())?;
        call.write(out)?;
        call.params.count = columns.len() as u32;
        call.params.more[0] = (m * n) as u32;
        call.run("circulant:planes", columns.len().div_ceil(64), planes)
    })
}

fn planes() -> String {
    declare(&[("X", "vec2<f32>", false), ("D", "f32", true)]) + text::CIRCULANT_PLANES
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = vec![("circulant:planes".to_owned(), planes())];
    for factors in [Factors::Product, Factors::Transposed, Factors::Gradient] {
        for way in [Way::Each, Way::Narrow(1), Way::Narrow(2), Way::Narrow(4), Way::Narrow(NARROW), Way::Tile]
        {
            let kernel = Kernel { way, factors };
            out.push((kernel.label(), kernel.source()));
        }
    }
    out
}
