//! Codecs of weight matrices: from a dense matrix to its coded form, to named parts in a file, and back to a linear layer.
//!
//! A coded weight `w` lies in the checkpoint as tensors `w.<part>`; the `quantization_config` of `config.json`
//! ([`QuantizationConfig`]) names its codec. See `docs/formats.md`.

mod manifest;
mod weights;

pub(crate) use manifest::read_config;
pub use manifest::{QUANT_METHOD, QuantizationConfig, TensorCodec, VERSION};

use std::sync::Arc;

use fft_core::spectral::{
    BlockCirculantMatrix, CirculantOptions, LogSpectrumMatrix, LogSpectrumOptions, RotatedMatrix,
    RotatedOptions, SparseOptions, SparseSpectralMatrix,
};
use fft_core::{Device, Error, Result, Tensor};

use crate::checkpoint::Checkpoint;
use crate::linear::LinearWeights;

/// A codec with its settings, to encode a matrix with.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum MatrixCodec {
    /// A few coefficients of the spectrum.
    Sparse(SparseOptions),
    /// Rotated and rounded to 8 or 4 bits.
    Rotated(RotatedOptions),
    /// The whole spectrum in log8.
    Log8(LogSpectrumOptions),
    /// Circulant blocks.
    BlockCirculant(CirculantOptions),
}

impl MatrixCodec {
    /// The name: `sparse`, `rotated`, `log8` or `block-circulant`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sparse(_) => "sparse",
            Self::Rotated(_) => "rotated",
            Self::Log8(_) => "log8",
            Self::BlockCirculant(_) => "block-circulant",
        }
    }

    /// Checks the settings that do not depend on a matrix.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = |name, value| match value {
            0 => Err(Error::invalid("codec", name, value, "must be at least 1")),
            _ => Ok(()),
        };
        match self {
            Self::Sparse(options) => options.selection.validate("codec"),
            Self::Rotated(options) if options.group == 0 || !options.group.is_multiple_of(8) => {
                Err(Error::invalid("codec", "group", options.group, "must be a multiple of 8, at least 8"))
            }
            Self::Rotated(_) => Ok(()),
            Self::Log8(options) => at_least_one("group", options.group),
            Self::BlockCirculant(options) => at_least_one("block", options.block),
        }
    }

    /// Why a matrix of `shape` cannot be encoded, if it cannot.
    pub fn obstacle(&self, shape: [usize; 2]) -> Option<String> {
        if shape.contains(&0) {
            return Some("it is empty".into());
        }
        match self {
            Self::Rotated(options) => {
                shape.iter().find_map(|&n| options.rotation.check(n).err()).map(|e| e.to_string())
            }
            Self::BlockCirculant(options) if shape.iter().any(|n| !n.is_multiple_of(options.block)) => {
                Some(format!("blocks of {} do not divide its sides", options.block))
            }
            _ => None,
        }
    }

    /// Encodes `w`, `[out, in]` of any float dtype, on its device.
    ///
    /// # Errors
    /// Those of the matrix type's `from_dense`: settings out of range, a number that is not finite, memory.
    pub fn encode(&self, w: &Tensor) -> Result<CodedMatrix> {
        Ok(match self {
            Self::Sparse(options) => {
                CodedMatrix::Sparse(Arc::new(SparseSpectralMatrix::from_dense(w, options)?))
            }
            Self::Rotated(options) => CodedMatrix::Rotated(Arc::new(RotatedMatrix::from_dense(w, options)?)),
            Self::Log8(options) => CodedMatrix::Log8(Arc::new(LogSpectrumMatrix::from_dense(w, options)?)),
            Self::BlockCirculant(options) => {
                CodedMatrix::BlockCirculant(Arc::new(BlockCirculantMatrix::from_dense(w, options)?))
            }
        })
    }
}

/// A matrix in coded form.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CodedMatrix {
    /// A few coefficients of the spectrum.
    Sparse(Arc<SparseSpectralMatrix>),
    /// Rotated and rounded.
    Rotated(Arc<RotatedMatrix>),
    /// The whole spectrum in log8.
    Log8(Arc<LogSpectrumMatrix>),
    /// Circulant blocks.
    BlockCirculant(Arc<BlockCirculantMatrix>),
}

impl CodedMatrix {
    /// What the file's `config.json` says of it.
    pub fn codec(&self) -> TensorCodec {
        match self {
            Self::Sparse(m) => TensorCodec::Sparse { shape: m.shape(), values: m.values().format() },
            Self::Rotated(m) => TensorCodec::rotated(m.shape(), m.options()),
            Self::Log8(m) => TensorCodec::log8(m.shape(), m.options()),
            Self::BlockCirculant(m) => {
                TensorCodec::block_circulant(m.shape(), CirculantOptions { block: m.block() })
            }
        }
    }

    /// The tensors to save, by the suffix of their names.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        match self {
            Self::Sparse(m) => m.parts(),
            Self::Rotated(m) => m.parts(),
            Self::Log8(m) => m.parts(),
            Self::BlockCirculant(m) => m.parts(),
        }
    }

    /// The matrix as a linear layer's weight.
    pub fn as_weights(&self) -> &dyn LinearWeights {
        match self {
            Self::Sparse(m) => &**m,
            Self::Rotated(m) => &**m,
            Self::Log8(m) => &**m,
            Self::BlockCirculant(m) => &**m,
        }
    }

    /// The matrix as a linear layer's weight.
    pub fn into_weights(self) -> Arc<dyn LinearWeights> {
        match self {
            Self::Sparse(m) => m,
            Self::Rotated(m) => m,
            Self::Log8(m) => m,
            Self::BlockCirculant(m) => m,
        }
    }

    /// The matrix `name` of a checkpoint; `None` when `config` does not list it. Parts stay mapped where the device can.
    ///
    /// # Errors
    /// [`Error::Format`], naming file and tensor, when a part is missing, does not fit the codec, or the tensor is stored plain
    /// as well; [`Error::Io`]; memory errors.
    pub fn load(
        checkpoint: &Checkpoint,
        config: &QuantizationConfig,
        name: &str,
        device: &Device,
    ) -> Result<Option<Self>> {
        let Some(codec) = config.tensors.get(name) else { return Ok(None) };
        if let Some(entry) = checkpoint.get(name) {
            let reason = "is stored plain, but quantization_config lists it as coded";
            return Err(Error::tensor(&*entry.path, name, reason));
        }
        let mut path = checkpoint.path().to_path_buf();
        let mut part = |part: &str| {
            let full = format!("{name}.{part}");
            let tensor = checkpoint.tensor(&full, device)?;
            if let Some(entry) = checkpoint.get(&full) {
                path = entry.path.to_path_buf();
            }
            Ok(tensor)
        };
        let loaded = match *codec {
            TensorCodec::Sparse { shape, values } => {
                SparseSpectralMatrix::from_parts(device, shape, values, &mut part)
                    .map(|m| Self::Sparse(Arc::new(m)))
            }
            TensorCodec::Rotated { shape, bits, group, rotation, seed } => {
                let options = RotatedOptions { bits, group, rotation, seed };
                RotatedMatrix::from_parts(device, shape, &options, &mut part)
                    .map(|m| Self::Rotated(Arc::new(m)))
            }
            TensorCodec::Log8 { shape, group } => {
                let options = LogSpectrumOptions { group };
                LogSpectrumMatrix::from_parts(device, shape, &options, &mut part)
                    .map(|m| Self::Log8(Arc::new(m)))
            }
            TensorCodec::BlockCirculant { shape, block } => {
                let options = CirculantOptions { block };
                BlockCirculantMatrix::from_parts(device, shape, &options, &mut part)
                    .map(|m| Self::BlockCirculant(Arc::new(m)))
            }
        };
        match loaded {
            Ok(matrix) => Ok(Some(matrix)),
            // What is wrong with the parts is wrong with the file.
            Err(
                e @ (Error::ShapeMismatch { .. }
                | Error::DTypeMismatch { .. }
                | Error::InvalidArgument { .. }
                | Error::IndexOutOfRange { .. }),
            ) => Err(Error::tensor(path, name, e.to_string())),
            Err(other) => Err(other),
        }
    }
}

/// The weight `name` of a checkpoint as a linear layer's; `None` when `config` does not list it as coded.
///
/// # Errors
/// As [`CodedMatrix::load`].
pub fn load_linear(
    checkpoint: &Checkpoint,
    config: &QuantizationConfig,
    name: &str,
    device: &Device,
) -> Result<Option<Arc<dyn LinearWeights>>> {
    Ok(CodedMatrix::load(checkpoint, config, name, device)?.map(CodedMatrix::into_weights))
}
