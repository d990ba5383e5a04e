//! Keys and values of the tokens seen so far.

use fft_core::{DType, Device, Error, Result, Tensor};

/// Sizes of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheShape {
    pub(crate) layers: usize,
    pub(crate) batch: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) max_positions: usize,
    pub(crate) dtype: DType,
}

/// The keys and values of every layer, `[batch, heads, capacity, head_dim]` each.
///
/// The capacity doubles when it is reached, so that a token costs amortised constant copying; a token is written in place,
/// since no other tensor shares the buffers between two calls of a model.
#[derive(Debug)]
pub struct KvCache {
    device: Device,
    shape: CacheShape,
    len: usize,
    capacity: usize,
    layers: Vec<Option<(Tensor, Tensor)>>,
    /// The tokens of each sequence, for models that keep neither keys nor values.
    history: Vec<Vec<u32>>,
}

/// Capacity of the first buffers.
const FIRST: usize = 64;

impl KvCache {
    pub(crate) fn new(device: &Device, shape: CacheShape) -> Result<Self> {
        if shape.batch == 0 {
            return Err(Error::invalid("KvCache::new", "batch", 0, "must be at least 1"));
        }
        let layers = vec![None; shape.layers];
        Ok(Self { device: device.clone(), shape, len: 0, capacity: 0, layers, history: Vec::new() })
    }

    /// Number of sequences.
    pub fn batch(&self) -> usize {
        self.shape.batch
    }

    /// Number of tokens of each sequence.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that fit without new buffers.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of the buffers.
    pub fn bytes(&self) -> usize {
        self.layers.iter().flatten().map(|(k, v)| k.bytes() + v.bytes()).sum()
    }

    /// Forgets all tokens; the buffers stay.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Forgets the tokens from `len` on; without effect when there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.history.iter_mut().for_each(|ids| ids.truncate(len));
    }

    /// The tokens of each sequence, where they were [remembered](Self::remember).
    pub(crate) fn history(&self) -> &[Vec<u32>] {
        &self.history
    }

    /// Remembers all tokens of each sequence.
    pub(crate) fn remember<'a>(&mut self, sequences: impl Iterator<Item = &'a [u32]>) {
        self.history = sequences.map(<[u32]>::to_vec).collect();
    }

    pub(crate) fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Makes room for `extra` tokens after the present ones.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the model has fewer positions; memory errors.
    pub(crate) fn reserve(&mut self, extra: usize) -> Result<()> {
        let need = self.len.saturating_add(extra);
        if need > self.shape.max_positions {
            let reason = format!(
                "after {} tokens it passes the {} positions of the cache",
                self.len, self.shape.max_positions
            );
            return Err(Error::invalid("KvCache", "tokens", extra, reason));
        }
        if need <= self.capacity {
            return Ok(());
        }
        let capacity = need.max(2 * self.capacity).max(FIRST).min(self.shape.max_positions);
        let CacheShape { batch, heads, head_dim, dtype, .. } = self.shape;
        let grown = |old: Option<&Tensor>| -> Result<Tensor> {
            let mut new = Tensor::zeros(&self.device, &[batch, heads, capacity, head_dim], dtype)?;
            if let Some(old) = old.filter(|_| self.len > 0) {
                new.assign(2, 0, &old.narrow(2, 0, self.len)?)?;
            }
            Ok(new)
        };
        // Every layer is grown before any is replaced: a failure leaves the cache as it was.
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (k, v) = layer.as_ref().map_or((None, None), |(k, v)| (Some(k), Some(v)));
            layers.push(Some((grown(k)?, grown(v)?)));
        }
        self.layers = layers;
        self.capacity = capacity;
        Ok(())
    }

    /// Writes keys and values `[batch, heads, t, head_dim]` of the next `t` tokens of one layer (room is reserved), and
    /// returns views of all up to them. The views must be dropped before the next call for this layer.
    pub(crate) fn append(&mut self, layer: usize, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        let (start, t) = (self.len, k.shape()[2]);
        let (keys, values) = self.layers[layer].as_mut().expect("room is reserved before a token is written");
        keys.assign(2, start, k)?;
        values.assign(2, start, v)?;
        Ok((keys.narrow(2, 0, start + t)?, values.narrow(2, 0, start + t)?))
    }

    /// Counts `t` tokens as present, after all layers were written.
    pub(crate) fn advance(&mut self, t: usize) {
        self.len += t;
    }
}
