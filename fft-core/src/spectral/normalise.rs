//! Spectral norms, and normalising by them or by a spectrum's magnitudes.

use crate::spectral::BlockCirculantMatrix;
use crate::spectral::dense::check_matrix;
use crate::{BinaryOp, Complex64, DType, Error, Norm, Result, Tensor};

/// Power iterations before [`spectral_norm`] gives up.
const ITERATIONS: usize = 1000;

/// The largest singular value of a matrix `[m, n]`, by power iteration on `W^T W` in `F32` until an iteration changes it by less than
/// `tolerance`, relatively.
///
/// The result never exceeds the true value (up to rounding). The iteration converges like `(s2 / s1)^(2 k)`: where the two largest
/// singular values are close, a change below `tolerance` may leave an error of a few times `tolerance`.
///
/// # Errors
/// [`Error::InvalidArgument`] for a tolerance outside `1e-6..1` or a matrix with a NaN or infinity; [`Error::ShapeMismatch`] when `w` is
/// not a matrix; memory and device errors.
pub fn spectral_norm(w: &Tensor, tolerance: f64) -> Result<f64> {
    const OP: &str = "spectral_norm";
    let [_, cols] = check_matrix(OP, w)?;
    if !(1e-6..1.0).contains(&tolerance) {
        return Err(Error::invalid(OP, "tolerance", tolerance, "must be at least 1e-6 and below 1"));
    }
    let w = w.to_dtype(DType::F32)?;
    // The largest magnitude is divided out, so that squares neither overflow nor vanish.
    let largest = w.abs()?.flatten()?.max(0)?.to_vec::<f32>()?[0];
    if !largest.is_finite() {
        return Err(Error::invalid(OP, "weight", largest, "an element is not finite"));
    }
    if largest == 0.0 {
        return Ok(0.0);
    }
    let w = w.binary(BinaryOp::Div, &Tensor::scalar(w.device(), largest)?)?;
    let wt = w.transpose(0, 1)?;
    // A fixed start without structure: the golden ratio's multiples modulo 1 are orthogonal to no singular vector of practice.
    let start: Vec<f32> =
        (0..cols).map(|i| ((i as f64 + 1.0) * 0.618_033_988_75).fract() as f32 - 0.4).collect();
    let mut v = Tensor::from_slice(w.device(), &start, &[cols, 1])?;
    let mut sigma = 0.0f64;
    for _ in 0..ITERATIONS {
        let length = v.square()?.sum_all()?.to_vec::<f32>()?[0].sqrt();
        if length == 0.0 {
            break;
        }
        v = v.scale(1.0 / f64::from(length))?;
        let u = w.matmul(&v)?;
        let next = f64::from(u.square()?.sum_all()?.to_vec::<f32>()?[0]).sqrt();
        let change = (next - sigma).abs();
        sigma = next;
        if change <= tolerance * sigma {
            break;
        }
        v = wt.matmul(&u)?;
    }
    Ok(sigma * f64::from(largest))
}

/// Spectral normalisation: `W / s`, where `s` is the [`spectral_norm`] of `W`, so that the result stretches no vector. A zero matrix
/// stays zero. The result has the dtype of `w`.
///
/// To normalise the magnitudes of a signal's spectrum instead, see [`whiten`].
///
/// # Errors
/// As [`spectral_norm`].
pub fn spectral_normalize(w: &Tensor, tolerance: f64) -> Result<Tensor> {
    let sigma = spectral_norm(w, tolerance)?;
    if sigma == 0.0 { Ok(w.clone()) } else { w.scale(1.0 / sigma) }
}

/// Spectral whitening along the last axis of a real signal `F32 [.., n]`: each bin `X[k]` of its spectrum becomes
/// `X[k] / (|X[k]| + eps * m)`, where `m` is the largest magnitude of that spectrum, and the signal is transformed back. Bins well above
/// `eps * m` get magnitude 1 and keep their phase. A zero signal stays zero.
///
/// # Errors
/// [`Error::InvalidArgument`] for an `eps` outside `1e-7..=1` or an empty axis; [`Error::DTypeMismatch`] when `x` is not `F32`; memory
/// and device errors.
pub fn whiten(x: &Tensor, eps: f64) -> Result<Tensor> {
    const OP: &str = "whiten";
    x.expect_dtype(OP, DType::F32)?;
    let Some(&n) = x.shape().last().filter(|&&n| n > 0) else {
        return Err(Error::shapes(OP, x.shape(), &[], "the last axis must not be empty"));
    };
    if !(1e-7..=1.0).contains(&eps) {
        return Err(Error::invalid(OP, "eps", eps, "must be at least 1e-7 and at most 1"));
    }
    let axis = x.rank() - 1;
    if x.is_empty() {
        return Ok(x.clone());
    }
    let spectrum = x.rfft(axis, None, Norm::Backward)?;
    let magnitude = spectrum.abs()?;
    // The smallest normal number keeps 0 / 0 away from a zero signal.
    let floor = magnitude.reduce(crate::ReduceOp::Max, &[axis])?.affine(eps, f64::from(f32::MIN_POSITIVE))?;
    let factor = magnitude.add(&floor)?.recip()?.to_dtype(DType::C64)?;
    spectrum.mul(&factor)?.irfft(axis, Some(n), Norm::Backward)
}

impl BlockCirculantMatrix {
    /// The largest singular value, in `f64` from the spectra: the DFT of the blocks is unitary, so it is the largest over all
    /// frequencies of the norm of the matrix `w^[., ., k]`, found by power iteration to a relative change below `1e-12` (for a single
    /// circulant block: the largest `|w^[k]|`, exactly).
    ///
    /// # Errors
    /// Device errors.
    pub fn spectral_norm(&self) -> Result<f64> {
        let b = self.block();
        let [m, n] = [self.shape()[0] / b, self.shape()[1] / b];
        let planes = self.spectrum().to_vec::<f32>()?;
        let plane = |i: usize| &planes[i * m * n..][..m * n];
        let zero = vec![0.0f32; m * n];
        let mut largest = 0.0f64;
        for k in 0..b / 2 + 1 {
            let (re, im) = match k {
                0 => (plane(0), &zero[..]),
                k if 2 * k == b => (plane(b - 1), &zero[..]),
                k => (plane(2 * k - 1), plane(2 * k)),
            };
            let matrix: Vec<Complex64> =
                re.iter().zip(im).map(|(&re, &im)| Complex64::new(re.into(), im.into())).collect();
            largest = largest.max(complex_norm(&matrix, n));
        }
        Ok(largest)
    }

    /// The matrix divided by its [`spectral_norm`](Self::spectral_norm); a zero matrix stays zero.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn spectral_normalize(&self) -> Result<Self> {
        let sigma = self.spectral_norm()?;
        if sigma == 0.0 {
            return Ok(self.clone());
        }
        Self::from_first_columns(&self.first_columns().scale(1.0 / sigma)?)
    }
}

/// The largest singular value of a complex matrix with `n` columns, by power iteration.
fn complex_norm(matrix: &[Complex64], n: usize) -> f64 {
    if n == 1 {
        return matrix.iter().map(|c| c.norm_sqr()).sum::<f64>().sqrt();
    }
    let mut v: Vec<Complex64> =
        (0..n).map(|i| Complex64::from_polar(1.0, 2.399_963_229_728_653 * (i * i) as f64)).collect();
    let mut sigma = 0.0f64;
    for _ in 0..10 * ITERATIONS {
        let length = v.iter().map(|c| c.norm_sqr()).sum::<f64>().sqrt();
        if length == 0.0 {
            break;
        }
        v.iter_mut().for_each(|c| *c /= length);
        let mut back = vec![Complex64::default(); n];
        let mut square = 0.0;
        for row in matrix.chunks_exact(n) {
            let u: Complex64 = row.iter().zip(&v).map(|(a, b)| a * b).sum();
            square += u.norm_sqr();
            for (out, a) in back.iter_mut().zip(row) {
                *out += a.conj() * u;
            }
        }
        let next = square.sqrt();
        let change = (next - sigma).abs();
        (sigma, v) = (next, back);
        if change <= 1e-12 * sigma {
            break;
        }
    }
    sigma
}
