//! What lets the positions of a sequence see each other.

use fft_core::Result;

use super::{LanguageConfig, MixerKind};
use crate::autograd::Var;
use crate::layers::{
    AttentionOptions, CausalFNetMixing, FrequencyAttention, Layer, LinearLayer, LongConv, MultiHeadAttention,
    Scope,
};

/// The mixer of a block: attention, whose projections are saved as a Llama's, or another layer.
#[derive(Debug)]
pub(super) enum Mixer {
    Attention(Box<MultiHeadAttention>),
    Other(Box<dyn Layer>),
}

impl Layer for Mixer {
    fn forward(&self, x: &Var) -> Result<Var> {
        match self {
            Self::Attention(attention) => attention.forward(x),
            Self::Other(layer) => layer.forward(x),
        }
    }
}

impl Mixer {
    /// The mixer of the block at `scope`.
    pub(super) fn new(scope: &Scope, c: &LanguageConfig) -> Result<Self> {
        let at = scope.at(if c.mixer == MixerKind::Attention { "self_attn" } else { "mixer" });
        Ok(match c.mixer {
            MixerKind::Attention => Self::Attention(Box::new(MultiHeadAttention::new(
                &at,
                AttentionOptions {
                    features: c.hidden_size,
                    heads: c.heads,
                    kv_heads: c.kv_heads,
                    head_dim: c.head_dim(),
                    causal: true,
                    rope: Some((c.rope_theta, c.max_positions)),
                    bias: false,
                    linear: c.linear,
                    std: c.std,
                },
            )?)),
            MixerKind::Longconv => Self::Other(Box::new(GatedConvolution::new(&at, c)?)),
            MixerKind::Fnet => Self::Other(Box::new(ProjectedMixing::new(&at, c)?)),
            MixerKind::Frequency => {
                let layer = FrequencyAttention::causal(&at, c.hidden_size, c.heads, c.max_positions)?;
                Self::Other(Box::new(layer))
            }
        })
    }
}

/// `o_proj(mix(x))` with a causal FNet mixing. Alone its outputs, whose variance nothing can change, would drown the token that stands at a position.
#[derive(Debug)]
struct ProjectedMixing {
    mixing: CausalFNetMixing,
    output: LinearLayer,
}

impl ProjectedMixing {
    fn new(scope: &Scope, c: &LanguageConfig) -> Result<Self> {
        let features = c.hidden_size;
        Ok(Self {
            mixing: CausalFNetMixing::new(scope, c.max_positions)?,
            output: c.linear.build(&scope.at("o_proj"), features, features, None, c.std)?,
        })
    }
}

impl Layer for ProjectedMixing {
    fn forward(&self, x: &Var) -> Result<Var> {
        self.output.forward(&self.mixing.forward(x)?)
    }
}

/// `o_proj(v * conv(k, w * u))` with `u`, `w` and `v` of one projection `in_proj`, and kernels as long as the longest sequence: the operator of Hyena (Poli et al.
/// 2023) of order 2 with explicit kernels.
#[derive(Debug)]
struct GatedConvolution {
    features: usize,
    project: LinearLayer,
    conv: LongConv,
    output: LinearLayer,
}

impl GatedConvolution {
    fn new(scope: &Scope, c: &LanguageConfig) -> Result<Self> {
        let features = c.hidden_size;
        Ok(Self {
            features,
            project: c.linear.build(&scope.at("in_proj"), features, 3 * features, None, c.std)?,
            conv: LongConv::explicit(&scope.at("conv"), features, c.max_positions)?,
            output: c.linear.build(&scope.at("o_proj"), features, features, None, c.std)?,
        })
    }
}

impl Layer for GatedConvolution {
    fn forward(&self, x: &Var) -> Result<Var> {
        let all = self.project.forward(x)?;
        let part = |i: usize| all.narrow(2, i * self.features, self.features);
        self.output.forward(&self.conv.gated(&part(0)?, &part(1)?, &part(2)?)?)
    }
}
