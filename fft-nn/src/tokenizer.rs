//! `tokenizer.json`, and text that arrives token by token.

use std::path::{Path, PathBuf};

use fft_core::{Error, Result};
use serde::Deserialize;

/// A tokenizer of a Hugging Face directory.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    add_bos: Option<bool>,
}

/// What is read of `tokenizer_config.json`.
#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    add_bos_token: Option<bool>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a directory, or a file by any other name, and `tokenizer_config.json` beside it if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`Error::Format`] when it is no tokenizer; both name it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = if path.is_dir() { path.join("tokenizer.json") } else { path.to_path_buf() };
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| Error::format(&path, format!("no tokenizer: {e}")))?;
        // Both would change what a text means without a word.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| Error::format(&path, e.to_string()))?;
        let config_path = path.with_file_name("tokenizer_config.json");
        let config: TokenizerConfig = match std::fs::read(&config_path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|e| Error::format(&config_path, e.to_string()))?
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => TokenizerConfig::default(),
            Err(e) => return Err(Error::io(&config_path, e)),
        };
        Ok(Self { inner, path, add_bos: config.add_bos_token })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of tokens, added ones included. Ids may have gaps.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The largest id, or `None` of an empty vocabulary.
    pub fn max_id(&self) -> Option<u32> {
        self.inner.get_vocab(true).into_values().max()
    }

    /// The id of a token by its text.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Checks that a model with `vocab_size` tokens knows every id.
    ///
    /// # Errors
    /// [`Error::Format`] naming the file and both numbers.
    pub fn check_vocabulary(&self, vocab_size: usize) -> Result<()> {
        match self.max_id() {
            Some(id) if id as usize >= vocab_size => {
                let reason =
                    format!("token id {id} is out of range for the model's vocabulary of {vocab_size}");
                Err(Error::format(&self.path, reason))
            }
            _ => Ok(()),
        }
    }

    /// The ids of `text` as it stands, without special tokens around it.
    ///
    /// # Errors
    /// [`Error::Format`] when the tokenizer cannot encode it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_with(text, false)
    }

    /// The ids of a prompt: special tokens as the tokenizer adds them, and `bos` in front unless it is there already or
    /// `tokenizer_config.json` says no (`add_bos_token`).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty text; [`Error::Format`] when the tokenizer cannot encode it.
    pub fn encode_prompt(&self, text: &str, bos: Option<u32>) -> Result<Vec<u32>> {
        if text.is_empty() {
            return Err(Error::invalid("generate", "prompt", text, "must not be empty"));
        }
        let mut ids = self.encode_with(text, true)?;
        if let Some(bos) = bos.filter(|&bos| self.add_bos.unwrap_or(true) && ids.first() != Some(&bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    fn encode_with(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, special)
            .map_err(|e| Error::format(&self.path, format!("the text cannot be encoded: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`, without special tokens. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Format`] when the tokenizer cannot decode them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner
            .decode(ids, true)
            .map_err(|e| Error::format(&self.path, format!("ids cannot be decoded: {e}")))
    }

    /// Decodes a sequence that grows.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream { tokenizer: self, ids: Vec::new(), start: 0, split: 0, sent: 0 }
    }
}

/// Turns tokens into text as they come. A character whose bytes are spread over several tokens is held back until it is
/// whole, so every piece is valid UTF-8 and all pieces together are the text of all tokens.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    /// Tokens from here are decoded again for each piece: a decoder may treat the first token of a text in its own way.
    start: usize,
    /// At or after `start`: the next `start`.
    split: usize,
    /// Bytes of the text of `ids[start..]` that were returned.
    sent: usize,
}

/// Tokens after which the decoded window moves on.
const WINDOW: usize = 16;

impl TextStream<'_> {
    /// Takes a token and returns the text that is certain now, possibly empty.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids[self.start..])?;
        let whole = text.trim_end_matches('\u{FFFD}');
        let piece = self.take(whole);
        if whole.len() == text.len() && self.ids.len() - self.split >= WINDOW {
            // The text ends with a whole character here, so a window may begin at an earlier such place.
            let (start, end) = (self.split, self.ids.len());
            if start > self.start {
                let kept = self.tokenizer.decode(&self.ids[start..])?;
                if !text.ends_with(&kept) {
                    return Ok(piece);
                }
                self.start = start;
                self.sent = kept.len();
            }
            self.split = end;
        }
        Ok(piece)
    }

    /// The rest, at the end of the sequence: incomplete characters become U+FFFD.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(mut self) -> Result<String> {
        let text = self.tokenizer.decode(&self.ids[self.start..])?;
        Ok(self.take(&text))
    }

    /// The part of `text` that was not returned yet.
    fn take(&mut self, text: &str) -> String {
        let piece = text.get(self.sent..).unwrap_or_default().to_owned();
        self.sent = self.sent.max(text.len());
        piece
    }
}
