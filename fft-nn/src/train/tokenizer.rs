//! Tokenizers made from a text.

use std::path::Path;

use fft_core::{Error, Result};
use tokenizers::Tokenizer;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::checkpoint::write_atomic;

/// The size of a vocabulary of bytes alone.
pub const BYTES: usize = 256;

/// The largest vocabulary that is trained.
const MAX_VOCABULARY: usize = 1 << 20;

/// Trains a byte-level tokenizer with `vocab_size` tokens on `text` (byte-pair encoding, Sennrich et al. 2016; a token for each byte when it is [`BYTES`]), and
/// writes it to `dir/tokenizer.json`. Every text can be encoded by it, and is decoded to itself.
///
/// # Errors
/// [`Error::InvalidArgument`] for a vocabulary below 256 or above 2^20; [`Error::Format`] when training fails; [`Error::Io`].
pub fn train_tokenizer(text: &str, vocab_size: usize, dir: &Path) -> Result<()> {
    if !(BYTES..=MAX_VOCABULARY).contains(&vocab_size) {
        let reason = "must be from 256, a token for each byte, to 2^20";
        return Err(Error::invalid("train_tokenizer", "vocab_size", vocab_size, reason));
    }
    let path = dir.join("tokenizer.json");
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| Error::format(&path, e.to_string());
    let mut tokenizer = Tokenizer::new(BPE::default());
    let level = || ByteLevel::new(false, true, true);
    tokenizer.with_pre_tokenizer(Some(level()));
    tokenizer.with_decoder(Some(level()));
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocab_size)
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    // Lines, so that no piece is longer than one.
    tokenizer
        .train(&mut TrainerWrapper::from(trainer), text.split_inclusive('\n').map(str::to_owned))
        .map_err(fail)?;
    write_atomic(&path, tokenizer.to_string(true).map_err(fail)?)
}
