//! What the examples that train share.

use std::f64::consts::PI;

use fft_tensor::nn::autograd::Var;
use fft_tensor::nn::layers::Scope;
use fft_tensor::optimise::AdamWStep;
use fft_tensor::{CpuOptions, DType, Device, OpenDevice, Result, Tensor};

/// The outermost scope of a model in single precision on the processor.
pub(crate) fn model(seed: u64) -> Result<Scope> {
    Scope::new(&Device::cpu(CpuOptions::default())?, DType::F32, seed)
}

/// Minimises the loss of each step by steps of AdamW without decay, whose rate falls to a hundredth along half a cosine; prints the loss ten times.
pub(crate) fn train(
    scope: &Scope,
    rate: f64,
    steps: usize,
    mut loss: impl FnMut(usize) -> Result<Var>,
) -> Result<()> {
    // Each parameter with the running means of its gradient and of its square.
    let mut slots = Vec::new();
    for parameter in scope.parameters().iter().filter(|p| p.is_trained()) {
        let value = parameter.var().value();
        let zeros = || Tensor::zeros(value.device(), value.shape(), value.dtype());
        slots.push((parameter.var().clone(), zeros()?, zeros()?));
    }
    scope.mode().train();
    for step in 0..steps {
        let loss = loss(step)?;
        loss.backward()?;
        let way = step as f64 / steps as f64;
        let rate = rate * (0.01 + 0.99 * 0.5 * (1.0 + (PI * way).cos()));
        let change = AdamWStep { rate, weight_decay: 0.0, step: step as u64 + 1, ..AdamWStep::default() };
        for (parameter, mean, square) in &mut slots {
            let Some(grad) = parameter.grad() else { continue };
            parameter.update(|value| value.adamw_step(&grad, mean, square, &change))?;
            parameter.set_grad(None);
        }
        if step % steps.div_ceil(10) == 0 || step + 1 == steps {
            println!("  step {:>5} of {steps}: loss {:.4}", step + 1, loss.value().to_scalar::<f32>()?);
        }
    }
    scope.mode().eval();
    Ok(())
}
