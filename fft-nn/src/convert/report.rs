//! What a conversion did and what it costs, for people and for `--json`.

use std::path::PathBuf;

use serde::Serialize;

use super::floats::Difference;

/// One weight of a converted or inspected model.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TensorReport {
    /// The name of the weight.
    pub name: String,
    /// Its axis lengths as a dense tensor.
    pub shape: Vec<usize>,
    /// `dense`, or the codec.
    pub codec: String,
    /// Element type or settings, free text.
    pub detail: String,
    /// Bytes in the source; `None` without one.
    pub source_bytes: Option<u64>,
    /// Bytes as stored, all parts together.
    pub stored_bytes: u64,
    /// Stored bits divided by the number of elements.
    pub bits_per_weight: f64,
    /// Fraction of the degrees of freedom that is stored, for codecs that drop some.
    pub density: Option<f64>,
    /// `|W' - W| / |W|` of the stored against the source matrix, Frobenius norms.
    pub relative_error: Option<f64>,
    /// How well a sparse spectrum captures the matrix.
    pub compaction: Option<Compaction>,
    /// Why the weight was left as it was, although it was selected.
    pub reason: Option<String>,
}

/// Whether a matrix's spectrum is concentrated enough for a sparse codec to make sense.
///
/// The coefficients of white Gaussian noise have exponentially distributed squared magnitudes, so the largest fraction `d` of them
/// holds `d (1 + ln(1 / d))` of the energy, whatever the matrix: this is what top-k keeps of numbers without any structure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Compaction {
    /// The share of the squared norm that is kept.
    pub kept_energy: f64,
    /// The share that top-k of the same density keeps of white noise.
    pub noise_energy: f64,
    /// `10 log10` of the energy that is lost of white noise over that lost here: the coding gain in decibels.
    pub gain_db: f64,
    /// Whether the gain is at least [`JUSTIFIED_DB`](Compaction::JUSTIFIED_DB).
    pub justified: bool,
}

impl Compaction {
    /// The gain from which a sparse spectrum is called justified: half the loss of white noise.
    pub const JUSTIFIED_DB: f64 = 3.0;

    /// The figures for a matrix of which a fraction `density` of coefficients was kept with a relative error.
    pub fn new(density: f64, relative_error: f64) -> Self {
        let lost = relative_error * relative_error;
        let density = density.clamp(f64::MIN_POSITIVE, 1.0);
        let noise_energy = density * (1.0 - density.ln());
        // Everything kept leaves rounding alone; that is neither gain nor loss.
        let gain_db = match density < 1.0 {
            true => (10.0 * ((1.0 - noise_energy).max(1e-12) / lost.max(1e-12)).log10()).max(-120.0),
            false => 0.0,
        };
        Self {
            kept_energy: (1.0 - lost).max(0.0),
            noise_energy,
            gain_db,
            justified: gain_db >= Self::JUSTIFIED_DB,
        }
    }
}

/// Sums over tensors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Number of weights.
    pub tensors: usize,
    /// Weights stored by a codec, or in another element type than before.
    pub converted: usize,
    /// Elements of all weights.
    pub elements: u64,
    /// Bytes in the source, of the weights for which they are known.
    pub source_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Stored bits divided by the number of elements, over all weights.
    pub bits_per_weight: f64,
    /// The same over the converted weights; 0 when there are none.
    pub converted_bits_per_weight: f64,
    /// Relative error over all weights for which it was measured, as if they were one vector.
    pub relative_error: Option<f64>,
}

impl Totals {
    pub(super) fn new(tensors: &[TensorReport], is_converted: impl Fn(&TensorReport) -> bool) -> Self {
        let mut out = Self { tensors: tensors.len(), ..Self::default() };
        let (mut bytes, mut elements) = (0, 0);
        for tensor in tensors {
            let len = tensor.shape.iter().map(|&n| n as u64).product::<u64>();
            out.elements += len;
            out.source_bytes += tensor.source_bytes.unwrap_or(0);
            out.stored_bytes += tensor.stored_bytes;
            if is_converted(tensor) {
                out.converted += 1;
                bytes += tensor.stored_bytes;
                elements += len;
            }
        }
        out.bits_per_weight = bits(out.stored_bytes, out.elements);
        out.converted_bits_per_weight = bits(bytes, elements);
        out
    }

    pub(super) fn with_error(mut self, difference: Option<Difference>) -> Self {
        self.relative_error = difference.map(|d| d.relative());
        self
    }
}

/// `8 bytes / elements`; 0 for none.
pub(super) fn bits(bytes: u64, elements: u64) -> f64 {
    if elements == 0 { 0.0 } else { 8.0 * bytes as f64 / elements as f64 }
}

/// What [`llamaize`](super::llamaize()) or [`export`](super::export()) did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvertReport {
    /// The model read.
    pub source: PathBuf,
    /// The model written.
    pub destination: PathBuf,
    /// The codec, or `dense`, with its settings.
    pub codec: String,
    /// Each weight.
    pub tensors: Vec<TensorReport>,
    /// Sums.
    pub totals: Totals,
    /// Bytes of the weight files written, headers included.
    pub file_bytes: u64,
    /// What a user should know about the result.
    pub notes: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// What [`inspect`](super::inspect()) found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectReport {
    /// The model.
    pub model: PathBuf,
    /// The model that errors are measured against.
    pub source: Option<PathBuf>,
    /// Each weight.
    pub tensors: Vec<TensorReport>,
    /// Sums.
    pub totals: Totals,
    /// Bytes of the weight files, headers included.
    pub file_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_against_white_noise() {
        // Top 5% of white noise: 0.05 (1 + ln 20) = 0.19979 of the energy.
        let c = Compaction::new(0.05, (1.0f64 - 0.199_786_6).sqrt());
        assert!((c.noise_energy - 0.199_786_6).abs() < 1e-6, "{c:?}");
        assert!(c.gain_db.abs() < 1e-4 && !c.justified, "{c:?}");
        let c = Compaction::new(0.05, 0.46);
        assert!((c.gain_db - 10.0 * (0.800_213_4f64 / 0.2116).log10()).abs() < 1e-4, "{c:?}");
        assert!(c.justified);
        assert!(!Compaction::new(1.0, 1e-7).justified);
        assert!(Compaction::new(0.1, 0.0).justified, "an exactly sparse spectrum");
    }
}
