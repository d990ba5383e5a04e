//! The one error type of the workspace.

use std::path::{Path, PathBuf};

use crate::DType;

/// The result of every fallible function of fft-tensor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Every message names the operation, file or tensor that it concerns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes do not fit together, or one does not fit the operation.
    #[error("{op}: shapes {lhs:?} and {rhs:?} do not fit: {reason}")]
    ShapeMismatch {
        /// The operation.
        op: &'static str,
        /// The shape of the first operand.
        lhs: Vec<usize>,
        /// The shape of the second operand, or the shape that was expected.
        rhs: Vec<usize>,
        /// What would have fitted.
        reason: String,
    },
    /// Two element types differ, or one is not the expected one.
    #[error("{op}: dtypes {lhs} and {rhs} do not fit")]
    DTypeMismatch {
        /// The operation.
        op: &'static str,
        /// The type that was given.
        lhs: DType,
        /// The type of the other operand, or the expected one.
        rhs: DType,
    },
    /// Two operands live on different devices.
    #[error("{op}: the operands are on different devices ({lhs} and {rhs})")]
    DeviceMismatch {
        /// The operation.
        op: &'static str,
        /// The device of the first operand.
        lhs: String,
        /// The device of the second operand.
        rhs: String,
    },
    /// An argument has a value that the operation does not accept.
    #[error("{op}: {argument} = {value}: {reason}")]
    InvalidArgument {
        /// The operation.
        op: &'static str,
        /// The name of the argument.
        argument: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        reason: String,
    },
    /// An index lies outside its axis.
    #[error("{op}: index {index} is out of range for length {len}")]
    IndexOutOfRange {
        /// The operation.
        op: &'static str,
        /// The offending index.
        index: i64,
        /// The length of the axis.
        len: usize,
    },
    /// The device's memory limit does not allow the allocation.
    #[error("memory limit: {requested} bytes requested with {in_use} in use, the limit is {limit}; at least {} bytes are needed", requested.saturating_add(*in_use))]
    MemoryLimit {
        /// Bytes requested.
        requested: usize,
        /// Bytes in use at that moment.
        in_use: usize,
        /// The limit set for the device.
        limit: usize,
    },
    /// One buffer is larger than the device can hold in one piece; waiting or freeing does not help.
    #[error("{op} needs a buffer of {requested} bytes in one piece, the device takes at most {max}")]
    BufferTooBig {
        /// The operation.
        op: &'static str,
        /// Bytes requested.
        requested: usize,
        /// The largest buffer of the device.
        max: usize,
    },
    /// The device has no memory left.
    #[error("out of memory on {device}: {requested} bytes were requested")]
    OutOfMemory {
        /// The device.
        device: String,
        /// Bytes requested.
        requested: usize,
    },
    /// The device stopped working; its buffers are gone.
    #[error("device {device} was lost: {reason}")]
    DeviceLost {
        /// The device.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// The device asked for does not exist on this machine or cannot be opened.
    #[error("device {device} is not available: {reason}")]
    DeviceUnavailable {
        /// The device asked for.
        device: String,
        /// Why it cannot be had.
        reason: String,
    },
    /// The device cannot do this operation.
    #[error("{op} is not supported on {device}: {reason}")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The device.
        device: String,
        /// Why not.
        reason: String,
    },
    /// A file, or a tensor in it, is not what its format demands.
    #[error("{}{}: {reason}", path.display(), tensor.as_deref().map(|t| format!(", tensor {t}")).unwrap_or_default())]
    Format {
        /// The file.
        path: PathBuf,
        /// The tensor, where one is concerned.
        tensor: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// An [`Error::InvalidArgument`].
    pub fn invalid(
        op: &'static str,
        argument: &'static str,
        value: impl std::fmt::Debug,
        reason: impl Into<String>,
    ) -> Self {
        Self::InvalidArgument { op, argument, value: format!("{value:?}"), reason: reason.into() }
    }

    /// An [`Error::ShapeMismatch`].
    pub fn shapes(op: &'static str, lhs: &[usize], rhs: &[usize], reason: impl Into<String>) -> Self {
        Self::ShapeMismatch { op, lhs: lhs.to_vec(), rhs: rhs.to_vec(), reason: reason.into() }
    }

    /// An [`Error::Format`] about a file as a whole.
    pub fn format(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_path_buf(), tensor: None, reason: reason.into() }
    }

    /// An [`Error::Format`] about one tensor of a file.
    pub fn tensor(path: impl AsRef<Path>, tensor: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_path_buf(), tensor: Some(tensor.into()), reason: reason.into() }
    }

    /// An [`Error::Io`].
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }
}
