//! Steps of optimisers, in place.

use crate::optimise::{AdamWStep, SgdStep};
use crate::{DType, Error, Result, Tensor};

impl Tensor {
    /// Checks that the tensors of a step go with this parameter.
    fn expect_step(&self, op: &'static str, others: &[&Tensor]) -> Result<()> {
        if !matches!(self.dtype(), DType::F32 | DType::F64 | DType::C64 | DType::C128) {
            return Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::F32 });
        }
        for other in others {
            self.same_device(op, other)?;
            other.expect_dtype(op, self.dtype())?;
            if other.shape() != self.shape() {
                return Err(Error::shapes(op, other.shape(), self.shape(), "they must be equal"));
            }
        }
        Ok(())
    }

    /// A step of AdamW on this parameter: `mean` and `square` hold the running means of its gradients and their squares, zeros before the
    /// first step. With `g = grad_scale grad`: `mean = beta1 mean + (1 - beta1) g`, `square = beta2 square + (1 - beta2) g^2`, and
    /// `self = (1 - rate weight_decay) self - rate mean' / (sqrt(square') + eps)` with means corrected for their start at 0. The two parts
    /// of a complex number are two real parameters. `F32`, `F64`, `C64` or `C128`.
    ///
    /// In place: no other tensor changes, and a buffer that others share is copied first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for step 0; mismatches of shape, dtype or device: the tensors are then as they were. Memory and device
    /// errors, after which their elements are unspecified.
    pub fn adamw_step(
        &mut self,
        grad: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
        step: &AdamWStep,
    ) -> Result<()> {
        const OP: &str = "adamw_step";
        self.expect_step(OP, &[grad, mean, square])?;
        if step.step == 0 {
            return Err(Error::invalid(OP, "step", step.step, "steps are counted from 1"));
        }
        let device = self.device().clone();
        device.adamw_step(self, grad, mean, square, step)
    }

    /// A step of gradient descent on this parameter; `velocity` is what momentum needs, zeros before the first step. With
    /// `g = grad_scale grad + weight_decay self`: `velocity = momentum velocity + g`, and `self -= rate velocity`, or by Nesterov
    /// `self -= rate (g + momentum velocity)`; without a velocity `self -= rate g`. `F32`, `F64`, `C64` or `C128`.
    ///
    /// In place: no other tensor changes, and a buffer that others share is copied first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a momentum without a velocity; mismatches of shape, dtype or device: the tensors are then as they were.
    /// Memory and device errors, after which their elements are unspecified.
    pub fn sgd_step(&mut self, grad: &Tensor, velocity: Option<&mut Tensor>, step: &SgdStep) -> Result<()> {
        const OP: &str = "sgd_step";
        self.expect_step(OP, &[grad])?;
        match &velocity {
            Some(velocity) => self.expect_step(OP, &[velocity])?,
            None if step.momentum != 0.0 => {
                return Err(Error::invalid(OP, "momentum", step.momentum, "needs a velocity"));
            }
            None => {}
        }
        let device = self.device().clone();
        device.sgd_step(self, grad, velocity, step)
    }

    /// The sum of `|x|^2` over all elements: a real tensor without axes. Float and complex.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] for integers; memory and device errors.
    pub fn sum_of_squares(&self) -> Result<Self> {
        if self.dtype().is_integer() {
            return Err(Error::DTypeMismatch { op: "sum_of_squares", lhs: self.dtype(), rhs: DType::F32 });
        }
        self.device().sum_of_squares(self)
    }
}
