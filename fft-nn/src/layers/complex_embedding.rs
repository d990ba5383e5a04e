//! Embeddings whose numbers have a magnitude and a phase.

use fft_core::{Error, Result};

use super::expect::expect_sizes;
use super::{Init, Scope};
use crate::autograd::Var;

/// A complex vector for each entry of a vocabulary; parameter `weight`, complex `[entries, width]`. Magnitudes say how much, phases how two entries stand to each other:
/// see [`Rotate`](super::Rotate) for relations that are rotations.
#[derive(Debug, Clone)]
pub struct ComplexEmbedding {
    path: String,
    weight: Var,
}

impl ComplexEmbedding {
    const OP: &str = "ComplexEmbedding";

    /// An embedding whose numbers are normal with `E |z|^2 = 1`, half of it in either part.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0; those of [`Scope::complex_parameter`].
    pub fn new(scope: &Scope, entries: usize, width: usize) -> Result<Self> {
        Self::with_init(scope, entries, width, Init::Normal { std: 1.0 })
    }

    /// An embedding whose numbers are drawn as told; [`Init::Phase`] for phases only.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_init(scope: &Scope, entries: usize, width: usize, init: Init) -> Result<Self> {
        expect_sizes(Self::OP, scope.path(), &[("entries", entries), ("width", width)])?;
        let weight = scope.complex_parameter("weight", &[entries, width], init)?;
        Ok(Self { path: scope.path().to_owned(), weight })
    }

    /// `[entries, width]`, complex.
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// The vectors of `ids`: `[ids, width]`, complex.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the layer for an id that is no entry; memory errors.
    pub fn lookup(&self, ids: &[u32]) -> Result<Var> {
        let entries = self.weight.shape()[0];
        if let Some(id) = ids.iter().find(|&&id| id as usize >= entries) {
            let reason = format!("layer {} has {entries} entries", self.path);
            return Err(Error::invalid(Self::OP, "id", id, reason));
        }
        self.weight.gather(0, ids)
    }

    fn pair(&self, a: &[u32], b: &[u32]) -> Result<(Var, Var)> {
        if a.len() != b.len() {
            let reason = format!("layer {} compares pairs of entries", self.path);
            return Err(Error::shapes(Self::OP, &[a.len()], &[b.len()], reason));
        }
        Ok((self.lookup(a)?, self.lookup(b)?))
    }

    /// The complex inner product of each pair over the product of its norms, `sum conj(a) b / (|a| |b|)`: `[pairs]`, complex, of magnitude at most 1. The magnitude says how alike two entries are but
    /// for one common rotation, the real part how alike with it, the phase which rotation it is.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); [`Error::ShapeMismatch`] for lists of different lengths.
    pub fn semantic_similarity(&self, a: &[u32], b: &[u32]) -> Result<Var> {
        let (a, b) = self.pair(a, b)?;
        // Roots before the product, which would leave the range of single precision first.
        let norm = |z: &Var| z.abs_squared()?.sum(1)?.sqrt();
        let size = norm(&a)?.mul(&norm(&b)?)?;
        b.mul_conj(&a)?.sum(1)?.div(&size.to_dtype(a.dtype())?)
    }

    /// The angles by which `b` is ahead of `a`, in `(-pi, pi]`, number by number: `[pairs, width]`, real.
    ///
    /// # Errors
    /// As [`semantic_similarity`](Self::semantic_similarity).
    pub fn phase_relationship(&self, a: &[u32], b: &[u32]) -> Result<Var> {
        let (a, b) = self.pair(a, b)?;
        b.mul_conj(&a)?.arg()
    }

    /// The width cut into equal bands, as a spectrum is into low and high frequencies, and the energy `sum |z|^2` of each: `[ids, bands]`, real.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); [`Error::InvalidArgument`] for bands that do not divide the width.
    pub fn frequency_bands(&self, ids: &[u32], bands: usize) -> Result<Var> {
        let width = self.weight.shape()[1];
        if bands == 0 || !width.is_multiple_of(bands) {
            let reason = format!("layer {} divides its width, {width}, by them", self.path);
            return Err(Error::invalid(Self::OP, "bands", bands, reason));
        }
        self.lookup(ids)?.abs_squared()?.reshape(&[ids.len(), bands, width / bands])?.sum(2)
    }
}
