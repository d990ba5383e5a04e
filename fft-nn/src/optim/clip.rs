//! The norm of all gradients together, and its bound.

use fft_core::{DType, Error, Result, Tensor};

use crate::layers::Parameter;

/// The L2 norm of all gradients together (of a complex number, `|z|^2` counts); 0 without gradients.
///
/// # Errors
/// Memory and device errors.
pub fn grad_norm<'a>(parameters: impl IntoIterator<Item = &'a Parameter>) -> Result<f64> {
    let squares = sums_of_squares(parameters.into_iter().filter_map(|p| p.var().grad()))?;
    Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
}

/// The sum of `|x|^2` of each tensor, all read at once: their device is waited for only here.
///
/// # Errors
/// Memory and device errors.
pub(crate) fn sums_of_squares(tensors: impl Iterator<Item = Tensor>) -> Result<Vec<f32>> {
    let squares = tensors.map(|t| t.sum_of_squares()?.to_dtype(DType::F32)?.reshape(&[1]));
    let squares: Vec<Tensor> = squares.collect::<Result<_>>()?;
    if squares.is_empty() { Ok(Vec::new()) } else { Tensor::cat(&squares, 0)?.to_vec() }
}

/// What gradients of this norm are multiplied by so that it is at most `most`; as PyTorch, a little below.
pub(crate) fn clip_factor(norm: f64, most: f64) -> f64 {
    if norm.is_finite() && norm > most { most / (norm + 1e-6) } else { 1.0 }
}

/// Scales all gradients by one factor so that their [norm](grad_norm) is at most `most` (Pascanu et al. 2013), and returns the norm before. Gradients whose
/// norm is not finite stay as they are.
///
/// # Errors
/// [`Error::InvalidArgument`] unless `most` is above 0; memory and device errors.
pub fn clip_grad_norm(parameters: &[Parameter], most: f64) -> Result<f64> {
    if most.is_nan() || most <= 0.0 {
        return Err(Error::invalid("clip_grad_norm", "most", most, "must be above 0"));
    }
    let norm = grad_norm(parameters)?;
    let factor = clip_factor(norm, most);
    if factor < 1.0 {
        for var in parameters.iter().map(Parameter::var) {
            if let Some(grad) = var.grad() {
                var.set_grad(Some(grad.scale(factor)?));
            }
        }
    }
    Ok(norm)
}
