//! Using a trained model whose mixer is not attention.

use std::path::Path;

use fft_core::{DType, Device, Error, Result, Tensor};

use super::bounds::check_sizes;
use super::{LanguageConfig, LanguageModel};
use crate::autograd::no_grad;
use crate::checkpoint::Checkpoint;
use crate::codec::read_config;
use crate::kv_cache::{CacheShape, KvCache};
use crate::models::{CausalLm, LoadReport, LoadedModel, ModelConfig, NamedLinear, Positions, ReplaceLinear};
use crate::train::read_parameters;

/// A [`LanguageModel`] in use. Its mixers have no keys and values to keep: a cache remembers the tokens, and each call computes all positions anew.
#[derive(Debug)]
pub struct TrainedModel {
    model: LanguageModel,
    config: ModelConfig,
}

impl TrainedModel {
    /// The model of a directory that [`LanguageModel::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Format`] naming the file, and listing what is missing, unused or of another shape; [`Error::Io`]; memory errors.
    pub(crate) fn load(dir: &Path, config: ModelConfig, device: &Device) -> Result<LoadedModel> {
        let path = dir.join("config.json");
        let fail = |e: Error| Error::format(&path, e.to_string());
        let language = LanguageConfig::from_json(&config, &read_config(&path)?).map_err(fail)?;
        let file = Checkpoint::open(dir)?;
        check_sizes(&path, &language, &file)?;
        let model = LanguageModel::new(language, device, 0).map_err(fail)?;
        let parameters = model.parameters();
        read_parameters(&file, "", &parameters)?;
        let loaded = parameters.iter().map(|p| p.path().to_owned()).collect();
        let report = LoadReport { loaded, ..LoadReport::default() };
        Ok(LoadedModel { model: Box::new(Self { model, config }), report })
    }
}

impl CausalLm for TrainedModel {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn device(&self) -> &Device {
        self.model.scope().device()
    }

    fn new_cache(&self, batch: usize) -> Result<KvCache> {
        let max_positions = self.config.max_positions;
        let shape = CacheShape { layers: 0, batch, heads: 0, head_dim: 0, max_positions, dtype: DType::F32 };
        KvCache::new(self.device(), shape)
    }

    fn forward(
        &self,
        ids: &[u32],
        batch: usize,
        cache: Option<&mut KvCache>,
        positions: Positions,
    ) -> Result<Tensor> {
        let new = self.model.length(ids, batch)?;
        let vocabulary = self.config.vocab_size;
        let all = |ids: &[u32], wanted: usize| {
            let t = ids.len() / batch;
            let logits = no_grad(|| self.model.last_logits(ids, batch, wanted))?.value();
            debug_assert!(wanted <= t);
            logits.reshape(&[batch, wanted, vocabulary])
        };
        let wanted = match positions {
            Positions::All => new,
            Positions::Last => 1,
            Positions::None => 0,
        };
        let Some(cache) = cache else { return all(ids, wanted) };
        if cache.batch() != batch {
            let reason = format!("the cache is of {} sequences", cache.batch());
            return Err(Error::invalid("TrainedModel::forward", "batch", batch, reason));
        }
        cache.reserve(new)?;
        let before = cache.history().to_vec();
        let sequences: Vec<u32> = (0..batch)
            .flat_map(|b| {
                let old = before.get(b).map_or(&[][..], Vec::as_slice);
                old.iter().chain(&ids[b * new..(b + 1) * new]).copied()
            })
            .collect();
        let logits = all(&sequences, wanted)?;
        cache.remember(sequences.chunks_exact(sequences.len() / batch));
        cache.advance(new);
        Ok(logits)
    }

    fn linears(&self) -> Vec<NamedLinear> {
        Vec::new()
    }

    fn with_linears(&self, _: &mut ReplaceLinear<'_>) -> Result<Box<dyn CausalLm>> {
        let device = self.device().info().id.clone();
        let reason = "models of this mixer keep the weights they were trained with".into();
        Err(Error::Unsupported { op: "with_linears", device, reason })
    }

    fn weight_bytes(&self) -> usize {
        self.model.parameters().iter().map(|p| p.var().value().bytes()).sum()
    }
}
