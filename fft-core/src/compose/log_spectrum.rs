//! Products with log8 spectra.

use crate::spectral::LogSpectrumMatrix;
use crate::spectral::log_spectrum::mirror_weights;
use crate::{DType, Norm, Result, Tensor};

/// `x W^T`: `x` is `F32 [.., in]`, the result `F32 [.., out]`.
///
/// Decodes the coefficients (as large as the matrix in `F32`), then `z[u] = 1 / N sum_v c[u, v] conj(X[v])` as four real matrix products
/// and one C2R transform.
///
/// # Errors
/// Memory and device errors.
pub fn log_spectrum_product(w: &LogSpectrumMatrix, x: &Tensor) -> Result<Tensor> {
    let [rows, cols] = w.shape();
    let batch = x.len() / cols;
    let mut out_shape = x.shape().to_vec();
    if let Some(last) = out_shape.last_mut() {
        *last = rows;
    }
    if batch == 0 {
        return Tensor::zeros(x.device(), &out_shape, DType::F32);
    }
    let half = rows / 2 + 1;
    let c = w.coefficients()?;
    // [cols, half] each
    let re = c.narrow(1, 0, 1)?.reshape(&[half, cols])?.transpose(0, 1)?;
    let im = c.narrow(1, 1, 1)?.reshape(&[half, cols])?.transpose(0, 1)?;
    let spectrum = x.reshape(&[batch, cols])?.to_dtype(DType::C64)?.fft(1, None, Norm::Backward)?;
    let spectrum = spectrum.scale(1.0 / cols as f64)?;
    let (x_re, x_im) = (spectrum.real()?, spectrum.imag()?);
    // c conj(X)
    let z_re = x_re.matmul(&re)?.add(&x_im.matmul(&im)?)?;
    let z_im = x_re.matmul(&im)?.sub(&x_im.matmul(&re)?)?;
    let weights = mirror_weights(x.device(), rows)?.reshape(&[half])?;
    z_re.complex(&z_im)?.mul(&weights)?.irfft(1, Some(rows), Norm::Backward)?.reshape(&out_shape)
}
