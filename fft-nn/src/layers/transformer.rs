//! Blocks of a pre-norm transformer, with any mixer of positions and any kind of linear layers.

use fft_core::{Error, Result};

use super::{Layer, LinearKind, LinearLayer, RmsNorm, Scope};
use crate::autograd::Var;

/// `down(silu(gate(x)) * up(x))` (Shazeer 2020): `[.., features]` to the same, with layers `gate_proj`, `up_proj` and `down_proj`.
#[derive(Debug)]
pub struct SwiGlu {
    gate: LinearLayer,
    up: LinearLayer,
    down: LinearLayer,
}

impl SwiGlu {
    /// A feed-forward layer with `inner` features between, without biases.
    ///
    /// # Errors
    /// Those of [`LinearKind::build`].
    pub fn new(scope: &Scope, features: usize, inner: usize, linear: LinearKind, std: f64) -> Result<Self> {
        let project = |name: &str, inputs, outputs| linear.build(&scope.at(name), inputs, outputs, None, std);
        Ok(Self {
            gate: project("gate_proj", features, inner)?,
            up: project("up_proj", features, inner)?,
            down: project("down_proj", inner, features)?,
        })
    }

    /// The linear layers, by name.
    pub fn projections(&self) -> [(&'static str, &LinearLayer); 3] {
        [("gate_proj", &self.gate), ("up_proj", &self.up), ("down_proj", &self.down)]
    }
}

impl Layer for SwiGlu {
    fn forward(&self, x: &Var) -> Result<Var> {
        self.down.forward(&self.gate.forward(x)?.silu_mul(&self.up.forward(x)?)?)
    }
}

/// `h = x + mixer(norm(x))`, `y = h + feed_forward(norm(h))`, with [`RmsNorm`]s `input_layernorm` and `post_attention_layernorm`: the block of Llama, whose
/// mixer may be any layer from `[batch, length, features]` to the same.
#[derive(Debug)]
pub struct TransformerBlock<M> {
    norm: RmsNorm,
    mixer: M,
    feed_forward_norm: RmsNorm,
    feed_forward: SwiGlu,
}

impl<M: Layer> TransformerBlock<M> {
    /// A block around `mixer`, which was made in a scope of its own below `scope`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0; those of [`LinearKind::build`].
    pub fn new(
        scope: &Scope,
        mixer: M,
        [features, inner]: [usize; 2],
        linear: LinearKind,
        std: f64,
        eps: f32,
    ) -> Result<Self> {
        if features == 0 || inner == 0 {
            let reason = format!("layer {} needs features", scope.path());
            return Err(Error::invalid("TransformerBlock", "features", [features, inner], reason));
        }
        Ok(Self {
            norm: RmsNorm::new(&scope.at("input_layernorm"), features, eps)?,
            mixer,
            feed_forward_norm: RmsNorm::new(&scope.at("post_attention_layernorm"), features, eps)?,
            feed_forward: SwiGlu::new(&scope.at("mlp"), features, inner, linear, std)?,
        })
    }

    /// The mixer.
    pub fn mixer(&self) -> &M {
        &self.mixer
    }

    /// The feed-forward layer.
    pub fn feed_forward(&self) -> &SwiGlu {
        &self.feed_forward
    }

    /// The block with another way through its mixer.
    pub(crate) fn forward_through(&self, x: &Var, mix: impl FnOnce(&M, &Var) -> Result<Var>) -> Result<Var> {
        let h = x.add(&mix(&self.mixer, &self.norm.forward(x)?)?)?;
        h.add(&self.feed_forward.forward(&self.feed_forward_norm.forward(&h)?)?)
    }
}

impl<M: Layer> Layer for TransformerBlock<M> {
    fn forward(&self, x: &Var) -> Result<Var> {
        self.forward_through(x, |mixer, x| mixer.forward(x))
    }
}
