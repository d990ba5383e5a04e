//! Products with rotated quantised matrices, straight from the packed integers.
//!
//! Between Fourier rotations the kernel reads and writes real spectra as transforms leave and take them, so that nothing orders them anew.

use fft_core::spectral::{Bits, RotatedMatrix, Rotation};
use fft_core::{DType, Norm, Result, Tensor, compose};
use fft_shaders::spectral as text;

use crate::call::{Call, declare, fits, fits_bytes};
use crate::context::Context;
use crate::store::Store;

const OP: &str = "rotated_product";
/// Up to so many vectors are narrow.
const NARROW: usize = 8;
/// Elements that a workgroup transforms.
const RUN: usize = 2048;

#[derive(Debug, Clone, Copy)]
struct Kernel {
    bits: Bits,
    /// Whether vectors and results are spectra.
    spectra: bool,
    /// At most so many vectors; nothing for tiles.
    narrow: Option<usize>,
}

impl Kernel {
    fn label(self) -> String {
        format!("rotated:{} {} {:?}", self.bits.get(), self.spectra, self.narrow)
    }

    fn source(self) -> String {
        let levels = match self.bits {
            Bits::Eight => {
                "return vec4<f32>(vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u) >> vec4<u32>(24u));"
            }
            Bits::Four => {
                "return vec4<f32>((vec4<u32>(word >> (16u * part)) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u)) - 7.5;"
            }
        };
        // Bin 0 has an imaginary part, which is 0, as has the last of an even length.
        let element = if self.spectra {
            "let at = u32(2 * P.base.z) + vector * P.more[1].z + select(j + 1u, 0u, j == 0u);\n    \
             return X0[at] * select(P.value.y, 1.0, alone(j, P.more[0].y));"
        } else {
            "return X0[u32(P.base.z) + vector * P.more[1].z + j];"
        };
        let put = if self.spectra {
            "let at = u32(2 * P.base.w) + vector * P.more[1].w + select(j + 1u, 0u, j == 0u);\n    \
             let single = alone(j, P.more[0].x);\n    D[at] = value * select(P.value.z, 1.0, single);\n    \
             if (single) {\n        D[at + 1u] = 0.0;\n    }"
        } else {
            "D[u32(P.base.w) + vector * P.more[1].w + j] = value;"
        };
        let vectors = self.narrow.unwrap_or(1);
        let words = [
            ("PER_WORD", &*self.bits.per_word().to_string()),
            ("LEVELS", levels),
            ("SCALE", &*Store::F16.load("S0", "i")),
            ("ELEMENT", element),
            ("PUT", put),
            ("VECTORS", &*vectors.to_string()),
            ("SUMS", &*(vectors * 256).to_string()),
        ];
        let head = declare(&[
            ("C", "u32", false),
            ("S0", Store::F16.element(), false),
            ("X0", "f32", false),
            ("D", "f32", true),
        ]);
        let body = if self.narrow.is_some() { text::ROTATED_NARROW } else { text::ROTATED_TILE };
        head + &fft_shaders::fill(&[text::ROTATED, body].concat(), &words)
    }
}

/// See [`compose::rotated_product`].
pub(crate) fn product(context: &Context, w: &RotatedMatrix, x: &Tensor) -> Result<Tensor> {
    let [rows, cols] = w.shape();
    let batch = x.len() / cols;
    let bytes = batch.saturating_mul(rows.max(cols) + 2) * size_of::<f32>();
    let parts = [w.codes(), w.scales()];
    // Codes are read as words.
    let readable = parts.iter().all(|t| t.layout().is_contiguous() && fits(context, &[t]));
    let words = w.codes().layout().offset().is_multiple_of(4);
    if batch == 0 || !readable || !words || !fits_bytes(context, bytes) {
        return compose::rotated_product(w, x);
    }
    let rotation = w.options().rotation;
    let (input_signs, output_signs) = w.sign_tensors()?;
    let spectra = rotation == Rotation::Fourier;
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = rows;
    }
    let x = x.reshape(&[batch, cols])?;
    let rotated = match rotation {
        Rotation::Fourier => x.mul(input_signs)?.rfft(1, None, Norm::Ortho)?,
        Rotation::Hadamard => hadamard(context, &x, input_signs, BEFORE)?,
        Rotation::None => x.contiguous()?,
    };
    let (dtype, line) =
        if spectra { (DType::C64, [batch, rows / 2 + 1]) } else { (DType::F32, [batch, rows]) };
    let narrow = (batch <= NARROW).then(|| batch.next_power_of_two());
    let kernel = Kernel { bits: w.options().bits, spectra, narrow };
    let y = Tensor::build(x.device(), OP, &line, dtype, |out| {
        let mut call = Call::new(context, OP);
        call.read(w.codes().view())?;
        // The kernel's codes are words.
        call.params.base[0] /= 4;
        call.read(w.scales().view())?;
        call.read(rotated.view())?;
        call.write(out)?;
        let count = if narrow.is_some() { rows.div_ceil(16) } else { rows.div_ceil(64) * batch.div_ceil(64) };
        call.params.count = count as u32;
        let words = w.codes().shape()[1];
        let groups = w.scales().shape()[1];
        let pitch = |n: usize| if spectra { 2 * (n / 2 + 1) } else { n };
        let more = [rows, cols, batch, words, groups, w.options().group, pitch(cols), pitch(rows)];
        call.params.more[..8].copy_from_slice(&more.map(|n| n as u32));
        let root = std::f32::consts::SQRT_2;
        call.params.value = [w.gain(), root, root / 2.0, 0.0];
        call.run(&kernel.label(), count, || kernel.source())
    })?;
    let out = match rotation {
        Rotation::Fourier => y.irfft(1, Some(rows), Norm::Ortho)?.mul(output_signs)?,
        Rotation::Hadamard => hadamard(context, &y, output_signs, AFTER)?,
        Rotation::None => y,
    };
    out.reshape(&shape)
}

/// Signs go before the transform.
const BEFORE: u32 = 1;
/// Signs go after it.
const AFTER: u32 = 2;

/// The orthogonal Walsh-Hadamard transform of the runs of `[batch, n]`, with signs: in one kernel up to 2048 elements of a run, else the rest in
/// a second one.
fn hadamard(context: &Context, x: &Tensor, signs: &Tensor, mut when: u32) -> Result<Tensor> {
    let n = signs.len();
    let run = Rotation::hadamard_block(n);
    let (mut x, mut apart, mut left) = (x.contiguous()?, 1, run);
    let mut factor = 1.0 / (run as f64).sqrt();
    while left > 1 {
        let length = left.min(RUN);
        left /= length;
        // Signs before belong to the first kernel, those after to the last one.
        let flags = if when == BEFORE || left == 1 { when } else { 0 };
        x = Tensor::build(x.device(), OP, x.shape(), DType::F32, |out| {
            let mut call = Call::new(context, OP);
            call.read(x.view())?;
            call.read(signs.view())?;
            call.write(out)?;
            let runs = x.len() / length;
            let count = runs.div_ceil(RUN / length);
            call.params.count = count as u32;
            call.params.flags = flags;
            call.params.more[..4].copy_from_slice(&[length, apart, n, runs].map(|n| n as u32));
            call.params.value[0] = factor as f32;
            call.run("rotated:hadamard", count, walsh)
        })?;
        (apart, factor) = (apart * length, 1.0);
        when &= AFTER;
    }
    Ok(x)
}

fn walsh() -> String {
    declare(&[("X", "f32", false), ("S", "f32", false), ("D", "f32", true)]) + text::HADAMARD
}

/// Every shader of this module.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let mut out = vec![("rotated:hadamard".to_owned(), walsh())];
    for bits in [Bits::Eight, Bits::Four] {
        for spectra in [false, true] {
            for narrow in [None, Some(1), Some(2), Some(4), Some(NARROW)] {
                let kernel = Kernel { bits, spectra, narrow };
                out.push((kernel.label(), kernel.source()));
            }
        }
    }
    out
}
