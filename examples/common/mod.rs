//! What the examples that train share.

use fft_tensor::nn::autograd::Var;
use fft_tensor::nn::layers::Scope;
use fft_tensor::nn::optim::{AdamW, AdamWOptions, Decay, Optimiser, Schedule};
use fft_tensor::{DType, Result, default_device};

/// The outermost scope of a model in single precision, on the device that `FFT_TENSOR_DEVICE` names.
pub(crate) fn model(seed: u64) -> Result<Scope> {
    Scope::new(&default_device()?, DType::F32, seed)
}

/// Minimises the loss of each step by steps of AdamW without decay, whose rate falls to a hundredth along half a cosine; prints the loss ten times.
pub(crate) fn train(
    scope: &Scope,
    rate: f64,
    steps: usize,
    mut loss: impl FnMut(usize) -> Result<Var>,
) -> Result<()> {
    let options = AdamWOptions { rate, weight_decay: 0.0, ..AdamWOptions::default() };
    let mut optimiser = AdamW::new(&scope.parameters(), options)?;
    let schedule = Schedule::new(Decay::Cosine, 0, steps.max(1) as u64, 0.01)?;
    scope.mode().train();
    for step in 0..steps {
        let loss = loss(step)?;
        loss.backward()?;
        optimiser.set_rate_factor(schedule.factor(step as u64));
        optimiser.step()?;
        optimiser.zero_grad();
        if step % steps.div_ceil(10) == 0 || step + 1 == steps {
            println!("  step {:>5} of {steps}: loss {:.4}", step + 1, loss.value().to_scalar::<f32>()?);
        }
    }
    scope.mode().eval();
    Ok(())
}
