//! The product with a sparse spectral matrix, made of transforms, gathers and scatters.

use num_complex::Complex32;

use crate::spectral::SparseSpectralMatrix;
use crate::{BinaryOp, DType, Norm, ReduceOp, Result, ScatterMode, Tensor};

/// Vectors that are multiplied at once, so that the products of all coefficients with all of them are never held.
const VECTORS: usize = 64;

/// `x W^T` for `x` of `[.., in]`, or with `transpose` `x W` for `x` of `[.., out]`; `F32`. The mathematics stands at
/// [`SparseSpectralMatrix`].
///
/// Scratch: a chunk of 16384 coefficients times 64 vectors, and the spectra of 64 vectors.
///
/// # Errors
/// Mismatches of shape, dtype or device; memory and device errors.
pub fn sparse_spectral_product(w: &SparseSpectralMatrix, x: &Tensor, transpose: bool) -> Result<Tensor> {
    let batch = w.expect_operand("sparse_spectral_product", x, transpose)?;
    let [m, n] = w.shape();
    let (from, to) = if transpose { (m, n) } else { (n, m) };
    let flat = x.reshape(&[batch, from])?;
    let mut out = Tensor::zeros(x.device(), &[batch, to], DType::F32)?;
    for start in (0..batch).step_by(VECTORS) {
        let part = flat.narrow(0, start, VECTORS.min(batch - start))?;
        let product = if transpose { backward(w, &part)? } else { forward(w, &part)? };
        out.assign(0, start, &product)?;
    }
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = to;
    }
    out.reshape(&shape)
}

/// The gradient in the coefficients of a loss whose gradient in `y = x W^T` is `dy`; see [`SparseSpectralMatrix::coefficient_gradient`].
///
/// Scratch: 16384 coefficients times all vectors, and the spectra.
///
/// # Errors
/// Mismatches of shape, dtype or device; memory and device errors.
pub fn sparse_spectral_gradient(w: &SparseSpectralMatrix, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let batch = w.expect_gradient("sparse_spectral_gradient", x, dy)?;
    let [m, n] = w.shape();
    let spectra = x.reshape(&[batch, n])?.fft(1, None, Norm::Backward)?;
    let gradients = dy.reshape(&[batch, m])?.rfft(1, None, Norm::Backward)?;
    let mut out = Tensor::zeros(x.device(), &[w.count()], DType::C64)?;
    w.for_each_chunk(&mut |first, range| {
        let (rows, columns) = chunk_positions(w, first, range.clone())?;
        let products = gradients.gather(1, &rows)?.mul(&spectra.gather(1, &columns)?)?;
        let sums = products.reduce(ReduceOp::Sum, &[0])?.flatten()?;
        out.assign(0, range.start, &sums.scale(1.0 / (m as f64 * n as f64))?)
    })?;
    Ok(out)
}

/// `z[u] = sum_v c[u, v] conj(X[v])`, then the real inverse transform.
fn forward(w: &SparseSpectralMatrix, x: &Tensor) -> Result<Tensor> {
    let [m, n] = w.shape();
    let spectrum = x.fft(1, None, Norm::Backward)?;
    let planes = m / 2 + 1;
    let mut z = Tensor::zeros(x.device(), &[x.shape()[0], planes], DType::C64)?;
    accumulate(w, &mut |rows, columns, values| {
        let product = values.binary(BinaryOp::MulConj, &spectrum.gather(1, columns)?)?;
        z.scatter(1, rows, &product, ScatterMode::Add)
    })?;
    // A pair's coefficient counts at u and, conjugated, at -u, which the real transform adds.
    let factors: Vec<Complex32> = (0..planes)
        .map(|u| if w.half_spectrum().is_own_mirror(u) { 1.0 } else { 0.5 } / n as f32)
        .map(|factor| Complex32::new(factor, 0.0))
        .collect();
    let factors = Tensor::from_slice(x.device(), &factors, &[planes])?;
    z.mul(&factors)?.irfft(1, Some(m), Norm::Backward)
}

/// `q[v] = sum_u c[u, v] conj(Y[u])`, then the real part of the inverse transform.
fn backward(w: &SparseSpectralMatrix, y: &Tensor) -> Result<Tensor> {
    let [m, n] = w.shape();
    let spectrum = y.rfft(1, None, Norm::Backward)?;
    let mut q = Tensor::zeros(y.device(), &[y.shape()[0], n], DType::C64)?;
    accumulate(w, &mut |rows, columns, values| {
        let product = values.binary(BinaryOp::MulConj, &spectrum.gather(1, rows)?)?;
        q.scatter(1, columns, &product, ScatterMode::Add)
    })?;
    q.ifft(1, None, Norm::Backward)?.real()?.scale(1.0 / m as f64)
}

/// Calls `add` with chunks of rows, columns (`U32`) and values (`C64`) of the coefficients.
fn accumulate(
    w: &SparseSpectralMatrix,
    add: &mut dyn FnMut(&Tensor, &Tensor, &Tensor) -> Result<()>,
) -> Result<()> {
    w.for_each_chunk(&mut |first, range| {
        let mut values = vec![Complex32::default(); range.len()];
        w.values().read(range.start, &mut values)?;
        let (rows, columns) = chunk_positions(w, first, range)?;
        add(&rows, &columns, &Tensor::from_slice(w.device(), &values, &[values.len()])?)
    })
}

/// Rows and columns, `U32`, of the coefficients `range`, the first of which lies in row `first`.
fn chunk_positions(
    w: &SparseSpectralMatrix,
    first: usize,
    range: std::ops::Range<usize>,
) -> Result<(Tensor, Tensor)> {
    let columns = w.columns().narrow(0, range.start, range.len())?.to_dtype(DType::U32)?;
    let mut rows = vec![0u32; range.len()];
    w.split_rows(first, range, &mut |u, part| {
        rows[part].fill(u as u32);
        Ok(())
    })?;
    Ok((Tensor::from_slice(w.device(), &rows, &[rows.len()])?, columns))
}
