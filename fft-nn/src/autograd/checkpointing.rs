//! Recomputing instead of remembering.

use std::sync::Mutex;

use fft_core::{Result, Tensor};

use super::operation::{Context, Operation};
use super::random::{recorded, replayed};
use super::var::{Var, lock, no_grad, recording};

/// A part of a computation that keeps its operands only, and the seeds that it drew.
struct Checkpoint<F> {
    part: F,
    seeds: Mutex<Vec<u64>>,
}

impl<F> std::fmt::Debug for Checkpoint<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checkpoint")
    }
}

impl<F: Fn(&[Var]) -> Result<Var> + Send + Sync + 'static> Operation for Checkpoint<F> {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let constants: Vec<Var> = inputs.iter().cloned().map(Var::constant).collect();
        let (result, seeds) = recorded(|| no_grad(|| (self.part)(&constants)));
        *lock(&self.seeds) = seeds;
        Ok(result?.value())
    }

    /// Computes once more, with a history, and takes it back at once: the gradients of what the function captures are added there and then.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let operand = |i: usize| {
            let value = context.input(i)?.clone();
            Ok(if context.wants(i) { Var::leaf(value) } else { Var::constant(value) })
        };
        let operands: Vec<Var> = (0..context.operands()).map(operand).collect::<Result<_>>()?;
        let seeds = std::mem::take(&mut *lock(&self.seeds));
        let result = replayed(seeds, || recording(true, || (self.part)(&operands)))?;
        if result.needs_grad() {
            result.backward_from(grad.clone())?;
        }
        let zeros = |v: &Var| Tensor::zeros(&v.device(), &v.shape(), v.dtype());
        let own = |v: &Var| match (v.needs_grad(), v.grad()) {
            (false, _) => Ok(None),
            (true, Some(grad)) => Ok(Some(grad)),
            // An operand that the result does not depend on.
            (true, None) => zeros(v).map(Some),
        };
        operands.iter().map(own).collect()
    }
}

/// `part(inputs)`, of which only the inputs are kept for the way back: there it is computed again. Gradients are the same bits, memory is less, a forward
/// pass more is spent (Chen et al. 2016).
///
/// `part` may capture parameters and layers; what it computes must depend on these, its inputs and randomness of [`Seeds`](super::Seeds) alone.
///
/// # Errors
/// Those of `part`.
pub fn checkpoint(
    part: impl Fn(&[Var]) -> Result<Var> + Send + Sync + 'static,
    inputs: &[&Var],
) -> Result<Var> {
    Var::apply_always(Checkpoint { part, seeds: Mutex::default() }, inputs)
}
