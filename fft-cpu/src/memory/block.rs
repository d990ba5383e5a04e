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
    base: NonNull<u8>,
    layout: Layout,
    start: usize,
    len: usize,
}

// SAFETY: a block owns its memory alone, as a `Box<[u8]>` does.
unsafe impl Send for Block {}
// SAFETY: shared references only allow reading.
unsafe impl Sync for Block {}

impl Block {
    /// A block of `len` zero bytes, or `None` when the system has no memory left.
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        // The alignment is made by hand: the system's zeroing allocator hands out untouched pages only for its own
        // alignment, and fills memory otherwise.
        let layout = Layout::from_size_align(len.checked_add(ALIGN)?, 16).ok()?;
        // SAFETY: the size is at least `ALIGN`, so not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let start = base.as_ptr().addr().next_multiple_of(ALIGN) - base.as_ptr().addr();
        Some(Self { base, layout, start, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `start < ALIGN`, so `start..start + len` lies within the allocation, whose bytes are initialised.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(self.start), self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the exclusive borrow makes the slice the only one.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(self.start), self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `base` was allocated with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("len", &self.len).finish_non_exhaustive()
    }
}
