//! A Llama in candle that can be trained: of operations that have a way back (candle's fused norm and rotary embedding have none).

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use candle_nn::{VarMap, init};
use fft_nn::models::LanguageConfig;

struct Block {
    attention_norm: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    feed_forward_norm: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
}

/// Model and optimiser.
pub(crate) struct Llama {
    config: LanguageConfig,
    embedding: Tensor,
    blocks: Vec<Block>,
    norm: Tensor,
    cos: Tensor,
    sin: Tensor,
    mask: Tensor,
    optimiser: AdamW,
}

impl Llama {
    pub(crate) fn new(config: LanguageConfig, window: usize) -> Result<Self> {
        let device = &Device::Cpu;
        let map = VarMap::new();
        let normal = init::Init::Randn { mean: 0.0, stdev: config.std };
        let matrix =
            |name: String, out: usize, input: usize| map.get((out, input), &name, normal, DType::F32, device);
        let ones = |name: String| map.get(config.hidden_size, &name, init::ONE, DType::F32, device);
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let kv = config.kv_heads * config.head_dim();
        let block = |i: usize| {
            Ok(Block {
                attention_norm: ones(format!("{i}.attention_norm"))?,
                q: matrix(format!("{i}.q"), hidden, hidden)?,
                k: matrix(format!("{i}.k"), kv, hidden)?,
                v: matrix(format!("{i}.v"), kv, hidden)?,
                o: matrix(format!("{i}.o"), hidden, hidden)?,
                feed_forward_norm: ones(format!("{i}.feed_forward_norm"))?,
                gate: matrix(format!("{i}.gate"), inner, hidden)?,
                up: matrix(format!("{i}.up"), inner, hidden)?,
                down: matrix(format!("{i}.down"), hidden, inner)?,
            })
        };
        let blocks = (0..config.layers).map(block).collect::<Result<_>>()?;
        let embedding = matrix("embedding".into(), config.vocab_size, hidden)?;
        let norm = ones("norm".into())?;
        let t = window - 1;
        let half = config.head_dim() / 2;
        let angle = |i: usize| {
            (i / half) as f64 * config.rope_theta.powf(-2.0 * (i % half) as f64 / config.head_dim() as f64)
        };
        let table = |f: fn(f64) -> f64| {
            Tensor::from_iter((0..t * half).map(|i| f(angle(i)) as f32), device)?.reshape((t, half))
        };
        let later = (0..t * t).map(|i| if i % t > i / t { f32::NEG_INFINITY } else { 0.0 });
        let mask = Tensor::from_iter(later, device)?.reshape((t, t))?;
        let mut variables: Vec<(String, Var)> = map
            .data()
            .lock()
            .expect("no other thread has it")
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        let optimiser = AdamW::new(
            variables.into_iter().map(|(_, v)| v).collect(),
            ParamsAdamW { lr: 1e-4, ..Default::default() },
        )?;
        Ok(Self {
            config,
            embedding,
            blocks,
            norm,
            cos: table(f64::cos)?,
            sin: table(f64::sin)?,
            mask,
            optimiser,
        })
    }

    /// One step on `batch` windows one after the other, and its loss.
    pub(crate) fn step(&mut self, ids: &[u32], batch: usize) -> Result<f32> {
        let window = ids.len() / batch;
        let windows = Tensor::from_slice(ids, (batch, window), &Device::Cpu)?;
        let inputs = windows.narrow(1, 0, window - 1)?.contiguous()?;
        let targets = windows.narrow(1, 1, window - 1)?.flatten_all()?;
        let logits = self.forward(&inputs)?;
        let loss = candle_nn::loss::cross_entropy(&logits, &targets)?;
        self.optimiser.backward_step(&loss)?;
        loss.to_scalar()
    }

    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let c = &self.config;
        let (batch, t) = ids.dims2()?;
        let dim = c.head_dim();
        let linear = |x: &Tensor, w: &Tensor| {
            let (b, t, k) = x.dims3()?;
            x.reshape((b * t, k))?.matmul(&w.t()?)?.reshape((b, t, w.dim(0)?))
        };
        let norm = |x: &Tensor, w: &Tensor| candle_nn::ops::rms_norm_slow(x, w, c.rms_norm_eps);
        let mut x =
            self.embedding.index_select(&ids.flatten_all()?, 0)?.reshape((batch, t, c.hidden_size))?;
        for block in &self.blocks {
            let h = norm(&x, &block.attention_norm)?;
            let heads =
                |y: Tensor, heads: usize| y.reshape((batch, t, heads, dim))?.transpose(1, 2)?.contiguous();
            let rope = |y: &Tensor| candle_nn::rotary_emb::rope_slow(y, &self.cos, &self.sin);
            let q = rope(&heads(linear(&h, &block.q)?, c.heads)?)?;
            let k = rope(&heads(linear(&h, &block.k)?, c.kv_heads)?)?;
            let v = heads(linear(&h, &block.v)?, c.kv_heads)?;
            let repeat = |y: Tensor| candle_transformers::utils::repeat_kv(y, c.heads / c.kv_heads);
            let (k, v) = (repeat(k)?, repeat(v)?);
            let scores = (q.matmul(&k.t()?)? / (dim as f64).sqrt())?.broadcast_add(&self.mask)?;
            let mixed = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&v.contiguous()?)?;
            let mixed = mixed.transpose(1, 2)?.reshape((batch, t, c.hidden_size))?;
            x = (x + linear(&mixed, &block.o)?)?;
            let h = norm(&x, &block.feed_forward_norm)?;
            let inner = (linear(&h, &block.gate)?.silu()? * linear(&h, &block.up)?)?;
            x = (x + linear(&inner, &block.down)?)?;
        }
        let x = norm(&x, &self.norm)?.reshape((batch * t, c.hidden_size))?;
        x.matmul(&self.embedding.t()?)
    }
}
