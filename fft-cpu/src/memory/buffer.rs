//! The storage behind a tensor on the processor.

use std::any::Any;
use std::sync::Arc;

use fft_core::{Error, HostBytes, RawBuffer, Reservation, Result};

use super::block::Block;
use super::pool::BlockPool;

/// Bytes of a tensor: a block from the pool, or memory that someone else keeps alive (a mapped file).
#[derive(Debug)]
pub(crate) struct HostBuffer {
    store: Store,
    pool: Arc<BlockPool>,
}

#[derive(Debug)]
enum Store {
    Owned { block: Block, size: usize, _own: Option<Reservation> },
    Adopted(HostBytes),
    Empty,
}

impl HostBuffer {
    /// A buffer of `size` bytes in a block that is at least as large.
    pub(crate) fn owned(block: Block, size: usize, pool: Arc<BlockPool>) -> Self {
        let size = size.min(block.len());
        Self { store: Store::Owned { block, size, _own: None }, pool }
    }

    /// A buffer that reads `bytes` where they are.
    pub(crate) fn adopted(bytes: HostBytes, pool: Arc<BlockPool>) -> Self {
        Self { store: Store::Adopted(bytes), pool }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.store {
            Store::Owned { block, size, .. } => &block.bytes()[..*size],
            Store::Adopted(bytes) => bytes.as_slice(),
            Store::Empty => &[],
        }
    }

    /// The bytes for writing. Adopted bytes belong to someone else, so they are first copied to a block of our own.
    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        if let Store::Adopted(bytes) = &self.store {
            let source = bytes.as_slice();
            let (mut block, reservation) = self.pool.take(source.len())?;
            block.bytes_mut()[..source.len()].copy_from_slice(source);
            self.store = Store::Owned { block, size: source.len(), _own: Some(reservation) };
        }
        match &mut self.store {
            Store::Owned { block, size, .. } => Ok(&mut block.bytes_mut()[..*size]),
            _ => Ok(&mut []),
        }
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        if let Store::Owned { block, .. } = std::mem::replace(&mut self.store, Store::Empty) {
            self.pool.give(block);
        }
    }
}

impl RawBuffer for HostBuffer {
    fn size(&self) -> usize {
        self.bytes().len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The error for a buffer that another backend made.
pub(super) fn foreign(op: &'static str) -> Error {
    Error::invalid(op, "buffer", "of another device", "must be a buffer of this device")
}
