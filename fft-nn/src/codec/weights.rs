//! Linear layers that multiply by coded matrices.

use fft_core::spectral::{
    BlockCirculantMatrix, LogSpectrumMatrix, RotatedMatrix, Rotation, SparseSpectralMatrix,
};
use fft_core::{Result, Tensor};

use super::manifest::rotation_name;
use crate::linear::{CodecDescription, LinearWeights};

/// Bits a weight of what is saved.
fn bits_per_weight(shape: [usize; 2], parts: &[(&'static str, Tensor)]) -> f64 {
    let bytes: usize = parts.iter().map(|(_, part)| part.bytes()).sum();
    8.0 * bytes as f64 / (shape[0] as f64 * shape[1] as f64)
}

macro_rules! linear_weights {
    ($matrix:ty, $self:ident => $codec:literal, $detail:expr, $density:expr) => {
        impl LinearWeights for $matrix {
            fn in_features(&self) -> usize {
                self.shape()[1]
            }

            fn out_features(&self) -> usize {
                self.shape()[0]
            }

            fn apply(&self, x: &Tensor) -> Result<Tensor> {
                <$matrix>::apply(self, x)
            }

            fn bytes(&self) -> usize {
                <$matrix>::bytes(self)
            }

            fn to_dense(&self) -> Result<Tensor> {
                <$matrix>::to_dense(self)
            }

            fn describe(&$self) -> CodecDescription {
                CodecDescription {
                    codec: $codec.into(),
                    detail: $detail,
                    bits_per_weight: bits_per_weight($self.shape(), &$self.parts()),
                    density: $density,
                }
            }
        }
    };
}

linear_weights!(SparseSpectralMatrix, self => "sparse",
    format!("{} values", self.values().format().name()), Some(self.density()));
linear_weights!(RotatedMatrix, self => "rotated",
    {
        let o = self.options();
        let rotation = match o.rotation {
            Rotation::Fourier => String::new(),
            other => format!(", rotation {}", rotation_name(other)),
        };
        format!("{} bit, groups of {}{rotation}", o.bits.get(), o.group)
    }, None);
linear_weights!(LogSpectrumMatrix, self => "log8", format!("groups of {}", self.options().group), None);
linear_weights!(BlockCirculantMatrix, self => "block-circulant",
    format!("blocks of {}", self.block()), Some(1.0 / self.block() as f64));
