//! The header of a safetensors file: a length, then JSON that says where each tensor lies.
//!
//! The header of a foreign file is not trusted: every length is checked against the file's size before anything is
//! allocated or read.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use fft_core::{Error, Result};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::StoredType;

/// The longest header that the format allows, in bytes.
pub const MAX_HEADER: u64 = 100_000_000;

/// One tensor of a header: type, shape and its bytes in the data section.
#[derive(Debug, Clone)]
pub(super) struct RawEntry {
    pub(super) name: String,
    pub(super) dtype: StoredType,
    pub(super) shape: Vec<usize>,
    /// Bytes in the file (not in the data section).
    pub(super) range: Range<u64>,
}

/// A validated header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) entries: Vec<RawEntry>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// What the JSON says of one tensor, before it is checked.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header's JSON object, read entry by entry: nothing is kept beyond the entries themselves, and repeated names are seen.
#[derive(Default)]
struct WireHeader {
    tensors: Vec<(String, WireEntry)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for WireHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = WireHeader;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireHeader, A::Error> {
                let mut header = WireHeader::default();
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    let within = |e: A::Error| A::Error::custom(format!("tensor {name}: {e}"));
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format!("tensor {name}: is named twice")));
                    }
                    if name == "__metadata__" {
                        header.metadata = map.next_value().map_err(within)?;
                    } else {
                        let entry = map.next_value().map_err(within)?;
                        header.tensors.push((name, entry));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Reads and checks the header of an open file.
pub(super) fn read(path: &Path, file: &mut File) -> Result<Header> {
    let meta = file.metadata().map_err(|e| Error::io(path, e))?;
    if !meta.is_file() {
        return Err(Error::format(path, "is not a regular file"));
    }
    let size = meta.len();
    if size < 8 {
        return Err(Error::format(
            path,
            format!("is truncated: {size} bytes, a safetensors file has at least 8"),
        ));
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|e| Error::io(path, e))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        let reason = format!("claims a header of {length} bytes; at most {MAX_HEADER} are allowed");
        return Err(Error::format(path, reason));
    }
    if length > size - 8 {
        let reason = format!("is truncated: a header of {length} bytes is claimed, {} follow", size - 8);
        return Err(Error::format(path, reason));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text).map_err(|e| Error::io(path, e))?;
    parse(path, &text, size)
}

/// Checks the header `text` of a file of `size` bytes.
fn parse(path: &Path, text: &[u8], size: u64) -> Result<Header> {
    let text = std::str::from_utf8(text)
        .map_err(|e| Error::format(path, format!("the header is not UTF-8 from byte {}", e.valid_up_to())))?;
    if !text.starts_with('{') {
        return Err(Error::format(path, "is not a safetensors file: the header does not start with {"));
    }
    let header: WireHeader = serde_json::from_str(text)
        .map_err(|e| Error::format(path, format!("the header is not a valid table of tensors: {e}")))?;
    let data_start = 8 + text.len() as u64;
    let entries = header
        .tensors
        .into_iter()
        .map(|(name, wire)| check_entry(path, name, wire, data_start, size))
        .collect::<Result<Vec<_>>>()?;
    check_tiling(path, &entries, data_start, size)?;
    Ok(Header { entries, metadata: header.metadata })
}

/// Checks one tensor by itself: type, shape, offsets.
fn check_entry(path: &Path, name: String, wire: WireEntry, data_start: u64, size: u64) -> Result<RawEntry> {
    let fail = |reason: String| Err(Error::tensor(path, &name, reason));
    let Some(dtype) = StoredType::from_name(&wire.dtype) else {
        return fail(format!("has the unknown dtype {:?}", wire.dtype));
    };
    let shape: Option<Vec<usize>> = wire.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
    let Some((shape, bytes)) = shape.and_then(|s| dtype.bytes(&s).map(|bytes| (s, bytes))) else {
        return fail(format!("the shape {:?} of {dtype} has no valid number of bytes", wire.shape));
    };
    let (begin, end) = wire.data_offsets;
    if begin > end {
        return fail(format!("the offsets run backwards: {begin} to {end}"));
    }
    if end > size - data_start {
        return fail(format!(
            "the data end at offset {end}, past the {} bytes of data in the file (truncated or lying)",
            size - data_start
        ));
    }
    if end - begin != bytes {
        return fail(format!(
            "shape {shape:?} of {dtype} needs {bytes} bytes, the offsets give {}",
            end - begin
        ));
    }
    Ok(RawEntry { name, dtype, shape, range: data_start + begin..data_start + end })
}

/// Checks that the tensors cover the data section exactly once.
fn check_tiling(path: &Path, entries: &[RawEntry], data_start: u64, size: u64) -> Result<()> {
    let mut order: Vec<&RawEntry> = entries.iter().collect();
    order.sort_by_key(|e| (e.range.start, e.range.end));
    let mut at = data_start;
    for entry in order {
        if entry.range.start != at {
            let kind = if entry.range.start < at {
                "overlap those of another tensor"
            } else {
                "leave a hole before them"
            };
            let reason = format!("the data, from offset {}, {kind}", entry.range.start - data_start);
            return Err(Error::tensor(path, &entry.name, reason));
        }
        at = entry.range.end;
    }
    if at != size {
        return Err(Error::format(path, format!("{} bytes after the last tensor belong to none", size - at)));
    }
    Ok(())
}
