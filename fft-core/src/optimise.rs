//! What one step of an optimiser does to a parameter.

/// A step of AdamW (Loshchilov and Hutter 2019), with the formulas and defaults of PyTorch; see [`Tensor::adamw_step`](crate::Tensor::adamw_step).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// The learning rate.
    pub rate: f64,
    /// How much of the mean gradient stays.
    pub beta1: f64,
    /// How much of the mean square stays.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// The decoupled weight decay: the parameter is first multiplied by `1 - rate * weight_decay`.
    pub weight_decay: f64,
    /// The number of this step, from 1: the means of the first steps are corrected for their start at 0.
    pub step: u64,
    /// A factor on the gradient, for clipping and for sums over several batches.
    pub grad_scale: f64,
}

impl Default for AdamWStep {
    fn default() -> Self {
        let (rate, beta1, beta2, eps) = (1e-3, 0.9, 0.999, 1e-8);
        Self { rate, beta1, beta2, eps, weight_decay: 1e-2, step: 1, grad_scale: 1.0 }
    }
}

impl AdamWStep {
    /// The factor on the mean gradient, `rate / (1 - beta1^step)`, and that on the root of the mean square, `1 / sqrt(1 - beta2^step)`.
    pub fn corrections(&self) -> (f64, f64) {
        let rest = |beta: f64| 1.0 - beta.powf(self.step as f64);
        (self.rate / rest(self.beta1), 1.0 / rest(self.beta2).sqrt())
    }
}

/// A step of gradient descent, with the formulas of PyTorch; see [`Tensor::sgd_step`](crate::Tensor::sgd_step).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// The learning rate.
    pub rate: f64,
    /// How much of the velocity stays.
    pub momentum: f64,
    /// Whether the step looks ahead along the velocity (Nesterov 1983).
    pub nesterov: bool,
    /// Times the parameter is added to the gradient.
    pub weight_decay: f64,
    /// A factor on the gradient, for clipping and for sums over several batches.
    pub grad_scale: f64,
}

impl Default for SgdStep {
    fn default() -> Self {
        Self { rate: 1e-3, momentum: 0.0, nesterov: false, weight_decay: 0.0, grad_scale: 1.0 }
    }
}
