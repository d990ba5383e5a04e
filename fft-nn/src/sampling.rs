//! Choosing the next token from logits.

use fft_core::{Error, Result};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The most likely token; of several the one with the smallest id.
    Greedy,
    /// Drawn from `softmax(logits / temperature)`, restricted to the `top_k` most likely tokens, and of those to the fewest
    /// whose probabilities reach `top_p` (Holtzman et al. 2020).
    Random {
        /// Above 0; 1 is the model's own distribution.
        temperature: f64,
        /// At least 1; `None` for all.
        top_k: Option<usize>,
        /// In `(0, 1]`; `None` for 1.
        top_p: Option<f64>,
    },
}

impl Sampling {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for one outside its range.
    pub fn check(&self) -> Result<()> {
        const OP: &str = "Sampling";
        let Self::Random { temperature, top_k, top_p } = *self else { return Ok(()) };
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(Error::invalid(
                OP,
                "temperature",
                temperature,
                "must be above 0 (greedy is the limit 0)",
            ));
        }
        if top_k == Some(0) {
            return Err(Error::invalid(OP, "top_k", 0, "must be at least 1"));
        }
        if let Some(p) = top_p.filter(|&p| !(p > 0.0 && p <= 1.0)) {
            return Err(Error::invalid(OP, "top_p", p, "must be in (0, 1]"));
        }
        Ok(())
    }
}

/// Chooses tokens; the same seed and logits give the same tokens on every machine.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    rng: ChaCha12Rng,
    /// Token and probability, kept between calls.
    candidates: Vec<(u32, f64)>,
}

impl Sampler {
    /// A sampler at the start of its random sequence.
    ///
    /// # Errors
    /// Those of [`Sampling::check`].
    pub fn new(sampling: Sampling, seed: u64) -> Result<Self> {
        sampling.check()?;
        Ok(Self { sampling, rng: ChaCha12Rng::seed_from_u64(seed), candidates: Vec::new() })
    }

    /// The next token for one row of logits. Logits of `-inf` have probability 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no logits, or when one is NaN or `+inf`, or all are `-inf`.
    pub fn next(&mut self, logits: &[f32]) -> Result<u32> {
        let (best, max) = argmax(logits)?;
        let Sampling::Random { temperature, top_k, top_p } = self.sampling else { return Ok(best) };
        let candidates = &mut self.candidates;
        candidates.clear();
        candidates
            .extend(logits.iter().zip(0u32..).map(|(&l, id)| (id, (f64::from(l - max) / temperature).exp())));
        // Ties by id, so that the choice does not depend on how the selection moves equal elements.
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if let Some(k) = top_k.filter(|&k| k < candidates.len()) {
            candidates.select_nth_unstable_by(k - 1, order);
            candidates.truncate(k);
        }
        if let Some(p) = top_p.filter(|&p| p < 1.0) {
            candidates.sort_unstable_by(order);
            let target = p * candidates.iter().map(|c| c.1).sum::<f64>();
            let mut sum = 0.0;
            let keep = candidates.iter().position(|c| {
                sum += c.1;
                sum >= target
            });
            candidates.truncate(keep.map_or(candidates.len(), |i| i + 1));
        } else {
            candidates.sort_unstable_by_key(|c| c.0);
        }
        let total: f64 = candidates.iter().map(|c| c.1).sum();
        let mut rest = total * uniform(&mut self.rng);
        for &(id, weight) in candidates.iter() {
            rest -= weight;
            if rest < 0.0 {
                return Ok(id);
            }
        }
        // Rounding of the sum may leave a rest above the last weight.
        Ok(candidates.iter().rev().find(|c| c.1 > 0.0).map_or(best, |c| c.0))
    }
}

/// A number in `[0, 1)` with 53 random bits.
fn uniform(rng: &mut ChaCha12Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// The first largest logit and its value.
fn argmax(logits: &[f32]) -> Result<(u32, f32)> {
    let invalid = |reason: &str| Error::invalid("Sampler::next", "logits", logits.len(), reason);
    // Independent lanes, so that the maxima vectorise.
    let (chunks, rest) = logits.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut nan = false;
    for chunk in chunks {
        for (lane, &l) in lanes.iter_mut().zip(chunk) {
            *lane = if l > *lane { l } else { *lane };
            nan |= l.is_nan();
        }
    }
    nan |= rest.iter().any(|l| l.is_nan());
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &l| max.max(l));
    if nan || max == f32::INFINITY {
        return Err(invalid("a logit is not finite: the weights or the input are broken"));
    }
    match logits.iter().position(|&l| l == max) {
        Some(at) if max > f32::NEG_INFINITY => Ok((at as u32, max)),
        _ => Err(invalid("no token has a probability above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(sampling: Sampling, logits: &[f32], draws: usize) -> Vec<f64> {
        let mut sampler = Sampler::new(sampling, 7).unwrap();
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..draws {
            counts[sampler.next(logits).unwrap() as usize] += 1.0 / draws as f64;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_first_largest() {
        let mut sampler = Sampler::new(Sampling::Greedy, 0).unwrap();
        assert_eq!(sampler.next(&[0.5, 2.0, -1.0, 2.0]).unwrap(), 1);
    }

    #[test]
    fn draws_follow_the_softmax() {
        let p = [0.1f64, 0.2, 0.3, 0.4];
        let logits = p.map(|p| p.ln() as f32);
        let sampling = Sampling::Random { temperature: 1.0, top_k: None, top_p: None };
        for (f, p) in frequencies(sampling, &logits, 20_000).iter().zip(p) {
            // Four standard deviations of a share of 20,000 draws are at most 0.0142.
            assert!((f - p).abs() < 0.0142, "{f} for {p}");
        }
        // Temperature 1/2 squares the odds.
        let sampling = Sampling::Random { temperature: 0.5, top_k: None, top_p: None };
        let squares: f64 = p.iter().map(|p| p * p).sum();
        for (f, p) in frequencies(sampling, &logits, 20_000).iter().zip(p) {
            assert!((f - p * p / squares).abs() < 0.0142, "{f} for {}", p * p / squares);
        }
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [0.1f64, 0.2, 0.3, 0.4].map(|p| p.ln() as f32);
        let top_k = Sampling::Random { temperature: 1.0, top_k: Some(2), top_p: None };
        let f = frequencies(top_k, &logits, 20_000);
        assert_eq!(&f[..2], [0.0, 0.0]);
        assert!((f[3] - 4.0 / 7.0).abs() < 0.0142, "{f:?}");
        // 0.4 + 0.3 reach 0.65 and 0.4 alone does not.
        let top_p = Sampling::Random { temperature: 1.0, top_k: None, top_p: Some(0.65) };
        let f = frequencies(top_p, &logits, 20_000);
        assert_eq!(&f[..2], [0.0, 0.0]);
        assert!((f[2] - 3.0 / 7.0).abs() < 0.0142, "{f:?}");
        let tiny = Sampling::Random { temperature: 1.0, top_k: None, top_p: Some(1e-9) };
        assert_eq!(frequencies(tiny, &logits, 64)[3], 1.0);
    }

    #[test]
    fn the_seed_decides() {
        let logits: Vec<f32> = (0..50).map(|i| (i as f32 * 0.7).sin()).collect();
        let draw = |seed| -> Vec<u32> {
            let sampling = Sampling::Random { temperature: 1.3, top_k: Some(40), top_p: Some(0.95) };
            let mut sampler = Sampler::new(sampling, seed).unwrap();
            (0..40).map(|_| sampler.next(&logits).unwrap()).collect()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn bad_numbers_are_refused() {
        let random = |temperature, top_k, top_p| Sampling::Random { temperature, top_k, top_p };
        for bad in [
            random(0.0, None, None),
            random(f64::NAN, None, None),
            random(-1.0, None, None),
            random(1.0, Some(0), None),
            random(1.0, None, Some(0.0)),
            random(1.0, None, Some(1.1)),
            random(1.0, None, Some(f64::NAN)),
        ] {
            assert!(matches!(Sampler::new(bad, 0), Err(Error::InvalidArgument { .. })), "{bad:?}");
        }
        let mut sampler = Sampler::new(Sampling::Greedy, 0).unwrap();
        for bad in [&[][..], &[1.0, f32::NAN], &[f32::INFINITY, 0.0], &[f32::NEG_INFINITY; 3]] {
            assert!(sampler.next(bad).is_err(), "{bad:?}");
        }
        assert_eq!(sampler.next(&[f32::NEG_INFINITY, -3.0]).unwrap(), 1);
    }
}
