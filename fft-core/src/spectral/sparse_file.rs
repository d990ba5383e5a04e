//! Sparse spectral tensors in files: safetensors with plain dtypes.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::spectral::{SparseSpectralTensor, ValueFormat};
use crate::{DType, Device, Error, Result, Tensor};

const FORMAT: &str = "fft-tensor sparse spectral tensor";
const VERSION: &str = "1";

impl SparseSpectralTensor {
    /// Writes the tensor to a safetensors file: its [`parts`](Self::parts), with `format`, `version`, `shape` and `values` in the
    /// metadata. The file appears whole or not at all: it is written beside its place and renamed.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Format`] naming the file; device errors.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut parts = Vec::new();
        for (name, tensor) in self.parts() {
            let dtype = match tensor.dtype() {
                DType::U8 => Dtype::U8,
                DType::U32 => Dtype::U32,
                DType::F16 => Dtype::F16,
                DType::F32 => Dtype::F32,
                other => return Err(Error::tensor(path, name, format!("{other} is not stored"))),
            };
            parts.push((name, dtype, tensor.shape().to_vec(), tensor.to_bytes()?));
        }
        let views = parts
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| Error::format(path, e.to_string()))?;
        let shape: Vec<String> = self.shape().iter().map(usize::to_string).collect();
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("shape".to_owned(), shape.join(",")),
            ("values".to_owned(), self.values().format().name().to_owned()),
        ]);
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.partial", std::process::id()));
        let temporary = Path::new(&temporary);
        let written = safetensors::serialize_to_file(views, Some(metadata), temporary)
            .map_err(|e| match e {
                safetensors::SafeTensorError::IoError(e) => Error::io(path, e),
                other => Error::format(path, other.to_string()),
            })
            .and_then(|()| std::fs::rename(temporary, path).map_err(|e| Error::io(path, e)));
        if written.is_err() {
            // What is left of a failed write is of no use; that it may not exist is no error.
            let _ = std::fs::remove_file(temporary);
        }
        written
    }

    /// Reads a file that [`save`](Self::save) wrote, onto `device`. Everything in it is checked.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] naming the file, and the tensor where one is concerned: no safetensors file, another
    /// format or version, missing or inconsistent tensors, positions that are not stored ones, numbers that are not finite.
    /// Memory errors.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let broken = |reason: String| Error::format(path, reason);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| {
            metadata
                .get(key)
                .map(String::as_str)
                .ok_or_else(|| broken(format!("the metadata has no {key:?}")))
        };
        if entry("format")? != FORMAT {
            return Err(broken(format!("the format is {:?}, not {FORMAT:?}", entry("format")?)));
        }
        if entry("version")? != VERSION {
            return Err(broken(format!("version {:?} is not known, only {VERSION:?}", entry("version")?)));
        }
        let shape: Vec<usize> = entry("shape")?
            .split(',')
            .map(|n| n.parse().map_err(|_| broken(format!("{n:?} in the shape is no length"))))
            .collect::<Result<_>>()?;
        let format = ValueFormat::from_name(entry("values")?).ok_or_else(|| {
            broken(format!("the value format {:?} is not known", entry("values").unwrap_or("")))
        })?;
        let mut part = |name: &str| -> Result<Tensor> {
            let view = file.tensor(name).map_err(|_| Error::tensor(path, name, "is missing"))?;
            let dtype = match view.dtype() {
                Dtype::U8 => DType::U8,
                Dtype::U32 => DType::U32,
                Dtype::F16 => DType::F16,
                Dtype::F32 => DType::F32,
                other => return Err(Error::tensor(path, name, format!("has dtype {other:?}"))),
            };
            Tensor::from_host(device, view.data().to_vec().into(), view.shape(), dtype)
        };
        Self::from_parts(device, &shape, format, &mut part).map_err(|error| match error {
            // What the file's content caused names the file.
            Error::ShapeMismatch { .. }
            | Error::DTypeMismatch { .. }
            | Error::InvalidArgument { .. }
            | Error::IndexOutOfRange { .. } => broken(error.to_string()),
            other => other,
        })
    }
}
