//! Strided rows as slices: in place when neighbours lie behind each other, else through a small buffer.

use std::mem::MaybeUninit;

/// Elements handled at a time when an operand has to go through a buffer.
pub(crate) const BLOCK: usize = 256;

/// A buffer of one block.
pub(crate) struct Lane<T>([MaybeUninit<T>; BLOCK]);

impl<T: Copy> Lane<T> {
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; BLOCK])
    }

    /// The `n` elements of `src` from `at`, `stride` apart. At most [`BLOCK`] unless the stride is 1.
    ///
    /// # Safety
    /// These positions lie within `src`.
    #[inline(always)]
    pub(crate) unsafe fn load<'a>(&'a mut self, src: &'a [T], at: isize, stride: isize, n: usize) -> &'a [T] {
        let base = src.as_ptr();
        if stride == 1 {
            // SAFETY: promised by the caller.
            return unsafe { std::slice::from_raw_parts(base.offset(at), n) };
        }
        let buffer = &mut self.0[..n];
        if stride == 0 {
            // SAFETY: promised by the caller.
            buffer.fill(MaybeUninit::new(unsafe { *base.offset(at) }));
        } else {
            for (i, slot) in buffer.iter_mut().enumerate() {
                // SAFETY: promised by the caller.
                slot.write(unsafe { *base.offset(at + i as isize * stride) });
            }
        }
        // SAFETY: the first `n` elements were written just now.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), n) }
    }
}

impl<T: bytemuck::Zeroable + Copy> Lane<T> {
    /// `n` elements to write before they are stored.
    #[inline(always)]
    pub(crate) fn output(&mut self, n: usize) -> &mut [T] {
        self.0[..n].fill(MaybeUninit::new(T::zeroed()));
        // SAFETY: the first `n` elements were written just now.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), n) }
    }
}
