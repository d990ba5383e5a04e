//! Softmax attention.

use std::sync::Arc;

use fft_core::backend::AttentionSpec;
use fft_core::{DType, Error, Result, Tensor};

use super::expect::expect;
use super::{Init, Layer, LinearKind, LinearLayer, Scope};
use crate::autograd::Var;
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
    dtype: DType,
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
            dtype: scope.dtype(),
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
        let (q, k, v) = self.projected(x, batch, t)?;
        // A head of keys serves its group of queries.
        let group = heads / kv_heads;
        let shared = |x: &Var| {
            x.unsqueeze(2)?
                .broadcast_to(&[batch, kv_heads, group, t, head_dim])?
                .reshape(&[batch, heads, t, head_dim])
        };
        let scores = q.matmul(&shared(&k)?.transpose(2, 3)?)?.scale(1.0 / (head_dim as f64).sqrt())?;
        let mut scores = scores.add(mask)?;
        if causal {
            let later = |i: usize| if i % t > i / t { f64::NEG_INFINITY } else { 0.0 };
            let future: Vec<f32> = (0..t * t).map(|i| later(i) as f32).collect();
            let future = Tensor::from_slice(&x.device(), &future, &[t, t])?.to_dtype(self.dtype)?;
            scores = scores.add(&Var::constant(future))?;
        }
        self.joined(&scores.softmax(3)?.matmul(&shared(&v)?)?, batch, t)
    }

    fn spec(&self) -> AttentionSpec {
        let scale = 1.0 / (self.options.head_dim as f32).sqrt();
        AttentionSpec { scale, causal: self.options.causal, offset: 0 }
    }

    fn sizes(&self, x: &Var) -> Result<[usize; 2]> {
        let axes = [("batch", None), ("length", None), ("features", Some(self.options.features))];
        expect(OP, &self.path, x, self.dtype, &axes)?;
        Ok([x.shape()[0], x.shape()[1]])
    }

    /// Queries, keys and values, `[batch, heads, t, head_dim]`.
    fn projected(&self, x: &Var, batch: usize, t: usize) -> Result<(Var, Var, Var)> {
        let AttentionOptions { heads, kv_heads, head_dim, .. } = self.options;
        let split = |x: Var, heads: usize| x.reshape(&[batch, t, heads, head_dim])?.transpose(1, 2);
        let q = split(self.q.forward(x)?, heads)?;
        let k = split(self.k.forward(x)?, kv_heads)?;
        let v = split(self.v.forward(x)?, kv_heads)?;
        let Some(rope) = &self.rope else { return Ok((q, k, v)) };
        let (cos, sin) = rope.get(0, t)?;
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
        let (q, k, v) = self.projected(x, batch, t)?;
        self.joined(&Var::attention(&q, &k, &v, self.spec())?, batch, t)
    }
}
