//! Saving a trained model as a Hugging Face directory.

use std::path::Path;

use fft_core::Result;
use serde_json::json;

use super::{LanguageModel, Mixer, MixerKind};
use crate::checkpoint::{WriterOptions, write_file_with, write_json};
use crate::codec::QuantizationConfig;
use crate::layers::LinearLayer;
use crate::train::{expect_finite, write_parameters};

impl LanguageModel {
    /// Writes `config.json` and `model.safetensors` into the directory `dir`, each so that the old file or the whole new one is there at every moment. Where the
    /// mixer is attention this is a Llama: plain, or with `quantization_config` where its linear layers are spectral. Else it is a model of this software's own
    /// class, whose parameters have the names and forms of training.
    ///
    /// # Errors
    /// [`Io`](fft_core::Error::Io); [`InvalidArgument`](fft_core::Error::InvalidArgument) naming the first parameter that is not finite: nothing is written then; memory and device errors.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let values = self.parameters().into_iter().map(|p| (p.path().to_owned(), p.var().value()));
        expect_finite("LanguageModel::save", values)?;
        let path = dir.join("model.safetensors");
        let mut config = self.config().to_json();
        if self.config().mixer == MixerKind::Attention {
            let mut coded = QuantizationConfig::default();
            write_file_with(&path, WriterOptions::default().metadata, |writer| {
                let layers = self.linear_layers();
                for parameter in self.parameters() {
                    let of_coded = layers.iter().any(|(path, layer)| {
                        !matches!(layer, LinearLayer::Dense(_))
                            && parameter
                                .path()
                                .strip_prefix(path.as_str())
                                .is_some_and(|p| p.starts_with('.'))
                    });
                    if !of_coded {
                        write_parameters(writer, "", std::slice::from_ref(&parameter))?;
                    }
                }
                for (path, layer) in layers {
                    let Some(matrix) = layer.coded()? else { continue };
                    let name = format!("{path}.weight");
                    for (part, tensor) in matrix.parts() {
                        writer.write_tensor(&format!("{name}.{part}"), &tensor)?;
                    }
                    coded.tensors.insert(name, matrix.codec());
                }
                Ok(())
            })?;
            if !coded.tensors.is_empty() {
                config["quantization_config"] = json!(coded);
            }
        } else {
            write_file_with(&path, WriterOptions::default().metadata, |writer| {
                write_parameters(writer, "", &self.parameters())
            })?;
        }
        write_json(&dir.join("config.json"), &config)
    }

    /// The linear layers of attention and feed-forward layers, by their paths.
    pub fn linear_layers(&self) -> Vec<(String, &LinearLayer)> {
        let mut all = Vec::new();
        for (i, block) in self.blocks.iter().enumerate() {
            if let Mixer::Attention(attention) = block.mixer() {
                let named = attention.projections();
                all.extend(named.map(|(name, layer)| (format!("model.layers.{i}.self_attn.{name}"), layer)));
            }
            let named = block.feed_forward().projections();
            all.extend(named.map(|(name, layer)| (format!("model.layers.{i}.mlp.{name}"), layer)));
        }
        all
    }
}
