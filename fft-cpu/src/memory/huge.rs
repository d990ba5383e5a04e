//! Large blocks on huge pages of 2 MiB.
//!
//! With pages of 4 KiB a strided pass misses the table of recent translations at almost every line, hardware stops prefetching at the end of
//! each page, and the first touch of 32 MiB takes 8192 faults. Many systems give huge pages only where a program asks for them.

use std::ptr::NonNull;

use memmap2::{Advice, MmapMut};

/// The size of a huge page.
const HUGE: usize = 2 << 20;
/// Least bytes of a block that lies on huge pages.
pub(super) const LEAST: usize = 2 * HUGE;

/// Pages from the system, untouched.
pub(super) struct Mapping {
    _pages: MmapMut,
}

impl Mapping {
    /// At least `len` zero bytes from the returned address on, which begins a huge page.
    pub(super) fn zeroed(len: usize) -> Option<(Self, NonNull<u8>)> {
        let mut pages = MmapMut::map_anon(len.checked_add(HUGE)?).ok()?;
        let base = NonNull::new(pages.as_mut_ptr())?;
        let skip = base.addr().get().next_multiple_of(HUGE) - base.addr().get();
        // The last part of a page stays on small ones, since touching it would take memory that nobody accounts for. A system
        // that has no huge pages refuses, and all are small.
        let _ = pages.advise_range(Advice::HugePage, skip, len / HUGE * HUGE);
        // SAFETY: less than `HUGE` bytes further, so within the mapping, with `len` bytes after it.
        Some((Self { _pages: pages }, unsafe { base.add(skip) }))
    }
}
