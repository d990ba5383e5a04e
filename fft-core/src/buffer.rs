//! Storage on a device.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use crate::{Error, Reservation, Result};

/// What a backend keeps behind a [`Buffer`]; it downcasts to its own type.
pub trait RawBuffer: Any + Send + Sync + std::fmt::Debug {
    /// Bytes that can be addressed.
    fn size(&self) -> usize;
    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
    /// For downcasting.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// A block of bytes on one device, counted by the device's [`crate::MemoryTracker`] until it is dropped.
#[derive(Debug)]
pub struct Buffer {
    raw: Box<dyn RawBuffer>,
    // Declared after `raw`, so that the bytes are given back after the storage is gone.
    reservation: Option<Reservation>,
}

impl Buffer {
    /// Wraps a backend's storage. `reservation` is `None` for memory that the device does not own (a mapped file), which
    /// makes the buffer read-only: see [`is_borrowed`](Self::is_borrowed).
    pub fn new(raw: Box<dyn RawBuffer>, reservation: Option<Reservation>) -> Self {
        Self { raw, reservation }
    }

    /// Bytes that can be addressed.
    pub fn size(&self) -> usize {
        self.raw.size()
    }

    /// Bytes counted on the device for this buffer; 0 for a mapped file.
    pub fn reserved(&self) -> usize {
        self.reservation.as_ref().map_or(0, Reservation::bytes)
    }

    /// Whether the memory is somebody else's (a mapped file): such a buffer is read, never written.
    pub fn is_borrowed(&self) -> bool {
        self.reservation.is_none()
    }

    /// The backend's storage, when it is of type `T`.
    pub fn downcast_ref<T: RawBuffer>(&self) -> Option<&T> {
        self.raw.as_any().downcast_ref()
    }

    /// The backend's storage, when it is of type `T`.
    pub fn downcast_mut<T: RawBuffer>(&mut self) -> Option<&mut T> {
        self.raw.as_any_mut().downcast_mut()
    }
}

/// A range of bytes kept alive by its owner: a memory-mapped file, or a vector.
#[derive(Clone)]
pub struct HostBytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl HostBytes {
    /// The bytes `range` of `owner`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the range does not lie within the owner's bytes.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Result<Self> {
        let len = (*owner).as_ref().len();
        if range.start > range.end || range.end > len {
            return Err(Error::invalid(
                "HostBytes::new",
                "range",
                range,
                format!("must lie within 0..{len}"),
            ));
        }
        Ok(Self { owner, range })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl From<Vec<u8>> for HostBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { owner: Arc::new(bytes), range }
    }
}

impl std::fmt::Debug for HostBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBytes").field("range", &self.range).finish_non_exhaustive()
    }
}
