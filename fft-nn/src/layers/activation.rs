//! Functions of single elements.

use fft_core::Result;

use super::Layer;
use crate::autograd::Var;

/// A function of each element, without parameters; real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `x Phi(x)`, `Phi` the normal distribution function (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`: GPT-2's and FNet's form of it.
    GeluTanh,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
}

impl Layer for Activation {
    fn forward(&self, x: &Var) -> Result<Var> {
        match self {
            Self::Gelu => x.gelu(),
            Self::GeluTanh => x.gelu_tanh(),
            Self::Silu => x.silu(),
            Self::Relu => x.relu(),
        }
    }
}
