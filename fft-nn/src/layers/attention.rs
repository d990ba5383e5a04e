//! Softmax attention.

use std::sync::Arc;

use fft_core::backend::AttentionSpec;
use fft_core::{DType, Device, Error, Result, Tensor};

use super::expect::expect;
use super::{Init, Layer, LinearKind, LinearLayer, Mode, Scope};
use crate::autograd::{Var, no_grad};
use crate::kv_cache::{CacheShape, KvCache};
use crate::models::RopeScaling;
use crate::rope::{RopeTables, rope_frequencies};

const OP: &str = "MultiHeadAttention";

/// Sizes of [`MultiHeadAttention`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionOptions {
    /// Features of input and output.
    pub features: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, a divisor of `heads`: each serves `heads / kv_heads` heads of queries (Ainslie et al. 2023).
    pub kv_heads: usize,
    /// Features of a head; even with rotary positions.
    pub head_dim: usize,
    /// Whether a position sees those before it and itself only.
    pub causal: bool,
    /// Base of the frequencies of rotary positions (Su et al. 2021) and the most positions, or none.
    pub rope: Option<(f64, usize)>,
    /// Whether the projections have biases.
    pub bias: bool,
    /// What the projections are.
    pub linear: LinearKind,
    /// The standard deviation of the projections' weights at the start.
    pub std: f64,
}

/// `softmax(q k^T / sqrt(head_dim)) v` over heads, between four projections `q_proj`, `k_proj`, `v_proj`, `o_proj` (Vaswani et al. 2017); `[batch, length, features]`
/// to the same.
#[derive(Debug)]
pub struct MultiHeadAttention {
    path: String,
    options: AttentionOptions,
    q: LinearLayer,
    k: LinearLayer,
    v: LinearLayer,
    o: LinearLayer,
    rope: Option<Arc<RopeTables>>,
    device: Device,
    dtype: DType,
    mode: Mode,
}

impl MultiHeadAttention {
    /// Attention whose biases start at 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming layer and option when sizes are 0 or do not fit; those of [`LinearKind::build`].
    pub fn new(scope: &Scope, options: AttentionOptions) -> Result<Self> {
        let AttentionOptions { features, heads, kv_heads, head_dim, rope, linear, std, .. } = options;
        let refuse = |argument, value: usize, reason: &str| {
            Err(Error::invalid(OP, argument, value, format!("layer {}: {reason}", scope.path())))
        };
        for (name, size) in [("features", features), ("heads", heads), ("kv_heads", kv_heads)] {
            if size == 0 {
                return refuse(name, size, "must be at least 1");
            }
        }
        if !heads.is_multiple_of(kv_heads) {
            return refuse("kv_heads", kv_heads, "must divide the number of heads");
        }
        if head_dim == 0 || (rope.is_some() && !head_dim.is_multiple_of(2)) {
            return refuse("head_dim", head_dim, "must be at least 1, and even with rotary positions");
        }
        let Some(width) = heads.checked_mul(head_dim) else {
            return refuse("heads", heads, "times head_dim is too large");
        };
        let bias = options.bias.then_some(Init::ZEROS);
        let project = |name: &str, inputs, outputs| linear.build(&scope.at(name), inputs, outputs, bias, std);
        let tables = |(theta, positions)| {
            let frequencies = rope_frequencies(head_dim, theta, RopeScaling::Default);
            Arc::new(RopeTables::new(scope.device(), frequencies, positions))
        };
        Ok(Self {
            path: scope.path().to_owned(),
            options,
            q: project("q_proj", features, width)?,
            k: project("k_proj", features, kv_heads * head_dim)?,
            v: project("v_proj", features, kv_heads * head_dim)?,
            o: project("o_proj", width, features)?,
            rope: rope.map(tables),
            device: scope.device().clone(),
            dtype: scope.dtype(),
            mode: scope.mode().clone(),
        })
    }

    /// [`forward`](Layer::forward) with a mask that is added to the scores: real, broadcast to `[batch, heads, length, length]`, `-inf` where nothing may be seen. At
    /// least one position of each row must be seen.
    ///
    /// # Errors
    /// As [`forward`](Layer::forward); mismatches of the mask.
    pub fn forward_masked(&self, x: &Var, mask: &Var) -> Result<Var> {
        let [batch, t] = self.sizes(x)?;
        let AttentionOptions { heads, kv_heads, head_dim, causal, .. } = self.options;
        let (q, k, v) = self.projected(x, batch, 0, t)?;
        // A head of keys serves its group of queries.
        let group = heads / kv_heads;
        let shared = |x: &Var| {
            x.unsqueeze(2)?
                .broadcast_to(&[batch, kv_heads, group, t, head_dim])?
                .reshape(&[batch, heads, t, head_dim])
        };
        let scores = q.matmul(&shared(&k)?.transpose(2, 3)?)?.scale(1.0 / (head_dim as f64).sqrt())?;
        let whole = scores.shape();
        let mut scores = scores.add(mask)?;
        if scores.shape() != whole {
            let reason =
                format!("the mask of layer {} broadcasts to [batch, heads, length, length]", self.path);
            return Err(Error::shapes(OP, &mask.shape(), &whole, reason));
        }
        if causal {
            let later = |i: usize| if i % t > i / t { f64::NEG_INFINITY } else { 0.0 };
            let future: Vec<f32> = (0..t * t).map(|i| later(i) as f32).collect();
            let future = Tensor::from_slice(&x.device(), &future, &[t, t])?.to_dtype(self.dtype)?;
            scores = scores.add(&Var::constant(future))?;
        }
        self.joined(&scores.softmax(3)?.matmul(&shared(&v)?)?, batch, t)
    }

    /// A cache for `batch` sequences of at most `positions` tokens, to be used with this layer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a batch of 0, and for more positions than the rotary ones.
    pub fn new_cache(&self, batch: usize, positions: usize) -> Result<KvCache> {
        if let Some((_, most)) = self.options.rope.filter(|(_, most)| positions > *most) {
            let reason = format!("layer {} has {most} positions", self.path);
            return Err(Error::invalid(OP, "positions", positions, reason));
        }
        KvCache::new(&self.device, self.cache_shape(batch, positions))
    }

    fn cache_shape(&self, batch: usize, max_positions: usize) -> CacheShape {
        let AttentionOptions { kv_heads, head_dim, .. } = self.options;
        CacheShape { layers: 1, batch, heads: kv_heads, head_dim, max_positions, dtype: self.dtype }
    }

    /// [`forward`](Layer::forward) of the next tokens of sequences, `[batch, t, features]` to the same, which see those that `cache` holds and are held by it
    /// afterwards: token by token, or in pieces, it gives what the whole sequence would give. For inference; nothing is recorded.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] in training, for attention that is not causal, a cache of another layer's sizes or another batch, and more tokens than it has positions: the
    /// cache is then as it was; mismatches of shape or dtype; memory and device errors.
    pub fn forward_cached(&self, x: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        let refuse = |argument, value: &dyn std::fmt::Debug, reason: &str| {
            Err(Error::invalid(OP, argument, value, format!("layer {}: {reason}", self.path)))
        };
        if self.mode.is_training() {
            return refuse("mode", &"training", "a cache is for inference");
        }
        if !self.options.causal {
            return refuse("causal", &false, "later tokens would change what earlier ones gave");
        }
        let x = Var::constant(x.clone());
        let [batch, t] = self.sizes(&x)?;
        if cache.shape() != self.cache_shape(batch, cache.shape().max_positions) {
            return refuse("cache", &cache.batch(), "it was made for another batch or layer");
        }
        cache.reserve(t)?;
        no_grad(|| {
            let start = cache.len();
            let (q, k, v) = self.projected(&x, batch, start, t)?;
            let (keys, values) = cache.append(0, &k.value(), &v.value())?;
            let spec = AttentionSpec { offset: start, ..self.spec() };
            let mixed = Var::constant(Tensor::attention(&q.value(), &keys, &values, spec)?);
            let y = self.joined(&mixed, batch, t)?.value();
            cache.advance(t);
            Ok(y)
        })
    }

    fn spec(&self) -> AttentionSpec {
        let scale = 1.0 / (self.options.head_dim as f32).sqrt();
        AttentionSpec { scale, causal: self.options.causal, offset: 0 }
    }

    fn sizes(&self, x: &Var) -> Result<[usize; 2]> {
        let axes = [("batch", None), ("length", None), ("features", Some(self.options.features))];
        expect(OP, &self.path, x, self.dtype, &axes)?;
        let [batch, t] = [x.shape()[0], x.shape()[1]];
        if let Some((_, most)) = self.options.rope.filter(|(_, most)| t > *most) {
            let reason = format!("layer {} has {most} positions", self.path);
            return Err(Error::invalid(OP, "length", t, reason));
        }
        Ok([batch, t])
    }

    /// Queries, keys and values of positions `start..start + t`, `[batch, heads, t, head_dim]`.
    fn projected(&self, x: &Var, batch: usize, start: usize, t: usize) -> Result<(Var, Var, Var)> {
        let AttentionOptions { heads, kv_heads, head_dim, .. } = self.options;
        let split = |x: Var, heads: usize| x.reshape(&[batch, t, heads, head_dim])?.transpose(1, 2);
        let q = split(self.q.forward(x)?, heads)?;
        let k = split(self.k.forward(x)?, kv_heads)?;
        let v = split(self.v.forward(x)?, kv_heads)?;
        let Some(rope) = &self.rope else { return Ok((q, k, v)) };
        let (cos, sin) = rope.get(start, t)?;
        let (cos, sin) = (cos.to_dtype(self.dtype)?, sin.to_dtype(self.dtype)?);
        Ok((q.rope(&cos, &sin)?, k.rope(&cos, &sin)?, v))
    }

    fn joined(&self, mixed: &Var, batch: usize, t: usize) -> Result<Var> {
        let AttentionOptions { heads, head_dim, .. } = self.options;
        self.o.forward(&mixed.transpose(1, 2)?.reshape(&[batch, t, heads * head_dim])?)
    }

    /// The projections, by name.
    pub fn projections(&self) -> [(&'static str, &LinearLayer); 4] {
        [("q_proj", &self.q), ("k_proj", &self.k), ("v_proj", &self.v), ("o_proj", &self.o)]
    }
}

impl Layer for MultiHeadAttention {
    fn forward(&self, x: &Var) -> Result<Var> {
        let [batch, t] = self.sizes(x)?;
        let (q, k, v) = self.projected(x, batch, 0, t)?;
        self.joined(&Var::attention(&q, &k, &v, self.spec())?, batch, t)
    }
}
