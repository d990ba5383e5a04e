//! Blocks of zero-initialised, cache-line aligned memory.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// The alignment of every block: a cache line, and the widest vector register.
pub(crate) const ALIGN: usize = 64;

/// An owned range of bytes that starts at a cache line.
///
/// The bytes are always initialised: they come zeroed from the system (which costs nothing for large blocks, whose pages
/// are zero when first touched) and only ever change by writes.
pub(crate) struct Block {
    start: NonNull<u8>,
    len: usize,
    _owner: Owner,
}

/// What gives the bytes back to the system when it is dropped.
#[expect(dead_code, reason = "kept for their drop")]
enum Owner {
    Heap(Heap),
    #[cfg(target_os = "linux")]
    Pages(super::huge::Mapping),
}

// SAFETY: a block owns its memory alone, as a `Box<[u8]>` does.
unsafe impl Send for Block {}
// SAFETY: shared references only allow reading.
unsafe impl Sync for Block {}

impl Block {
    /// A block of `len` zero bytes, or `None` when the system has no memory left. Large ones lie on huge pages where the system has
    /// them.
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        #[cfg(target_os = "linux")]
        if len >= super::huge::LEAST {
            let (memory, start) = super::huge::Mapping::zeroed(len)?;
            return Some(Self { start, len, _owner: Owner::Pages(memory) });
        }
        let (memory, start) = Heap::zeroed(len)?;
        Some(Self { start, len, _owner: Owner::Heap(memory) })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `start..start + len` lies within what the owner keeps, whose bytes are initialised.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the exclusive borrow makes the slice the only one.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("len", &self.len).finish_non_exhaustive()
    }
}

/// An allocation of the program's allocator.
struct Heap {
    base: NonNull<u8>,
    layout: Layout,
}

impl Heap {
    /// At least `len` zero bytes from the returned address on.
    fn zeroed(len: usize) -> Option<(Self, NonNull<u8>)> {
        // The alignment is made by hand: the system's zeroing allocator hands out untouched pages only for its own
        // alignment, and fills memory otherwise.
        let layout = Layout::from_size_align(len.checked_add(ALIGN)?, 16).ok()?;
        // SAFETY: the size is at least `ALIGN`, so not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let skip = base.addr().get().next_multiple_of(ALIGN) - base.addr().get();
        // SAFETY: less than `ALIGN` bytes further, so within the allocation, with `len` bytes after it.
        Some((Self { base, layout }, unsafe { base.add(skip) }))
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: `base` was allocated with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_zeroed_and_writable() {
        for len in [0, 1, 64, 4096, 100_001, (4 << 20) - 1, 4 << 20, (5 << 20) + 12_345] {
            let mut block = Block::zeroed(len).unwrap();
            assert_eq!((block.len(), block.bytes().len()), (len, len));
            assert!(block.bytes().as_ptr().addr().is_multiple_of(ALIGN));
            assert!(block.bytes().iter().all(|&b| b == 0), "{len}");
            block.bytes_mut().fill(7);
            assert!(block.bytes().iter().all(|&b| b == 7), "{len}");
        }
        assert!(Block::zeroed(usize::MAX).is_none());
        assert!(Block::zeroed(isize::MAX as usize).is_none(), "no system has so much");
    }
}
