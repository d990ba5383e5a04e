//! Language models of trainable layers.

mod bounds;
mod config;
mod inference;
mod mixers;
mod save;

pub(crate) use config::ARCHITECTURE;
pub use config::{LanguageConfig, MixerKind};
pub use inference::TrainedModel;

use fft_core::{DType, Device, Error, Result};

use crate::autograd::{Var, checkpoint};
use mixers::Mixer;

use crate::layers::{Embedding, Init, Layer, Parameter, RmsNorm, Scope, TransformerBlock};

/// A decoder that predicts the next token: an embedding that is the head too, blocks of a mixer and a gated feed-forward layer, a norm. Its parameters have the
/// names of Llama checkpoints.
#[derive(Debug)]
pub struct LanguageModel {
    config: LanguageConfig,
    scope: Scope,
    embedding: Embedding,
    blocks: Vec<std::sync::Arc<TransformerBlock<Mixer>>>,
    norm: RmsNorm,
    recompute: bool,
}

impl LanguageModel {
    /// A model whose first values come from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming a setting, or layer and setting, that does not fit; memory errors.
    pub fn new(config: LanguageConfig, device: &Device, seed: u64) -> Result<Self> {
        config.check()?;
        let scope = Scope::new(device, DType::F32, seed)?;
        let c = &config;
        let model = scope.at("model");
        let init = Init::Normal { std: c.std };
        let embedding = Embedding::new(&model.at("embed_tokens"), c.vocab_size, c.hidden_size, init)?;
        let block = |i: usize| {
            let at = model.at("layers").at(i);
            let mixer = Mixer::new(&at, c)?;
            let sizes = [c.hidden_size, c.intermediate_size];
            let block = TransformerBlock::new(&at, mixer, sizes, c.linear, c.std, c.rms_norm_eps)?;
            Ok(std::sync::Arc::new(block))
        };
        let blocks = (0..c.layers).map(block).collect::<Result<_>>()?;
        let norm = RmsNorm::new(&model.at("norm"), c.hidden_size, c.rms_norm_eps)?;
        Ok(Self { config, scope, embedding, blocks, norm, recompute: false })
    }

    /// Sizes and kinds.
    pub fn config(&self) -> &LanguageConfig {
        &self.config
    }

    /// Where its parameters were made: their list, and the mode of training or evaluation.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// All parameters, by the names that they have in files.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.scope.parameters()
    }

    /// Whether each block is computed again on the way back instead of remembered: less memory, about a third more time.
    pub fn set_recompute(&mut self, recompute: bool) {
        self.recompute = recompute;
    }

    /// The logits, `[ids, vocabulary]`, of the tokens after each of `ids`: `batch` sequences one after the other, equally long.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an id outside the vocabulary, no ids, ids that do not divide by the batch or more than
    /// [`LanguageConfig::max_positions`]; memory and device errors.
    pub fn forward(&self, ids: &[u32], batch: usize) -> Result<Var> {
        let t = self.length(ids, batch)?;
        let mut x = self.embed(ids, batch, t)?;
        for block in &self.blocks {
            x = if self.recompute && crate::autograd::is_recording() {
                let block = std::sync::Arc::clone(block);
                checkpoint(move |x| block.forward(&x[0]), &[&x])?
            } else {
                block.forward(&x)?
            };
        }
        self.logits(&x)
    }

    /// The mean over positions of `-ln p` of the next token, in nats: `ids` are `batch` windows one after the other, of which each token but the first is predicted.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); [`Error::InvalidArgument`] for windows of fewer than 2 tokens.
    pub fn loss(&self, ids: &[u32], batch: usize) -> Result<Var> {
        let window = self.length(ids, batch)?;
        if window < 2 {
            return Err(Error::invalid("loss", "window", window, "must have at least 2 tokens"));
        }
        let windows = || ids.chunks_exact(window);
        let inputs: Vec<u32> = windows().flat_map(|w| &w[..window - 1]).copied().collect();
        let targets: Vec<u32> = windows().flat_map(|w| &w[1..]).copied().collect();
        self.forward(&inputs, batch)?.cross_entropy(&targets)
    }

    /// Tokens of a sequence.
    fn length(&self, ids: &[u32], batch: usize) -> Result<usize> {
        const OP: &str = "LanguageModel::forward";
        if batch == 0 || ids.is_empty() || !ids.len().is_multiple_of(batch) {
            let reason = format!("{} ids are not that many sequences", ids.len());
            return Err(Error::invalid(OP, "batch", batch, reason));
        }
        let t = ids.len() / batch;
        if t > self.config.max_positions {
            let reason = format!("the model has {} positions", self.config.max_positions);
            return Err(Error::invalid(OP, "tokens", t, reason));
        }
        Ok(t)
    }

    fn embed(&self, ids: &[u32], batch: usize, t: usize) -> Result<Var> {
        self.embedding.forward(ids)?.reshape(&[batch, t, self.config.hidden_size])
    }

    /// The logits of the last `wanted` positions of each sequence, `[batch * wanted, vocabulary]`.
    pub(super) fn last_logits(&self, ids: &[u32], batch: usize, wanted: usize) -> Result<Var> {
        let t = self.length(ids, batch)?;
        let mut x = self.embed(ids, batch, t)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.logits(&x.narrow(1, t - wanted, wanted)?)
    }

    /// Logits of rows `[.., hidden]`, `[rows, vocabulary]`.
    fn logits(&self, x: &Var) -> Result<Var> {
        let hidden = self.config.hidden_size;
        let rows = x.value().len() / hidden;
        let normed = self.norm.forward(x)?.reshape(&[rows, hidden])?;
        normed.matmul(&self.embedding.weight().transpose(0, 1)?)
    }
}
