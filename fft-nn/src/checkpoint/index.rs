//! `model.safetensors.index.json`: which file of a sharded checkpoint holds which tensor.

use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

use fft_core::{Error, Result};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The longest index that is read, in bytes.
const MAX_INDEX: u64 = 100_000_000;

#[derive(serde::Deserialize)]
struct WireIndex {
    weight_map: Pairs,
}

/// A JSON object of texts in the order of the file, with repeated keys kept.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object that maps tensors to files")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// Reads an index: the tensors of each file, files as paths beside the index.
pub(super) fn read(path: &Path) -> Result<BTreeMap<PathBuf, Vec<String>>> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if size > MAX_INDEX {
        return Err(Error::format(path, format!("has {size} bytes; at most {MAX_INDEX} are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let index: WireIndex = serde_json::from_slice(&bytes)
        .map_err(|e| Error::format(path, format!("is not a valid index of a sharded checkpoint: {e}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (tensor, file) in index.weight_map.0 {
        if !seen.insert(tensor.clone()) {
            return Err(Error::tensor(path, tensor, "is named twice in the index"));
        }
        // An index is foreign text: it must not lead out of its own folder.
        let inside = Path::new(&file).components().all(|c| matches!(c, Component::Normal(_)));
        if file.is_empty() || !inside {
            return Err(Error::tensor(
                path,
                tensor,
                format!("the file name {file:?} leads out of the folder"),
            ));
        }
        files.entry(folder.join(&file)).or_default().push(tensor);
    }
    if files.is_empty() {
        return Err(Error::format(path, "names no tensors"));
    }
    for (file, tensors) in &files {
        if !file.is_file() {
            let reason = format!("the file {} does not exist", file.display());
            return Err(Error::tensor(path, &tensors[0], reason));
        }
    }
    Ok(files)
}
