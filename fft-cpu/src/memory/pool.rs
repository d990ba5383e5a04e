//! Freed blocks are kept for the next request of their size, since touching fresh pages costs more than most kernels.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fft_core::{Error, MemoryTracker, Reservation, Result};

use super::block::{ALIGN, Block};

/// The most bytes that freed blocks may occupy.
const MAX_IDLE: usize = 512 << 20;
/// Sizes a doubling; a block is at most an eighth larger than what was asked for.
const STEPS: usize = 8;

/// A pool of blocks, one list a size. Idle blocks are not counted as in use, and never keep a request from its limit.
#[derive(Debug)]
pub(crate) struct BlockPool {
    tracker: Arc<MemoryTracker>,
    idle: Mutex<Idle>,
    allocated: AtomicUsize,
}

#[derive(Debug)]
struct Idle {
    lists: Vec<Vec<Block>>,
    bytes: usize,
}

/// The size of the block that serves a request, and its list.
fn class(bytes: usize) -> Option<(usize, usize)> {
    let bytes = bytes.max(ALIGN);
    let low = usize::BITS as usize - 1 - bytes.leading_zeros() as usize;
    let step = ((1usize << low) / STEPS).max(ALIGN);
    let size = bytes.checked_next_multiple_of(step)?;
    let low = usize::BITS as usize - 1 - size.leading_zeros() as usize;
    Some((size, low * STEPS + (size - (1 << low)) * STEPS / (1 << low)))
}

impl BlockPool {
    pub(crate) fn new(tracker: Arc<MemoryTracker>) -> Arc<Self> {
        let lists = (0..usize::BITS as usize * STEPS).map(|_| Vec::new()).collect();
        let idle = Mutex::new(Idle { lists, bytes: 0 });
        Arc::new(Self { tracker, idle, allocated: AtomicUsize::new(0) })
    }

    /// How many blocks were requested from the system so far.
    pub(crate) fn blocks_allocated(&self) -> usize {
        self.allocated.load(Relaxed)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // The lists are consistent after every statement, so a panic elsewhere leaves nothing half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of at least `bytes` bytes of unspecified (initialised) content, and its reservation.
    pub(crate) fn take(&self, bytes: usize) -> Result<(Block, Reservation)> {
        let too_big = || Error::BufferTooBig { op: "alloc", requested: bytes, max: isize::MAX as usize };
        let (size, list) =
            class(bytes).filter(|&(size, _)| size < isize::MAX as usize).ok_or_else(too_big)?;
        let reservation = self.tracker.reserve(size)?;
        {
            let mut idle = self.idle();
            if let Some(block) = idle.lists[list].pop() {
                idle.bytes -= block.len();
                return Ok((block, reservation));
            }
            let usage = self.tracker.usage();
            if usage.in_use.saturating_add(idle.bytes) > usage.limit {
                idle.clear();
            }
        }
        let block = Block::zeroed(size).or_else(|| {
            self.idle().clear();
            Block::zeroed(size)
        });
        let block = block.ok_or_else(|| Error::OutOfMemory { device: "cpu".to_owned(), requested: bytes })?;
        self.allocated.fetch_add(1, Relaxed);
        Ok((block, reservation))
    }

    /// Keeps a block for later, or frees it when enough are kept.
    pub(crate) fn give(&self, block: Block) {
        let usage = self.tracker.usage();
        let room = MAX_IDLE.min(usage.limit.saturating_sub(usage.in_use.saturating_sub(block.len())));
        if let Some((_, list)) = class(block.len()) {
            let mut idle = self.idle();
            if idle.bytes + block.len() <= room {
                idle.bytes += block.len();
                idle.lists[list].push(block);
                return;
            }
        }
        drop(block);
    }

    /// Frees every idle block.
    pub(crate) fn trim(&self) {
        self.idle().clear();
    }

    /// Temporary memory of a kernel: counted as in use, given back on drop. Its content is unspecified.
    pub(crate) fn scratch(self: &Arc<Self>, bytes: usize) -> Result<Scratch> {
        let (mut block, reservation) = self.take(bytes)?;
        if cfg!(debug_assertions) {
            // NaN, so that tests see a kernel that reads what it has not written.
            block.bytes_mut()[..bytes].fill(0xff);
        }
        Ok(Scratch { block: Some(block), bytes, pool: Arc::clone(self), _reservation: reservation })
    }
}

impl Idle {
    fn clear(&mut self) {
        self.lists.iter_mut().for_each(Vec::clear);
        self.bytes = 0;
    }
}

/// Temporary memory of a kernel.
#[derive(Debug)]
pub(crate) struct Scratch {
    block: Option<Block>,
    /// What was asked for; the block may be larger.
    bytes: usize,
    pool: Arc<BlockPool>,
    _reservation: Reservation,
}

impl Scratch {
    /// The bytes that were asked for as elements of type `T`.
    pub(crate) fn as_mut<T: bytemuck::Pod>(&mut self) -> &mut [T] {
        let bytes = self.block.as_mut().map_or(&mut [][..], Block::bytes_mut);
        let whole = self.bytes / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut bytes[..whole])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.pool.give(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_blocks_are_kept_until_a_trim() {
        let pool = BlockPool::new(MemoryTracker::new(None));
        let (block, _reservation) = pool.take(1000).unwrap();
        pool.give(block);
        assert!(pool.idle().bytes >= 1000);
        drop(pool.take(1000).unwrap());
        assert_eq!(pool.blocks_allocated(), 1, "the kept block was used");
        pool.give(Block::zeroed(class(1000).unwrap().0).unwrap());
        pool.trim();
        assert_eq!(pool.idle().bytes, 0);
        drop(pool.take(1000).unwrap());
        assert_eq!(pool.blocks_allocated(), 2);
    }

    #[test]
    fn scratch_is_what_was_asked_for() {
        let pool = Arc::new(BlockPool::new(MemoryTracker::new(None)));
        for bytes in [0, 4, 1020, 1275 * 4, 100_004] {
            let mut scratch = pool.scratch(bytes).unwrap();
            assert_eq!(scratch.as_mut::<f32>().len(), bytes / 4, "and no more of the block");
        }
    }

    #[test]
    fn classes_are_tight_and_stable() {
        for bytes in (1..5000).chain([65_537, 1 << 20, (1 << 20) + 1, 123_456_789]) {
            let (size, list) = class(bytes).unwrap();
            assert!(size >= bytes && size <= (bytes + bytes / 8).max(bytes + 64), "{bytes} -> {size}");
            assert_eq!(class(size).unwrap(), (size, list), "{bytes}");
        }
        assert!(class(usize::MAX).is_none());
    }
}
