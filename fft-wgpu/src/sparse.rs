//! Products with sparse spectral matrices, and the gradient of their coefficients.
//!
//! Spectra of several vectors lie side by side, `[bins, vectors]`, so that a coefficient is read once for neighbouring vectors. The transposed
//! product needs no second index: a workgroup has some columns and finds them in each row by bisection.

use fft_core::spectral::{SparseSpectralMatrix, ValueFormat};
use fft_core::{DType, Norm, Result, Tensor, compose};
use fft_shaders::spectral as text;

use crate::call::{Call, declare, fits, fits_bytes};
use crate::context::Context;
use crate::store::Store;

/// Bytes of the spectra of vectors that are multiplied at once.
const SPECTRA: usize = 32 << 20;
/// Columns of a workgroup that sums along columns.
const COLUMNS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Rows,
    Columns,
    Gradient,
}

#[derive(Debug, Clone, Copy)]
struct Kernel {
    way: Way,
    columns: Store,
    format: ValueFormat,
    /// Vectors of a workgroup, which have 64 invocations together with the teams that share their work.
    vectors: usize,
}

/// Vectors of a workgroup when there are so many.
pub(crate) fn shared_vectors(vectors: usize) -> usize {
    match vectors {
        0..=1 => 1,
        2..=4 => 4,
        5..=16 => 16,
        _ => 64,
    }
}

/// How the 64 invocations of a workgroup share vectors and coefficients.
pub(crate) fn shares(vectors: usize) -> String {
    format!("const VECTORS: u32 = {vectors}u;\nconst TEAMS: u32 = {}u;\n", 64 / vectors)
}

impl Kernel {
    fn new(way: Way, w: &SparseSpectralMatrix, vectors: usize) -> Self {
        let columns = if w.columns().dtype() == DType::U16 { Store::U16 } else { Store::U32 };
        let vectors = shared_vectors(vectors);
        // The gradient has work enough for many teams.
        let (vectors, format) = match way {
            Way::Gradient => (vectors.min(16), ValueFormat::F32),
            _ => (vectors, w.values().format()),
        };
        Self { way, columns, format, vectors }
    }

    fn label(self) -> String {
        format!("sparse:{:?} {:?} {:?} {}", self.way, self.columns, self.format, self.vectors)
    }

    fn source(self) -> String {
        let mut operands = vec![("O", "u32", false), ("C", self.columns.element(), false)];
        let stored = match self.format {
            ValueFormat::F32 => Store::F32,
            ValueFormat::F16 => Store::F16,
            ValueFormat::Log8 => Store::U8,
        };
        if self.way == Way::Gradient {
            operands.extend([("X", "vec2<f32>", false), ("Y", "vec2<f32>", false), ("D", "vec2<f32>", true)]);
        } else {
            operands.extend([
                ("V", stored.element(), false),
                ("X", "vec2<f32>", false),
                ("D", "vec2<f32>", true),
            ]);
            if self.format != ValueFormat::F32 {
                operands.push(("R", "f32", false));
            }
        }
        let (re, im) = (stored.load("V", "i"), stored.load("V", "i + 1"));
        let value = match self.format {
            ValueFormat::F32 => format!("return vec2<f32>({re}, {im});"),
            ValueFormat::F16 => format!("return vec2<f32>({re}, {im}) * R[P.steps[7].y];"),
            // 128 coefficients share a range.
            ValueFormat::Log8 => format!(
                "let r = P.steps[7].y + 2 * (i32(at) / 128);\n    \
                 return vec2<f32>(log8_value({re}, R[r], R[r + 1]), log8_value({im}, R[r], R[r + 1]));"
            ),
        };
        let words = [
            ("COLUMN_OF", "column(start + local)"),
            ("VALUE_OF", "value(start + local)"),
            ("FIRST", "P.base.w"),
            ("RESULT", "P.steps[7].x"),
            ("COLUMN", &*self.columns.load("C", "i")),
            ("VALUE", &*value),
            ("COLUMNS", &*COLUMNS.to_string()),
            ("SUMS", &*(COLUMNS * 64).to_string()),
        ];
        let body = match self.way {
            Way::Rows => [text::SPARSE, text::SPARSE_VALUE, text::SPARSE_ROWS].concat(),
            Way::Columns => [text::SPARSE, text::SPARSE_VALUE, text::SPARSE_COLUMNS].concat(),
            Way::Gradient => [text::SPARSE, text::SPARSE_GRADIENT].concat(),
        };
        declare(&operands) + &shares(self.vectors) + &fft_shaders::fill(&body, &words)
    }
}

/// Whether kernels can read the matrix: contiguous parts, each within a binding.
fn readable(context: &Context, w: &SparseSpectralMatrix) -> bool {
    let values = w.values();
    let parts = [Some(w.device_row_offsets()), Some(w.columns()), Some(values.values()), values.decoder()];
    let mut parts = parts.into_iter().flatten();
    w.count() > 0 && parts.all(|t| t.layout().is_contiguous() && fits(context, &[t]))
}

/// See [`compose::sparse_spectral_product`].
pub(crate) fn product(
    context: &Context,
    w: &SparseSpectralMatrix,
    x: &Tensor,
    transpose: bool,
) -> Result<Tensor> {
    const OP: &str = "sparse_spectral_product";
    let batch = w.expect_operand(OP, x, transpose)?;
    let [m, n] = w.shape();
    let (from, to) = if transpose { (m, n) } else { (n, m) };
    let line = (from.max(to) / 2 + 1) * DType::C64.size();
    if batch == 0 || !readable(context, w) || !fits_bytes(context, line) {
        return compose::sparse_spectral_product(w, x, transpose);
    }
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = to;
    }
    let flat = x.reshape(&[batch, from])?;
    let most = (SPECTRA.min(context.limits.binding as usize - 512) / line).max(1);
    if batch <= most {
        return part(context, w, &flat, transpose)?.reshape(&shape);
    }
    let mut out = Tensor::zeros(x.device(), &[batch, to], DType::F32)?;
    for start in (0..batch).step_by(most) {
        let vectors = flat.narrow(0, start, most.min(batch - start))?;
        out.assign(0, start, &part(context, w, &vectors, transpose)?)?;
    }
    out.reshape(&shape)
}

/// The product with vectors whose spectra lie side by side.
fn part(context: &Context, w: &SparseSpectralMatrix, x: &Tensor, transpose: bool) -> Result<Tensor> {
    const OP: &str = "sparse_spectral_product";
    let [m, n] = w.shape();
    let vectors = x.shape()[0];
    let to = if transpose { n } else { m };
    let spectra = x.transpose(0, 1)?.rfft(0, None, Norm::Backward)?;
    let bins = to / 2 + 1;
    let z = Tensor::build(x.device(), OP, &[bins, vectors], DType::C64, |out| {
        let kernel = Kernel::new(if transpose { Way::Columns } else { Way::Rows }, w, vectors);
        let mut call = Call::new(context, OP);
        call.read(w.device_row_offsets().view())?;
        call.read(w.columns().view())?;
        call.read(w.values().values().view())?;
        call.read(spectra.view())?;
        call.write(out)?;
        if let Some(decoder) = w.values().decoder() {
            call.read(decoder.view())?;
        }
        let strips = if transpose { bins.div_ceil(COLUMNS) } else { bins };
        let count = strips * vectors.div_ceil(kernel.vectors);
        call.params.count = count as u32;
        call.params.more[..4].copy_from_slice(&[m / 2 + 1, n, vectors, m].map(|n| n as u32));
        call.params.value[0] = (1.0 / if transpose { m } else { n } as f64) as f32;
        call.run(&kernel.label(), count, || kernel.source())
    })?;
    z.transpose(0, 1)?.irfft(1, Some(to), Norm::Backward)
}

/// See [`compose::sparse_spectral_gradient`].
pub(crate) fn gradient(
    context: &Context,
    w: &SparseSpectralMatrix,
    x: &Tensor,
    dy: &Tensor,
) -> Result<Tensor> {
    const OP: &str = "sparse_spectral_gradient";
    let batch = w.expect_gradient(OP, x, dy)?;
    let [m, n] = w.shape();
    let bytes = batch.saturating_mul((m.max(n) / 2 + 1) * DType::C64.size());
    let result = w.count() * DType::C64.size();
    if batch == 0 || !readable(context, w) || !fits_bytes(context, bytes.max(result)) {
        return compose::sparse_spectral_gradient(w, x, dy);
    }
    let side_by_side =
        |x: &Tensor, n: usize| x.reshape(&[batch, n])?.transpose(0, 1)?.rfft(0, None, Norm::Backward);
    let (spectra, gradients) = (side_by_side(x, n)?, side_by_side(dy, m)?);
    Tensor::build(x.device(), OP, &[w.count()], DType::C64, |out| {
        let kernel = Kernel::new(Way::Gradient, w, batch);
        let mut call = Call::new(context, OP);
        call.read(w.device_row_offsets().view())?;
        call.read(w.columns().view())?;
        call.read(spectra.view())?;
        call.read(gradients.view())?;
        call.write(out)?;
        call.params.count = w.count() as u32;
        call.params.more[..4].copy_from_slice(&[m / 2 + 1, n, batch, m].map(|n| n as u32));
        call.params.value[0] = (1.0 / (m as f64 * n as f64)) as f32;
        call.run(&kernel.label(), w.count().div_ceil(64 / kernel.vectors), || kernel.source())
    })
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for columns in [Store::U16, Store::U32] {
        for vectors in [1, 4, 16, 64] {
            for format in [ValueFormat::F32, ValueFormat::F16, ValueFormat::Log8] {
                for way in [Way::Rows, Way::Columns] {
                    let kernel = Kernel { way, columns, format, vectors };
                    out.push((kernel.label(), kernel.source()));
                }
            }
            if vectors <= 16 {
                let kernel = Kernel { way: Way::Gradient, columns, format: ValueFormat::F32, vectors };
                out.push((kernel.label(), kernel.source()));
            }
        }
    }
    out
}
