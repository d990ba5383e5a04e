//! Windows of a text.

use fft_core::{Error, Result};

use crate::random::Random;

/// The ids of a text, to train on or to be judged by.
#[derive(Debug, Clone)]
pub struct TokenText {
    ids: Vec<u32>,
    window: usize,
}

impl TokenText {
    /// A text that is read in windows of `window` tokens.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for windows of fewer than 2 tokens, or a text of fewer than one window and a token.
    pub fn new(ids: Vec<u32>, window: usize) -> Result<Self> {
        const OP: &str = "TokenText::new";
        if window < 2 {
            return Err(Error::invalid(OP, "window", window, "must have at least 2 tokens"));
        }
        if ids.len() <= window {
            let reason = format!("a text of {} tokens has no such window and a token after it", ids.len());
            return Err(Error::invalid(OP, "window", window, reason));
        }
        Ok(Self { ids, window })
    }

    /// Tokens of the text.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Tokens of a window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// `batch` windows at random starts, one after the other.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a batch that is too large for the memory.
    pub fn batch(&self, batch: usize, random: &mut Random) -> Result<Vec<u32>> {
        let starts = self.ids.len() - self.window;
        let mut ids = Vec::new();
        let tokens = batch.checked_mul(self.window);
        if tokens.is_none_or(|tokens| ids.try_reserve_exact(tokens).is_err()) {
            let reason = format!("so many windows of {} tokens are too large for the memory", self.window);
            return Err(Error::invalid("TokenText::batch", "batch", batch, reason));
        }
        for _ in 0..batch {
            let start = random.below(starts);
            ids.extend_from_slice(&self.ids[start..start + self.window]);
        }
        Ok(ids)
    }

    /// The first `most` windows, side by side.
    pub fn windows(&self, most: usize) -> impl Iterator<Item = &[u32]> {
        self.ids.chunks_exact(self.window).take(most)
    }
}
