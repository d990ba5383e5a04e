//! Log8: a sign and a 7-bit logarithmic magnitude in one byte, with a range per group of values.
//!
//! # Format
//!
//! A group has a [`Range`] of two `f32`: `max`, the largest magnitude, and `step`, the distance of neighbouring magnitudes in
//! octaves (powers of two). Bit 7 of a code is the sign (1 is negative); bits 0 to 6 are `m`:
//!
//! - `m = 0` is exactly zero;
//! - `m = 1..=127` is the magnitude `max * 2^(-(127 - m) * step)`, so that `m = 127` is exactly `max` and `m = 1` is
//!   `min = max * 2^(-126 * step)`, the smallest one.
//!
//! # Error
//!
//! A magnitude `v` in `min..=max` is rounded to the nearest level in the logarithm: its relative error is at most
//! `2^(step / 2) - 1` ([`Range::relative_error`]), which is `2^(R / 252) - 1` for a range of `R = log2(max / min)` octaves:
//! 1.7% for 6 octaves, 4.5% for 16, besides the rounding of `f32`. A magnitude below `min` becomes 0 or `min`, whichever is
//! nearer: its absolute error is at most `min / 2` ([`Range::absolute_error`]).
//!
//! # Choice of the range
//!
//! `max` is the group's largest magnitude. Of the ranges in [`OCTAVES`] and the group's own (largest to smallest magnitude that
//! is not zero), [`encode_group`] takes the one with the least squared error: a wide range makes every value coarser, a
//! narrow one rounds small values to zero. For Gaussian values it is 5 to 6 octaves, with a relative L2 error near 1%.

use crate::{Error, Result};

/// Widths of the range, in octaves, that [`encode_group`] tries beside the group's own.
pub const OCTAVES: [f32; 10] = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 16.0, 24.0];

/// The widest range in octaves that a stored group may have: all magnitudes of `f32`.
const WIDEST: f32 = 280.0;

/// The steps between the smallest and the largest magnitude.
const STEPS: f32 = 126.0;

/// The group size that the codecs use unless told otherwise: 1 bit of range for every 8 bits of code.
pub const GROUP: usize = 64;

/// The magnitudes that a group's codes stand for; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Range {
    /// The largest magnitude; 0 when all values are zero.
    pub max: f32,
    /// Octaves between neighbouring magnitudes.
    pub step: f32,
}

impl Range {
    /// A range from its stored numbers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when one is negative, infinite or NaN, or 126 steps are more than 280 octaves.
    pub fn new(max: f32, step: f32) -> Result<Self> {
        const OP: &str = "log8 range";
        if !(max >= 0.0 && max.is_finite()) {
            return Err(Error::invalid(OP, "max", max, "must be finite and not negative"));
        }
        if !(step >= 0.0 && step * STEPS <= WIDEST) {
            return Err(Error::invalid(OP, "step", step, "126 steps must lie within 0 to 280 octaves"));
        }
        Ok(Self { max, step })
    }

    /// The smallest magnitude above zero.
    pub fn min(self) -> f32 {
        self.magnitude(1)
    }

    /// The largest relative error of a magnitude within `min..=max`: `2^(step / 2) - 1`.
    pub fn relative_error(self) -> f64 {
        (f64::from(self.step) / 2.0).exp2() - 1.0
    }

    /// The largest absolute error of a magnitude below `min`: `min / 2`.
    pub fn absolute_error(self) -> f64 {
        f64::from(self.min()) / 2.0
    }

    /// The number that `code` stands for.
    pub fn decode(self, code: u8) -> f32 {
        let magnitude = self.magnitude(code & 0x7f);
        if code & 0x80 == 0 { magnitude } else { -magnitude }
    }

    /// The numbers that all codes stand for.
    pub fn table(self) -> [f32; 256] {
        let mut table = [0.0; 256];
        for m in 1..128u8 {
            let magnitude = self.magnitude(m);
            table[usize::from(m)] = magnitude;
            table[usize::from(m) + 128] = -magnitude;
        }
        table[128] = -0.0;
        table
    }

    fn magnitude(self, m: u8) -> f32 {
        if m == 0 {
            return 0.0;
        }
        // In f64, so that a table is the correctly rounded one on every machine, up to the last place.
        (f64::from(self.max) * (-f64::from(127 - m) * f64::from(self.step)).exp2()) as f32
    }

    /// The code nearest to `value`, which is finite with a magnitude of at most `max`.
    fn encode(self, value: f32) -> u8 {
        let sign = if value.is_sign_negative() { 0x80 } else { 0 };
        let v = value.abs();
        if v == 0.0 || self.max == 0.0 {
            return 0;
        }
        let below = f64::from(self.max / v).log2();
        let below = if below.is_finite() { below } else { f64::from(self.max).log2() - f64::from(v).log2() };
        if below > f64::from(self.step) * f64::from(STEPS) {
            // Below the smallest magnitude: the nearer one of it and zero.
            return if v >= self.min() / 2.0 && self.step > 0.0 { sign | 1 } else { 0 };
        }
        if self.step == 0.0 {
            return sign | 127;
        }
        let steps = (below / f64::from(self.step)).round().min(f64::from(STEPS));
        sign | (127 - steps as u8)
    }
}

/// The squared error, relative to `max^2`, of values `max * 2^(-below)` with a range of `octaves`.
fn squared_error(below: &[f32], octaves: f32) -> f64 {
    let step = octaves / STEPS;
    let min = (-octaves).exp2();
    let mut sum = 0.0f32;
    for &below in below {
        let v = (-below).exp2();
        let error = if below <= octaves {
            let distance = below - (below / step).round() * step;
            v * (distance * std::f32::consts::LN_2).exp_m1()
        } else if v < min / 2.0 {
            v
        } else {
            min - v
        };
        sum += error * error;
    }
    f64::from(sum)
}

/// Encodes one group: writes a code for each value and returns the group's range.
///
/// # Errors
/// [`Error::InvalidArgument`] when the lengths differ, or naming the index of a value that is NaN or infinite.
pub fn encode_group(values: &[f32], codes: &mut [u8]) -> Result<Range> {
    const OP: &str = "log8_encode";
    if values.len() != codes.len() {
        return Err(Error::shapes(OP, &[values.len()], &[codes.len()], "one code for each value"));
    }
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::invalid(OP, "values", values[i], format!("the value at index {i} is not finite")));
    }
    let max = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    if max == 0.0 {
        codes.fill(0);
        return Ok(Range::default());
    }
    let log_max = f64::from(max).log2();
    let below: Vec<f32> = values
        .iter()
        .filter(|v| **v != 0.0)
        .map(|v| ((log_max - f64::from(v.abs()).log2()) as f32).max(0.0))
        .collect();
    // A little more than its own range, so that the smallest value does not fall below it by rounding.
    let own = below.iter().fold(0.0f32, |own, &b| own.max(b)) * (1.0 + 4.0 * f32::EPSILON);
    let mut best = (f64::INFINITY, own);
    for octaves in OCTAVES.into_iter().filter(|&o| o < own).chain([own]) {
        let error = if octaves == 0.0 { 0.0 } else { squared_error(&below, octaves) };
        if error < best.0 {
            best = (error, octaves);
        }
    }
    let range = Range { max, step: best.1 / STEPS };
    for (code, &value) in codes.iter_mut().zip(values) {
        *code = range.encode(value);
    }
    Ok(range)
}

/// Encodes `values` in groups of `group` consecutive ones (the last may be shorter): a code for each, a range for each group.
///
/// # Errors
/// [`Error::InvalidArgument`] when `group` is 0, or naming the index of a value that is NaN or infinite.
pub fn encode(values: &[f32], group: usize) -> Result<(Vec<u8>, Vec<Range>)> {
    const OP: &str = "log8_encode";
    if group == 0 {
        return Err(Error::invalid(OP, "group", group, "must be at least 1"));
    }
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::invalid(OP, "values", values[i], format!("the value at index {i} is not finite")));
    }
    let mut codes = vec![0; values.len()];
    let ranges = values
        .chunks(group)
        .zip(codes.chunks_mut(group))
        .map(|(values, codes)| encode_group(values, codes))
        .collect::<Result<Vec<_>>>()?;
    Ok((codes, ranges))
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// [`Error::InvalidArgument`] when `group` is 0; [`Error::ShapeMismatch`] when there is not one range for each group.
pub fn decode(codes: &[u8], ranges: &[Range], group: usize) -> Result<Vec<f32>> {
    const OP: &str = "log8_decode";
    if group == 0 {
        return Err(Error::invalid(OP, "group", group, "must be at least 1"));
    }
    if ranges.len() != codes.len().div_ceil(group) {
        return Err(Error::shapes(
            OP,
            &[codes.len()],
            &[ranges.len()],
            format!("one range for {group} codes"),
        ));
    }
    let mut out = Vec::with_capacity(codes.len());
    for (codes, range) in codes.chunks(group).zip(ranges) {
        let table = range.table();
        out.extend(codes.iter().map(|&code| table[usize::from(code)]));
    }
    Ok(out)
}

/// Ranges as the numbers that are stored: `max`, `step`, `max`, `step`, ...
pub fn ranges_to_flat(ranges: &[Range]) -> Vec<f32> {
    ranges.iter().flat_map(|r| [r.max, r.step]).collect()
}

/// Ranges from the numbers that are stored, each checked.
///
/// # Errors
/// [`Error::InvalidArgument`] when the count is odd or a range is not valid ([`Range::new`]).
pub fn ranges_from_flat(flat: &[f32]) -> Result<Vec<Range>> {
    if !flat.len().is_multiple_of(2) {
        return Err(Error::invalid("log8 range", "length", flat.len(), "each range is two numbers"));
    }
    flat.chunks_exact(2).map(|pair| Range::new(pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every value is within the bound that its group's range states.
    fn assert_within_bounds(values: &[f32], group: usize) {
        let (codes, ranges) = encode(values, group).unwrap();
        let decoded = decode(&codes, &ranges, group).unwrap();
        for (i, (&v, &d)) in values.iter().zip(&decoded).enumerate() {
            let range = ranges[i / group];
            let (v, d, min) = (f64::from(v), f64::from(d), f64::from(range.min()));
            // The rounding of f32: of the range's two numbers (126 steps of it) and of the result.
            let ulp = f64::from(f32::EPSILON);
            let bound =
                if v.abs() >= min { range.relative_error() * v.abs() } else { range.absolute_error() }
                    + (2.0 + 126.0 * f64::from(range.step)) * ulp * v.abs()
                    + 2e-45;
            assert!((v - d).abs() <= bound, "value {v} became {d} with {range:?}, bound {bound}");
            assert!(v != 0.0 || d == 0.0, "zero is exact");
        }
    }

    #[test]
    fn largest_magnitude_and_zero_are_exact() {
        let values = [0.0, -3.25, 1.0, 1e-20, 0.0, 3.25];
        let (codes, ranges) = encode(&values, 6).unwrap();
        let decoded = decode(&codes, &ranges, 6).unwrap();
        assert_eq!((decoded[0], decoded[1], decoded[4], decoded[5]), (0.0, -3.25, 0.0, 3.25));
        assert_eq!(codes[0] & 0x7f, 0);
    }

    #[test]
    fn groups_of_equal_magnitude_are_exact() {
        let values = [0.7f32, -0.7, -0.7, 0.0, 0.7];
        let (codes, ranges) = encode(&values, 8).unwrap();
        assert_eq!(ranges[0].step, 0.0);
        assert_eq!(decode(&codes, &ranges, 8).unwrap(), values);
    }

    #[test]
    fn the_error_bound_is_reached() {
        // A value halfway between two levels: the stated worst case is not a loose one.
        let range = Range { max: 1.0, step: 0.1 };
        let v = (-0.05f32 * 0.999).exp2();
        let error = f64::from((range.decode(range.encode(v)) - v).abs() / v);
        assert!(error > 0.95 * range.relative_error() && error <= range.relative_error());
        let small = range.min() * 0.499;
        assert_eq!(range.encode(small), 0);
        assert_eq!(range.encode(range.min() * 0.51), 1);
    }

    #[test]
    fn relative_error_is_what_the_range_says() {
        for (octaves, error) in [(6.0, 0.0166), (8.0, 0.0222), (16.0, 0.0450)] {
            let range = Range { max: 1.0, step: octaves / 126.0 };
            assert!((range.relative_error() - error).abs() < 1e-4);
        }
    }

    #[test]
    fn gaussian_values_lose_about_one_percent() {
        // Sums of twelve uniform numbers: near enough to a Gaussian, without a dependency.
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let values: Vec<f32> = (0..64 * 256).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect();
        let (codes, ranges) = encode(&values, 64).unwrap();
        let decoded = decode(&codes, &ranges, 64).unwrap();
        let squares = |it: &mut dyn Iterator<Item = f32>| it.map(|v| f64::from(v * v)).sum::<f64>();
        let error = squares(&mut values.iter().zip(&decoded).map(|(a, b)| a - b));
        let relative = (error / squares(&mut values.iter().copied())).sqrt();
        assert!(relative < 0.012, "{relative}");
    }

    #[test]
    fn bad_input_is_named() {
        let mut values = vec![1.0f32; 100];
        values[70] = f32::NAN;
        let message = encode(&values, 32).unwrap_err().to_string();
        assert!(message.contains("index 70"), "{message}");
        values[70] = f32::INFINITY;
        assert!(encode(&values, 32).is_err());
        assert!(encode(&[1.0], 0).is_err());
        assert!(decode(&[1, 2, 3], &[Range::default()], 2).is_err());
        for (max, step) in [(-1.0, 0.1), (f32::NAN, 0.1), (1.0, -0.1), (1.0, f32::NAN), (1.0, 3.0)] {
            assert!(Range::new(max, step).is_err());
        }
        assert!(ranges_from_flat(&[1.0]).is_err());
    }

    #[test]
    fn extreme_magnitudes() {
        assert_within_bounds(&[f32::MAX, f32::MIN_POSITIVE, -1.0, 1e-45, -1e-30, 1e30], 6);
        assert_within_bounds(&[1e-45, -3e-45, 1e-40, 0.0], 4);
        assert_within_bounds(&[5.0], 1);
    }

    proptest! {
        #[test]
        fn errors_stay_within_the_stated_bounds(
            mantissas in prop::collection::vec((-1.0f32..1.0, -40i32..40), 1..200), group in 1usize..70
        ) {
            let values: Vec<f32> = mantissas.iter().map(|&(m, e)| m * (e as f32).exp2()).collect();
            assert_within_bounds(&values, group);
        }

        #[test]
        fn decoding_then_encoding_gives_the_same_numbers(codes in prop::collection::vec(any::<u8>(), 1..64)) {
            let range = Range { max: 2.5, step: 0.07 };
            let values: Vec<f32> = codes.iter().map(|&c| range.decode(c)).collect();
            let again: Vec<f32> = values.iter().map(|&v| range.decode(range.encode(v))).collect();
            prop_assert_eq!(values, again);
        }
    }
}
