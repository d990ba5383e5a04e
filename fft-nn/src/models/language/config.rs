//! What a trainable language model is made of.

use fft_core::{Error, Result};
use serde_json::{Value, json};

use crate::layers::LinearKind;
use crate::models::ModelConfig;

/// The class named in `config.json` by models whose mixer is not attention.
pub(crate) const ARCHITECTURE: &str = "FftTensorForCausalLM";

/// What lets the positions of a sequence see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MixerKind {
    /// Softmax attention with rotary positions.
    Attention,
    /// A gated long convolution with explicit kernels.
    Longconv,
    /// A causal Fourier transform over the sequence, and a linear layer.
    Fnet,
    /// Causal frequency attention.
    Frequency,
}

impl MixerKind {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 4] = [
        ("attention", Self::Attention),
        ("longconv", Self::Longconv),
        ("fnet", Self::Fnet),
        ("frequency", Self::Frequency),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("unknown", |(name, _)| name)
    }
}

/// Sizes and kinds of a [`LanguageModel`](super::LanguageModel).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LanguageConfig {
    /// Number of token ids.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of attention, and of frequency attention.
    pub heads: usize,
    /// Heads of keys and values of attention.
    pub kv_heads: usize,
    /// Longest sequence.
    pub max_positions: usize,
    /// Added to the mean square in norms.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Standard deviation of weights at the start.
    pub std: f64,
    /// The mixer.
    pub mixer: MixerKind,
    /// The linear layers of the blocks; embedding and head are one plain matrix.
    pub linear: LinearKind,
    /// The token that begins a text.
    pub bos_token_id: Option<u32>,
    /// The token that ends a text.
    pub eos_token_id: Option<u32>,
}

impl LanguageConfig {
    /// The shape of the small Llama that comes with the software.
    pub fn tiny_llama(vocab_size: usize) -> Self {
        Self {
            vocab_size,
            hidden_size: 192,
            intermediate_size: 512,
            layers: 4,
            heads: 6,
            kv_heads: 2,
            max_positions: 512,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            std: 0.02,
            mixer: MixerKind::Attention,
            linear: LinearKind::Dense,
            bos_token_id: None,
            eos_token_id: None,
        }
    }

    /// A shape for trying things out: trained in seconds, good for nothing else.
    pub fn nano(vocab_size: usize) -> Self {
        Self {
            hidden_size: 32,
            intermediate_size: 64,
            layers: 2,
            heads: 2,
            kv_heads: 1,
            max_positions: 256,
            ..Self::tiny_llama(vocab_size)
        }
    }

    /// Features of a head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.heads.max(1)
    }

    /// Checks what no layer checks.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the setting.
    pub fn check(&self) -> Result<()> {
        const OP: &str = "LanguageModel";
        for (name, size) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("layers", self.layers),
            ("heads", self.heads),
            ("max_positions", self.max_positions),
        ] {
            if size == 0 {
                return Err(Error::invalid(OP, name, size, "must be at least 1"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.heads) {
            let reason = format!("must divide hidden_size = {}", self.hidden_size);
            return Err(Error::invalid(OP, "heads", self.heads, reason));
        }
        for id in self.bos_token_id.iter().chain(&self.eos_token_id) {
            if *id as usize >= self.vocab_size {
                return Err(Error::invalid(OP, "token", id, format!("vocab_size = {}", self.vocab_size)));
            }
        }
        Ok(())
    }

    /// The `config.json` that readers of Hugging Face directories expect: of a Llama where the mixer is attention, else of this software's own class.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim(),
            "max_position_embeddings": self.max_positions,
            "rms_norm_eps": shortest(self.rms_norm_eps),
            "vocab_size": self.vocab_size,
            "hidden_act": "silu",
            "tie_word_embeddings": true,
            "attention_bias": false,
            "mlp_bias": false,
            "rope_parameters": { "rope_theta": self.rope_theta, "rope_type": "default" },
            "initializer_range": self.std,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_token_id,
        });
        if self.mixer == MixerKind::Attention {
            json["architectures"] = json!(["LlamaForCausalLM"]);
            json["model_type"] = json!("llama");
        } else {
            json["architectures"] = json!([ARCHITECTURE]);
            json["model_type"] = json!("fft-tensor");
            json["mixer"] = json!(self.mixer.name());
            json["linear"] = self.linear.to_json();
        }
        json
    }

    /// What [`to_json`](Self::to_json) told of a model whose mixer is not attention; the rest was read into `config`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what is unknown or missing.
    pub(crate) fn from_json(config: &ModelConfig, json: &Value) -> Result<Self> {
        const OP: &str = "LanguageModel";
        let name = json["mixer"].as_str();
        let mixer = MixerKind::ALL.iter().find(|(known, _)| Some(*known) == name).map(|(_, kind)| *kind);
        let mixer = mixer.ok_or_else(|| {
            let known: Vec<&str> = MixerKind::ALL.iter().map(|(name, _)| *name).collect();
            Error::invalid(OP, "mixer", &json["mixer"], format!("known are {}", known.join(", ")))
        })?;
        Ok(Self {
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            layers: config.layers,
            heads: config.heads,
            kv_heads: config.kv_heads,
            max_positions: config.max_positions,
            rms_norm_eps: config.rms_norm_eps,
            rope_theta: config.rope_theta,
            std: 0.02,
            mixer,
            linear: LinearKind::from_json(&json["linear"])?,
            bos_token_id: config.bos_token_id,
            eos_token_id: config.eos_token_ids.first().copied(),
        })
    }
}

/// The number whose decimal is the shortest that becomes `x` again: 1e-5, not 9.999999747378752e-6.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
