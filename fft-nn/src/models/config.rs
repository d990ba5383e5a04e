//! `config.json`: what files say becomes a struct in which everything is known.

use std::path::Path;

use fft_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// Architectures that can be loaded, by the names in `config.json`.
pub(crate) const ARCHITECTURES: [&str; 2] = ["LlamaForCausalLM", super::language::ARCHITECTURE];
const ROPE_TYPES: [&str; 3] = ["default", "linear", "llama3"];

/// How rotary frequencies are changed for longer contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// Every frequency is divided by `factor` (position interpolation, Chen et al. 2023).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Low frequencies are divided by `factor`, high ones stay, those between are blended (Llama 3.1).
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths longer than `original_positions / low` are divided.
        low: f64,
        /// Wavelengths shorter than `original_positions / high` stay.
        high: f64,
        /// The context length before scaling.
        original_positions: f64,
    },
}

/// Sizes and settings of a Llama-like decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The class named in `config.json`.
    pub architecture: String,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// Longest sequence.
    pub max_positions: usize,
    /// Summand under the root of the norms.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Change of the rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// Whether the output head is the embedding table.
    pub tie_word_embeddings: bool,
    /// Whether the attention projections have biases.
    pub attention_bias: bool,
    /// Whether the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// The token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// `quantization_config.quant_method`, when there is one.
    pub quant_method: Option<String>,
}

/// The file as it may be written, by transformers 4 or 5.
#[derive(Debug, Deserialize)]
struct Wire {
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RopeWire>,
    rope_parameters: Option<RopeWire>,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    bos_token_id: Option<OneOrMany>,
    eos_token_id: Option<OneOrMany>,
    quantization_config: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct RopeWire {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    #[serde(rename = "type")]
    old_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "bos_token_id and eos_token_id must be a token id or a list of them")]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
        }
    }
}

impl ModelConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is no JSON, names an unknown architecture, or lacks or
    /// contradicts something.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|reason| Error::format(path, reason))
    }

    /// Reads the text of a `config.json`; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let wire: Wire = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let architecture = architecture(&wire)?;
        let quant_method = match &wire.quantization_config {
            None | Some(Value::Null) => None,
            Some(q) => match q.get("quant_method").and_then(Value::as_str) {
                Some("fft-tensor") => Some("fft-tensor".to_owned()),
                method => {
                    return Err(format!(
                        "quantization_config.quant_method is {}; known is fft-tensor",
                        method.map_or("missing".into(), |m| format!("{m:?}"))
                    ));
                }
            },
        };
        let activation = wire.hidden_act.as_deref().unwrap_or("silu");
        if !matches!(activation, "silu" | "swish") {
            return Err(format!("hidden_act is {activation:?}; known is silu"));
        }
        let hidden_size = size("hidden_size", wire.hidden_size)?;
        let heads = size("num_attention_heads", wire.num_attention_heads)?;
        let kv_heads = size("num_key_value_heads", wire.num_key_value_heads.or(Some(heads)))?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(format!(
                "num_key_value_heads = {kv_heads} does not divide num_attention_heads = {heads}"
            ));
        }
        if wire.head_dim.is_none() && !hidden_size.is_multiple_of(heads) {
            return Err(format!(
                "num_attention_heads = {heads} does not divide hidden_size = {hidden_size}, and there is no head_dim"
            ));
        }
        let head_dim = size("head_dim", wire.head_dim.or(Some(hidden_size / heads)))?;
        if !head_dim.is_multiple_of(2) {
            return Err(format!("head_dim = {head_dim} is odd, rotary embedding needs pairs"));
        }
        if heads.checked_mul(head_dim).is_none() {
            return Err(format!("num_attention_heads = {heads} times head_dim = {head_dim} overflows"));
        }
        let max_positions = size("max_position_embeddings", wire.max_position_embeddings.or(Some(2048)))?;
        let rms_norm_eps = wire.rms_norm_eps.unwrap_or(1e-6);
        if !(rms_norm_eps.is_finite() && rms_norm_eps >= 0.0) {
            return Err(format!("rms_norm_eps = {rms_norm_eps} must be at least 0"));
        }
        let (rope_theta, rope_scaling) = rope(&wire, max_positions)?;
        let vocab_size = size("vocab_size", wire.vocab_size)?;
        let config = Self {
            architecture,
            vocab_size,
            hidden_size,
            intermediate_size: size("intermediate_size", wire.intermediate_size)?,
            layers: size("num_hidden_layers", wire.num_hidden_layers)?,
            heads,
            kv_heads,
            head_dim,
            max_positions,
            rms_norm_eps: rms_norm_eps as f32,
            rope_theta,
            rope_scaling,
            tie_word_embeddings: wire.tie_word_embeddings,
            attention_bias: wire.attention_bias,
            mlp_bias: wire.mlp_bias,
            bos_token_id: wire.bos_token_id.and_then(|ids| ids.into_vec().first().copied()),
            eos_token_ids: wire.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default(),
            quant_method,
        };
        for id in config.bos_token_id.iter().chain(&config.eos_token_ids) {
            if *id as usize >= vocab_size {
                return Err(format!("token id {id} is out of range for vocab_size = {vocab_size}"));
            }
        }
        Ok(config)
    }
}

/// The architecture's name, if it is one that can be loaded.
fn architecture(wire: &Wire) -> Result<String, String> {
    let named = wire.architectures.iter().flatten();
    if let Some(known) = named.clone().find(|a| ARCHITECTURES.contains(&a.as_str())) {
        return Ok(known.clone());
    }
    let known = ARCHITECTURES.join(", ");
    match (named.clone().next(), wire.model_type.as_deref()) {
        (Some(name), _) => Err(format!("unknown architecture {name}; known are: {known}")),
        (None, Some("llama")) => Ok("LlamaForCausalLM".into()),
        (None, Some(kind)) => {
            Err(format!("unknown model_type {kind} and no architectures; known are: {known}"))
        }
        (None, None) => Err(format!("neither architectures nor model_type is given; known are: {known}")),
    }
}

/// A size of at least 1.
fn size(name: &str, value: Option<usize>) -> Result<usize, String> {
    match value {
        Some(0) => Err(format!("{name} is 0")),
        Some(n) => Ok(n),
        None => Err(format!("{name} is missing")),
    }
}

/// Base and scaling: `rope_parameters` (transformers 5), or `rope_theta` with `rope_scaling` (transformers 4).
fn rope(wire: &Wire, max_positions: usize) -> Result<(f64, RopeScaling), String> {
    let (place, table) = match (&wire.rope_parameters, &wire.rope_scaling) {
        (Some(table), _) => ("rope_parameters", Some(table)),
        (None, table) => ("rope_scaling", table.as_ref()),
    };
    let theta = table.and_then(|t| t.rope_theta).or(wire.rope_theta).unwrap_or(10_000.0);
    if !(theta.is_finite() && theta > 0.0) {
        return Err(format!("rope_theta = {theta} must be positive"));
    }
    let Some(table) = table else { return Ok((theta, RopeScaling::Default)) };
    if let Some(part) = table.partial_rotary_factor.filter(|&p| p != 1.0) {
        return Err(format!("{place}.partial_rotary_factor = {part} is not supported, only 1"));
    }
    let positive = |name: &str, value: Option<f64>| match value {
        Some(v) if v.is_finite() && v > 0.0 => Ok(v),
        Some(v) => Err(format!("{place}.{name} = {v} must be positive")),
        None => Err(format!("{place}.{name} is missing")),
    };
    let kind = table.rope_type.as_deref().or(table.old_type.as_deref()).unwrap_or("default");
    let scaling = match kind {
        "default" => RopeScaling::Default,
        "linear" => RopeScaling::Linear { factor: positive("factor", table.factor)? },
        "llama3" => {
            let (low, high) = (
                positive("low_freq_factor", table.low_freq_factor)?,
                positive("high_freq_factor", table.high_freq_factor)?,
            );
            if high <= low {
                return Err(format!(
                    "{place}: high_freq_factor = {high} must exceed low_freq_factor = {low}"
                ));
            }
            let original = table.original_max_position_embeddings.or(Some(max_positions as f64));
            RopeScaling::Llama3 {
                factor: positive("factor", table.factor)?,
                low,
                high,
                original_positions: positive("original_max_position_embeddings", original)?,
            }
        }
        other => {
            return Err(format!(
                "{place}: unknown rope type {other:?}; known are: {}",
                ROPE_TYPES.join(", ")
            ));
        }
    };
    Ok((theta, scaling))
}
