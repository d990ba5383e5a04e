//! Gradients: every operation against finite differences, cases computed by PyTorch, and the rules of the tape.

use fft_core::convolution::ConvSpec;
use fft_core::{Complex32, DType, Device, Error, Norm, Result, Tensor, UnaryOp};
use fft_nn::autograd::{Var, check, checkpoint, no_grad, ops, registry};

fn cpu() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), memory_limit: None }).unwrap()
}

/// The quotient of the fourth order with steps of 1e-3 leaves about 1e-11 of smooth functions of order 1.
const BOUND: f64 = 1e-8;

#[test]
fn every_operation_agrees_with_finite_differences() {
    let device = cpu();
    for registered in registry() {
        let samples = (registered.samples)(&device).unwrap();
        assert!(!samples.is_empty(), "{} has no samples", registered.name);
        for sample in samples {
            let error = check::gradient_error(&*sample.operation, &sample.inputs);
            let error = error.unwrap_or_else(|e| panic!("{:?}: {e}", sample.operation));
            let shapes: Vec<_> = sample.inputs.iter().map(|t| (t.shape(), t.dtype())).collect();
            assert!(error < BOUND, "{:?} of {shapes:?}: {error:e}", sample.operation);
        }
    }
}

fn scalar(device: &Device, x: f64) -> Var {
    Var::leaf(Tensor::scalar(device, x).unwrap())
}

fn grad(x: &Var) -> f64 {
    x.grad().unwrap().to_scalar().unwrap()
}

#[test]
fn gradients_add_up_over_uses_and_passes() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 3.0);
    let y = x.mul(&x)?.add(&x)?;
    y.backward()?;
    assert_eq!(grad(&x), 7.0);
    x.mul(&x)?.backward()?;
    assert_eq!(grad(&x), 13.0);
    x.set_grad(None);
    assert!(x.grad().is_none());
    Ok(())
}

#[test]
fn a_pass_frees_its_history() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 2.0);
    let shared = x.square()?;
    let (a, b) = (shared.scale(3.0)?, shared.scale(5.0)?);
    a.backward()?;
    let message = b.backward().unwrap_err().to_string();
    assert!(message.contains("freed") && message.contains("unary"), "{message}");
    Ok(())
}

#[test]
fn detached_and_unrecorded_values_stop_the_way_back() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 2.0);
    let y = x.square()?.detach().mul(&x)?;
    y.backward()?;
    assert_eq!(grad(&x), 4.0);
    let z = no_grad(|| x.square())?;
    assert!(!z.needs_grad() && z.is_leaf());
    let message = z.backward().unwrap_err().to_string();
    assert!(message.contains("backward") && message.contains("recorded"), "{message}");
    Ok(())
}

#[test]
fn what_has_no_gradient_is_an_error() -> Result<()> {
    let device = cpu();
    let x = Var::leaf(Tensor::from_slice(&device, &[1f64, 2.0], &[2])?);
    assert!(x.square()?.backward().unwrap_err().to_string().contains("one number"));
    assert!(
        x.round()?.sum_all()?.backward().unwrap_err().to_string().contains("round is not differentiable")
    );
    let spectrum = x.fftn(&[0], None, Norm::Backward)?.sum_all()?;
    assert!(spectrum.backward().unwrap_err().to_string().contains("dtypes"));
    Ok(())
}

#[test]
fn hooks_see_and_replace_gradients() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 2.0);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let y = x.square()?;
    let log = std::sync::Arc::clone(&seen);
    y.on_grad(move |g| {
        log.lock().unwrap().push(g.to_scalar::<f64>()?);
        Ok(Some(g.scale(10.0)?))
    });
    y.scale(3.0)?.backward()?;
    assert_eq!(*seen.lock().unwrap(), [3.0]);
    assert_eq!(grad(&x), 120.0);
    let z = scalar(&device, 1.0);
    z.on_grad(|g| Ok(Some(g.reshape(&[1, 1])?)));
    assert!(z.scale(2.0)?.backward().unwrap_err().to_string().contains("another shape"));
    Ok(())
}

#[test]
fn hooks_may_touch_the_tape() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 2.0);
    let own = x.clone();
    x.on_grad(move |_| {
        own.on_grad(|g| Ok(Some(g.scale(2.0)?)));
        own.grad().map(|sum| sum.scale(10.0)).transpose()
    });
    // A hook of a hook is called from the next pass on.
    x.scale(3.0)?.backward()?;
    assert_eq!(grad(&x), 3.0);
    x.scale(3.0)?.backward()?;
    assert_eq!(grad(&x), 3.0 + 2.0 * 30.0);
    Ok(())
}

#[test]
fn ties_share_their_gradient() -> Result<()> {
    let device = cpu();
    let leaf = |values: [f64; 4]| Ok(Var::leaf(Tensor::from_slice(&device, &values, &[4])?));
    for (larger, want) in [
        (true, [[0.0, 1.5, 1.0, 3.0], [2.0, 1.5, 1.0, 0.0]]),
        (false, [[2.0, 1.5, 1.0, 0.0], [0.0, 1.5, 1.0, 3.0]]),
    ] {
        let (a, b) = (leaf([1.0, 2.0, -0.0, 4.0])?, leaf([3.0, 2.0, 0.0, -1.0])?);
        let y = if larger { a.maximum(&b)? } else { a.minimum(&b)? };
        y.backward_from(Tensor::from_slice(&device, &[2.0, 3.0, 2.0, 3.0], &[4])?)?;
        for (x, want) in [a, b].iter().zip(want) {
            assert_eq!(x.grad().unwrap().to_vec::<f64>()?, want, "larger: {larger}");
        }
    }
    // One against many, as in a rectifier: half of each tie comes back to the one.
    let (many, zero) = (leaf([0.0, -1.0, 0.0, 2.0])?, scalar(&device, 0.0));
    many.maximum(&zero)?.sum_all()?.backward()?;
    assert_eq!(many.grad().unwrap().to_vec::<f64>()?, [0.5, 0.0, 0.5, 1.0]);
    assert_eq!(grad(&zero), 2.0);
    Ok(())
}

#[test]
fn slopes_at_the_ends_of_the_range_are_finite() -> Result<()> {
    let device = cpu();
    let leaf = |values: &[f64]| Ok(Var::leaf(Tensor::from_slice(&device, values, &[values.len()])?));
    // Powers of 0, as PyTorch has them: 0^0 is constant in either operand.
    let x = leaf(&[0.0, 3.0])?;
    x.powf(0.0)?.sum_all()?.backward()?;
    assert_eq!(x.grad().unwrap().to_vec::<f64>()?, [0.0, 0.0]);
    let (a, b) = (leaf(&[0.0, 0.0, 2.0, 2.0])?, leaf(&[0.0, 2.0, -1.0, 0.0])?);
    a.pow(&b)?.sum_all()?.backward()?;
    let ln = 2f64.ln();
    assert_eq!(a.grad().unwrap().to_vec::<f64>()?, [0.0, 0.0, -0.25, 0.0]);
    assert_eq!(b.grad().unwrap().to_vec::<f64>()?, [0.0, 0.0, 0.5 * ln, ln]);
    // The square of a small magnitude is 0 in single precision, the reciprocal of a smaller one infinite.
    let z = |re| Ok(Var::leaf(Tensor::from_slice(&device, &[Complex32::new(re, 0.0)], &[1])?));
    let number = |x: &Var| x.grad().unwrap().to_scalar::<Complex32>();
    let small = z(1e-30)?;
    small.abs()?.sum_all()?.backward()?;
    assert!((number(&small)? - 1.0).norm() < 1e-6);
    let small = z(1e-30)?;
    small.arg()?.scale(1e-30)?.sum_all()?.backward()?;
    assert!((number(&small)? - Complex32::I).norm() < 1e-6);
    for function in [Var::abs, Var::arg, |z: &Var| z.phasor()?.real()] {
        let smallest = z(1e-44)?;
        let y = function(&smallest)?;
        y.sum_all()?.backward()?;
        assert!(y.value().to_scalar::<f32>()?.is_finite());
        assert_eq!(number(&smallest)?, Complex32::ZERO);
    }
    Ok(())
}

#[test]
fn a_bias_that_does_not_fit_is_named() -> Result<()> {
    let device = cpu();
    let zeros = |shape: &[usize]| Ok::<_, Error>(Var::leaf(Tensor::zeros(&device, shape, DType::F64)?));
    let (x, weight, bias) = (zeros(&[1, 2, 4])?, zeros(&[3, 2, 2])?, zeros(&[2])?);
    let message = x.conv(&weight, Some(&bias), &ConvSpec::new(1)).unwrap_err().to_string();
    assert!(message.starts_with("conv: shapes [2] and [3]") && message.contains("bias"), "{message}");
    let y = zeros(&[1, 3, 4])?;
    let message =
        y.conv_transpose(&weight, Some(&zeros(&[3])?), &ConvSpec::new(1), &[0]).unwrap_err().to_string();
    assert!(
        message.starts_with("conv_transpose: shapes [3] and [2]") && message.contains("bias"),
        "{message}"
    );
    Ok(())
}

#[test]
fn low_precision_is_no_measure_of_gradients() -> Result<()> {
    let device = cpu();
    for (low, high) in [(DType::F32, DType::F64), (DType::C64, DType::C128), (DType::F16, DType::F64)] {
        let x = Tensor::from_slice(&device, &[1f64, 2.0], &[2])?.to_dtype(low)?;
        let sample = ops::elementwise::Unary(UnaryOp::Neg);
        match check::gradient_error(&sample, &[x]) {
            Err(Error::DTypeMismatch { op: "gradient_error", lhs, rhs }) => {
                assert_eq!((lhs, rhs), (low, high))
            }
            other => panic!("{low}: {other:?}"),
        }
    }
    Ok(())
}

#[test]
fn long_histories_neither_overflow_nor_leak() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 1.0);
    let held = device.memory().usage().reservations;
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = y.affine(1.0, 0.0)?;
    }
    y.backward()?;
    assert_eq!(grad(&x), 1.0);
    drop(y);
    x.set_grad(None);
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = y.affine(1.0, 0.0)?;
    }
    drop(y);
    assert_eq!(device.memory().usage().reservations, held);
    Ok(())
}

#[test]
fn optimisers_do_not_disturb_recorded_values() -> Result<()> {
    let device = cpu();
    let x = scalar(&device, 3.0);
    let y = x.square()?;
    x.set_value(Tensor::scalar(&device, 100f64)?)?;
    y.backward()?;
    assert_eq!(grad(&x), 6.0);
    assert!(y.set_value(Tensor::scalar(&device, 1f64)?).is_err());
    assert!(x.set_value(Tensor::scalar(&device, 1f64)?.to_dtype(DType::F32)?).is_err());
    Ok(())
}

#[test]
fn checkpoints_change_memory_and_not_gradients() -> Result<()> {
    let device = cpu();
    let n = 1 << 14;
    let data: Vec<f32> = (0..n).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
    let run = |checkpointed: bool| -> Result<(Vec<f32>, Vec<f32>, usize)> {
        let x = Var::leaf(Tensor::from_slice(&device, &data, &[n])?);
        let weight = Var::leaf(Tensor::from_slice(&device, &[0.9f32], &[1])?);
        device.memory().reset_peak();
        let before = device.memory().usage().in_use;
        let mut y = x.clone();
        for _ in 0..8 {
            let weight = weight.clone();
            let block = move |v: &[Var]| v[0].mul(&weight)?.sin()?.exp()?.tanh()?.square()?.cos();
            y = if checkpointed { checkpoint(block, &[&y])? } else { block(&[y])? };
        }
        y.sum_all()?.backward()?;
        let peak = device.memory().usage().peak - before;
        let grad = |v: &Var| v.grad().expect("it needs one").to_vec::<f32>();
        Ok((grad(&x)?, grad(&weight)?, peak))
    };
    let (plain, less) = (run(false)?, run(true)?);
    assert!(plain.0 == less.0 && plain.1 == less.1, "the same bits");
    assert!(less.2 * 2 < plain.2, "{} bytes against {}", less.2, plain.2);
    // Only what the part captures needs a gradient.
    let weight = scalar(&device, 3.0);
    let own = weight.clone();
    let data = Var::constant(Tensor::scalar(&device, 2f64)?);
    checkpoint(move |v| v[0].mul(&own), &[&data])?.backward()?;
    assert_eq!(grad(&weight), 2.0);
    Ok(())
}
