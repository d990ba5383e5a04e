//! A slice that several threads write in disjoint parts.

use std::marker::PhantomData;

/// A mutable slice that can be handed to several tasks, each of which writes positions of its own.
#[derive(Debug)]
pub(crate) struct SharedMut<'a, T> {
    start: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SharedMut<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedMut<'_, T> {}

// SAFETY: access goes through unsafe methods whose callers promise disjoint positions.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// Elements `at..at + len`.
    ///
    /// # Safety
    /// No two live slices overlap, and none overlaps a position that is written otherwise. The range is checked.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "disjoint parts of one slice; the contract above")]
    pub(crate) unsafe fn slice(&self, at: usize, len: usize) -> &'a mut [T] {
        assert!(at <= self.len && len <= self.len - at, "a part lies outside its slice");
        // SAFETY: in range by the assertion; the caller promises that it is unshared.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    /// Writes one element.
    ///
    /// # Safety
    /// `at` is in range, and no other task touches it.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, at: isize, value: T) {
        debug_assert!(at >= 0 && (at as usize) < self.len);
        // SAFETY: promised by the caller.
        unsafe { self.start.offset(at).write(value) }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of the first element.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.start
    }
}
