//! The weights of a Llama model.

use std::sync::Arc;

use fft_core::{Result, Tensor};

use crate::linear::{DenseLinear, Linear, LinearWeights};

/// Attention projections. `qkv` is set when the three weights are one matrix in memory, of which they are views.
#[derive(Debug, Clone)]
pub(in crate::models) struct Attention {
    pub(in crate::models) q: Linear,
    pub(in crate::models) k: Linear,
    pub(in crate::models) v: Linear,
    pub(in crate::models) o: Linear,
    pub(in crate::models) qkv: Option<DenseLinear>,
}

/// Feed-forward projections. `gate_up` is set when the two weights are one matrix in memory, of which they are views.
#[derive(Debug, Clone)]
pub(in crate::models) struct FeedForward {
    pub(in crate::models) gate: Linear,
    pub(in crate::models) up: Linear,
    pub(in crate::models) down: Linear,
    pub(in crate::models) gate_up: Option<DenseLinear>,
}

/// One layer; the norm weights are `F32`.
#[derive(Debug, Clone)]
pub(in crate::models) struct Block {
    pub(in crate::models) attention_norm: Tensor,
    pub(in crate::models) attention: Attention,
    pub(in crate::models) feed_forward_norm: Tensor,
    pub(in crate::models) feed_forward: FeedForward,
}

/// All weights of a model.
#[derive(Debug, Clone)]
pub(in crate::models) struct Weights {
    pub(in crate::models) embedding: Embedding,
    pub(in crate::models) blocks: Vec<Block>,
    pub(in crate::models) norm: Tensor,
    /// `None` when the embedding is the head.
    pub(in crate::models) head: Option<Arc<dyn LinearWeights>>,
}

/// The embedding table `[vocabulary, hidden]`.
#[derive(Debug, Clone)]
pub(in crate::models) struct Embedding {
    /// As it is stored; the head too, when that is tied.
    weights: Arc<dyn LinearWeights>,
    /// For look-ups: the same, or its dense form when the codec has no cheap rows.
    rows: Arc<dyn LinearWeights>,
}

impl Embedding {
    pub(in crate::models) fn new(weights: Arc<dyn LinearWeights>) -> Result<Self> {
        let rows = match weights.has_rows() {
            true => Arc::clone(&weights),
            false => Arc::new(DenseLinear::new(weights.to_dense()?)?),
        };
        Ok(Self { weights, rows })
    }

    pub(super) fn weights(&self) -> &Arc<dyn LinearWeights> {
        &self.weights
    }

    /// `[ids, hidden]`, `F32`.
    pub(super) fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        self.rows.rows(ids)
    }

    /// Bytes in memory, those of a dense form for look-ups included.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes() + if self.weights.has_rows() { 0 } else { self.rows.bytes() }
    }
}

impl Block {
    pub(super) fn linears(&self) -> [(&'static str, &Linear); 7] {
        let (a, f) = (&self.attention, &self.feed_forward);
        [
            ("self_attn.q_proj", &a.q),
            ("self_attn.k_proj", &a.k),
            ("self_attn.v_proj", &a.v),
            ("self_attn.o_proj", &a.o),
            ("mlp.gate_proj", &f.gate),
            ("mlp.up_proj", &f.up),
            ("mlp.down_proj", &f.down),
        ]
    }

    pub(super) fn linears_mut(&mut self) -> [(&'static str, &mut Linear); 7] {
        let (a, f) = (&mut self.attention, &mut self.feed_forward);
        [
            ("self_attn.q_proj", &mut a.q),
            ("self_attn.k_proj", &mut a.k),
            ("self_attn.v_proj", &mut a.v),
            ("self_attn.o_proj", &mut a.o),
            ("mlp.gate_proj", &mut f.gate),
            ("mlp.up_proj", &mut f.up),
            ("mlp.down_proj", &mut f.down),
        ]
    }

    pub(super) fn bytes(&self) -> usize {
        let linears: usize = self.linears().iter().map(|(_, l)| l.bytes()).sum();
        linears + self.attention_norm.bytes() + self.feed_forward_norm.bytes()
    }

    /// Joins dense matrices of one input in memory, so that one product does the work of three or two. The single matrices
    /// become views. Coded matrices, and layers with biases, stay as they are.
    pub(in crate::models) fn fuse(&mut self) -> Result<()> {
        let a = &mut self.attention;
        a.qkv = join(&mut [&mut a.q, &mut a.k, &mut a.v])?;
        let f = &mut self.feed_forward;
        f.gate_up = join(&mut [&mut f.gate, &mut f.up])?;
        Ok(())
    }

    /// After a weight was exchanged: the joined matrices no longer hold.
    pub(super) fn forget_fused(&mut self) {
        self.attention.qkv = None;
        self.feed_forward.gate_up = None;
    }
}

/// One matrix of the rows of all, of which all become views; `None`, and nothing changes, unless all are dense, of one
/// dtype and without bias.
fn join(linears: &mut [&mut Linear]) -> Result<Option<DenseLinear>> {
    let mut parts: Vec<Tensor> = Vec::with_capacity(linears.len());
    for linear in linears.iter() {
        let Some(dense) = linear.weights().as_dense() else { return Ok(None) };
        let differs = parts.first().is_some_and(|p| p.dtype() != dense.weight().dtype());
        if linear.bias().is_some() || differs {
            return Ok(None);
        }
        parts.push(dense.weight().clone());
    }
    let joined = Tensor::cat(&parts, 0)?;
    let mut start = 0;
    for linear in linears.iter_mut() {
        let rows = linear.weights().out_features();
        let view = joined.narrow(0, start, rows)?;
        **linear = Linear::new(Arc::new(DenseLinear::new(view)?), None)?;
        start += rows;
    }
    Ok(Some(DenseLinear::new(joined)?))
}
