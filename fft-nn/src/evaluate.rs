//! How well a model predicts a text, and how far another model's predictions are from its.

use fft_core::tensor::check_indices;
use fft_core::{Error, Result};

use crate::models::{CausalLm, Positions};

/// How a text is scored.
///
/// The ids are cut into windows of `window` tokens; each is scored on its own, on all its tokens but the first. A rest
/// shorter than a window is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Tokens of a window, at least 2.
    pub window: usize,
    /// The most windows to score.
    pub max_windows: usize,
}

impl Default for EvaluateOptions {
    /// Windows of 256 tokens, all of them.
    fn default() -> Self {
        Self { window: 256, max_windows: usize::MAX }
    }
}

/// How well a model predicts a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perplexity {
    /// Mean negative log likelihood of a scored token, in nats.
    pub mean_nll: f64,
    /// `exp(mean_nll)`.
    pub perplexity: f64,
    /// Tokens scored.
    pub tokens: usize,
}

/// How far a model's predictions are from a base model's, over the same scored tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Mean Kullback-Leibler divergence `sum p ln(p / q)` of the model's distribution `q` from the base's `p`, in nats.
    pub kl_mean: f64,
    /// The divergence that 99 of 100 positions do not exceed, in nats.
    pub kl_p99: f64,
    /// Share of positions where both find the same token most likely.
    pub top1_agreement: f64,
    /// The base model on the text.
    pub base: Perplexity,
    /// The other model on the text.
    pub other: Perplexity,
    /// Tokens scored.
    pub tokens: usize,
}

/// The perplexity of `model` on a text. `progress` is called with the windows done and their number.
///
/// # Errors
/// [`Error::InvalidArgument`] for a window below 2 or past the model's positions, or a text shorter than a window;
/// [`Error::IndexOutOfRange`] for an id outside the vocabulary; memory and device errors.
pub fn perplexity(
    model: &dyn CausalLm,
    ids: &[u32],
    options: &EvaluateOptions,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Perplexity> {
    let windows = windows(&[model], ids, options)?;
    let mut nll = Sum::default();
    for (done, window) in windows.iter().enumerate() {
        let logits = window_logits(model, window)?;
        for (logits, &target) in logits.chunks_exact(model.config().vocab_size).zip(&window[1..]) {
            nll.add(Normaliser::new(logits)?.nll(logits, target));
        }
        progress(done + 1, windows.len());
    }
    Ok(nll.perplexity())
}

/// Compares `other` with `base` on a text.
///
/// # Errors
/// As [`compare_all`].
pub fn compare(
    base: &dyn CausalLm,
    other: &dyn CausalLm,
    ids: &[u32],
    options: &EvaluateOptions,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Comparison> {
    let mut all = compare_all(base, &[other], ids, options, progress)?;
    all.pop().ok_or_else(|| Error::invalid("compare", "others", 0, "there must be one"))
}

/// Compares several models with `base` on a text, for which the base model runs once.
///
/// # Errors
/// As [`perplexity`], and [`Error::InvalidArgument`] when the vocabularies differ in size.
pub fn compare_all(
    base: &dyn CausalLm,
    others: &[&dyn CausalLm],
    ids: &[u32],
    options: &EvaluateOptions,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Vec<Comparison>> {
    let vocab = base.config().vocab_size;
    if let Some(other) = others.iter().find(|m| m.config().vocab_size != vocab) {
        let reason = format!("the base model's vocabulary has {vocab} tokens");
        return Err(Error::invalid("compare", "vocab_size", other.config().vocab_size, reason));
    }
    let models: Vec<&dyn CausalLm> = std::iter::once(base).chain(others.iter().copied()).collect();
    let windows = windows(&models, ids, options)?;
    let mut base_nll = Sum::default();
    let mut tallies: Vec<Tally> = others.iter().map(|_| Tally::default()).collect();
    for (done, window) in windows.iter().enumerate() {
        let base_logits = window_logits(base, window)?;
        let mut base_norms = Vec::with_capacity(window.len());
        for (logits, &target) in base_logits.chunks_exact(vocab).zip(&window[1..]) {
            let norm = Normaliser::new(logits)?;
            base_nll.add(norm.nll(logits, target));
            base_norms.push(norm);
        }
        for (other, tally) in others.iter().zip(&mut tallies) {
            let logits = window_logits(*other, window)?;
            let rows = base_logits.chunks_exact(vocab).zip(&base_norms).zip(logits.chunks_exact(vocab));
            for (((p, &p_norm), q), &target) in rows.zip(&window[1..]) {
                let q_norm = Normaliser::new(q)?;
                tally.nll.add(q_norm.nll(q, target));
                tally.kl.push(divergence(p, p_norm, q, q_norm));
                tally.agree += usize::from(p_norm.best == q_norm.best);
            }
        }
        progress(done + 1, windows.len());
    }
    let base = base_nll.perplexity();
    Ok(tallies.into_iter().map(|tally| tally.finish(base)).collect())
}

/// The windows to score, after all arguments were checked.
fn windows<'a>(
    models: &[&dyn CausalLm],
    ids: &'a [u32],
    options: &EvaluateOptions,
) -> Result<Vec<&'a [u32]>> {
    const OP: &str = "evaluate";
    let window = options.window;
    if window < 2 {
        return Err(Error::invalid(OP, "window", window, "must be at least 2"));
    }
    if let Some(limit) = models.iter().map(|m| m.config().max_positions).find(|&n| n < window) {
        return Err(Error::invalid(OP, "window", window, format!("a model has {limit} positions")));
    }
    let windows: Vec<&[u32]> = ids.chunks_exact(window).take(options.max_windows).collect();
    if windows.is_empty() {
        let reason = format!("the text has {} tokens, not one window", ids.len());
        return Err(Error::invalid(OP, "window", window, reason));
    }
    for model in models {
        windows.iter().try_for_each(|w| check_indices(OP, w, model.config().vocab_size))?;
    }
    Ok(windows)
}

/// Logits that predict `window[1..]`, row by row.
fn window_logits(model: &dyn CausalLm, window: &[u32]) -> Result<Vec<f32>> {
    let mut result = None;
    let scored = &window[..window.len() - 1];
    model.device().scope(&mut || {
        result = Some(model.forward(scored, 1, None, Positions::All).and_then(|t| t.to_vec::<f32>()));
    });
    result.unwrap_or_else(|| {
        Err(Error::invalid("evaluate", "scope", "device", "the device did not run the work"))
    })
}

/// What turns one row of logits into log probabilities. Sums are `f64`.
#[derive(Debug, Clone, Copy)]
struct Normaliser {
    /// `ln sum exp(logit)`.
    log_sum: f64,
    /// The first largest.
    best: usize,
}

impl Normaliser {
    fn new(logits: &[f32]) -> Result<Self> {
        let (mut max, mut best) = (f32::NEG_INFINITY, 0);
        for (i, &l) in logits.iter().enumerate() {
            if !l.is_finite() {
                let reason = "is not finite: the weights are broken";
                return Err(Error::invalid("evaluate", "logit", l, reason));
            }
            if l > max {
                (max, best) = (l, i);
            }
        }
        let sum: f64 = logits.iter().map(|&l| f64::from(l - max).exp()).sum();
        Ok(Self { log_sum: f64::from(max) + sum.ln(), best })
    }

    /// Minus the log probability of a token.
    fn nll(&self, logits: &[f32], token: u32) -> f64 {
        self.log_sum - f64::from(logits[token as usize])
    }
}

/// `sum p ln(p / q)` of two rows of logits.
fn divergence(p: &[f32], p_norm: Normaliser, q: &[f32], q_norm: Normaliser) -> f64 {
    let shift = q_norm.log_sum - p_norm.log_sum;
    let terms = p.iter().zip(q).map(|(&a, &b)| {
        let (a, b) = (f64::from(a), f64::from(b));
        (a - p_norm.log_sum).exp() * (a - b + shift)
    });
    // Rounding may leave a divergence of equal distributions just below 0.
    terms.sum::<f64>().max(0.0)
}

#[derive(Debug, Default)]
struct Sum {
    total: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.total += value;
        self.count += 1;
    }

    fn perplexity(&self) -> Perplexity {
        let mean_nll = self.total / self.count as f64;
        Perplexity { mean_nll, perplexity: mean_nll.exp(), tokens: self.count }
    }
}

#[derive(Debug, Default)]
struct Tally {
    nll: Sum,
    kl: Vec<f64>,
    agree: usize,
}

impl Tally {
    fn finish(mut self, base: Perplexity) -> Comparison {
        let tokens = self.kl.len();
        let kl_mean = self.kl.iter().sum::<f64>() / tokens as f64;
        // Nearest rank: the smallest value that at least 99% of the positions do not exceed.
        let rank = (tokens * 99).div_ceil(100).max(1) - 1;
        let (_, &mut kl_p99, _) = self.kl.select_nth_unstable_by(rank, f64::total_cmp);
        let top1_agreement = self.agree as f64 / tokens as f64;
        Comparison { kl_mean, kl_p99, top1_agreement, base, other: self.nll.perplexity(), tokens }
    }
}
