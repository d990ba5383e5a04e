//! Gradients beside finite differences.

use fft_core::{Complex32, Complex64, DType, Device, Dims, Error, Result, Tensor};

use super::operation::{Context, Operation};

/// The distance of the points of the difference quotient, relative to operands of about 1.
const STEP: f64 = 1e-3;

/// The largest relative L2 error, over the float and complex operands, of an operation's gradients against central differences of the fourth order. The loss
/// is `Re sum conj(w) y` with random weights `w`. Operands are `F64` or `C128`; the quotient itself is good to about 1e-10.
///
/// # Errors
/// Those of the operation; [`Error::DTypeMismatch`] for operands of lower precision.
pub fn gradient_error(operation: &dyn Operation, inputs: &[Tensor]) -> Result<f64> {
    for low in inputs.iter().map(Tensor::dtype) {
        let rhs = if low.is_complex() { DType::C128 } else { DType::F64 };
        if !low.is_integer() && low != rhs {
            return Err(Error::DTypeMismatch { op: "gradient_error", lhs: low, rhs });
        }
    }
    let (grads, weights) = gradients(operation, inputs)?;
    let weights = numbers(&weights)?;
    let loss = |inputs: &[Tensor]| -> Result<f64> {
        let y = numbers(&operation.forward(inputs)?)?;
        Ok(y.iter().zip(&weights).map(|(y, w)| (w.conj() * y).re).sum())
    };
    let mut worst = 0f64;
    for (i, input) in inputs.iter().enumerate().filter(|(_, t)| differentiable(t)) {
        let missing = || Error::invalid("gradient_error", "gradient", operation.name(), "is missing");
        let grad = grads.get(i).and_then(Option::as_ref).ok_or_else(missing)?;
        if grad.shape() != input.shape() || grad.dtype() != input.dtype() {
            return Err(Error::shapes("gradient_error", grad.shape(), input.shape(), operation.name()));
        }
        let (values, grad) = (numbers(input)?, numbers(grad)?);
        let mut quotients = Vec::with_capacity(values.len());
        for at in 0..values.len() {
            let along = |direction: Complex64| -> Result<f64> {
                let mut sum = 0.0;
                for (steps, weight) in [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)] {
                    let mut moved = values.clone();
                    moved[at] += direction * (steps * STEP);
                    let mut inputs = inputs.to_vec();
                    inputs[i] = tensor(input.device(), &moved, input.shape(), input.dtype())?;
                    sum += weight * loss(&inputs)?;
                }
                Ok(sum / (12.0 * STEP))
            };
            let re = along(Complex64::new(1.0, 0.0))?;
            let im = if input.dtype().is_complex() { along(Complex64::new(0.0, 1.0))? } else { 0.0 };
            quotients.push(Complex64::new(re, im));
        }
        let size: f64 = quotients.iter().map(Complex64::norm_sqr).sum();
        let off: f64 = quotients.iter().zip(&grad).map(|(q, g)| (q - g).norm_sqr()).sum();
        // Where the true gradient vanishes the error stands for itself; NaN must not pass as small.
        let error = (off / if size > 1e-20 { size } else { 1.0 }).sqrt();
        worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
    }
    Ok(worst)
}

fn differentiable(t: &Tensor) -> bool {
    !t.dtype().is_integer()
}

/// The gradients of the loss of [`gradient_error`] in the operands, nothing for integers, and the loss's weights, which depend on nothing but the shape of the
/// result: gradients on two devices can be compared.
///
/// # Errors
/// Those of the operation.
pub fn gradients(operation: &dyn Operation, inputs: &[Tensor]) -> Result<(Vec<Option<Tensor>>, Tensor)> {
    let (output, kept) = operation.forward_keeping(inputs)?;
    let weights = draw(output.device(), output.shape(), 99, output.dtype())?;
    let context = Context {
        name: operation.name(),
        operands: inputs.iter().map(|t| (Dims::from_slice(t.shape()), t.dtype())).collect(),
        inputs: if operation.needs().inputs { inputs.to_vec() } else { Vec::new() },
        output: operation.needs().output.then(|| output.clone()),
        kept,
        wanted: inputs.iter().map(differentiable).collect(),
    };
    Ok((operation.backward(&context, &weights)?, weights))
}

/// The elements as complex numbers.
///
/// # Errors
/// [`Error::Unsupported`] for integers; device errors.
pub fn numbers(t: &Tensor) -> Result<Vec<Complex64>> {
    let real = |x: f64| Complex64::new(x, 0.0);
    match t.dtype() {
        DType::F32 => Ok(t.to_vec::<f32>()?.into_iter().map(|x| real(x.into())).collect()),
        DType::F64 => Ok(t.to_vec::<f64>()?.into_iter().map(real).collect()),
        DType::C64 => {
            let wide = |z: Complex32| Complex64::new(z.re.into(), z.im.into());
            Ok(t.to_vec::<Complex32>()?.into_iter().map(wide).collect())
        }
        _ => t.to_dtype(DType::C128)?.to_vec(),
    }
}

/// A tensor of complex numbers, or of their real parts.
pub(super) fn tensor(device: &Device, values: &[Complex64], shape: &[usize], dtype: DType) -> Result<Tensor> {
    match dtype {
        DType::F32 => {
            let narrow: Vec<f32> = values.iter().map(|z| z.re as f32).collect();
            Tensor::from_slice(device, &narrow, shape)
        }
        DType::C64 => {
            let narrow: Vec<Complex32> =
                values.iter().map(|z| Complex32::new(z.re as f32, z.im as f32)).collect();
            Tensor::from_slice(device, &narrow, shape)
        }
        _ => Tensor::from_slice(device, values, shape)?.to_dtype(dtype),
    }
}

/// Double precision where the device has it.
pub(super) fn real_dtype(device: &Device) -> DType {
    if device.supports(DType::F64) { DType::F64 } else { DType::F32 }
}

/// Numbers whose parts are between 0.3 and 1.3 in magnitude, of either sign: off the kinks and poles at 0. SplitMix64 (Steele, Lea and Flood
/// 2014).
pub(super) fn draw(device: &Device, shape: &[usize], seed: u64, dtype: DType) -> Result<Tensor> {
    let mut state = seed;
    let mut part = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let magnitude = 0.3 + (z >> 12) as f64 / (1u64 << 52) as f64;
        if z & 1 == 0 { magnitude } else { -magnitude }
    };
    let values: Vec<Complex64> =
        (0..shape.iter().product()).map(|_| Complex64::new(part(), part())).collect();
    tensor(device, &values, shape, dtype)
}

/// A real tensor by [`draw`].
pub(super) fn real(device: &Device, shape: &[usize], seed: u64) -> Result<Tensor> {
    draw(device, shape, seed, real_dtype(device))
}

/// A complex tensor by [`draw`].
pub(super) fn complex(device: &Device, shape: &[usize], seed: u64) -> Result<Tensor> {
    draw(device, shape, seed, real_dtype(device).to_complex())
}
