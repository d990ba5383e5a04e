//! Round-to-nearest integers of 8 and 4 bits with a scale for each group.

use half::f16;

/// Bits of a quantised weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bits {
    /// Levels `-127..=127`: a code is the level as a two's-complement byte, the value is `scale * level`.
    Eight,
    /// Levels `-7.5, -6.5, .., 7.5`: a code `0..=15` is the level plus 7.5, the value is `scale * (code - 7.5)`.
    Four,
}

impl Bits {
    /// The number.
    pub const fn get(self) -> usize {
        match self {
            Bits::Eight => 8,
            Bits::Four => 4,
        }
    }

    /// Codes in a 32-bit word.
    pub const fn per_word(self) -> usize {
        32 / self.get()
    }

    /// 8 or 4.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] for any other number.
    pub fn new(bits: usize) -> crate::Result<Self> {
        match bits {
            8 => Ok(Bits::Eight),
            4 => Ok(Bits::Four),
            _ => Err(crate::Error::invalid("quantisation", "bits", bits, "must be 8 or 4")),
        }
    }

    /// The largest level.
    pub(crate) const fn largest(self) -> f32 {
        match self {
            Bits::Eight => 127.0,
            Bits::Four => 7.5,
        }
    }

    /// The level that a code stands for; only the low bits of `code` count.
    pub fn level(self, code: u32) -> f32 {
        match self {
            Bits::Eight => f32::from(code as u8 as i8),
            Bits::Four => (code & 15) as f32 - 7.5,
        }
    }

    /// The nearest level to `v / scale`.
    #[inline(always)]
    fn round(self, v: f32) -> f32 {
        match self {
            Bits::Eight => round_even(v.clamp(-127.0, 127.0)),
            Bits::Four => round_even((v + 7.5).clamp(0.0, 15.0)) - 7.5,
        }
    }

    fn code(self, level: f32) -> u32 {
        match self {
            Bits::Eight => u32::from(level as i8 as u8),
            Bits::Four => (level + 7.5) as u32,
        }
    }
}

/// Nearest integer, ties to even, for magnitudes below `2^22`: adding `1.5 * 2^23` leaves no fraction bits. Unlike
/// `round_ties_even` it needs no instruction beyond the baseline, so that the search below runs on vectors everywhere.
#[inline(always)]
fn round_even(v: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (v + MAGIC) - MAGIC
}

/// Scales tried, as parts of the one that reaches the largest magnitude: clipping the rare extremes lets the rest be finer.
const EIGHT: [f32; 4] = [1.0, 0.97, 0.94, 0.91];
const FOUR: [f32; 12] = [1.03, 1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.79, 0.76, 0.72, 0.68];

/// The scale (before rounding to `f16`, not negative) with the least squared error of `values` found by a short search.
pub(crate) fn best_scale(bits: Bits, values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let full = largest / bits.largest();
    let candidates: &[f32] = if bits == Bits::Eight { &EIGHT } else { &FOUR };
    let mut best = (f32::INFINITY, full);
    for part in candidates {
        let scale = full * part;
        let error = squared_error(bits, values, scale);
        if error < best.0 {
            best = (error, scale);
        }
    }
    // The scale that fits these levels best; kept if rounding again with it is indeed better.
    let (mut along, mut norm) = (0.0f32, 0.0f32);
    let inverse = 1.0 / best.1;
    if !inverse.is_finite() {
        return best.1;
    }
    for &v in values {
        let level = bits.round(v * inverse);
        along += v * level;
        norm += level * level;
    }
    let fitted = along / norm;
    if norm > 0.0 && fitted > 0.0 && squared_error(bits, values, fitted) < best.0 { fitted } else { best.1 }
}

fn squared_error(bits: Bits, values: &[f32], scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if !inverse.is_finite() {
        return f32::INFINITY;
    }
    let mut lanes = [0.0f32; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (sum, &v) in lanes.iter_mut().zip(chunk) {
            let error = v - scale * bits.round(v * inverse);
            *sum += error * error;
        }
    }
    for (sum, &v) in lanes.iter_mut().zip(chunks.remainder()) {
        let error = v - scale * bits.round(v * inverse);
        *sum += error * error;
    }
    lanes.iter().sum()
}

/// The codes of `values` for a stored scale (`scale * gain` is the true one).
pub(crate) fn codes(bits: Bits, values: &[f32], scale: f16, gain: f32, mut write: impl FnMut(usize, u32)) {
    let inverse = 1.0 / (scale.to_f32() * gain);
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    for (i, &v) in values.iter().enumerate() {
        write(i, bits.code(bits.round(v * inverse)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_levels() {
        for (bits, v, code, level) in [
            (Bits::Four, 0.2, 8, 0.5),
            (Bits::Four, -0.2, 7, -0.5),
            (Bits::Four, 99.0, 15, 7.5),
            (Bits::Four, -99.0, 0, -7.5),
            (Bits::Eight, -3.4, 0xfd, -3.0),
            (Bits::Eight, 500.0, 127, 127.0),
            (Bits::Eight, -500.0, 0x81, -127.0),
        ] {
            codes(bits, &[v], f16::ONE, 1.0, |_, got| assert_eq!(got, code));
            assert_eq!(bits.level(code), level);
        }
    }

    #[test]
    fn the_search_never_loses_to_the_largest_magnitude() {
        let values: Vec<f32> =
            (0..64).map(|i| ((i * 37 % 64) as f32 - 31.5) * 0.01 + (i == 5) as u8 as f32).collect();
        for bits in [Bits::Eight, Bits::Four] {
            let full = values.iter().fold(0.0f32, |m, v| m.max(v.abs())) / bits.largest();
            let best = best_scale(bits, &values);
            assert!(squared_error(bits, &values, best) <= squared_error(bits, &values, full));
        }
        assert_eq!(best_scale(Bits::Four, &[0.0; 8]), 0.0);
        assert_eq!(best_scale(Bits::Four, &[1e-45]), 1e-45 / 7.5);
    }
}
