//! Random numbers that are the same on every machine, and whose state can be saved.

use fft_core::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A stream of random numbers: ChaCha with 8 rounds.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The stream of a seed and a name: streams of different names are independent, whatever was drawn from others before.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a (Fowler, Noll, Vo); ChaCha makes the rest of it.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&hash.to_le_bytes());
        key[16..24].copy_from_slice(&(name.len() as u64).to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Any number.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of `2^-53`.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Of 2^64 numbers the product's upper half favours none by more than n / 2^64 (Lemire 2019).
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Of the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// `count` different numbers of `0..n`, ascending (Floyd's algorithm).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there are not as many.
    pub fn sample(&mut self, n: usize, count: usize) -> Result<Vec<usize>> {
        if count > n {
            return Err(Error::invalid("sample", "count", count, format!("there are {n} to choose from")));
        }
        let mut chosen = std::collections::BTreeSet::new();
        for last in n - count..n {
            let i = self.below(last + 1);
            if !chosen.insert(i) {
                chosen.insert(last);
            }
        }
        Ok(chosen.into_iter().collect())
    }

    /// Everything that decides what comes next.
    pub fn state(&self) -> [u8; STATE] {
        let mut state = [0; STATE];
        state[..32].copy_from_slice(&self.0.get_seed());
        state[32..48].copy_from_slice(&self.0.get_word_pos().to_le_bytes());
        state
    }

    /// The stream that [`state`](Self::state) was taken of.
    pub fn from_state(state: &[u8; STATE]) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(&state[..32]);
        let mut position = [0; 16];
        position.copy_from_slice(&state[32..]);
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_word_pos(u128::from_le_bytes(position));
        Self(rng)
    }
}

/// Bytes of a saved state.
pub const STATE: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_continues_the_stream() {
        let mut random = Random::new(7);
        for _ in 0..5 {
            random.normal();
        }
        let mut again = Random::from_state(&random.state());
        for _ in 0..40 {
            assert_eq!(random.bits(), again.bits());
        }
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut random = Random::named(3, "weight");
        let n = 100_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = random.normal();
            sum += x;
            squares += x * x;
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.01 && (squares / n - 1.0).abs() < 0.02, "{sum} {squares}");
    }

    #[test]
    fn samples_are_different_and_in_range() {
        let mut random = Random::new(1);
        for (n, count) in [(10, 10), (10, 0), (1000, 100), (1, 1)] {
            let sample = random.sample(n, count).unwrap();
            assert_eq!(sample.len(), count);
            assert!(sample.windows(2).all(|w| w[0] < w[1]) && sample.iter().all(|&i| i < n));
        }
        assert!(random.sample(3, 4).is_err());
    }
}
