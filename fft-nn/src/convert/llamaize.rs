//! A plain model to a coded one, tensor by tensor.

use std::path::Path;
use std::time::Instant;

use fft_core::spectral::{Amount, Selection};
use fft_core::{DType, Device, Error, Result};

use super::export::cast;
use super::floats::{self, Difference};
use super::model_files;
use super::report::{Compaction, ConvertReport, TensorReport, Totals, bits};
use super::{ConvertOptions, Progress, WeightFormat};
use crate::checkpoint::{AtomicDir, Checkpoint, CheckpointWriter, Entry, WriterOptions, write_json};
use crate::codec::{MatrixCodec, QuantizationConfig, read_config};
use crate::models::check_causal_lm;

/// Whether a weight of that name is a linear layer's, by the names that Hugging Face models use: `*.weight`, but no embedding, norm or
/// output head. These are what [`llamaize`] converts unless told otherwise.
pub fn is_linear_weight(name: &str) -> bool {
    let Some(path) = name.strip_suffix(".weight") else { return false };
    let table =
        path.split('.').any(|part| part.contains("embed") || matches!(part, "wte" | "wpe" | "lm_head"));
    !table && !path.to_ascii_lowercase().ends_with("norm")
}

/// Converts the Hugging Face directory `source` to `destination`: selected matrices in the given format, other tensors and the
/// tokenizer's files as they are.
///
/// Works tensor by tensor; peak memory is a small multiple of the largest tensor in `F32`, whatever the model's size. The destination
/// appears when everything is written, or not at all. `progress` is called before each tensor and at the end.
///
/// # Errors
/// [`Error::InvalidArgument`] for settings out of range or when nothing is selected; [`Error::Format`] when the source is not a model that
/// can be loaded, is converted already, or (naming the tensor) holds NaN or infinity; [`Error::Io`] when a file cannot be read or written
/// or the destination exists; memory errors.
pub fn llamaize(
    source: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    options: &ConvertOptions<'_>,
    device: &Device,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<ConvertReport> {
    const OP: &str = "llamaize";
    let start = Instant::now();
    let (source, destination) = (source.as_ref(), destination.as_ref());
    match &options.format {
        WeightFormat::Coded(codec) => codec.validate()?,
        WeightFormat::Dense(dtype) => floats::check_target(OP, *dtype)?,
    }
    let checkpoint = model_files::open(source)?;
    let config_path = source.join("config.json");
    let mut config = read_config(&config_path)?;
    if QuantizationConfig::from_config(&config_path, &config)?.is_some() {
        return Err(Error::format(&config_path, "the model is converted already; export it first"));
    }
    check_causal_lm(source)?;
    model_files::check_apart(source, destination)?;
    let converter = Converter { checkpoint: &checkpoint, options, device };
    if !checkpoint.entries().any(|(name, entry)| converter.is_selected(name, entry)) {
        return Err(Error::invalid(
            OP,
            "selection",
            "no tensor",
            "the model has no matrix of floats that is selected",
        ));
    }

    let dir = AtomicDir::create(destination, options.force)?;
    let writer_options =
        WriterOptions { max_shard_bytes: options.max_shard_bytes, ..WriterOptions::default() };
    let mut writer = CheckpointWriter::new(dir.path(), writer_options);
    let mut quantization = QuantizationConfig::default();
    let mut tensors = Vec::new();
    let mut error = Difference::default();
    let mut tracker = Progress::start(&checkpoint);
    for (name, entry) in checkpoint.entries() {
        progress(tracker.at(name));
        let report = converter.convert(name, entry, &mut writer, &mut quantization, &mut error)?;
        tensors.push(report);
        tracker.done(entry);
    }
    let files = writer.finish()?;
    model_files::copy_side_files(source, dir.path())?;
    match &options.format {
        WeightFormat::Coded(_) => {
            config["quantization_config"] = serde_json::to_value(&quantization)
                .map_err(|e| Error::format(&config_path, format!("quantization_config: {e}")))?;
        }
        WeightFormat::Dense(dtype) => model_files::set_config_dtype(&mut config, *dtype),
    }
    write_json(&dir.path().join("config.json"), &config)?;
    let file_bytes = model_files::total_size(files.iter().map(|f| f.as_path()))?;
    dir.commit()?;
    progress(tracker.at(""));

    let totals = Totals::new(&tensors, |t| t.relative_error.is_some()).with_error(Some(error));
    Ok(ConvertReport {
        source: source.into(),
        destination: destination.into(),
        codec: options.format.describe(),
        notes: notes(&tensors, &options.format),
        tensors,
        totals,
        file_bytes,
        seconds: start.elapsed().as_secs_f64(),
    })
}

struct Converter<'a> {
    checkpoint: &'a Checkpoint,
    options: &'a ConvertOptions<'a>,
    device: &'a Device,
}

impl Converter<'_> {
    fn is_selected(&self, name: &str, entry: &Entry) -> bool {
        let Some(dtype) = entry.dtype.dtype() else { return false };
        let (fits, by_default) = match self.options.format {
            WeightFormat::Coded(_) => (entry.shape.len() == 2, is_linear_weight(name)),
            WeightFormat::Dense(_) => (true, true),
        };
        fits && dtype.is_float() && self.options.select.map_or(by_default, |select| select(name))
    }

    /// Writes one tensor in its new form, or as it was.
    fn convert(
        &self,
        name: &str,
        entry: &Entry,
        writer: &mut CheckpointWriter,
        quantization: &mut QuantizationConfig,
        error: &mut Difference,
    ) -> Result<TensorReport> {
        if !self.is_selected(name, entry) {
            return self.keep(name, entry, writer, None);
        }
        match &self.options.format {
            WeightFormat::Dense(dtype) => self.cast(name, entry, *dtype, writer, error),
            WeightFormat::Coded(codec) => match *entry.shape {
                [rows, cols] => match codec.obstacle([rows, cols]) {
                    Some(obstacle) => self.keep(name, entry, writer, Some(obstacle)),
                    None => self.encode(name, entry, codec, writer, quantization, error),
                },
                _ => self.keep(name, entry, writer, None),
            },
        }
    }

    /// Copies a tensor as it is; floats must be finite.
    fn keep(
        &self,
        name: &str,
        entry: &Entry,
        writer: &mut CheckpointWriter,
        reason: Option<String>,
    ) -> Result<TensorReport> {
        if entry.dtype.dtype().is_some() {
            self.checkpoint.check_finite(name)?;
        }
        writer.copy(self.checkpoint, name)?;
        Ok(TensorReport { reason, ..plain(name, entry, entry.dtype.name(), entry.bytes() as u64) })
    }

    /// Writes a tensor in another element type.
    fn cast(
        &self,
        name: &str,
        entry: &Entry,
        dtype: DType,
        writer: &mut CheckpointWriter,
        error: &mut Difference,
    ) -> Result<TensorReport> {
        let from = self.checkpoint.dtype(name)?;
        let (stored_bytes, difference) = cast(self.checkpoint, name, entry, (from, dtype), writer)?;
        error.merge(difference);
        let mut report = plain(name, entry, &dtype.to_string(), stored_bytes);
        report.relative_error = Some(difference.relative());
        Ok(report)
    }

    /// Writes a matrix in coded form, then decodes it to measure what was lost. At any time at most the source, one dense
    /// matrix or spectrum and the codec's own are in memory.
    fn encode(
        &self,
        name: &str,
        entry: &Entry,
        codec: &MatrixCodec,
        writer: &mut CheckpointWriter,
        quantization: &mut QuantizationConfig,
        error: &mut Difference,
    ) -> Result<TensorReport> {
        let coded = {
            let dense = self.checkpoint.read_finite(name, self.device)?;
            codec.encode(&dense).map_err(|e| match e {
                Error::InvalidArgument { .. } | Error::ShapeMismatch { .. } => {
                    Error::tensor(&*entry.path, name, e.to_string())
                }
                other => other,
            })?
        };
        // What is kept for reuse has the sizes of this tensor's scratch, and would add to the next step's.
        self.device.trim();
        let mut stored_bytes = 0;
        for (part, tensor) in coded.parts() {
            writer.write_tensor(&format!("{name}.{part}"), &tensor)?;
            stored_bytes += tensor.bytes() as u64;
        }
        quantization.tensors.insert(name.to_string(), coded.codec());
        let description = coded.as_weights().describe();
        let decoded = coded.as_weights().to_dense()?.contiguous()?;
        drop(coded);
        let difference = floats::compare(&decoded, self.checkpoint, name)?;
        drop(decoded);
        self.device.trim();
        error.merge(difference);
        let relative_error = difference.relative();
        let compaction = match codec {
            MatrixCodec::Sparse(_) => description.density.map(|d| Compaction::new(d, relative_error)),
            _ => None,
        };
        Ok(TensorReport {
            codec: description.codec,
            density: description.density,
            relative_error: Some(relative_error),
            compaction,
            ..plain(name, entry, &description.detail, stored_bytes)
        })
    }
}

/// The report of a plain tensor.
pub(super) fn plain(name: &str, entry: &Entry, detail: &str, stored_bytes: u64) -> TensorReport {
    TensorReport {
        name: name.into(),
        shape: entry.shape.clone(),
        codec: "dense".into(),
        detail: detail.to_ascii_lowercase(),
        source_bytes: Some(entry.bytes() as u64),
        stored_bytes,
        bits_per_weight: bits(stored_bytes, entry.len() as u64),
        ..TensorReport::default()
    }
}

/// What the figures mean, where a user might not see it.
fn notes(tensors: &[TensorReport], format: &WeightFormat) -> Vec<String> {
    let mut notes = Vec::new();
    let measured: Vec<Compaction> = tensors.iter().filter_map(|t| t.compaction).collect();
    let weak = measured.iter().filter(|c| !c.justified).count();
    let is_top_k = matches!(format, WeightFormat::Coded(MatrixCodec::Sparse(o)) if matches!(o.selection, Selection::TopK(_)));
    if weak > 0 && is_top_k {
        let kept = measured.iter().map(|c| c.kept_energy).sum::<f64>() / measured.len() as f64;
        let noise = measured.iter().map(|c| c.noise_energy).sum::<f64>() / measured.len() as f64;
        notes.push(format!(
            "{weak} of {} matrices are spectrally white: on average {:.1}% of the energy is kept, {:.1}% would be of random numbers. \
             Top-k is not justified for them; the rotated codec keeps such matrices far better.",
            measured.len(),
            100.0 * kept,
            100.0 * noise
        ));
    }
    let whole = matches!(format, WeightFormat::Coded(MatrixCodec::Sparse(o)) if o.selection.amount() == Amount::Density(1.0));
    if whole {
        notes.push("every coefficient is kept: this saves no memory".into());
    }
    let left = tensors.iter().filter(|t| t.reason.is_some()).count();
    if left > 0 {
        notes.push(format!("{left} selected tensors were left as they were, see their reasons"));
    }
    notes
}
