//! Scores of relations between entities: by rotation, and by a real product as the control.

use fft_core::{Error, Result};

use super::expect::expect_sizes;
use super::{ComplexEmbedding, Init, Scope};
use crate::autograd::Var;

/// Checks that there are as many relations as heads, and that each is one.
fn expect_relations(
    op: &'static str,
    scope: &str,
    heads: &[u32],
    relations: &[u32],
    count: usize,
) -> Result<()> {
    if heads.len() != relations.len() {
        let reason = format!("layer {scope} takes a relation for each head");
        return Err(Error::shapes(op, &[heads.len()], &[relations.len()], reason));
    }
    match relations.iter().find(|&&r| r as usize >= count) {
        Some(r) => Err(Error::invalid(op, "relation", r, format!("layer {scope} has {count} relations"))),
        None => Ok(()),
    }
}

/// A relation as a rotation of each complex number of an entity (RotatE; Sun et al. 2019): head `h`, relation `r` and tail `t` score
///
/// ```text
/// - sum_i |h_i e^(i theta_{r, i}) - t_i|
/// ```
///
/// Rotations compose and have inverses, and a rotation by 0 or pi is its own: what relations of a graph do, the phases can learn. Parameters: `entities.weight`, complex
/// `[entities, width]`, and `phases`, `[relations, width]`, in radians.
#[derive(Debug, Clone)]
pub struct Rotate {
    path: String,
    entities: ComplexEmbedding,
    phases: Var,
}

impl Rotate {
    /// Entities as [`ComplexEmbedding::new`]'s, phases uniform in `[-pi, pi]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, entities: usize, relations: usize, width: usize) -> Result<Self> {
        expect_sizes("Rotate", scope.path(), &[("relations", relations)])?;
        let entities = ComplexEmbedding::new(&scope.at("entities"), entities, width)?;
        let bound = std::f64::consts::PI;
        let phases = scope.parameter("phases", &[relations, width], Init::Uniform { bound })?;
        Ok(Self { path: scope.path().to_owned(), entities, phases })
    }

    /// The entities.
    pub fn entities(&self) -> &ComplexEmbedding {
        &self.entities
    }

    /// `[relations, width]`, in radians.
    pub fn phases(&self) -> &Var {
        &self.phases
    }

    /// The scores of all entities as tails: `[heads, entities]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is no entity or relation, [`Error::ShapeMismatch`] for lists of different lengths, both naming the layer; memory errors.
    pub fn scores(&self, heads: &[u32], relations: &[u32]) -> Result<Var> {
        expect_relations("Rotate", &self.path, heads, relations, self.phases.shape()[0])?;
        let heads = self.entities.lookup(heads)?;
        let angles = self.phases.gather(0, relations)?;
        let turns = angles.cos()?.complex(&angles.sin()?)?;
        let places = heads.mul(&turns)?.unsqueeze(1)?;
        places.sub(&self.entities.weight().unsqueeze(0)?)?.abs()?.sum(2)?.neg()
    }
}

/// The real-valued control: `sum_i h_i r_i t_i` (DistMult; Yang et al. 2015), which cannot tell a relation from its inverse. Parameters: `entities`, `[entities, width]`, and `relations`,
/// `[relations, width]`.
#[derive(Debug, Clone)]
pub struct DistMult {
    path: String,
    entities: Var,
    relations: Var,
}

impl DistMult {
    /// Entities and relations are normal with variance `1 / sqrt(width)` each.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, entities: usize, relations: usize, width: usize) -> Result<Self> {
        let sizes = [("entities", entities), ("relations", relations), ("width", width)];
        expect_sizes("DistMult", scope.path(), &sizes)?;
        let init = Init::Normal { std: (width as f64).powf(-0.25) };
        Ok(Self {
            path: scope.path().to_owned(),
            entities: scope.parameter("entities", &[entities, width], init)?,
            relations: scope.parameter("relations", &[relations, width], init)?,
        })
    }

    /// The scores of all entities as tails: `[heads, entities]`.
    ///
    /// # Errors
    /// As [`Rotate::scores`].
    pub fn scores(&self, heads: &[u32], relations: &[u32]) -> Result<Var> {
        expect_relations("DistMult", &self.path, heads, relations, self.relations.shape()[0])?;
        let entities = self.entities.shape()[0];
        if let Some(id) = heads.iter().find(|&&id| id as usize >= entities) {
            let reason = format!("layer {} has {entities} entities", self.path);
            return Err(Error::invalid("DistMult", "head", id, reason));
        }
        let products = self.entities.gather(0, heads)?.mul(&self.relations.gather(0, relations)?)?;
        products.matmul(&self.entities.transpose(0, 1)?)
    }
}
