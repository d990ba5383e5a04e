//! AdamW.

use fft_core::optimise::AdamWStep;
use fft_core::{Result, Tensor};

use super::groups::{self, Group, Optimiser, expect};
use crate::layers::Parameter;

const OP: &str = "AdamW";
const NAMES: [&str; 2] = ["mean", "square"];

/// The numbers of [`AdamW`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// The learning rate. Default: 1e-3.
    pub rate: f64,
    /// How much of the first and of the second moment stays with each step. Default: 0.9 and 0.999.
    pub betas: [f64; 2],
    /// Added to the root of the second moment. Default: 1e-8.
    pub eps: f64,
    /// The share of a parameter, times the rate, that each step takes away. Default: 0.01.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { rate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 }
    }
}

/// Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019), as in PyTorch. Complex parameters are pairs of real
/// ones.
#[derive(Debug)]
pub struct AdamW {
    groups: Vec<Group<AdamWOptions>>,
    factor: f64,
}

impl AdamW {
    /// An optimiser of the trained ones among `parameters`, all with the same options.
    ///
    /// # Errors
    /// As [`with_groups`](Self::with_groups).
    pub fn new(parameters: &[Parameter], options: AdamWOptions) -> Result<Self> {
        Self::with_groups(vec![(parameters.to_vec(), options)])
    }

    /// An optimiser of groups of parameters, each with its options.
    ///
    /// # Errors
    /// [`InvalidArgument`](fft_core::Error::InvalidArgument) for options out of range, a parameter in two places, or nothing to train; memory errors.
    pub fn with_groups(groups: Vec<(Vec<Parameter>, AdamWOptions)>) -> Result<Self> {
        for (_, o) in &groups {
            expect(OP, "rate", o.rate, o.rate >= 0.0, "must be at least 0")?;
            for beta in o.betas {
                expect(OP, "beta", beta, (0.0..1.0).contains(&beta), "must be in [0, 1)")?;
            }
            expect(OP, "eps", o.eps, o.eps >= 0.0, "must be at least 0")?;
            expect(OP, "weight_decay", o.weight_decay, o.weight_decay >= 0.0, "must be at least 0")?;
        }
        Ok(Self { groups: groups::groups(OP, groups, NAMES.len())?, factor: 1.0 })
    }
}

impl Optimiser for AdamW {
    fn step_scaled(&mut self, scale: f64) -> Result<()> {
        groups::prepare(OP, &mut self.groups)?;
        for group in &mut self.groups {
            let AdamWOptions { rate, betas: [beta1, beta2], eps, weight_decay } = group.options;
            let rate = rate * self.factor;
            for slot in &mut group.slots {
                let Some(grad) = slot.parameter.var().grad() else { continue };
                let steps = slot.steps + 1;
                let step =
                    AdamWStep { rate, beta1, beta2, eps, weight_decay, step: steps, grad_scale: scale };
                if let [mean, square] = &mut slot.memory[..] {
                    slot.parameter.var().update(|value| value.adamw_step(&grad, mean, square, &step))?;
                }
                slot.steps = steps;
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
