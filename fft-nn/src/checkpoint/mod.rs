//! Checkpoints: tensors by name in safetensors files, read without trust and written without loss.
//!
//! [`Checkpoint`] opens one file or a sharded set; [`CheckpointWriter`] writes tensor by tensor; [`AtomicDir`] makes a whole
//! directory appear at once or not at all.

mod atomic_dir;
mod finite;
mod header;
mod index;
mod listed;
mod stored_type;
mod writer;

pub use atomic_dir::{AtomicDir, write_atomic};
pub use finite::first_non_finite;
pub use header::MAX_HEADER;
pub(crate) use listed::listed;
pub use stored_type::StoredType;
pub use writer::{CheckpointWriter, Sink, WriterOptions, write_file};
pub(crate) use writer::{write_file_with, write_json};

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use fft_core::{DType, Device, Error, HostBytes, Result, Tensor};
use memmap2::Mmap;

/// Bytes of one step of a streamed read or write.
pub(crate) const CHUNK: usize = 1 << 20;

/// A tensor of a checkpoint: what it is and which file holds it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry {
    /// Element type as stored.
    pub dtype: StoredType,
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// The file.
    pub path: Arc<Path>,
    range: Range<u64>,
    file: usize,
}

impl Entry {
    /// Bytes of the tensor in the file.
    pub fn bytes(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// An open safetensors file, mapped when the first tensor is taken from it.
#[derive(Debug)]
struct DataFile {
    path: Arc<Path>,
    file: File,
    map: OnceLock<Arc<Mmap>>,
}

/// Named tensors in one safetensors file or a sharded set of them.
///
/// Headers are read and checked whole when it is opened: lengths, offsets, overlaps, holes, types, shapes and names. Data are
/// memory-mapped on first use; a file must not be changed while a checkpoint or a tensor from it is alive (as with any
/// mapped file, reading past a truncation ends the process).
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<DataFile>,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a directory (its `model.safetensors`, else its `model.safetensors.index.json`), one safetensors file, or an index.
    ///
    /// Of a sharded set, the tensors that the index names are visible.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read; [`Error::Format`], naming file and tensor, when a header or index is not what
    /// the format demands or leads out of its folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !meta.is_dir() {
            let is_index = path.extension().is_some_and(|e| e == "json");
            return if is_index {
                Self::open_sharded(path, path)
            } else {
                Self::open_files(path, [(path.into(), None)])
            };
        }
        let single = path.join("model.safetensors");
        if single.exists() {
            return Self::open_files(path, [(single, None)]);
        }
        let index = path.join("model.safetensors.index.json");
        if index.exists() {
            return Self::open_sharded(path, &index);
        }
        Err(Error::format(
            path,
            "holds neither model.safetensors nor model.safetensors.index.json (other weight formats are not read)",
        ))
    }

    fn open_sharded(path: &Path, index: &Path) -> Result<Self> {
        Self::open_files(
            path,
            index::read(index)?.into_iter().map(|(file, tensors)| (file, Some((index, tensors)))),
        )
    }

    /// Opens files; of those with a list, exactly the listed tensors become visible.
    fn open_files<'a>(
        path: &Path,
        sources: impl IntoIterator<Item = (PathBuf, Option<(&'a Path, Vec<String>)>)>,
    ) -> Result<Self> {
        let mut out = Self {
            path: path.into(),
            files: Vec::new(),
            entries: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        for (source, listed) in sources {
            let mut file = File::open(&source).map_err(|e| Error::io(&source, e))?;
            let header = header::read(&source, &mut file)?;
            let source: Arc<Path> = source.into();
            let number = out.files.len();
            let entry = |raw: header::RawEntry| {
                let path = Arc::clone(&source);
                (raw.name, Entry { dtype: raw.dtype, shape: raw.shape, path, range: raw.range, file: number })
            };
            match listed {
                None => out.entries.extend(header.entries.into_iter().map(entry)),
                Some((index, tensors)) => {
                    let mut found: HashMap<String, Entry> = header.entries.into_iter().map(entry).collect();
                    for name in tensors {
                        let Some(entry) = found.remove(&name) else {
                            let reason =
                                format!("the index places it in {}, which lacks it", source.display());
                            return Err(Error::tensor(index, name, reason));
                        };
                        out.entries.insert(name, entry);
                    }
                }
            }
            out.metadata.extend(header.metadata);
            out.files.push(DataFile { path: source, file, map: OnceLock::new() });
        }
        Ok(out)
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files, in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|f| &*f.path)
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The tensors by name, sorted.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The `__metadata__` of the files, merged.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// [`Error::Format`] naming the checkpoint and the tensor when there is none.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        self.get(name).ok_or_else(|| Error::tensor(&self.path, name, "is missing"))
    }

    /// The tensor's element type, one that can be computed with.
    ///
    /// # Errors
    /// [`Error::Format`] when the tensor is missing or its type has no [`DType`].
    pub fn dtype(&self, name: &str) -> Result<DType> {
        let entry = self.entry(name)?;
        entry.dtype.dtype().ok_or_else(|| {
            Error::tensor(&*entry.path, name, format!("the dtype {} is not supported", entry.dtype))
        })
    }

    /// The tensor's bytes, mapped from the file.
    ///
    /// # Errors
    /// [`Error::Format`] when the tensor is missing; [`Error::Io`] when the file cannot be mapped.
    pub fn bytes(&self, name: &str) -> Result<HostBytes> {
        let entry = self.entry(name)?;
        if entry.range.is_empty() {
            return Ok(HostBytes::from(Vec::new()));
        }
        let map: Arc<Mmap> = Arc::clone(self.map(entry)?);
        let size = map.len();
        HostBytes::new(map, entry.range.start as usize..entry.range.end as usize).map_err(|_| {
            let reason = format!("the file shrank to {size} bytes after it was opened");
            Error::tensor(&*entry.path, name, reason)
        })
    }

    fn map(&self, entry: &Entry) -> Result<&Arc<Mmap>> {
        let data = &self.files[entry.file];
        if let Some(map) = data.map.get() {
            return Ok(map);
        }
        // SAFETY: the mapping is private and read-only. Bytes that another process changes underneath are a documented
        // misuse; they are plain numbers whose every bit pattern is valid.
        let map = unsafe { Mmap::map(&data.file) }.map_err(|e| Error::io(&*data.path, e))?;
        Ok(data.map.get_or_init(|| Arc::new(map)))
    }

    /// The tensor on a device: over the mapped file without a copy where the device can, row-major.
    ///
    /// # Errors
    /// [`Error::Format`] when it is missing or of a type without a [`DType`]; [`Error::Io`]; memory errors of the device.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        let dtype = self.dtype(name)?;
        Tensor::from_host(device, self.bytes(name)?, &self.entry(name)?.shape, dtype)
    }

    /// As [`tensor`](Self::tensor), read into memory instead of mapped, so that no page of the file stays resident after
    /// the tensor is dropped; checks that every number is finite on the way.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor) and [`check_finite`](Self::check_finite).
    pub fn read_finite(&self, name: &str, device: &Device) -> Result<Tensor> {
        let dtype = self.dtype(name)?;
        let entry = self.entry(name)?;
        let mut bytes = vec![0; entry.bytes()];
        let mut at = 0;
        for chunk in bytes.chunks_mut(CHUNK) {
            self.read_at(entry, at, chunk)?;
            Self::expect_finite(entry, name, dtype, at, chunk)?;
            at += chunk.len();
        }
        Tensor::from_host(device, HostBytes::from(bytes), &entry.shape, dtype)
    }

    /// Checks that the tensor holds neither NaN nor infinity, reading it in steps of bounded memory. Integers pass.
    ///
    /// # Errors
    /// [`Error::Format`] naming the tensor and the index of the first number that is not finite; [`Error::Io`].
    pub fn check_finite(&self, name: &str) -> Result<()> {
        let dtype = self.dtype(name)?;
        self.stream(name, |at, chunk| Self::expect_finite(self.entry(name)?, name, dtype, at, chunk))
    }

    /// Hands the tensor's bytes to `sink` in steps of at most 1 MiB, each with its offset in the tensor.
    ///
    /// # Errors
    /// [`Error::Format`] when the tensor is missing, [`Error::Io`], and what `sink` returns.
    pub fn stream(&self, name: &str, mut sink: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        let entry = self.entry(name)?;
        let mut buffer = vec![0; CHUNK.min(entry.bytes())];
        let mut at = 0;
        while at < entry.bytes() {
            let step = CHUNK.min(entry.bytes() - at);
            self.read_at(entry, at, &mut buffer[..step])?;
            sink(at, &buffer[..step])?;
            at += step;
        }
        Ok(())
    }

    /// Reads bytes of a tensor from `at` on, without mapping the file.
    pub(crate) fn read_part(&self, name: &str, at: usize, out: &mut [u8]) -> Result<()> {
        let entry = self.entry(name)?;
        match at.checked_add(out.len()).is_some_and(|end| end <= entry.bytes()) {
            true => self.read_at(entry, at, out),
            false => Err(Error::tensor(
                &*entry.path,
                name,
                format!("has no byte {}", at.saturating_add(out.len())),
            )),
        }
    }

    fn expect_finite(entry: &Entry, name: &str, dtype: DType, at: usize, bytes: &[u8]) -> Result<()> {
        let Some(found) = first_non_finite(dtype, bytes) else { return Ok(()) };
        let flat = at / dtype.size() + found;
        let mut rest = flat;
        let mut index = vec![0; entry.shape.len()];
        for (i, &n) in index.iter_mut().zip(&entry.shape).rev() {
            (*i, rest) = (rest % n, rest / n);
        }
        Err(Error::tensor(&*entry.path, name, format!("element {index:?} is NaN or infinite")))
    }

    /// Reads bytes of a tensor from `at` on; the range must lie within it.
    fn read_at(&self, entry: &Entry, at: usize, out: &mut [u8]) -> Result<()> {
        let data = &self.files[entry.file];
        read_exact_at(&data.file, out, entry.range.start + at as u64).map_err(|e| Error::io(&*data.path, e))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !out.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, out, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        out = &mut out[read..];
        offset += read as u64;
    }
    Ok(())
}
