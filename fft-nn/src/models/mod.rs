//! Language models read from Hugging Face directories.

mod config;
mod language;
mod llama;
mod load;

pub use config::{ModelConfig, RopeScaling};
pub use language::{LanguageConfig, LanguageModel, MixerKind, TrainedModel};
pub use llama::Llama;
pub use load::{LoadOptions, LoadReport, LoadedModel, check_causal_lm, check_finite_weights, load_causal_lm};

use std::fmt::Debug;
use std::sync::Arc;

use fft_core::{Device, Result, Tensor};

use crate::kv_cache::KvCache;
use crate::linear::LinearWeights;

/// Which positions [`CausalLm::forward`] computes logits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Positions {
    /// Every token: `[batch, tokens, vocabulary]`.
    All,
    /// The last token of each sequence: `[batch, 1, vocabulary]`.
    Last,
    /// None; the call only fills the cache. The result is `[batch, 0, vocabulary]`.
    None,
}

/// A linear layer of a model, as [`CausalLm::linears`] lists it.
#[derive(Debug, Clone)]
pub struct NamedLinear {
    /// The tensor's name in the checkpoint, `model.layers.0.mlp.up_proj.weight`.
    pub name: String,
    /// Its weight.
    pub weights: Arc<dyn LinearWeights>,
}

/// What [`CausalLm::with_linears`] asks for each linear layer: another weight, or `None` to keep it.
pub type ReplaceLinear<'a> = dyn FnMut(&NamedLinear) -> Result<Option<Arc<dyn LinearWeights>>> + 'a;

/// A model that predicts the next token.
///
/// Sequences of one batch have equal lengths and begin at position 0.
pub trait CausalLm: Send + Sync + Debug {
    /// Sizes and special tokens.
    fn config(&self) -> &ModelConfig;

    /// Where the model runs.
    fn device(&self) -> &Device;

    /// An empty cache for `batch` sequences.
    ///
    /// # Errors
    /// [`fft_core::Error::InvalidArgument`] for a batch of 0.
    fn new_cache(&self, batch: usize) -> Result<KvCache>;

    /// Next-token logits, `F32`, of `ids`: `batch` sequences one after the other, equally long. With a cache the tokens
    /// continue the sequences in it and are appended to it; without one they start at position 0.
    ///
    /// # Errors
    /// [`fft_core::Error::IndexOutOfRange`] for an id outside the vocabulary; [`fft_core::Error::InvalidArgument`] for no
    /// ids, ids that do not divide by the batch, a cache of another batch, or a position past
    /// [`ModelConfig::max_positions`]; memory and device errors.
    fn forward(
        &self,
        ids: &[u32],
        batch: usize,
        cache: Option<&mut KvCache>,
        positions: Positions,
    ) -> Result<Tensor>;

    /// Every linear layer's weight, in the order of computation; a tied head is listed once, as the embedding.
    fn linears(&self) -> Vec<NamedLinear>;

    /// A copy of the model in which `replace` may exchange weights; those for which it returns `None` stay shared.
    ///
    /// # Errors
    /// Those of `replace`; [`fft_core::Error::ShapeMismatch`] when a replacement has another shape.
    fn with_linears(&self, replace: &mut ReplaceLinear<'_>) -> Result<Box<dyn CausalLm>>;

    /// Stored bytes of all weights, each counted once.
    fn weight_bytes(&self) -> usize;
}
