//! Writing checkpoints tensor by tensor, in memory bounded by a buffer.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fft_core::{Error, Result, Tensor};
use serde_json::{Map, Value, json};

use super::atomic_dir::{replace_file, write_atomic};
use super::{CHUNK, Checkpoint, MAX_HEADER, StoredType};

/// How a [`CheckpointWriter`] writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterOptions {
    /// A file is closed before its data would exceed this many bytes; a tensor is never divided. Default: 4 GiB.
    pub max_shard_bytes: u64,
    /// The `__metadata__` of every file. Default: `{"format": "pt"}`, which other readers expect.
    pub metadata: BTreeMap<String, String>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            max_shard_bytes: 4 << 30,
            metadata: BTreeMap::from([("format".to_string(), "pt".to_string())]),
        }
    }
}

/// Writes `model.safetensors`, or several `model-0000i-of-0000n.safetensors` with their index.
///
/// A header comes before the data and needs their sizes, which a codec knows only when it has run. So the data of the present
/// file go to one spool file for each element size; when it is complete, header and spools are joined, largest
/// elements first, so that every tensor is aligned in a mapped file. Disk needed beyond the result: one file's data.
///
/// After an error the directory holds parts; [`AtomicDir`](super::AtomicDir) removes them.
#[derive(Debug)]
pub struct CheckpointWriter {
    folder: PathBuf,
    options: WriterOptions,
    names: HashSet<String>,
    spools: [Option<Spool>; SIZES.len()],
    pending: Vec<Pending>,
    pending_bytes: u64,
    shards: Vec<Shard>,
}

/// Element sizes in bytes, one spool file each.
const SIZES: [usize; 4] = [8, 4, 2, 1];

#[derive(Debug)]
struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

/// A tensor in a spool.
#[derive(Debug)]
struct Pending {
    name: String,
    dtype: StoredType,
    shape: Vec<usize>,
    spool: usize,
    begin: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    names: Vec<String>,
    bytes: u64,
}

/// Receives a tensor's bytes piece by piece.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

impl CheckpointWriter {
    /// A writer of files in `folder`, which exists.
    pub fn new(folder: impl AsRef<Path>, options: WriterOptions) -> Self {
        Self {
            folder: folder.as_ref().into(),
            options,
            names: HashSet::new(),
            spools: [const { None }; SIZES.len()],
            pending: Vec::new(),
            pending_bytes: 0,
            shards: Vec::new(),
        }
    }

    /// Writes one tensor; `fill` hands its bytes, little endian and row-major, to the sink it is given.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] when the name was used before or `fill` gives another number of bytes than type and
    /// shape need; what `fill` returns.
    pub fn write(
        &mut self,
        name: &str,
        dtype: StoredType,
        shape: &[usize],
        fill: impl FnOnce(Sink<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(bytes) = dtype.bytes(shape) else {
            let reason = format!("the shape {shape:?} of {dtype} has no valid number of bytes");
            return Err(Error::tensor(&self.folder, name, reason));
        };
        if name == "__metadata__" || !self.names.insert(name.to_string()) {
            return Err(Error::tensor(&self.folder, name, "the name is reserved or was written before"));
        }
        if self.pending_bytes > 0 && self.pending_bytes + bytes > self.options.max_shard_bytes {
            self.close_shard()?;
        }
        let size = dtype.bits().div_ceil(8);
        let class = SIZES.iter().position(|&s| size.is_multiple_of(s)).unwrap_or(SIZES.len() - 1);
        let spool = match &mut self.spools[class] {
            Some(spool) => spool,
            none => {
                let path = self.folder.join(format!(".spool-{}", SIZES[class]));
                let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
                none.insert(Spool { path, file: BufWriter::with_capacity(1 << 16, file), bytes: 0 })
            }
        };
        let begin = spool.bytes;
        fill(&mut |piece| {
            spool.bytes += piece.len() as u64;
            spool.file.write_all(piece).map_err(|e| Error::io(&spool.path, e))
        })?;
        if spool.bytes - begin != bytes {
            let reason =
                format!("{} bytes were written, {dtype} {shape:?} needs {bytes}", spool.bytes - begin);
            return Err(Error::tensor(&self.folder, name, reason));
        }
        let shape = shape.to_vec();
        self.pending.push(Pending { name: name.to_string(), dtype, shape, spool: class, begin, bytes });
        self.pending_bytes += bytes;
        Ok(())
    }

    /// Writes a tensor, fetched from its device in steps of 1 MiB.
    ///
    /// # Errors
    /// As [`write`](Self::write), and the device's errors.
    pub fn write_tensor(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let dense = tensor.contiguous()?;
        self.write(name, tensor.dtype().into(), tensor.shape(), |sink| {
            let start = dense.layout().offset() * dense.dtype().size();
            let mut buffer = vec![0; CHUNK.min(dense.bytes())];
            let mut at = 0;
            while at < dense.bytes() {
                let step = CHUNK.min(dense.bytes() - at);
                dense.device().download(dense.buffer(), start + at, &mut buffer[..step])?;
                sink(&buffer[..step])?;
                at += step;
            }
            Ok(())
        })
    }

    /// Copies a tensor of another checkpoint as it is, whatever its type.
    ///
    /// # Errors
    /// As [`write`](Self::write) and [`Checkpoint::stream`].
    pub fn copy(&mut self, source: &Checkpoint, name: &str) -> Result<()> {
        let entry = source.entry(name)?;
        self.write(name, entry.dtype, &entry.shape, |sink| source.stream(name, |_, piece| sink(piece)))
    }

    /// Bytes of all tensors written so far, headers excluded.
    pub fn bytes(&self) -> u64 {
        self.pending_bytes + self.shards.iter().map(|s| s.bytes).sum::<u64>()
    }

    /// Joins header and spools to a file.
    fn close_shard(&mut self) -> Result<()> {
        let mut starts = [0; SIZES.len()];
        let mut total = 0;
        for (start, spool) in starts.iter_mut().zip(&self.spools) {
            *start = total;
            total += spool.as_ref().map_or(0, |s| s.bytes);
        }
        let mut header = Map::new();
        if !self.options.metadata.is_empty() {
            header.insert("__metadata__".into(), json!(self.options.metadata));
        }
        for tensor in &self.pending {
            let begin = starts[tensor.spool] + tensor.begin;
            let offsets = [begin, begin + tensor.bytes];
            let entry =
                json!({ "dtype": tensor.dtype.name(), "shape": tensor.shape, "data_offsets": offsets });
            header.insert(tensor.name.clone(), entry);
        }
        let mut header = Value::Object(header).to_string();
        // Spaces may follow the header: they align the data.
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        let path = self.folder.join(format!("model-{:05}.safetensors", self.shards.len() + 1));
        if header.len() as u64 > MAX_HEADER {
            return Err(Error::format(
                &path,
                format!("{} tensors need too long a header", self.pending.len()),
            ));
        }
        let join = |out: &mut File| -> std::io::Result<()> {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(header.as_bytes())
        };
        let mut out = File::create(&path).map_err(|e| Error::io(&path, e))?;
        join(&mut out).map_err(|e| Error::io(&path, e))?;
        for spool in &mut self.spools {
            let Some(mut spool) = spool.take() else { continue };
            spool.file.flush().map_err(|e| Error::io(&spool.path, e))?;
            let mut data = File::open(&spool.path).map_err(|e| Error::io(&spool.path, e))?;
            let copied = std::io::copy(&mut data, &mut out).map_err(|e| Error::io(&path, e))?;
            if copied != spool.bytes {
                return Err(Error::format(
                    &spool.path,
                    format!("holds {copied} bytes instead of {}", spool.bytes),
                ));
            }
            std::fs::remove_file(&spool.path).map_err(|e| Error::io(&spool.path, e))?;
        }
        out.sync_all().map_err(|e| Error::io(&path, e))?;
        let names = self.pending.drain(..).map(|t| t.name).collect();
        self.shards.push(Shard { path, names, bytes: total });
        self.pending_bytes = 0;
        Ok(())
    }

    /// Completes the files, and the index if there are several; returns the files of data.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<Vec<PathBuf>> {
        if !self.pending.is_empty() || self.shards.is_empty() {
            self.close_shard()?;
        }
        let count = self.shards.len();
        let total: u64 = self.shards.iter().map(|s| s.bytes).sum();
        let mut paths = Vec::with_capacity(count);
        let mut map = Map::new();
        for (i, shard) in self.shards.into_iter().enumerate() {
            let file = match count {
                1 => "model.safetensors".to_string(),
                _ => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
            };
            let path = self.folder.join(&file);
            std::fs::rename(&shard.path, &path).map_err(|e| Error::io(&path, e))?;
            map.extend(shard.names.into_iter().map(|name| (name, Value::String(file.clone()))));
            paths.push(path);
        }
        if count > 1 {
            let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
            let path = self.folder.join("model.safetensors.index.json");
            write_json(&path, &index)?;
        }
        Ok(paths)
    }
}

/// Writes JSON with an indentation of two spaces and a newline at the end, by way of a temporary file.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_atomic(path, format!("{value:#}\n"))
}

/// Writes named tensors to one safetensors file, which appears when it is complete and replaces one of that name.
///
/// # Errors
/// [`Error::Io`], [`Error::Format`] for repeated names, and the device's errors.
pub fn write_file<'a>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<()> {
    write_file_with(path.as_ref(), WriterOptions::default().metadata, |writer| {
        tensors.into_iter().try_for_each(|(name, tensor)| writer.write_tensor(name, tensor))
    })
}

/// Writes what `fill` writes, and metadata, to one safetensors file, which appears when it is complete and replaces one of that name.
pub(crate) fn write_file_with(
    path: &Path,
    metadata: BTreeMap<String, String>,
    fill: impl FnOnce(&mut CheckpointWriter) -> Result<()>,
) -> Result<()> {
    replace_file(path, |folder| {
        let mut writer = CheckpointWriter::new(folder, WriterOptions { max_shard_bytes: u64::MAX, metadata });
        fill(&mut writer)?;
        let mut files = writer.finish()?;
        files.pop().ok_or_else(|| Error::format(path, "nothing was written"))
    })
}
