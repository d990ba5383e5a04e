//! Whether the sizes of a `config.json` can be those of the tensors beside it.

use std::path::Path;

use fft_core::{Error, Result};

use super::{LanguageConfig, MixerKind};
use crate::checkpoint::Checkpoint;
use crate::layers::LinearKind;

/// The most elements of a spectral layer's matrix for each number of the file: sizes that lie are found before the frequencies are chosen.
const SPECTRAL_ELEMENTS: u128 = 1024;

/// Checks, before anything of these sizes is made, that the embedding has the shape told and that the file holds at least as many numbers as layers of the sizes told
/// need.
///
/// # Errors
/// [`Error::Format`] naming `path`, the configuration's, and the setting.
pub(super) fn check_sizes(path: &Path, config: &LanguageConfig, file: &Checkpoint) -> Result<()> {
    let c = config;
    // Each layer has parameters, so a lying number of layers makes no endless list.
    let stored = file.names().count();
    if c.layers > stored {
        let reason = format!("num_hidden_layers = {}, but the file holds {stored} tensors", c.layers);
        return Err(Error::format(path, reason));
    }
    let table = &file.entry("model.embed_tokens.weight")?.shape;
    if *table != [c.vocab_size, c.hidden_size] {
        let reason = format!(
            "vocab_size = {} and hidden_size = {} are not those of model.embed_tokens.weight in {}, {table:?}",
            c.vocab_size,
            c.hidden_size,
            file.path().display()
        );
        return Err(Error::format(path, reason));
    }
    let total = file.entries().map(|(_, entry)| entry.len() as u128).sum::<u128>();
    // The sizes are below 2^64, the width is one of a tensor that exists.
    let [hidden, inner, positions] = [c.hidden_size, c.intermediate_size, c.max_positions].map(|n| n as u128);
    let lags = match c.mixer {
        MixerKind::Longconv => hidden,
        MixerKind::Frequency => c.heads as u128,
        MixerKind::Attention | MixerKind::Fnet => 0,
    };
    let matrix = hidden.saturating_mul(inner);
    let (name, size, least) = match c.linear {
        LinearKind::Dense => ("intermediate_size", inner, matrix),
        LinearKind::Spectral { .. } => ("intermediate_size", inner, matrix / SPECTRAL_ELEMENTS),
        LinearKind::BlockCirculant { block } => ("intermediate_size", inner, matrix / (block as u128).max(1)),
    };
    for (name, size, least) in
        [(name, size, least), ("max_position_embeddings", positions, lags.saturating_mul(positions))]
    {
        if least > total {
            let reason =
                format!("{name} = {size} is too much for the {total} numbers in {}", file.path().display());
            return Err(Error::format(path, reason));
        }
    }
    Ok(())
}
