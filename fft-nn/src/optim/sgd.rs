//! Stochastic gradient descent.

use fft_core::optimise::SgdStep;
use fft_core::{Result, Tensor};

use super::groups::{self, Group, Optimiser, expect};
use crate::layers::Parameter;

const OP: &str = "Sgd";
const NAMES: [&str; 1] = ["velocity"];

/// The numbers of [`Sgd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdOptions {
    /// The learning rate. Default: 1e-2.
    pub rate: f64,
    /// How much of the last direction is kept with each step. Default: 0.
    pub momentum: f64,
    /// Whether the step looks ahead along the momentum (Nesterov 1983). Default: no.
    pub nesterov: bool,
    /// The share of a parameter that is added to its gradient. Default: 0.
    pub weight_decay: f64,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self { rate: 1e-2, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// Gradient descent with momentum, as in PyTorch without dampening: `v = momentum v + grad`, `p = p - rate v`.
#[derive(Debug)]
pub struct Sgd {
    groups: Vec<Group<SgdOptions>>,
    factor: f64,
}

impl Sgd {
    /// An optimiser of the trained ones among `parameters`, all with the same options.
    ///
    /// # Errors
    /// As [`with_groups`](Self::with_groups).
    pub fn new(parameters: &[Parameter], options: SgdOptions) -> Result<Self> {
        Self::with_groups(vec![(parameters.to_vec(), options)])
    }

    /// An optimiser of groups of parameters, each with its options.
    ///
    /// # Errors
    /// As [`AdamW::with_groups`](super::AdamW::with_groups).
    pub fn with_groups(groups: Vec<(Vec<Parameter>, SgdOptions)>) -> Result<Self> {
        for (_, o) in &groups {
            expect(OP, "rate", o.rate, o.rate >= 0.0, "must be at least 0")?;
            expect(OP, "momentum", o.momentum, (0.0..1.0).contains(&o.momentum), "must be in [0, 1)")?;
            expect(OP, "weight_decay", o.weight_decay, o.weight_decay >= 0.0, "must be at least 0")?;
        }
        Ok(Self { groups: groups::groups(OP, groups, NAMES.len())?, factor: 1.0 })
    }
}

impl Optimiser for Sgd {
    fn step_scaled(&mut self, scale: f64) -> Result<()> {
        groups::prepare(OP, &mut self.groups)?;
        for group in &mut self.groups {
            let SgdOptions { rate, momentum, nesterov, weight_decay } = group.options;
            let step =
                SgdStep { rate: rate * self.factor, momentum, nesterov, weight_decay, grad_scale: scale };
            for slot in &mut group.slots {
                let Some(grad) = slot.parameter.var().grad() else { continue };
                let velocity = slot.memory.first_mut().filter(|_| momentum > 0.0);
                slot.parameter.var().update(|value| value.sgd_step(&grad, velocity, &step))?;
                slot.steps += 1;
            }
        }
        Ok(())
    }

    fn set_rate_factor(&mut self, factor: f64) {
        self.factor = factor;
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.groups.iter().flat_map(|g| &g.slots).map(|s| &s.parameter).collect()
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        groups::state(&self.groups, &NAMES)
    }

    fn load_state(&mut self, get: &mut dyn FnMut(&str) -> Result<Option<Tensor>>) -> Result<()> {
        groups::load_state(&mut self.groups, &NAMES, get)
    }
}
