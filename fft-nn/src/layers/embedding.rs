//! The embedding of tokens.

use fft_core::{Error, Result};

use super::{Init, Scope};
use crate::autograd::Var;

/// A table of vectors, `weight`, `[tokens, features]`.
#[derive(Debug, Clone)]
pub struct Embedding {
    path: String,
    weight: Var,
}

impl Embedding {
    /// A table whose entries are drawn as `init` says.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, tokens: usize, features: usize, init: Init) -> Result<Self> {
        if tokens == 0 || features == 0 {
            let reason = format!("layer {} needs tokens and features", scope.path());
            return Err(Error::invalid("Embedding", "shape", [tokens, features], reason));
        }
        Ok(Self {
            path: scope.path().to_owned(),
            weight: scope.parameter("weight", &[tokens, features], init)?,
        })
    }

    /// The vectors of `ids`, `[ids, features]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the layer and an id that is no token; memory and device errors.
    pub fn forward(&self, ids: &[u32]) -> Result<Var> {
        let tokens = self.weight.shape()[0];
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= tokens) {
            let reason = format!("layer {} has {tokens} tokens", self.path);
            return Err(Error::invalid("Embedding", "id", id, reason));
        }
        self.weight.gather(0, ids)
    }

    /// `[tokens, features]`.
    pub fn weight(&self) -> &Var {
        &self.weight
    }
}
