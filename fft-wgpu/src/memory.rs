//! Buffers on the device, and their pool.
//!
//! A freed buffer may be taken again at once, although work that uses it is still queued: the queue runs in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fft_core::{Error, RawBuffer, Reservation, Result};
use wgpu::{BufferDescriptor, BufferUsages, ErrorFilter};

use crate::context::Context;

/// Sizes are multiples of this, so that every offset of a binding fits.
const GRAIN: u64 = 256;
/// Sizes a doubling; a buffer is at most an eighth larger than what was asked for.
const STEPS: u64 = 8;
/// The most bytes that freed buffers may occupy.
const MAX_IDLE: u64 = 1 << 30;

/// A buffer of the device.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) buffer: wgpu::Buffer,
    /// Distinguishes buffers, also those that no longer exist.
    pub(crate) id: u64,
    /// The recording that used it last.
    pub(crate) used: AtomicU64,
    /// For a buffer of the device's own.
    _own: Option<Own>,
}

impl Block {
    pub(crate) fn size(&self) -> u64 {
        self.buffer.size()
    }
}

/// The size of the buffer that serves a request.
fn class(bytes: u64) -> Option<u64> {
    let bytes = bytes.max(GRAIN);
    let step = ((1u64 << (u64::BITS - 1 - bytes.leading_zeros())) / STEPS).max(GRAIN);
    bytes.checked_next_multiple_of(step)
}

/// Bytes of a buffer of the device's own, which belongs to no tensor: tables of plans, and what is read back through.
#[derive(Debug)]
pub(crate) struct Own {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

/// Freed buffers by size. Idle ones do not count as in use, and never keep a request from its limit; nor does what the device can do without.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<Idle>,
    created: AtomicUsize,
    /// Bytes of the device's own buffers.
    own: Arc<AtomicU64>,
    max_buffer: u64,
}

#[derive(Debug, Default)]
struct Idle {
    lists: BTreeMap<u64, Vec<Block>>,
    bytes: u64,
}

impl Pool {
    pub(crate) fn new(max_buffer: u64) -> Self {
        Self { idle: Mutex::default(), created: AtomicUsize::new(0), own: Arc::default(), max_buffer }
    }

    /// How many buffers were created so far.
    pub(crate) fn created(&self) -> usize {
        self.created.load(Relaxed)
    }

    /// Bytes of the device's own buffers, which count against the limit beside what is in use.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.own.load(Relaxed)
    }

    /// Counts bytes of the device's own from now on.
    pub(crate) fn count_own(&self, bytes: u64) -> Own {
        self.own.fetch_add(bytes, Relaxed);
        Own { all: Arc::clone(&self.own), bytes }
    }

    /// Whether what is in use and the device's own buffers keep to the limit, after whatever can be done without is freed where they do not.
    pub(crate) fn keeps_to_limit(&self, context: &Context) -> bool {
        let over = |idle: u64| {
            let usage = context.memory.usage();
            let all = (usage.in_use as u64).saturating_add(self.own_bytes()).saturating_add(idle);
            all > usage.limit as u64
        };
        let freed = {
            let mut idle = self.idle();
            if !over(idle.bytes) {
                return true;
            }
            idle.clear()
        };
        context.pipelines.forget_blocks(&freed);
        while over(0) {
            if !context.forget_one() {
                return false;
            }
        }
        true
    }

    /// A request that passes the limit; `counted` of it are counted already.
    pub(crate) fn over_limit(&self, context: &Context, requested: u64, counted: u64) -> Error {
        let usage = context.memory.usage();
        let in_use = (usage.in_use as u64).saturating_add(self.own_bytes()).saturating_sub(counted);
        Error::MemoryLimit { requested: requested as usize, in_use: in_use as usize, limit: usage.limit }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // The lists are consistent after every statement, so a panic elsewhere leaves nothing half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of at least `bytes` bytes and its reservation.
    fn take(&self, context: &Context, bytes: usize) -> Result<(Block, Reservation)> {
        let too_big = || Error::BufferTooBig { op: "alloc", requested: bytes, max: self.max_buffer as usize };
        let least = (bytes as u64).checked_next_multiple_of(GRAIN).ok_or_else(too_big)?;
        if least > self.max_buffer {
            return Err(too_big());
        }
        let size = class(least).unwrap_or(least).min(self.max_buffer / GRAIN * GRAIN).max(least);
        context.check()?;
        let reservation = context.memory.reserve(size as usize)?;
        {
            let mut idle = self.idle();
            let found = idle.lists.get_mut(&size).and_then(Vec::pop);
            if let Some(block) = found {
                idle.bytes -= size;
                return Ok((block, reservation));
            }
        }
        if !self.keeps_to_limit(context) {
            return Err(self.over_limit(context, size, size));
        }
        let block = match self.create(context, size, None) {
            Some(block) => Some(block),
            None => {
                // What is idle, and what waits for the device to be freed, may be enough.
                context.trim();
                context.wait()?;
                self.create(context, size, None)
            }
        };
        let device = || context.info.id.clone();
        let block = block.ok_or_else(|| Error::OutOfMemory { device: device(), requested: bytes })?;
        context.check()?;
        Ok((block, reservation))
    }

    /// A new buffer, or nothing when there is no memory.
    fn create(&self, context: &Context, size: u64, own: Option<Own>) -> Option<Block> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let scope = context.device.push_error_scope(ErrorFilter::OutOfMemory);
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        let buffer = context.device.create_buffer(&descriptor);
        if pollster::block_on(scope.pop()).is_some() {
            return None;
        }
        self.created.fetch_add(1, Relaxed);
        Some(Block { buffer, id: IDS.fetch_add(1, Relaxed), used: AtomicU64::new(0), _own: own })
    }

    /// A buffer for tables of plans, which belong to the device and not to tensors.
    pub(crate) fn keep(&self, context: &Context, bytes: usize) -> Result<Block> {
        let too_big = || context.too_big("tables", bytes);
        let size = (bytes.max(1) as u64).checked_next_multiple_of(GRAIN).ok_or_else(too_big)?;
        if size > context.limits.binding {
            return Err(too_big());
        }
        let own = self.count_own(size);
        if !self.keeps_to_limit(context) {
            return Err(self.over_limit(context, size, size));
        }
        let device = || context.info.id.clone();
        let block = self.create(context, size, Some(own));
        block.ok_or_else(|| Error::OutOfMemory { device: device(), requested: bytes })
    }

    /// Keeps a buffer for later, or frees it when enough are kept.
    fn give(&self, context: &Context, block: Block) {
        let (size, usage) = (block.size(), context.memory.usage());
        let others = (usage.in_use as u64).saturating_sub(size).saturating_add(self.own_bytes());
        let room = MAX_IDLE.min((usage.limit as u64).saturating_sub(others));
        let mut idle = self.idle();
        if idle.bytes + size <= room {
            idle.bytes += size;
            idle.lists.entry(size).or_default().push(block);
            return;
        }
        drop(idle);
        context.pipelines.forget_blocks(&[block.id]);
    }

    /// Frees every idle buffer.
    pub(crate) fn trim(&self) {
        self.idle().clear();
    }
}

impl Idle {
    /// Frees all, and returns which they were: bind groups still hold them.
    fn clear(&mut self) -> Vec<u64> {
        self.bytes = 0;
        std::mem::take(&mut self.lists).into_values().flatten().map(|block| block.id).collect()
    }
}

/// The storage behind a tensor on the device. Nothing of 0 bytes lies there.
#[derive(Debug)]
pub(crate) struct GpuBuffer {
    pub(crate) context: Arc<Context>,
    pub(crate) block: Option<Block>,
    size: usize,
}

impl GpuBuffer {
    /// A buffer of `bytes` bytes, and its reservation.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize) -> Result<(Self, Reservation)> {
        let (block, reservation) = if bytes == 0 {
            (None, context.memory.reserve(0)?)
        } else {
            let (block, reservation) = context.pool.take(context, bytes)?;
            (Some(block), reservation)
        };
        Ok((Self { context: Arc::clone(context), block, size: bytes }, reservation))
    }
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.context.pool.give(&self.context, block);
        }
    }
}

impl RawBuffer for GpuBuffer {
    fn size(&self) -> usize {
        self.size
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Temporary memory of an operation: counted as in use, given back on drop.
#[derive(Debug)]
pub(crate) struct Scratch<'a> {
    context: &'a Context,
    block: Option<Block>,
    _reservation: Reservation,
}

impl<'a> Scratch<'a> {
    /// At least `bytes` bytes of unspecified content.
    pub(crate) fn new(context: &'a Context, bytes: usize) -> Result<Self> {
        let (block, reservation) = context.pool.take(context, bytes.max(1))?;
        Ok(Self { context, block: Some(block), _reservation: reservation })
    }
}

impl std::ops::Deref for Scratch<'_> {
    type Target = Block;

    fn deref(&self) -> &Block {
        match &self.block {
            Some(block) => block,
            None => unreachable!("the block is taken only when the scratch is dropped"),
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.context.pool.give(self.context, block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight_and_stable() {
        for bytes in (1..5000).chain([65_537, 1 << 20, (1 << 20) + 1, 123_456_789]) {
            let size = class(bytes).unwrap();
            assert!(size >= bytes && size <= (bytes + bytes / 8).max(bytes + GRAIN), "{bytes} -> {size}");
            assert_eq!((class(size).unwrap(), size % GRAIN), (size, 0), "{bytes}");
        }
        assert!(class(u64::MAX).is_none());
    }
}
