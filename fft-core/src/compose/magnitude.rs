//! Functions of complex numbers that change magnitudes and keep phases, and their ways back.
//!
//! The gradient in a complex number `z` is `G` with `dL = Re(conj(G) dz)`.

use crate::{ReduceOp, Result, Tensor};

/// `1 / |z|`, 0 where that is not finite.
fn over_magnitude(z: &Tensor) -> Result<Tensor> {
    let over = z.abs()?.recip()?;
    let [zero, infinity] = [0.0, f64::INFINITY].map(|x| Tensor::full(z.device(), &[], over.dtype(), x));
    Tensor::select(&over.eq(&infinity?)?, &zero?, &over)
}

/// A complex tensor times a real one.
fn scaled(z: &Tensor, factor: &Tensor) -> Result<Tensor> {
    z.mul(&factor.to_dtype(z.dtype())?)
}

/// The sum of rows along the last axis.
fn sum_rows(x: &Tensor) -> Result<Tensor> {
    let last = x.rank() - 1;
    let axes: Vec<usize> = (0..last).collect();
    x.reduce(ReduceOp::Sum, &axes)?.reshape(&x.shape()[last..])
}

/// `max(|z| + bias, 0) z / |z|`, 0 where `1 / |z|` is not finite (modReLU, Arjovsky, Shah and Bengio 2016). `z` is complex `[.., n]`, `bias` real `[n]`.
///
/// # Errors
/// Memory and device errors.
pub fn mod_relu(z: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let magnitude = z.abs()?.add(bias)?.relu()?;
    scaled(&scaled(z, &over_magnitude(z)?)?, &magnitude)
}

/// The gradients in `z` and `bias` from that in the result of [`mod_relu`].
///
/// With `u = z / |z|`, `m = max(|z| + bias, 0)`, its slope `s` (0 at the kink) and `a = Re(conj(u) grad)`: `(grad - u a) m / |z| + u a s`, and the sum over rows
/// of `a s`.
///
/// # Errors
/// Memory and device errors.
pub fn mod_relu_backward(z: &Tensor, bias: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
    let over = over_magnitude(z)?;
    let u = scaled(z, &over)?;
    let shifted = z.abs()?.add(bias)?;
    let zero = Tensor::zeros(z.device(), &[], shifted.dtype())?;
    let along = grad.mul_conj(&u)?.real()?;
    let passed = Tensor::select(&zero.lt(&shifted)?, &along, &zero)?;
    let across = scaled(&grad.sub(&scaled(&u, &along)?)?, &shifted.relu()?.mul(&over)?)?;
    Ok([across.add(&scaled(&u, &passed)?)?, sum_rows(&passed)?])
}

/// `1 / sqrt(mean |z|^2 + eps)` over the last axis, which stays with length 1.
fn factor(z: &Tensor, eps: f64) -> Result<Tensor> {
    z.abs_squared()?.reduce(ReduceOp::Mean, &[z.rank() - 1])?.affine(1.0, eps)?.rsqrt()
}

/// `weight z / sqrt(mean |z|^2 + eps)`, the mean over the last axis. `z` is complex `[.., n]`, `weight` real `[n]`.
///
/// # Errors
/// Memory and device errors.
pub fn magnitude_norm(z: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    scaled(z, &factor(z, eps)?.mul(weight)?)
}

/// The gradients in `z` and `weight` from that in the result of [`magnitude_norm`].
///
/// With `r = 1 / sqrt(mean |z|^2 + eps)`, `h = z r` and `p = Re(conj(h) grad)`: `r (weight grad - h mean(weight p))`, and the sum over rows of `p`.
///
/// # Errors
/// Memory and device errors.
pub fn magnitude_norm_backward(z: &Tensor, weight: &Tensor, grad: &Tensor, eps: f64) -> Result<[Tensor; 2]> {
    let r = factor(z, eps)?;
    let h = scaled(z, &r)?;
    let p = grad.mul_conj(&h)?.real()?;
    let along = p.mul(weight)?.reduce(ReduceOp::Mean, &[z.rank() - 1])?;
    let of_z = scaled(&scaled(grad, weight)?.sub(&scaled(&h, &along)?)?, &r)?;
    Ok([of_z, sum_rows(&p)?])
}
