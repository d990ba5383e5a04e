//! Rotary position embedding: frequencies and cached tables.

use std::f64::consts::TAU;
use std::sync::{Mutex, PoisonError};

use fft_core::{Device, Result, Tensor};

use crate::models::RopeScaling;

/// Angles per position of each pair of a head's channels: `dim / 2` frequencies `theta^(-2i / dim)` (Su et al. 2021), changed
/// by `scaling`. They are rounded to `f32`, since models are trained so.
pub fn rope_frequencies(dim: usize, theta: f64, scaling: RopeScaling) -> Vec<f32> {
    let base = (0..dim / 2).map(|i| theta.powf(-2.0 * i as f64 / dim as f64));
    let scaled = base.map(|frequency| match scaling {
        RopeScaling::Default => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Llama3 { factor, low, high, original_positions } => {
            let turns = original_positions * frequency / TAU;
            // 0 at or below `low` turns over the original context, 1 at or above `high`.
            let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            frequency * (keep + (1.0 - keep) / factor)
        }
    });
    scaled.map(|f| f as f32).collect()
}

/// Tables of cosines and sines that grow with the positions asked for.
#[derive(Debug)]
pub struct RopeTables {
    device: Device,
    frequencies: Vec<f32>,
    max_positions: usize,
    /// `[positions, dim / 2]` each; empty at first.
    tables: Mutex<Option<(Tensor, Tensor)>>,
}

/// Positions of the first table.
const FIRST: usize = 512;

impl RopeTables {
    /// Tables for at most `max_positions` positions.
    pub fn new(device: &Device, frequencies: Vec<f32>, max_positions: usize) -> Self {
        Self { device: device.clone(), frequencies, max_positions, tables: Mutex::new(None) }
    }

    /// Cosines and sines of the positions `start..start + len`, `[len, dim / 2]`, `F32`; views of the cached tables.
    ///
    /// # Errors
    /// [`fft_core::Error::InvalidArgument`] past the last position; memory errors.
    pub fn get(&self, start: usize, len: usize) -> Result<(Tensor, Tensor)> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let end = start.saturating_add(len).min(self.max_positions);
        if tables.as_ref().is_none_or(|(cos, _)| cos.shape()[0] < end) {
            let rows = end.max(FIRST).next_power_of_two().min(self.max_positions);
            *tables = Some(self.build(rows)?);
        }
        let (cos, sin) = tables.as_ref().expect("the tables were just made");
        Ok((cos.narrow(0, start, len)?, sin.narrow(0, start, len)?))
    }

    fn build(&self, rows: usize) -> Result<(Tensor, Tensor)> {
        let half = self.frequencies.len();
        let (mut cos, mut sin) = (Vec::with_capacity(rows * half), Vec::with_capacity(rows * half));
        for position in 0..rows {
            for &frequency in &self.frequencies {
                // The product is rounded to f32 as in the reference software; the functions are not.
                let (s, c) = f64::from(position as f32 * frequency).sin_cos();
                cos.push(c as f32);
                sin.push(s as f32);
            }
        }
        let shape = [rows, half];
        Ok((Tensor::from_slice(&self.device, &cos, &shape)?, Tensor::from_slice(&self.device, &sin, &shape)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_frequencies_are_powers_of_theta() {
        let f = rope_frequencies(8, 10_000.0, RopeScaling::Default);
        assert_eq!(f, [1.0, 0.1, 0.01, 0.001]);
    }

    #[test]
    fn linear_scaling_divides_every_frequency() {
        let f = rope_frequencies(4, 10_000.0, RopeScaling::Linear { factor: 4.0 });
        assert_eq!(f, [0.25, 0.0025]);
    }

    #[test]
    fn llama3_scaling_keeps_high_and_divides_low_frequencies() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_positions: 32.0 };
        let plain = rope_frequencies(16, 500_000.0, RopeScaling::Default);
        let scaled = rope_frequencies(16, 500_000.0, scaling);
        for (p, s) in plain.iter().zip(&scaled) {
            let wavelength = TAU / f64::from(*p);
            let ratio = s / p;
            if wavelength < 32.0 / 4.0 {
                assert_eq!(ratio, 1.0, "wavelength {wavelength}");
            } else if wavelength > 32.0 {
                assert!((ratio - 0.125).abs() < 1e-6, "wavelength {wavelength}");
            } else {
                assert!(ratio > 0.125 && ratio < 1.0, "wavelength {wavelength}");
            }
        }
    }
}
