//! Training or evaluation, and randomness, for all layers of a model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::autograd::Seeds;

/// Whether a model is being trained, and the randomness of its layers; all layers of a [`Scope`](super::Scope) share one. Clones share everything.
#[derive(Debug, Clone)]
pub struct Mode {
    training: Arc<AtomicBool>,
    seeds: Seeds,
}

impl Mode {
    /// A mode of evaluation.
    pub(super) fn new(seeds: Seeds) -> Self {
        Self { training: Arc::default(), seeds }
    }

    /// Layers behave as in training: dropout drops.
    pub fn train(&self) {
        self.training.store(true, Relaxed);
    }

    /// Layers behave as in use; the state at the start.
    pub fn eval(&self) {
        self.training.store(false, Relaxed);
    }

    /// Whether [`train`](Self::train) was called last.
    pub fn is_training(&self) -> bool {
        self.training.load(Relaxed)
    }

    /// The randomness that layers draw from.
    pub fn seeds(&self) -> &Seeds {
        &self.seeds
    }
}
