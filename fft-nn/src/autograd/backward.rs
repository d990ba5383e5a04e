//! The way back.

use std::collections::BTreeMap;

use fft_core::{Error, Result, Tensor};

use super::var::{Var, lock, no_grad};

const OP: &str = "backward";

impl Var {
    /// Adds the gradient of this real scalar to every leaf that it was computed from and that needs one, and frees the
    /// history.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when it is not a single number; [`Error::DTypeMismatch`] when it is not real;
    /// [`Error::InvalidArgument`] when no history was recorded, or it was freed by a backward pass before; [`Error::Unsupported`] through an
    /// operation without a derivative; memory and device errors.
    pub fn backward(&self) -> Result<()> {
        let value = self.value();
        if value.len() != 1 {
            let reason = "a loss is one number; give the gradient of anything else to backward_from";
            return Err(Error::shapes(OP, value.shape(), &[], reason));
        }
        if value.dtype().is_complex() || value.dtype().is_integer() {
            return Err(Error::DTypeMismatch { op: OP, lhs: value.dtype(), rhs: value.dtype().to_real() });
        }
        self.backward_from(Tensor::full(value.device(), value.shape(), value.dtype(), 1.0)?)
    }

    /// Adds the gradient of `Re sum conj(grad) self` to every leaf, and frees the history: the way back from the middle of a
    /// computation, where `grad` is the gradient of a loss in this variable.
    ///
    /// # Errors
    /// As [`backward`](Self::backward); mismatches of shape or dtype between the variable and `grad`.
    pub fn backward_from(&self, grad: Tensor) -> Result<()> {
        let value = self.value();
        if grad.shape() != value.shape() {
            return Err(Error::shapes(
                OP,
                grad.shape(),
                value.shape(),
                "a gradient has its variable's shape",
            ));
        }
        if grad.dtype() != value.dtype() {
            return Err(Error::DTypeMismatch { op: OP, lhs: grad.dtype(), rhs: value.dtype() });
        }
        if !self.needs_grad() {
            let reason = "nothing that it was computed from needs a gradient, or nothing was recorded";
            return Err(Error::invalid(OP, "variable", self, reason));
        }
        no_grad(|| walk(self, grad))
    }
}

/// Variables in the order of their making, latest first: when one is reached, all that were computed from it have been.
fn walk(from: &Var, grad: Tensor) -> Result<()> {
    let mut waiting: BTreeMap<u64, (Var, Tensor)> = BTreeMap::new();
    waiting.insert(from.0.id, (from.clone(), grad));
    while let Some((_, (var, mut grad))) = waiting.pop_last() {
        // Hooks may touch the tape, this variable's hooks too: no lock is held while they run.
        let hooks = lock(&var.0.hooks).clone();
        for hook in hooks {
            if let Some(other) = hook(&grad)? {
                check(&var, "hook", &other)?;
                grad = other;
            }
        }
        let Some(step) = &var.0.step else {
            var.add_grad(grad)?;
            continue;
        };
        let name = step.operation.name();
        let context = lock(&step.context).take().ok_or_else(|| {
            let reason = "its history was freed by a backward pass before; compute it again";
            Error::invalid(OP, "graph", name, reason)
        })?;
        let grads = step.operation.backward(&context, &grad)?;
        for ((parent, grad), wanted) in step.parents.iter().zip(grads).zip(&context.wanted) {
            if !wanted {
                continue;
            }
            let grad = grad.ok_or_else(|| {
                Error::invalid(
                    OP,
                    "gradient",
                    name,
                    "the operation returned none for an operand that needs one",
                )
            })?;
            check(parent, name, &grad)?;
            let sum = match waiting.remove(&parent.0.id) {
                None => grad,
                Some((_, other)) => other.add(&grad)?,
            };
            waiting.insert(parent.0.id, (parent.clone(), sum));
        }
    }
    Ok(())
}

/// A gradient of the wrong shape would otherwise broadcast, and be wrong in silence.
fn check(var: &Var, name: &'static str, grad: &Tensor) -> Result<()> {
    let value = var.value();
    if grad.shape() != value.shape() {
        let reason = format!("{name} returned a gradient of another shape than its operand");
        return Err(Error::shapes(OP, grad.shape(), value.shape(), reason));
    }
    if grad.dtype() != value.dtype() {
        return Err(Error::DTypeMismatch { op: name, lhs: grad.dtype(), rhs: value.dtype() });
    }
    Ok(())
}
