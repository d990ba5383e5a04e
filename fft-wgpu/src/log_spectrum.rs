//! Products with matrices whose whole spectrum is stored in log8, decoded where they are multiplied.

use fft_core::spectral::LogSpectrumMatrix;
use fft_core::{DType, Norm, Result, Tensor, compose};
use fft_shaders::spectral as text;

use crate::call::{Call, declare, fits, fits_bytes};
use crate::context::Context;
use crate::sparse::{shared_vectors, shares};
use crate::store::Store;

/// Up to so many vectors rows of codes are read in words.
const NARROW: usize = 8;
/// Up to so many vectors tiles would be mostly empty.
const FEW: usize = 16;

#[derive(Debug, Clone, Copy)]
enum Way {
    /// A row a workgroup, four codes at a time, for at most so many vectors.
    Words(usize),
    /// As a sparse matrix that has all coefficients, for so many vectors a workgroup.
    Rows(usize),
    Tile,
}

impl Way {
    fn label(self) -> String {
        format!("log_spectrum:{self:?}")
    }

    fn source(self) -> String {
        let code = Store::U8.load("C", "at");
        let vectors = if let Self::Words(vectors) | Self::Rows(vectors) = self { vectors } else { 1 };
        let words = [
            ("CODE", &*code),
            ("COLUMN_OF", "start + local - u * n"),
            ("VALUE_OF", "coefficient(u, v)"),
            ("FIRST", "P.base.z"),
            ("RESULT", "P.base.w"),
            ("LEFT", "return coefficient(row, k);"),
            ("RIGHT", "return spectrum(k, column);"),
            ("FACTOR", "mirror_factor(row)"),
            ("LEFT_INNER_FAST", "true"),
            ("RIGHT_INNER_FAST", "false"),
            ("VECTORS", &*vectors.to_string()),
            ("SUMS", &*(vectors * 64).to_string()),
        ];
        let body = match self {
            Self::Words(_) => text::LOG_SPECTRUM_WORDS.to_owned(),
            Self::Rows(vectors) => shares(vectors) + text::LOG_SPECTRUM + text::SPARSE_ROWS,
            Self::Tile => {
                [text::LOG_SPECTRUM, text::LOG_SPECTRUM_TILE, text::CIRCULANT_OPERANDS, text::CIRCULANT_TILE]
                    .concat()
            }
        };
        let operands =
            [("C", "u32", false), ("R", "f32", false), ("X", "vec2<f32>", false), ("D", "vec2<f32>", true)];
        declare(&operands) + &fft_shaders::fill(&body, &words)
    }
}

/// See [`compose::log_spectrum_product`].
pub(crate) fn product(context: &Context, w: &LogSpectrumMatrix, x: &Tensor) -> Result<Tensor> {
    const OP: &str = "log_spectrum_product";
    let [m, n] = w.shape();
    let group = w.options().group;
    let batch = x.len() / n;
    let bins = m / 2 + 1;
    let bytes = batch.saturating_mul((m.max(n) / 2 + 1) * DType::C64.size());
    let parts = [w.codes(), w.ranges()];
    let readable = parts.iter().all(|t| t.layout().is_contiguous() && fits(context, &[t]));
    // The kernels find groups by a product in f32.
    if batch == 0 || !readable || n >= 1 << 20 || !fits_bytes(context, bytes) {
        return compose::log_spectrum_product(w, x);
    }
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = m;
    }
    let whole = [n, group, w.codes().layout().offset()].iter().all(|n| n.is_multiple_of(4));
    let (way, count) = match batch {
        1..=NARROW if whole => (Way::Words(batch.next_power_of_two()), bins),
        1..=FEW => {
            let vectors = shared_vectors(batch);
            (Way::Rows(vectors), bins * batch.div_ceil(vectors))
        }
        _ => (Way::Tile, bins.div_ceil(32) * batch.div_ceil(32)),
    };
    let spectra = x.reshape(&[batch, n])?.transpose(0, 1)?.rfft(0, None, Norm::Backward)?;
    let z = Tensor::build(x.device(), OP, &[bins, batch], DType::C64, |out| {
        let mut call = Call::new(context, OP);
        call.read(w.codes().view())?;
        call.read(w.ranges().view())?;
        call.read(spectra.view())?;
        call.write(out)?;
        call.params.count = count as u32;
        let more = [bins, n, batch, m, w.ranges().shape()[2], group];
        call.params.more[..6].copy_from_slice(&more.map(|n| n as u32));
        call.params.value[..2].copy_from_slice(&[n, group].map(|n| (1.0 / n as f64) as f32));
        call.run(&way.label(), count, || way.source())
    })?;
    z.transpose(0, 1)?.irfft(1, Some(m), Norm::Backward)?.reshape(&shape)
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let words = [1, 2, 4, NARROW].map(Way::Words);
    let rows = [1, 4, FEW].map(Way::Rows);
    words.into_iter().chain(rows).chain([Way::Tile]).map(|way| (way.label(), way.source())).collect()
}
