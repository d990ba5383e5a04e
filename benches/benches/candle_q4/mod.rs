//! Candle's Llama with its Q4_0 products: the same operations as its dense model, every linear layer and the head
//! quantised. (Its own quantised Llama reads GGUF only.)

use std::path::Path;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Config, LlamaConfig};
use candle_transformers::utils::repeat_kv;

/// The model's configuration in candle's terms.
pub(crate) fn config(dir: &Path) -> std::result::Result<Config, Box<dyn std::error::Error>> {
    // Candle reads the older style, whose defaults are this model's rotary settings.
    let config: LlamaConfig = serde_json::from_slice(&std::fs::read(dir.join("config.json"))?)?;
    Ok(config.into_config(false))
}

struct Layer {
    attention_norm: Tensor,
    q: QMatMul,
    k: QMatMul,
    v: QMatMul,
    o: QMatMul,
    feed_forward_norm: Tensor,
    gate: QMatMul,
    up: QMatMul,
    down: QMatMul,
}

/// Keys and values of each layer.
pub(crate) type Cache = Vec<Option<(Tensor, Tensor)>>;

pub(crate) struct Model {
    config: Config,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: QMatMul,
    cos: Tensor,
    sin: Tensor,
}

impl Model {
    pub(crate) fn load(dir: &Path) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let config = config(dir)?;
        let file = std::fs::read(dir.join("model.safetensors"))?;
        let vb = VarBuilder::from_buffered_safetensors(file, DType::F32, &Device::Cpu)?;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let dim = hidden / config.num_attention_heads;
        let kv = dim * config.num_key_value_heads;
        let quantised = |w: &Tensor| QMatMul::from_qtensor(QTensor::quantize(w, GgmlDType::Q4_0)?);
        let linear = |name: String, out: usize, input: usize| {
            quantised(&vb.get((out, input), &format!("{name}.weight"))?)
        };
        let layer = |i: usize| -> Result<Layer> {
            let p = format!("model.layers.{i}");
            Ok(Layer {
                attention_norm: vb.get(hidden, &format!("{p}.input_layernorm.weight"))?,
                q: linear(format!("{p}.self_attn.q_proj"), hidden, hidden)?,
                k: linear(format!("{p}.self_attn.k_proj"), kv, hidden)?,
                v: linear(format!("{p}.self_attn.v_proj"), kv, hidden)?,
                o: linear(format!("{p}.self_attn.o_proj"), hidden, hidden)?,
                feed_forward_norm: vb.get(hidden, &format!("{p}.post_attention_layernorm.weight"))?,
                gate: linear(format!("{p}.mlp.gate_proj"), inner, hidden)?,
                up: linear(format!("{p}.mlp.up_proj"), inner, hidden)?,
                down: linear(format!("{p}.mlp.down_proj"), hidden, inner)?,
            })
        };
        let embedding = vb.get((config.vocab_size, hidden), "model.embed_tokens.weight")?;
        let frequencies: Vec<f32> =
            (0..dim / 2).map(|i| config.rope_theta.powf(-2.0 * i as f32 / dim as f32)).collect();
        let positions = config.max_position_embeddings;
        let angles = Tensor::arange(0f32, positions as f32, &Device::Cpu)?
            .unsqueeze(1)?
            .broadcast_mul(&Tensor::new(frequencies, &Device::Cpu)?.unsqueeze(0)?)?;
        Ok(Self {
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            norm: vb.get(hidden, "model.norm.weight")?,
            head: quantised(&embedding)?,
            embedding,
            cos: angles.cos()?,
            sin: angles.sin()?,
            config,
        })
    }

    pub(crate) fn new_cache(&self) -> Cache {
        vec![None; self.layers.len()]
    }

    /// The most likely token after `ids`, which begin at `position`.
    pub(crate) fn next(&self, ids: &[u32], position: usize, cache: &mut Cache) -> Result<u32> {
        let eps = self.config.rms_norm_eps as f32;
        let t = ids.len();
        let mut x = self.embedding.embedding(&Tensor::new(ids, &Device::Cpu)?)?.unsqueeze(0)?;
        for (layer, slot) in self.layers.iter().zip(cache) {
            let y = candle_nn::ops::rms_norm(&x, &layer.attention_norm, eps)?;
            x = (x + self.attention(&y, layer, position, slot)?)?;
            let y = candle_nn::ops::rms_norm(&x, &layer.feed_forward_norm, eps)?;
            let y = (candle_nn::ops::silu(&layer.gate.forward(&y)?)? * layer.up.forward(&y)?)?;
            x = (x + layer.down.forward(&y)?)?;
        }
        let last = x.narrow(1, t - 1, 1)?.squeeze(1)?.contiguous()?;
        let normed = candle_nn::ops::rms_norm(&last, &self.norm, eps)?;
        self.head.forward(&normed)?.argmax(D::Minus1)?.squeeze(0)?.to_scalar()
    }

    fn attention(
        &self,
        x: &Tensor,
        layer: &Layer,
        position: usize,
        slot: &mut Option<(Tensor, Tensor)>,
    ) -> Result<Tensor> {
        let (batch, t, hidden) = x.dims3()?;
        let (heads, kv_heads) = (self.config.num_attention_heads, self.config.num_key_value_heads);
        let dim = hidden / heads;
        let split =
            |x: Tensor, heads: usize| x.reshape((batch, t, heads, dim))?.transpose(1, 2)?.contiguous();
        let (cos, sin) = (self.cos.narrow(0, position, t)?, self.sin.narrow(0, position, t)?);
        let q = candle_nn::rotary_emb::rope(&split(layer.q.forward(x)?, heads)?, &cos, &sin)?;
        let mut k = candle_nn::rotary_emb::rope(&split(layer.k.forward(x)?, kv_heads)?, &cos, &sin)?;
        let mut v = split(layer.v.forward(x)?, kv_heads)?;
        if let Some((old_k, old_v)) = slot {
            k = Tensor::cat(&[&*old_k, &k], 2)?;
            v = Tensor::cat(&[&*old_v, &v], 2)?;
        }
        *slot = Some((k.clone(), v.clone()));
        let (k, v) = (repeat_kv(k, heads / kv_heads)?, repeat_kv(v, heads / kv_heads)?);
        let mut scores = (q.matmul(&k.t()?)? / (dim as f64).sqrt())?;
        if t > 1 {
            let mask: Vec<f32> = (0..t)
                .flat_map(|i| {
                    (0..position + t).map(move |j| if j > position + i { f32::NEG_INFINITY } else { 0.0 })
                })
                .collect();
            scores = scores.broadcast_add(&Tensor::from_vec(mask, (t, position + t), &Device::Cpu)?)?;
        }
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let y = weights.matmul(&v.contiguous()?)?.transpose(1, 2)?.reshape((batch, t, hidden))?;
        layer.o.forward(&y)
    }
}
