//! How the rate changes over a training.

use std::f64::consts::PI;

use fft_core::{Error, Result};

/// How the rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// In a straight line to the last factor.
    Linear,
    /// Along half a cosine to the last factor (Loshchilov and Hutter 2017).
    Cosine,
}

impl Decay {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("constant", Self::Constant), ("linear", Self::Linear), ("cosine", Self::Cosine)];
}

/// A factor on the rate for each step: a linear warm-up times a decay over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    decay: Decay,
    warmup: u64,
    steps: u64,
    last: f64,
}

impl Schedule {
    /// A decay over `steps` steps to the factor `last`, times a rise over the first `warmup` steps, at which step `s` (from 0) has `(s + 1) / warmup`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 steps, or a last factor outside `[0, 1]`.
    pub fn new(decay: Decay, warmup: u64, steps: u64, last: f64) -> Result<Self> {
        const OP: &str = "Schedule::new";
        if steps == 0 {
            return Err(Error::invalid(OP, "steps", steps, "must be at least 1"));
        }
        if !(0.0..=1.0).contains(&last) {
            return Err(Error::invalid(OP, "last", last, "must be in [0, 1]"));
        }
        Ok(Self { decay, warmup, steps, last })
    }

    /// The factor of step `step`, counted from 0; after the last step it stays.
    pub fn factor(&self, step: u64) -> f64 {
        let rise = if step < self.warmup { (step + 1) as f64 / self.warmup as f64 } else { 1.0 };
        let way = (step as f64 / self.steps as f64).min(1.0);
        let rest = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - way,
            Decay::Cosine => 0.5 * (1.0 + (PI * way).cos()),
        };
        rise * (self.last + (1.0 - self.last) * rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_rise_and_fall() {
        let cosine = Schedule::new(Decay::Cosine, 100, 600, 0.05).unwrap();
        assert!((cosine.factor(0) - 0.01).abs() < 1e-12);
        assert!((cosine.factor(300) - (0.05 + 0.95 * 0.5)).abs() < 1e-12);
        assert!((cosine.factor(600) - 0.05).abs() < 1e-12 && cosine.factor(10_000) == cosine.factor(600));
        let linear = Schedule::new(Decay::Linear, 0, 10, 0.0).unwrap();
        assert_eq!([linear.factor(0), linear.factor(5), linear.factor(10)], [1.0, 0.5, 0.0]);
        assert_eq!(Schedule::new(Decay::Constant, 4, 10, 0.3).unwrap().factor(9), 1.0);
        assert!(Schedule::new(Decay::Cosine, 0, 0, 0.1).is_err());
        assert!(Schedule::new(Decay::Cosine, 0, 5, f64::NAN).is_err());
    }
}
