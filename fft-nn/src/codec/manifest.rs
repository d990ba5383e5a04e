//! `quantization_config` of `config.json`: which tensors are stored by which codec, and with what settings.

use std::collections::BTreeMap;
use std::path::Path;

use fft_core::spectral::{Bits, CirculantOptions, LogSpectrumOptions, RotatedOptions, Rotation, ValueFormat};
use fft_core::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The value of `quant_method` in the configuration of a converted model.
pub const QUANT_METHOD: &str = "fft-tensor";

/// The version of the format that is written and read.
pub const VERSION: u64 = 1;

/// The longest `config.json` that is read, in bytes.
const MAX_CONFIG: u64 = 100_000_000;

/// How one tensor is stored: the codec and what its decoder needs beside the stored parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "codec", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TensorCodec {
    /// A [`fft_core::spectral::SparseSpectralMatrix`]: parts `row_offsets`, `columns`, `values`, and `scale` (f16) or `ranges` (log8).
    Sparse {
        /// `[out, in]`.
        shape: [usize; 2],
        /// How coefficients are stored.
        #[serde(serialize_with = "write_values", deserialize_with = "read_values")]
        values: ValueFormat,
    },
    /// A [`fft_core::spectral::RotatedMatrix`]: parts `codes`, `scales`, `gain`.
    Rotated {
        /// `[out, in]`.
        shape: [usize; 2],
        /// Bits of a code.
        #[serde(serialize_with = "write_bits", deserialize_with = "read_bits")]
        bits: Bits,
        /// Neighbours that share a scale.
        group: usize,
        /// The transform.
        #[serde(serialize_with = "write_rotation", deserialize_with = "read_rotation")]
        rotation: Rotation,
        /// Seed of the signs.
        seed: u64,
    },
    /// A [`fft_core::spectral::LogSpectrumMatrix`]: parts `codes`, `ranges`.
    Log8 {
        /// `[out, in]`.
        shape: [usize; 2],
        /// Neighbours that share a range.
        group: usize,
    },
    /// A [`fft_core::spectral::BlockCirculantMatrix`]: part `columns`.
    BlockCirculant {
        /// `[out, in]`.
        shape: [usize; 2],
        /// Size of a block.
        block: usize,
    },
}

impl TensorCodec {
    /// `[out, in]` of the matrix.
    pub fn shape(&self) -> [usize; 2] {
        match *self {
            Self::Sparse { shape, .. }
            | Self::Rotated { shape, .. }
            | Self::Log8 { shape, .. }
            | Self::BlockCirculant { shape, .. } => shape,
        }
    }

    /// The rotated codec of those options.
    pub(super) fn rotated(shape: [usize; 2], options: &RotatedOptions) -> Self {
        let RotatedOptions { bits, group, rotation, seed } = *options;
        Self::Rotated { shape, bits, group, rotation, seed }
    }

    /// The whole-spectrum codec of those options.
    pub(super) fn log8(shape: [usize; 2], options: LogSpectrumOptions) -> Self {
        Self::Log8 { shape, group: options.group }
    }

    /// The block-circulant codec of those options.
    pub(super) fn block_circulant(shape: [usize; 2], options: CirculantOptions) -> Self {
        Self::BlockCirculant { shape, block: options.block }
    }
}

fn write_values<S: Serializer>(values: &ValueFormat, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(values.name())
}

fn read_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ValueFormat, D::Error> {
    let name = String::deserialize(deserializer)?;
    ValueFormat::from_name(&name)
        .ok_or_else(|| D::Error::custom(format!("values {name:?} are unknown; known are f32, f16, log8")))
}

fn write_bits<S: Serializer>(bits: &Bits, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(bits.get() as u64)
}

fn read_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bits, D::Error> {
    Bits::new(usize::deserialize(deserializer)?).map_err(D::Error::custom)
}

const ROTATIONS: [(&str, Rotation); 3] =
    [("fourier", Rotation::Fourier), ("hadamard", Rotation::Hadamard), ("none", Rotation::None)];

/// The rotation's name in files.
pub(super) fn rotation_name(rotation: Rotation) -> &'static str {
    ROTATIONS.iter().find(|(_, r)| *r == rotation).map_or("unknown", |(name, _)| name)
}

fn write_rotation<S: Serializer>(rotation: &Rotation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rotation_name(*rotation))
}

fn read_rotation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rotation, D::Error> {
    let name = String::deserialize(deserializer)?;
    ROTATIONS.iter().find(|(n, _)| *n == name).map(|&(_, rotation)| rotation).ok_or_else(|| {
        D::Error::custom(format!("rotation {name:?} is unknown; known are fourier, hadamard, none"))
    })
}

/// `quantization_config` of a converted model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantizationConfig {
    /// Always [`QUANT_METHOD`].
    pub quant_method: String,
    /// The version of the format, [`VERSION`].
    pub version: u64,
    /// The codec of each coded tensor, by the name of the weight.
    pub tensors: BTreeMap<String, TensorCodec>,
}

impl Default for QuantizationConfig {
    fn default() -> Self {
        Self { quant_method: QUANT_METHOD.into(), version: VERSION, tensors: BTreeMap::new() }
    }
}

impl QuantizationConfig {
    /// The `quantization_config` of the `config.json` at `path`; `None` when it has none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for JSON that is not an object, another `quant_method`, an unknown version or, naming the
    /// tensor, an unknown codec or wrong settings.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        Self::from_config(path, &read_config(path)?)
    }

    /// As [`read`](Self::read), from JSON that was read from `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read), except [`Error::Io`].
    pub fn from_config(path: &Path, config: &Value) -> Result<Option<Self>> {
        let fail = |reason: String| Err(Error::format(path, format!("quantization_config: {reason}")));
        let Some(found) = config.get("quantization_config").filter(|v| !v.is_null()) else { return Ok(None) };
        match found.get("quant_method").and_then(Value::as_str) {
            Some(QUANT_METHOD) => {}
            Some(other) => {
                return fail(format!("quant_method {other:?} is unknown; known is {QUANT_METHOD:?}"));
            }
            None => return fail("quant_method is missing".into()),
        }
        match found.get("version") {
            Some(version) if version.as_u64() == Some(VERSION) => {}
            Some(other) => return fail(format!("version {other} is unknown; known is {VERSION}")),
            None => return fail("version is missing".into()),
        }
        let Some(Value::Object(listed)) = found.get("tensors") else {
            return fail("tensors is missing or not an object".into());
        };
        let mut tensors = BTreeMap::new();
        for (name, codec) in listed {
            let codec = TensorCodec::deserialize(codec)
                .map_err(|e| Error::tensor(path, name, format!("quantization_config: {e}")))?;
            tensors.insert(name.clone(), codec);
        }
        Ok(Some(Self { tensors, ..Self::default() }))
    }
}

/// The JSON object at `path`.
pub(crate) fn read_config(path: &Path) -> Result<Value> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if size > MAX_CONFIG {
        return Err(Error::format(path, format!("has {size} bytes; at most {MAX_CONFIG} are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let config: Value =
        serde_json::from_slice(&bytes).map_err(|e| Error::format(path, format!("is not valid JSON: {e}")))?;
    if !config.is_object() {
        return Err(Error::format(path, "is not a JSON object"));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(config: Value) -> Result<Option<QuantizationConfig>, String> {
        QuantizationConfig::from_config(Path::new("config.json"), &json!({ "quantization_config": config }))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut config = QuantizationConfig::default();
        let shape = [6, 8];
        let rotation = Rotation::Hadamard;
        for (name, codec) in [
            ("a", TensorCodec::Sparse { shape, values: ValueFormat::Log8 }),
            ("b", TensorCodec::Rotated { shape, bits: Bits::Four, group: 16, rotation, seed: u64::MAX }),
            ("c", TensorCodec::Log8 { shape, group: 128 }),
            ("d", TensorCodec::BlockCirculant { shape, block: 2 }),
        ] {
            config.tensors.insert(name.into(), codec);
        }
        let text = serde_json::to_string(&config).unwrap();
        assert!(
            text.contains(
                r#""b":{"codec":"rotated","shape":[6,8],"bits":4,"group":16,"rotation":"hadamard""#
            ),
            "{text}"
        );
        assert_eq!(parse(serde_json::from_str(&text).unwrap()).unwrap(), Some(config));
        assert_eq!(parse(Value::Null).unwrap(), None);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let with =
            |tensor: Value| json!({ "quant_method": "fft-tensor", "version": 1, "tensors": { "w": tensor } });
        for (config, reason) in [
            (json!({ "quant_method": "gptq" }), "quant_method \"gptq\" is unknown; known is \"fft-tensor\""),
            (json!({ "version": 1 }), "quant_method is missing"),
            (json!(3), "quant_method is missing"),
            (
                json!({ "quant_method": "fft-tensor", "version": 2, "tensors": {} }),
                "version 2 is unknown; known is 1",
            ),
            (
                json!({ "quant_method": "fft-tensor", "version": "1", "tensors": {} }),
                "version \"1\" is unknown",
            ),
            (json!({ "quant_method": "fft-tensor", "version": 1 }), "tensors is missing"),
            (
                with(json!({ "codec": "wavelet" })),
                "tensor w: quantization_config: unknown variant `wavelet`, expected one of `sparse`, `rotated`",
            ),
            (with(json!({ "shape": [1, 2] })), "tensor w: quantization_config: missing field `codec`"),
            (with(json!({ "codec": "log8", "shape": [1, 2] })), "missing field `group`"),
            (with(json!({ "codec": "log8", "shape": [1, 2, 3], "group": 1 })), "tensor w"),
            (with(json!({ "codec": "log8", "shape": [1, -2], "group": 1 })), "tensor w"),
            (
                with(json!({ "codec": "log8", "shape": [1, 2], "group": 1, "extra": 1 })),
                "unknown field `extra`",
            ),
            (with(json!({ "codec": "sparse", "shape": [1, 2], "values": "f8" })), "known are f32, f16, log8"),
            (
                with(
                    json!({ "codec": "rotated", "shape": [2, 2], "bits": 3, "group": 8, "rotation": "fourier", "seed": 0 }),
                ),
                "must be 8 or 4",
            ),
            (
                with(
                    json!({ "codec": "rotated", "shape": [2, 2], "bits": 4, "group": 8, "rotation": "sine", "seed": 0 }),
                ),
                "known are fourier, hadamard, none",
            ),
        ] {
            let message = parse(config.clone()).unwrap_err();
            assert!(message.contains(reason), "{config}: {message}");
        }
    }
}
