//! The whole spectrum of a real matrix in log8.

use crate::spectral::dense::{block_rows, check_matrix, expect_rows, host_rows};
use crate::spectral::half_spectrum::{HalfSpectrum, dense_from_planes, half_spectrum};
use crate::spectral::log8;
use crate::spectral::parts::saved_part;
use crate::{Complex32, DType, Device, Error, Result, Tensor};

/// How [`LogSpectrumMatrix::from_dense`] stores a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSpectrumOptions {
    /// Neighbouring coefficients of a row that share a range (real and imaginary parts have their own); 64 bits a group.
    pub group: usize,
}

impl Default for LogSpectrumOptions {
    /// Groups of 128: half a bit a weight for ranges.
    fn default() -> Self {
        Self { group: 128 }
    }
}

/// A real matrix `W` `[M, N]` kept as all coefficients of its half-plane spectrum, each part in one [`log8`] code.
///
/// With `S = FFT2(W)`, unnormalised, the coefficients are `c[u, v] = 2 S[u, v]` for rows `0 < u < M / 2`, whose mirror images are left
/// out, and `c[u, v] = S[u, v]` for the self-mirrored rows `0` and (even `M`) `M / 2`:
///
/// `W[i, j] = Re( 1 / (M N) sum c[u, v] e^(2 pi i (u i / M + v j / N)) )`, `0 <= u <= M / 2`, `0 <= v < N`.
///
/// A product takes the coefficients as they are, `z[u] = 1 / N sum_v c[u, v] conj(X[v])` with `X = FFT(x)`, then one real inverse transform
/// of `z`: it equals the product with [`to_dense`](Self::to_dense) up to rounding.
///
/// # Format
///
/// With `U = M / 2 + 1` and `G = ceil(N / group)`: `codes`, `U8 [U, 2, N]`, real parts of a row, then imaginary parts; `ranges`,
/// `F32 [U, 2, G, 2]`, the largest magnitude and the step of each group.
#[derive(Debug, Clone)]
pub struct LogSpectrumMatrix {
    shape: [usize; 2],
    group: usize,
    codes: Tensor,
    ranges: Tensor,
}

impl LogSpectrumMatrix {
    /// Transforms `w` (`[out, in]`, any float dtype) and encodes its spectrum.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `w` is not a matrix; [`Error::InvalidArgument`] for a group of 0, or naming an element that is NaN
    /// or infinite; memory and device errors.
    pub fn from_dense(w: &Tensor, options: &LogSpectrumOptions) -> Result<Self> {
        const OP: &str = "LogSpectrumMatrix::from_dense";
        let shape @ [rows, cols] = check_matrix(OP, w)?;
        check_group(OP, options.group)?;
        let device = w.device();
        for start in (0..rows).step_by(block_rows(cols)) {
            host_rows(OP, w, start, block_rows(cols).min(rows - start))?;
        }
        let half_plane = HalfSpectrum::new(OP, &shape)?;
        let half = half_plane.planes();
        let mut spectrum = half_spectrum(OP, w, &half_plane)?;
        for (u, row) in spectrum.chunks_exact_mut(cols).enumerate() {
            if !is_self_mirrored(u, rows) {
                row.iter_mut().for_each(|c| *c *= 2.0);
            }
        }
        let mut codes = Vec::with_capacity(half * 2 * cols);
        let mut ranges = Vec::with_capacity(half * 2 * cols.div_ceil(options.group));
        let mut part = vec![0.0f32; cols];
        for row in spectrum.chunks_exact(cols) {
            for which in 0..2 {
                for (out, c) in part.iter_mut().zip(row) {
                    *out = if which == 0 { c.re } else { c.im };
                }
                let (row_codes, row_ranges) = log8::encode(&part, options.group)?;
                codes.extend(row_codes);
                ranges.extend(log8::ranges_to_flat(&row_ranges));
            }
        }
        let groups = cols.div_ceil(options.group);
        Ok(Self {
            shape,
            group: options.group,
            codes: Tensor::from_slice(device, &codes, &[half, 2, cols])?,
            ranges: Tensor::from_slice(device, &ranges, &[half, 2, groups, 2])?,
        })
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// How the matrix is stored.
    pub fn options(&self) -> LogSpectrumOptions {
        LogSpectrumOptions { group: self.group }
    }

    /// The device that holds the matrix.
    pub fn device(&self) -> &Device {
        self.codes.device()
    }

    /// The codes, `U8 [M / 2 + 1, 2, N]`.
    pub fn codes(&self) -> &Tensor {
        &self.codes
    }

    /// The ranges, `F32 [M / 2 + 1, 2, ceil(N / group), 2]`.
    pub fn ranges(&self) -> &Tensor {
        &self.ranges
    }

    /// The coefficients `c` as `F32 [M / 2 + 1, 2, N]`, real and imaginary parts of each row.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn coefficients(&self) -> Result<Tensor> {
        self.device().log8_decode(&self.codes, &self.ranges, self.group)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.codes.bytes() + self.ranges.bytes()
    }

    /// The matrix that the codes stand for, `F32 [out, in]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn to_dense(&self) -> Result<Tensor> {
        let [rows, cols] = self.shape;
        let half = HalfSpectrum::new("LogSpectrumMatrix::to_dense", &self.shape)?;
        // Decoded in blocks of rows into the memory that the transform then works in.
        let mut spectrum = vec![Complex32::default(); half.len()];
        let height = block_rows(2 * cols);
        let mut parts = Vec::new();
        for (block, first) in spectrum.chunks_mut(height * cols).zip((0..half.planes()).step_by(height)) {
            let count = block.len() / cols;
            let (codes, ranges) = (self.codes.narrow(0, first, count)?, self.ranges.narrow(0, first, count)?);
            parts.resize(2 * block.len(), 0.0f32);
            let decoded =
                self.device().log8_decode(&codes.contiguous()?, &ranges.contiguous()?, self.group)?;
            decoded.read_into(&mut parts)?;
            for (i, (row, parts)) in
                block.chunks_exact_mut(cols).zip(parts.chunks_exact(2 * cols)).enumerate()
            {
                // The C2R transform counts the rows twice that are not their own mirror.
                let weight = if is_self_mirrored(first + i, rows) { 1.0 } else { 0.5 };
                let (re, im) = parts.split_at(cols);
                for ((c, re), im) in row.iter_mut().zip(re).zip(im) {
                    *c = Complex32::new(*re, *im) * weight;
                }
            }
        }
        dense_from_planes(self.device(), &half, spectrum)
    }

    /// `x W^T`: `x` is `F32 [.., in]`, the result `F32 [.., out]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        const OP: &str = "LogSpectrumMatrix::apply";
        expect_rows(OP, x, &self.codes, self.shape[1])?;
        x.device().log_spectrum_product(self, x)
    }

    /// The tensors to save: `codes` and `ranges`; see the type's documentation.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        vec![("codes", self.codes.clone()), ("ranges", self.ranges.clone())]
    }

    /// From saved tensors; `part` returns the one of a name.
    ///
    /// # Errors
    /// Those of `part`; [`Error::ShapeMismatch`], [`Error::DTypeMismatch`] or [`Error::InvalidArgument`] when a tensor does not fit
    /// `shape` and `options`, or a range is not valid ([`log8::Range::new`]).
    pub fn from_parts(
        device: &Device,
        shape: [usize; 2],
        options: &LogSpectrumOptions,
        part: &mut dyn FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        const OP: &str = "LogSpectrumMatrix::from_parts";
        check_group(OP, options.group)?;
        if shape.contains(&0) {
            return Err(Error::invalid(OP, "shape", shape, "no side may be empty"));
        }
        let mut take =
            |name, dtype, expected: &[usize]| saved_part(OP, part(name)?, device, name, dtype, expected);
        let half = shape[0] / 2 + 1;
        let codes = take("codes", DType::U8, &[half, 2, shape[1]])?;
        let ranges = take("ranges", DType::F32, &[half, 2, shape[1].div_ceil(options.group), 2])?;
        log8::ranges_from_flat(&ranges.to_vec()?)?;
        Ok(Self { shape, group: options.group, codes, ranges })
    }
}

/// Whether row `u` of a half-plane spectrum of `rows` rows is its own mirror image.
pub(crate) fn is_self_mirrored(u: usize, rows: usize) -> bool {
    u == 0 || 2 * u == rows
}

/// Factors `C64 [M / 2 + 1, 1]` that turn sums over a half plane into the input of a C2R transform: 1 in self-mirrored rows, 1/2 in
/// those that C2R counts twice.
pub(crate) fn mirror_weights(device: &Device, rows: usize) -> Result<Tensor> {
    let weights: Vec<Complex32> = (0..rows / 2 + 1)
        .map(|u| Complex32::new(if is_self_mirrored(u, rows) { 1.0 } else { 0.5 }, 0.0))
        .collect();
    Tensor::from_slice(device, &weights, &[rows / 2 + 1, 1])
}

fn check_group(op: &'static str, group: usize) -> Result<()> {
    if group == 0 {
        return Err(Error::invalid(op, "group", group, "must be at least 1"));
    }
    Ok(())
}
