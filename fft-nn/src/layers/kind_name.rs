//! Kinds of linear layers as text and JSON.

use fft_core::{Error, Result};
use serde_json::{Value, json};

use super::{Learn, LinearKind, Positions};

impl LinearKind {
    /// As `config.json` tells it.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Dense => json!({ "kind": "dense" }),
            Self::Spectral { density, positions, learn } => {
                let mut json = json!({ "kind": "spectral", "density": density });
                let (name, block) = match positions {
                    Positions::Random => ("random", None),
                    Positions::LowPass => ("low-pass", None),
                    Positions::Block { block } => ("block", Some(block)),
                    Positions::TopK => ("top-k", None),
                };
                json["positions"] = json!(name);
                if let Some(block) = block {
                    json["block"] = json!(block);
                }
                json["phases"] = json!(learn == Learn::MagnitudeAndPhase);
                json
            }
            Self::BlockCirculant { block } => json!({ "kind": "block-circulant", "block": block }),
        }
    }

    /// What [`to_json`](Self::to_json) told.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what is unknown or missing.
    pub(crate) fn from_json(json: &Value) -> Result<Self> {
        const OP: &str = "linear";
        let block = || {
            let block = json["block"].as_u64().and_then(|b| usize::try_from(b).ok()).filter(|&b| b > 0);
            block.ok_or_else(|| {
                Error::invalid(OP, "block", &json["block"], "a number of at least 1 is needed")
            })
        };
        match json["kind"].as_str() {
            Some("dense") => Ok(Self::Dense),
            Some("block-circulant") => Ok(Self::BlockCirculant { block: block()? }),
            Some("spectral") => {
                let density = json["density"].as_f64();
                let density = density
                    .ok_or_else(|| Error::invalid(OP, "density", &json["density"], "a number is needed"))?;
                let positions = match json["positions"].as_str() {
                    Some("random") => Positions::Random,
                    Some("low-pass") => Positions::LowPass,
                    Some("block") => Positions::Block { block: block()? },
                    Some("top-k") => Positions::TopK,
                    _ => {
                        let known = "known are random, low-pass, block, top-k";
                        return Err(Error::invalid(OP, "positions", &json["positions"], known));
                    }
                };
                let learn = match json["phases"].as_bool() {
                    Some(false) => Learn::Magnitude,
                    _ => Learn::MagnitudeAndPhase,
                };
                Ok(Self::Spectral { density, positions, learn })
            }
            _ => Err(Error::invalid(OP, "kind", &json["kind"], "known are dense, spectral, block-circulant")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let spectral = |positions, learn| LinearKind::Spectral { density: 0.25, positions, learn };
        for kind in [
            LinearKind::Dense,
            LinearKind::BlockCirculant { block: 16 },
            spectral(Positions::Random, Learn::MagnitudeAndPhase),
            spectral(Positions::LowPass, Learn::Magnitude),
            spectral(Positions::Block { block: 8 }, Learn::MagnitudeAndPhase),
            spectral(Positions::TopK, Learn::Magnitude),
        ] {
            assert_eq!(LinearKind::from_json(&kind.to_json()).unwrap(), kind);
        }
        for bad in
            [json!(null), json!({ "kind": "wavelet" }), json!({ "kind": "block-circulant", "block": 0 })]
        {
            assert!(LinearKind::from_json(&bad).is_err(), "{bad}");
        }
    }
}
