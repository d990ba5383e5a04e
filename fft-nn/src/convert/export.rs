//! A converted model back to a plain one.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use fft_core::{DType, Device, Error, Result, Tensor};

use super::floats::{self, Difference};
use super::model_files;
use super::report::{ConvertReport, TensorReport, Totals};
use super::{Progress, llamaize::plain};
use crate::checkpoint::{AtomicDir, CHUNK, Checkpoint, CheckpointWriter, Entry, WriterOptions, write_json};
use crate::codec::{CodedMatrix, QuantizationConfig, read_config};

/// What [`export`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportOptions {
    /// Element type of every float tensor: `F32`, `F16` or `BF16`. `None` decodes coded tensors to the type that `config.json` names (else
    /// `F32`) and leaves the others as they are.
    pub dtype: Option<DType>,
    /// Whether a model at the destination is replaced.
    pub force: bool,
    /// A file of weights is closed before it exceeds this many bytes.
    pub max_shard_bytes: u64,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { dtype: None, force: false, max_shard_bytes: WriterOptions::default().max_shard_bytes }
    }
}

/// Writes the model `source` to `destination` as a plain Hugging Face directory: coded weights decoded, `config.json` without
/// `quantization_config`. Tensor by tensor, as [`llamaize`](super::llamaize()).
///
/// # Errors
/// [`Error::Format`], naming file and tensor, when the source is damaged or a number does not fit the element type; [`Error::Io`] when a file
/// cannot be read or written or the destination exists; [`Error::InvalidArgument`] for another element type; memory errors.
pub fn export(
    source: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    options: &ExportOptions,
    device: &Device,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<ConvertReport> {
    const OP: &str = "export";
    let start = Instant::now();
    let (source, destination) = (source.as_ref(), destination.as_ref());
    if let Some(dtype) = options.dtype {
        floats::check_target(OP, dtype)?;
    }
    let checkpoint = model_files::open(source)?;
    let config_path = source.join("config.json");
    let mut config = read_config(&config_path)?;
    let quantization = QuantizationConfig::from_config(&config_path, &config)?.unwrap_or_default();
    model_files::check_apart(source, destination)?;
    let decoded_dtype = options.dtype.or_else(|| model_files::config_dtype(&config)).unwrap_or(DType::F32);

    let dir = AtomicDir::create(destination, options.force)?;
    let writer_options =
        WriterOptions { max_shard_bytes: options.max_shard_bytes, ..WriterOptions::default() };
    let mut writer = CheckpointWriter::new(dir.path(), writer_options);
    let mut tensors = Vec::new();
    let mut tracker = Progress::start(&checkpoint);
    let mut parts = BTreeSet::new();
    for (name, codec) in &quantization.tensors {
        progress(tracker.at(name));
        let coded = CodedMatrix::load(&checkpoint, &quantization, name, device)?;
        let Some(coded) = coded else { continue };
        let mut coded_bytes = 0;
        for (part, _) in coded.parts() {
            let part = format!("{name}.{part}");
            let entry = checkpoint.entry(&part)?;
            coded_bytes += entry.bytes() as u64;
            tracker.done(entry);
            parts.insert(part);
        }
        let dense = coded.as_weights().to_dense()?.contiguous()?;
        drop(coded);
        write_dense(&mut writer, checkpoint.path(), name, &dense, decoded_dtype)?;
        let bytes = (dense.len() * decoded_dtype.size()) as u64;
        drop(dense);
        device.trim();
        tensors.push(TensorReport {
            name: name.clone(),
            shape: codec.shape().to_vec(),
            codec: "dense".into(),
            detail: decoded_dtype.to_string(),
            source_bytes: Some(coded_bytes),
            stored_bytes: bytes,
            bits_per_weight: 8.0 * decoded_dtype.size() as f64,
            ..TensorReport::default()
        });
    }
    let decoded = tensors.len();
    for (name, entry) in checkpoint.entries().filter(|(name, _)| !parts.contains(*name)) {
        progress(tracker.at(name));
        tensors.push(copy_as(&checkpoint, name, entry, options.dtype, &mut writer)?);
        tracker.done(entry);
    }
    let files = writer.finish()?;
    model_files::copy_side_files(source, dir.path())?;
    if let Some(object) = config.as_object_mut() {
        object.remove("quantization_config");
    }
    if decoded > 0 || options.dtype.is_some() {
        model_files::set_config_dtype(&mut config, decoded_dtype);
    }
    write_json(&dir.path().join("config.json"), &config)?;
    let file_bytes = model_files::total_size(files.iter().map(|f| f.as_path()))?;
    dir.commit()?;
    progress(tracker.at(""));

    let totals = Totals::new(&tensors, |t| quantization.tensors.contains_key(&t.name));
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ConvertReport {
        source: source.into(),
        destination: destination.into(),
        codec: format!("dense, {decoded_dtype}"),
        tensors,
        totals,
        file_bytes,
        notes: Vec::new(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Writes a decoded matrix in pieces.
fn write_dense(
    writer: &mut CheckpointWriter,
    path: &Path,
    name: &str,
    dense: &Tensor,
    dtype: DType,
) -> Result<()> {
    let mut values = vec![0.0f32; (CHUNK / size_of::<f32>()).min(dense.len())];
    let mut bytes = Vec::new();
    let start = dense.layout().offset();
    writer.write(name, dtype.into(), dense.shape(), |sink| {
        let mut at = 0;
        while at < dense.len() {
            let step = values.len().min(dense.len() - at);
            let piece = &mut values[..step];
            let offset = (start + at) * size_of::<f32>();
            dense.device().download(dense.buffer(), offset, bytemuck::cast_slice_mut(piece))?;
            floats::encode(dtype, piece, &mut bytes)
                .map_err(|i| Error::tensor(path, name, format!("element {} does not fit {dtype}", at + i)))?;
            sink(&bytes)?;
            at += step;
        }
        Ok(())
    })
}

/// Copies a plain tensor, in `dtype` if it is given and the tensor holds floats.
fn copy_as(
    checkpoint: &Checkpoint,
    name: &str,
    entry: &Entry,
    dtype: Option<DType>,
    writer: &mut CheckpointWriter,
) -> Result<TensorReport> {
    let target = dtype.and_then(|to| entry.dtype.dtype().filter(|d| d.is_float()).map(|from| (from, to)));
    let Some((from, to)) = target else {
        writer.copy(checkpoint, name)?;
        return Ok(plain(name, entry, entry.dtype.name(), entry.bytes() as u64));
    };
    let stored_bytes = cast(checkpoint, name, entry, (from, to), writer)?.0;
    Ok(plain(name, entry, &to.to_string(), stored_bytes))
}

/// Writes a tensor of finite floats in another element type; returns its bytes and what rounding changed.
pub(super) fn cast(
    checkpoint: &Checkpoint,
    name: &str,
    entry: &Entry,
    (from, to): (DType, DType),
    writer: &mut CheckpointWriter,
) -> Result<(u64, Difference)> {
    checkpoint.check_finite(name)?;
    let mut difference = Difference::default();
    let (mut values, mut stored, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    writer.write(name, to.into(), &entry.shape, |sink| {
        checkpoint.stream(name, |at, piece| {
            floats::decode(from, piece, &mut values);
            stored.clone_from(&values);
            floats::encode(to, &mut stored, &mut bytes).map_err(|i| {
                let reason = format!("element {} does not fit {to}", at / from.size() + i);
                Error::tensor(&*entry.path, name, reason)
            })?;
            difference.add(&stored, &values);
            sink(&bytes)
        })
    })?;
    Ok(((entry.len() * to.size()) as u64, difference))
}
