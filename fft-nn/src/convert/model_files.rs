//! The files of a model's directory that are not weights.

use std::path::Path;

use fft_core::{DType, Error, Result};
use serde_json::Value;

use crate::checkpoint::Checkpoint;

/// Files that belong to a model: tokenizer, generation settings, licence.
const SIDE_FILES: [&str; 17] = [
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
    "NOTICE.txt",
    "USE_POLICY.md",
];

/// Copies the files that belong to a model; those that are not there are not missed.
pub(super) fn copy_side_files(source: &Path, destination: &Path) -> Result<()> {
    for name in SIDE_FILES {
        let from = source.join(name);
        if from.is_file() {
            std::fs::copy(&from, destination.join(name)).map_err(|e| Error::io(&from, e))?;
        }
    }
    Ok(())
}

/// Refuses a destination that is the source or holds it, which replacing would delete.
pub(super) fn check_apart(source: &Path, destination: &Path) -> Result<()> {
    let (Ok(source), Ok(destination)) = (source.canonicalize(), destination.canonicalize()) else {
        return Ok(());
    };
    match source.starts_with(&destination) {
        true => Err(Error::invalid("convert", "destination", destination, "is or holds the source")),
        false => Ok(()),
    }
}

/// The element type that a configuration names, in the style of transformers 4 or 5.
pub(super) fn config_dtype(config: &Value) -> Option<DType> {
    match config.get("dtype").or_else(|| config.get("torch_dtype"))?.as_str()? {
        "float32" => Some(DType::F32),
        "float16" => Some(DType::F16),
        "bfloat16" => Some(DType::BF16),
        _ => None,
    }
}

/// Names `dtype` in a configuration, under the key that it uses.
pub(super) fn set_config_dtype(config: &mut Value, dtype: DType) {
    let name = match dtype {
        DType::F16 => "float16",
        DType::BF16 => "bfloat16",
        _ => "float32",
    };
    let key = if config.get("torch_dtype").is_some() && config.get("dtype").is_none() {
        "torch_dtype"
    } else {
        "dtype"
    };
    config[key] = name.into();
}

/// Bytes of files together.
pub(super) fn total_size<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<u64> {
    files.into_iter().map(|f| std::fs::metadata(f).map(|m| m.len()).map_err(|e| Error::io(f, e))).sum()
}

/// Opens the checkpoint of a model's directory.
pub(super) fn open(dir: &Path) -> Result<Checkpoint> {
    let meta = std::fs::metadata(dir).map_err(|e| Error::io(dir, e))?;
    if !meta.is_dir() {
        return Err(Error::format(
            dir,
            "is not a directory; a model is a directory with config.json and weights",
        ));
    }
    Checkpoint::open(dir)
}
