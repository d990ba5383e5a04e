//! Writing on from a prompt.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use fft_core::{Error, Result};

use crate::models::{CausalLm, Positions};
use crate::sampling::{Sampler, Sampling};
use crate::tokenizer::Tokenizer;

/// How to write on.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// The most tokens to add.
    pub max_new_tokens: usize,
    /// How each is chosen.
    pub sampling: Sampling,
    /// Start of the random sequence.
    pub seed: u64,
    /// Whether to stop at the model's end tokens.
    pub stop_at_eos: bool,
    /// The most prompt tokens in one step, which bounds the memory of long prompts.
    pub prefill_chunk: usize,
}

impl Default for GenerateOptions {
    /// 128 greedy tokens.
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            sampling: Sampling::Greedy,
            seed: 0,
            stop_at_eos: true,
            prefill_chunk: 512,
        }
    }
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// `max_new_tokens` were written.
    Length,
    /// The model ended the text. The end token is not part of the result.
    EndOfText,
    /// The model has no further positions.
    ContextFull,
    /// The callback asked for it.
    Cancelled,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The prompt's ids.
    pub prompt: Vec<u32>,
    /// The new ids.
    pub ids: Vec<u32>,
    /// The new text; empty when ids were asked for.
    pub text: String,
    /// Why it ended.
    pub stop: StopReason,
    /// Time of the prompt.
    pub prefill: Duration,
    /// Time of the steps after it: one for each new token but the first.
    pub decode: Duration,
}

impl Generation {
    /// Decoding steps a second; 0 with fewer than two new tokens.
    pub fn tokens_per_second(&self) -> f64 {
        let steps = self.ids.len().saturating_sub(1) as f64;
        if steps > 0.0 && self.decode > Duration::ZERO { steps / self.decode.as_secs_f64() } else { 0.0 }
    }
}

/// Writes on from `prompt`, and calls `on_token` with each new id.
///
/// # Errors
/// [`Error::InvalidArgument`] for an empty prompt, one longer than the model's positions, or bad sampling numbers;
/// [`Error::IndexOutOfRange`] for an id outside the vocabulary; memory and device errors.
pub fn generate_ids(
    model: &dyn CausalLm,
    prompt: &[u32],
    options: &GenerateOptions,
    on_token: &mut (dyn FnMut(u32) -> Result<ControlFlow<()>> + Send),
) -> Result<Generation> {
    const OP: &str = "generate";
    let limit = model.config().max_positions;
    if prompt.is_empty() {
        return Err(Error::invalid(OP, "prompt", prompt, "must not be empty"));
    }
    if prompt.len() > limit {
        let reason = format!("has more tokens than the model's {limit} positions");
        return Err(Error::invalid(OP, "prompt", prompt.len(), reason));
    }
    if options.prefill_chunk == 0 {
        return Err(Error::invalid(OP, "prefill_chunk", 0, "must be at least 1"));
    }
    let mut result = None;
    model.device().scope(&mut || result = Some(run(model, prompt, options, on_token)));
    result.unwrap_or_else(|| Err(Error::invalid(OP, "scope", "device", "the device did not run the work")))
}

fn run(
    model: &dyn CausalLm,
    prompt: &[u32],
    options: &GenerateOptions,
    on_token: &mut (dyn FnMut(u32) -> Result<ControlFlow<()>> + Send),
) -> Result<Generation> {
    let config = model.config();
    let mut sampler = Sampler::new(options.sampling, options.seed)?;
    let mut out = Generation {
        prompt: prompt.to_vec(),
        ids: Vec::new(),
        text: String::new(),
        stop: StopReason::Length,
        prefill: Duration::ZERO,
        decode: Duration::ZERO,
    };
    if options.max_new_tokens == 0 {
        return Ok(out);
    }
    let started = Instant::now();
    let mut cache = model.new_cache(1)?;
    let mut chunks = prompt.chunks(options.prefill_chunk).peekable();
    let mut logits = vec![0f32; config.vocab_size];
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        let positions = if last { Positions::Last } else { Positions::None };
        let row = model.forward(chunk, 1, Some(&mut cache), positions)?;
        if last {
            row.read_into(&mut logits)?;
        }
    }
    let mut next = sampler.next(&logits)?;
    out.prefill = started.elapsed();
    let started = Instant::now();
    loop {
        if options.stop_at_eos && config.eos_token_ids.contains(&next) {
            out.stop = StopReason::EndOfText;
            break;
        }
        out.ids.push(next);
        if on_token(next)?.is_break() {
            out.stop = StopReason::Cancelled;
            break;
        }
        if out.ids.len() == options.max_new_tokens {
            break;
        }
        if cache.len() == config.max_positions {
            out.stop = StopReason::ContextFull;
            break;
        }
        model.forward(&[next], 1, Some(&mut cache), Positions::Last)?.read_into(&mut logits)?;
        next = sampler.next(&logits)?;
    }
    out.decode = started.elapsed();
    Ok(out)
}

/// Writes on from a text, and calls `on_text` with each new piece, which is whole characters. The tokenizer puts the model's
/// begin token in front as [`Tokenizer::encode_prompt`] describes.
///
/// # Errors
/// As [`generate_ids`]; [`Error::Format`] when the tokenizer does not fit the model.
pub fn generate_text(
    model: &dyn CausalLm,
    tokenizer: &Tokenizer,
    prompt: &str,
    options: &GenerateOptions,
    on_text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
) -> Result<Generation> {
    tokenizer.check_vocabulary(model.config().vocab_size)?;
    let ids = tokenizer.encode_prompt(prompt, model.config().bos_token_id)?;
    let mut stream = tokenizer.stream();
    let mut text = String::new();
    let mut out = generate_ids(model, &ids, options, &mut |id| {
        let piece = stream.push(id)?;
        text.push_str(&piece);
        Ok(if piece.is_empty() { ControlFlow::Continue(()) } else { on_text(&piece) })
    })?;
    let rest = stream.finish()?;
    if !rest.is_empty() {
        text.push_str(&rest);
        // Nothing is left to stop.
        let _ = on_text(&rest);
    }
    out.text = text;
    Ok(out)
}
