//! The Llama decoder (Touvron et al. 2023): pre-norm, rotary grouped-query attention, SwiGLU.

use std::sync::{Arc, Mutex, PoisonError};

use fft_core::backend::AttentionSpec;
use fft_core::{DType, Device, Error, Result, Tensor, tensor::check_indices};

mod weights;

pub(super) use weights::{Attention, Block, Embedding, FeedForward, Weights};

use super::{CausalLm, ModelConfig, NamedLinear, Positions, ReplaceLinear};
use crate::kv_cache::{CacheShape, KvCache};
use crate::linear::{Linear, LinearWeights};
use crate::rope::{RopeTables, rope_frequencies};

/// A Llama model. Activations are `F32`; weights are as they are stored.
#[derive(Debug)]
pub struct Llama {
    config: ModelConfig,
    device: Device,
    weights: Weights,
    rope: Arc<RopeTables>,
    /// The device tensor of the last single id: decoding writes it anew instead of making one.
    last_id: Mutex<Option<Tensor>>,
}

impl Llama {
    pub(super) fn new(config: ModelConfig, device: &Device, weights: Weights) -> Self {
        let frequencies = rope_frequencies(config.head_dim, config.rope_theta, config.rope_scaling);
        let rope = Arc::new(RopeTables::new(device, frequencies, config.max_positions));
        Self { config, device: device.clone(), weights, rope, last_id: Mutex::new(None) }
    }

    /// The rows of the embedding table, `[ids, hidden]`.
    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        if ids.len() != 1 {
            return self.weights.embedding.rows(&Tensor::from_slice(&self.device, ids, &[ids.len()])?);
        }
        let mut slot = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tensor = match slot.take() {
            Some(tensor) => tensor,
            None => Tensor::zeros(&self.device, &[1], DType::U32)?,
        };
        self.device.upload(bytemuck::cast_slice(ids), tensor.view_mut()?.buffer, 0)?;
        let rows = self.weights.embedding.rows(&tensor);
        *slot = Some(tensor);
        rows
    }

    /// `[batch * t, heads * dim]` as `[batch, heads, t, dim]`, a view.
    fn heads(&self, x: &Tensor, call: &Call, heads: usize) -> Result<Tensor> {
        x.reshape(&[call.batch, call.t, heads, self.config.head_dim])?.transpose(1, 2)
    }

    fn attention(
        &self,
        x: &Tensor,
        weights: &Attention,
        layer: usize,
        call: &Call,
        cache: Option<&mut KvCache>,
    ) -> Result<Tensor> {
        let ModelConfig { heads, kv_heads, head_dim, .. } = self.config;
        let (q, k, v) = match &weights.qkv {
            Some(qkv) => {
                let y = qkv.apply(x)?;
                let rotated = self
                    .heads(&y.narrow(1, 0, (heads + kv_heads) * head_dim)?, call, heads + kv_heads)?
                    .rope(&call.cos, &call.sin)?;
                let v = y.narrow(1, (heads + kv_heads) * head_dim, kv_heads * head_dim)?;
                (rotated.narrow(1, 0, heads)?, rotated.narrow(1, heads, kv_heads)?, v)
            }
            None => {
                let (q, k, v) = (weights.q.forward(x)?, weights.k.forward(x)?, weights.v.forward(x)?);
                let q = self.heads(&q, call, heads)?.rope(&call.cos, &call.sin)?;
                (q, self.heads(&k, call, kv_heads)?.rope(&call.cos, &call.sin)?, v)
            }
        };
        let v = self.heads(&v, call, kv_heads)?;
        let (k, v) = match cache {
            Some(cache) => cache.append(layer, &k, &v)?,
            None => (k, v),
        };
        let scale = 1.0 / (head_dim as f32).sqrt();
        let spec = AttentionSpec { scale, causal: true, offset: call.start };
        let mixed = Tensor::attention(&q, &k, &v, spec)?;
        let rows = mixed.transpose(1, 2)?.reshape(&[call.batch * call.t, heads * head_dim])?;
        weights.o.forward(&rows)
    }

    fn feed_forward(&self, x: &Tensor, weights: &FeedForward) -> Result<Tensor> {
        let hidden = match &weights.gate_up {
            Some(gate_up) => {
                let (y, n) = (gate_up.apply(x)?, self.config.intermediate_size);
                y.narrow(1, 0, n)?.silu_mul(&y.narrow(1, n, n)?)?
            }
            None => weights.gate.forward(x)?.silu_mul(&weights.up.forward(x)?)?,
        };
        weights.down.forward(&hidden)
    }

    fn logits(&self, x: &Tensor, call: &Call, positions: Positions) -> Result<Tensor> {
        let ModelConfig { hidden_size, vocab_size, rms_norm_eps, .. } = self.config;
        let Call { batch, t, .. } = *call;
        let (rows, t) = match positions {
            Positions::All => (x.clone(), t),
            Positions::Last if t == 1 => (x.clone(), 1),
            Positions::Last => {
                let last = x.reshape(&[batch, t, hidden_size])?.narrow(1, t - 1, 1)?;
                (last.reshape(&[batch, hidden_size])?, 1)
            }
            Positions::None => return Tensor::zeros(&self.device, &[batch, 0, vocab_size], DType::F32),
        };
        let head = self.weights.head.as_ref().unwrap_or(self.weights.embedding.weights());
        let normed = rows.rms_norm(&self.weights.norm, rms_norm_eps)?;
        head.apply(&normed)?.reshape(&[batch, t, vocab_size])
    }
}

/// What one forward call is about.
struct Call {
    batch: usize,
    /// Tokens of each sequence in this call.
    t: usize,
    /// Tokens of each sequence before.
    start: usize,
    cos: Tensor,
    sin: Tensor,
}

impl CausalLm for Llama {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn new_cache(&self, batch: usize) -> Result<KvCache> {
        KvCache::new(&self.device, self.cache_shape(batch))
    }

    fn forward(
        &self,
        ids: &[u32],
        batch: usize,
        mut cache: Option<&mut KvCache>,
        positions: Positions,
    ) -> Result<Tensor> {
        const OP: &str = "Llama::forward";
        if ids.is_empty() {
            return Err(Error::invalid(OP, "ids", 0, "there must be at least one token"));
        }
        if batch == 0 || !ids.len().is_multiple_of(batch) {
            return Err(Error::invalid(OP, "batch", batch, format!("{} ids do not divide by it", ids.len())));
        }
        check_indices(OP, ids, self.config.vocab_size)?;
        let t = ids.len() / batch;
        let start = cache.as_ref().map_or(0, |c| c.len());
        if let Some(cache) = cache.as_deref_mut() {
            if cache.shape() != self.cache_shape(batch) {
                return Err(Error::invalid(
                    OP,
                    "cache",
                    cache.batch(),
                    "it was made for another batch or model",
                ));
            }
            cache.reserve(t)?;
        } else if t > self.config.max_positions {
            let reason = format!("the model has {} positions", self.config.max_positions);
            return Err(Error::invalid(OP, "tokens", t, reason));
        }
        let (cos, sin) = self.rope.get(start, t)?;
        let call = Call { batch, t, start, cos, sin };
        let eps = self.config.rms_norm_eps;
        let mut x = self.embed(ids)?;
        for (layer, block) in self.weights.blocks.iter().enumerate() {
            let normed = x.rms_norm(&block.attention_norm, eps)?;
            x = x.add(&self.attention(&normed, &block.attention, layer, &call, cache.as_deref_mut())?)?;
            let normed = x.rms_norm(&block.feed_forward_norm, eps)?;
            x = x.add(&self.feed_forward(&normed, &block.feed_forward)?)?;
        }
        let logits = self.logits(&x, &call, positions)?;
        if let Some(cache) = cache {
            cache.advance(t);
        }
        Ok(logits)
    }

    fn linears(&self) -> Vec<NamedLinear> {
        let named =
            |name: String, weights: &Arc<dyn LinearWeights>| NamedLinear { name, weights: weights.clone() };
        let mut out = vec![named("model.embed_tokens.weight".into(), self.weights.embedding.weights())];
        for (i, block) in self.weights.blocks.iter().enumerate() {
            for (part, linear) in block.linears() {
                out.push(named(format!("model.layers.{i}.{part}.weight"), linear.weights()));
            }
        }
        out.extend(self.weights.head.iter().map(|head| named("lm_head.weight".into(), head)));
        out
    }

    fn with_linears(&self, replace: &mut ReplaceLinear<'_>) -> Result<Box<dyn CausalLm>> {
        let mut swap = |name: String,
                        old: &Arc<dyn LinearWeights>|
         -> Result<Option<Arc<dyn LinearWeights>>> {
            let new = replace(&NamedLinear { name, weights: old.clone() })?;
            if let Some(new) = &new {
                let shapes = [old, new].map(|w| [w.out_features(), w.in_features()]);
                if shapes[0] != shapes[1] {
                    return Err(Error::shapes("with_linears", &shapes[1], &shapes[0], "shapes must stay"));
                }
            }
            Ok(new)
        };
        let mut weights = self.weights.clone();
        if let Some(new) = swap("model.embed_tokens.weight".into(), weights.embedding.weights())? {
            weights.embedding = Embedding::new(new)?;
        }
        for (i, block) in weights.blocks.iter_mut().enumerate() {
            for (part, linear) in block.linears_mut() {
                let name = format!("model.layers.{i}.{part}.weight");
                if let Some(new) = swap(name, linear.weights())? {
                    *linear = Linear::new(new, linear.bias().cloned())?;
                }
            }
            block.forget_fused();
        }
        if let Some(head) = &mut weights.head
            && let Some(new) = swap("lm_head.weight".into(), head)?
        {
            *head = new;
        }
        Ok(Box::new(Self {
            config: self.config.clone(),
            device: self.device.clone(),
            weights,
            rope: Arc::clone(&self.rope),
            last_id: Mutex::new(None),
        }))
    }

    fn weight_bytes(&self) -> usize {
        let Weights { embedding, blocks, norm, head } = &self.weights;
        let layers: usize = blocks.iter().map(Block::bytes).sum();
        embedding.bytes() + layers + norm.bytes() + head.as_ref().map_or(0, |h| h.bytes())
    }
}

impl Llama {
    fn cache_shape(&self, batch: usize) -> CacheShape {
        let ModelConfig { layers, kv_heads, head_dim, max_positions, .. } = self.config;
        CacheShape { layers, batch, heads: kv_heads, head_dim, max_positions, dtype: DType::F32 }
    }
}
