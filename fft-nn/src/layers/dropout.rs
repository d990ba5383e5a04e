//! Dropout.

use fft_core::{Error, Result, Tensor};

use super::parameter::from_values;
use super::{Layer, Mode, Scope};
use crate::autograd::Var;
use crate::random::Random;

/// In training every number is 0 with probability `p` and otherwise divided by `1 - p`, so that its mean stays (Srivastava et al. 2014); in evaluation
/// nothing happens. Complex numbers are dropped whole. Masks are drawn from the [`Mode`]'s seeds: what is
/// [checkpointed](crate::autograd::checkpoint()) drops the same numbers when it is computed again.
#[derive(Debug, Clone)]
pub struct Dropout {
    mode: Mode,
    p: f64,
}

impl Dropout {
    /// Drops with probability `p` of `0.0..1.0`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another `p`.
    pub fn new(scope: &Scope, p: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&p) {
            let reason = format!("layer {} drops with a probability of at least 0 and below 1", scope.path());
            return Err(Error::invalid("Dropout", "p", p, reason));
        }
        Ok(Self { mode: scope.mode().clone(), p })
    }

    /// The probability of dropping.
    pub fn p(&self) -> f64 {
        self.p
    }

    /// The factors of `x`: 0 or `1 / (1 - p)`.
    fn mask(&self, x: &Var) -> Result<Tensor> {
        let mut random = Random::new(self.mode.seeds().draw());
        // Two draws of 32 bits from each number; probabilities are multiples of 2^-32.
        let limit = (self.p * (1u64 << 32) as f64).round() as u64;
        let keep = 1.0 / (1.0 - self.p);
        let shape = x.shape();
        let mut bits = 0;
        let kept: Vec<f64> = (0..shape.iter().product())
            .map(|i: usize| {
                bits = if i.is_multiple_of(2) { random.bits() } else { bits >> 32 };
                if bits & 0xffff_ffff < limit { 0.0 } else { keep }
            })
            .collect();
        from_values(&x.device(), &kept, &shape, x.dtype())
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Var) -> Result<Var> {
        if !self.mode.is_training() || self.p == 0.0 {
            return Ok(x.clone());
        }
        x.mul(&Var::constant(self.mask(x)?))
    }
}
