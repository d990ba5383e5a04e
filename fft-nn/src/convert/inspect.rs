//! What a model's files hold.

use std::collections::BTreeSet;
use std::path::Path;

use fft_core::{Device, Error, Result};

use super::Progress;
use super::floats::{self, Difference};
use super::llamaize::plain;
use super::model_files;
use super::report::{Compaction, InspectReport, TensorReport, Totals};
use crate::checkpoint::{Checkpoint, Entry};
use crate::codec::{CodedMatrix, QuantizationConfig, TensorCodec};

/// Lists the weights of a model, plain or converted (a directory, or one safetensors file), and checks every coded one. With a `source`, the
/// plain model that it was made from, measures the error of each weight; memory is bounded by the largest tensor.
///
/// # Errors
/// [`Error::Format`], naming file and tensor, when a file is damaged or the source's tensor has another shape; [`Error::Io`]; memory errors.
pub fn inspect(
    model: impl AsRef<Path>,
    source: Option<&Path>,
    device: &Device,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<InspectReport> {
    let model = model.as_ref();
    let checkpoint = Checkpoint::open(model)?;
    let base = source.map(Checkpoint::open).transpose()?;
    let config_path = model.join("config.json");
    let quantization = match config_path.is_file() {
        true => QuantizationConfig::read(&config_path)?.unwrap_or_default(),
        false => QuantizationConfig::default(),
    };
    let mut tensors = Vec::new();
    let mut error = base.as_ref().map(|_| Difference::default());
    let mut tracker = Progress::start(&checkpoint);
    let mut parts = BTreeSet::new();
    for (name, codec) in &quantization.tensors {
        progress(tracker.at(name));
        let Some(coded) = CodedMatrix::load(&checkpoint, &quantization, name, device)? else { continue };
        let mut stored_bytes = 0;
        for (part, _) in coded.parts() {
            let part = format!("{name}.{part}");
            let entry = checkpoint.entry(&part)?;
            stored_bytes += entry.bytes() as u64;
            tracker.done(entry);
            parts.insert(part);
        }
        let description = coded.as_weights().describe();
        let mut report = TensorReport {
            name: name.clone(),
            shape: codec.shape().to_vec(),
            codec: description.codec,
            detail: description.detail,
            stored_bytes,
            bits_per_weight: description.bits_per_weight,
            density: description.density,
            ..TensorReport::default()
        };
        if let Some(base) = &base {
            report.source_bytes = Some(matching(base, name, &codec.shape())?.bytes() as u64);
            let dense = coded.as_weights().to_dense()?.contiguous()?;
            drop(coded);
            let difference = floats::compare(&dense, base, name)?;
            report.relative_error = Some(difference.relative());
            if let (TensorCodec::Sparse { .. }, Some(density)) = (codec, report.density) {
                report.compaction = Some(Compaction::new(density, difference.relative()));
            }
            error.get_or_insert_default().merge(difference);
        }
        device.trim();
        tensors.push(report);
    }
    for (name, entry) in checkpoint.entries().filter(|(name, _)| !parts.contains(*name)) {
        progress(tracker.at(name));
        let mut report = plain(name, entry, entry.dtype.name(), entry.bytes() as u64);
        report.source_bytes = None;
        if let Some(base) = &base {
            report.source_bytes = Some(matching(base, name, &entry.shape)?.bytes() as u64);
            if let Some(difference) = plain_difference(&checkpoint, base, name)? {
                report.relative_error = Some(difference.relative());
                error.get_or_insert_default().merge(difference);
            }
        }
        tensors.push(report);
        tracker.done(entry);
    }
    progress(tracker.at(""));
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let totals = Totals::new(&tensors, |t| quantization.tensors.contains_key(&t.name)).with_error(error);
    let file_bytes = model_files::total_size(checkpoint.files())?;
    Ok(InspectReport { model: model.into(), source: source.map(Into::into), tensors, totals, file_bytes })
}

/// The tensor of that name and shape in the source.
fn matching<'a>(base: &'a Checkpoint, name: &str, shape: &[usize]) -> Result<&'a Entry> {
    let entry = base.entry(name)?;
    if entry.shape != shape {
        let reason = format!("has shape {:?} in the source and {shape:?} in the model", entry.shape);
        return Err(Error::tensor(&*entry.path, name, reason));
    }
    Ok(entry)
}

/// How far two plain tensors of floats and of one shape are apart; `None` for other types.
fn plain_difference(model: &Checkpoint, base: &Checkpoint, name: &str) -> Result<Option<Difference>> {
    let (Some(a), Some(b)) = (model.entry(name)?.dtype.dtype(), base.entry(name)?.dtype.dtype()) else {
        return Ok(None);
    };
    if !(a.is_float() && b.is_float()) {
        return Ok(None);
    }
    model.check_finite(name)?;
    base.check_finite(name)?;
    let mut sums = Difference::default();
    let (mut bytes, mut stored, mut source) = (Vec::new(), Vec::new(), Vec::new());
    base.stream(name, |at, piece| {
        let first = at / b.size();
        floats::decode(b, piece, &mut source);
        bytes.resize(source.len() * a.size(), 0);
        model.read_part(name, first * a.size(), &mut bytes)?;
        floats::decode(a, &bytes, &mut stored);
        sums.add(&stored, &source);
        Ok(())
    })?;
    Ok(Some(sums))
}
