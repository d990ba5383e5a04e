//! Products with block-circulant matrices.

use crate::spectral::BlockCirculantMatrix;
use crate::{BinaryOp, Error, Norm, Result, Tensor};

/// `x W^T` (`F32 [.., in]` to `[.., out]`), or `x W` (`[.., out]` to `[.., in]`) when `transpose` is set.
///
/// Each block of `x` is transformed; in the frequency domain block `m` of the result is `sum_n w^[m, n, k] x^[n, k]` (transposed:
/// `sum_m conj(w^[m, n, k]) x^[m, k]`), a matrix product for each frequency `k`, done on real and imaginary planes.
///
/// # Errors
/// Memory and device errors.
pub fn block_circulant_product(w: &BlockCirculantMatrix, x: &Tensor, transpose: bool) -> Result<Tensor> {
    let b = w.block();
    let [rows, cols] = w.shape();
    let (from, to) = if transpose { (rows, cols) } else { (cols, rows) };
    let batch = x.len() / from;
    let mut out_shape = x.shape().to_vec();
    if let Some(last) = out_shape.last_mut() {
        *last = to;
    }
    if batch == 0 {
        return Tensor::zeros(x.device(), &out_shape, x.dtype());
    }
    // [bins, blocks, batch]
    let spectrum = x.reshape(&[batch, from / b, b])?.rfft(2, None, Norm::Backward)?.permute(&[2, 1, 0])?;
    let (x_re, x_im) = (spectrum.real()?, spectrum.imag()?);
    let matrix = |planes: Tensor| if transpose { planes.transpose(1, 2) } else { Ok(planes) };
    // A single circulant block has a scalar for each frequency: no matrix product needed.
    let scalar = from == b && to == b;
    let product = |w: &Tensor, x: &Tensor| if scalar { w.mul(x) } else { w.matmul(x) };
    let planes = w.spectrum();
    let real_bin = |plane: usize, bin: usize| -> Result<(Tensor, Tensor)> {
        let y = product(&matrix(planes.narrow(0, plane, 1)?)?, &x_re.narrow(0, bin, 1)?)?;
        let zero = Tensor::zeros(y.device(), y.shape(), y.dtype())?;
        Ok((y, zero))
    };
    let mut parts = vec![real_bin(0, 0)?];
    let pairs = (b - 1) / 2;
    if pairs > 0 {
        let w_re = matrix(planes.narrow(0, 1, 2 * pairs)?.step(0, 2)?)?;
        let w_im = matrix(planes.narrow(0, 2, 2 * pairs - 1)?.step(0, 2)?)?;
        let (x_re, x_im) = (x_re.narrow(0, 1, pairs)?, x_im.narrow(0, 1, pairs)?);
        let (rr, ii) = (product(&w_re, &x_re)?, product(&w_im, &x_im)?);
        let (ri, ir) = (product(&w_re, &x_im)?, product(&w_im, &x_re)?);
        // The transposed product takes the conjugate of w.
        parts.push(if transpose { (rr.add(&ii)?, ri.sub(&ir)?) } else { (rr.sub(&ii)?, ri.add(&ir)?) });
    }
    if b.is_multiple_of(2) {
        parts.push(real_bin(b - 1, b / 2)?);
    }
    let (re, im): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let y = Tensor::cat(&re, 0)?.binary(BinaryOp::Complex, &Tensor::cat(&im, 0)?)?;
    y.permute(&[2, 1, 0])?.irfft(2, Some(b), Norm::Backward)?.reshape(&out_shape)
}

/// The gradient in the first columns, `[out / b, in / b, b]`, of a loss whose gradient in `y = x W^T` is `dy`, `[.., out]`, for `x` of `[.., in]`; summed over the
/// leading axes. `F32` or `F64`.
///
/// Block `m, n` is the sum over vectors of the circular correlation of block `m` of `dy` with block `n` of `x`: a matrix product for each frequency.
///
/// # Errors
/// Memory and device errors.
pub fn block_circulant_gradient(x: &Tensor, dy: &Tensor, block: usize) -> Result<Tensor> {
    let side = |t: &Tensor| t.shape().last().copied().unwrap_or(1) / block;
    let (m, n) = (side(dy), side(x));
    let batch = x.len() / (n * block).max(1);
    // [bins, batch, blocks]
    let spectrum = |t: &Tensor, blocks: usize| {
        t.reshape(&[batch, blocks, block])?.rfft(2, None, Norm::Backward)?.permute(&[2, 0, 1])
    };
    let products = spectrum(dy, m)?.transpose(1, 2)?.matmul(&spectrum(x, n)?.conj()?)?;
    products.permute(&[1, 2, 0])?.irfft(2, Some(block), Norm::Backward)
}

/// The spectra of first columns, `F32 [out / b, in / b, b]`, as the planes of [`BlockCirculantMatrix::spectrum`].
///
/// # Errors
/// [`Error::ShapeMismatch`] when there are not three axes; memory and device errors.
pub fn block_circulant_spectrum(columns: &Tensor) -> Result<Tensor> {
    let &[m, n, b] = columns.shape() else {
        return Err(Error::shapes("block_circulant_spectrum", columns.shape(), &[], "needed are three axes"));
    };
    // [b / 2 + 1, m, n], complex
    let spectrum = columns.rfft(2, None, Norm::Backward)?.permute(&[2, 0, 1])?;
    let pairs = (b - 1) / 2;
    let mut planes = vec![spectrum.narrow(0, 0, 1)?.real()?];
    if pairs > 0 {
        let inner = spectrum.narrow(0, 1, pairs)?;
        let interleaved = Tensor::cat(&[inner.real()?.unsqueeze(1)?, inner.imag()?.unsqueeze(1)?], 1)?;
        planes.push(interleaved.reshape(&[2 * pairs, m, n])?);
    }
    if b.is_multiple_of(2) {
        planes.push(spectrum.narrow(0, b / 2, 1)?.real()?);
    }
    Tensor::cat(&planes, 0)
}
