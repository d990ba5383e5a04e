//! Moving groups of strided lines between a tensor and contiguous scratch.

/// Lines moved together: neighbours share cache lines.
pub(super) const GROUP: usize = 16;
/// Points moved together of each line: a write of 64 bytes or more.
const POINTS: usize = 8;

/// Where a group of lines lies in a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// The first point of the first line.
    pub(super) at: isize,
    /// From line to line.
    pub(super) across: isize,
    /// From point to point.
    pub(super) along: isize,
    /// Number of lines, at most [`GROUP`].
    pub(super) lines: usize,
}

/// The numbers of a source or a destination, which may be the same. Tasks read and write lines that no other task writes.
#[derive(Debug)]
pub(super) struct Numbers<T>(*mut T);

impl<T> Numbers<T> {
    /// The numbers from an address on. They are only read through it where they are not the destination's.
    pub(super) fn new(start: *const T) -> Self {
        Self(start.cast_mut())
    }

    /// The address of a number.
    #[inline(always)]
    pub(super) fn at(&self, offset: isize) -> *mut T {
        self.0.wrapping_offset(offset)
    }
}

impl<T> Numbers<num_complex::Complex<T>> {
    /// The real numbers that they are made of.
    pub(super) fn real(self) -> Numbers<T> {
        Numbers(self.0.cast())
    }
}

impl<T> Numbers<T> {
    /// The complex numbers that pairs of them are.
    pub(super) fn complex(self) -> Numbers<num_complex::Complex<T>> {
        Numbers(self.0.cast())
    }
}

impl<T> Clone for Numbers<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Numbers<T> {}

// SAFETY: what is read through it is read in unsafe blocks that promise what the documentation says.
unsafe impl<T: Send + Sync> Send for Numbers<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Numbers<T> {}

/// Copies `have` points of each line to `scratch`, one line every `pitch` elements.
///
/// # Safety
/// The group's points lie within `src`.
pub(super) unsafe fn gather<T: Copy>(
    src: Numbers<T>,
    group: Group,
    have: usize,
    scratch: &mut [T],
    pitch: usize,
) {
    let base = src.at(0);
    assert!(group.lines == 0 || (group.lines - 1) * pitch + have <= scratch.len());
    let out = scratch.as_mut_ptr();
    for from in (0..have).step_by(POINTS) {
        let to = (from + POINTS).min(have);
        for line in 0..group.lines {
            let at = group.at + line as isize * group.across;
            for i in from..to {
                // SAFETY: reads are promised by the caller; writes are in range by the assertion.
                unsafe { *out.add(line * pitch + i) = *base.offset(at + i as isize * group.along) };
            }
        }
    }
}

/// Copies `n` points of each line from `scratch` to the tensor.
///
/// # Safety
/// The group's points lie within `dst`, and no one else touches them.
pub(super) unsafe fn scatter<T: Copy>(scratch: &[T], pitch: usize, n: usize, dst: Numbers<T>, group: Group) {
    assert!(group.lines == 0 || (group.lines - 1) * pitch + n <= scratch.len());
    let (from_base, base) = (scratch.as_ptr(), dst.at(0));
    for i in 0..n {
        let at = group.at + i as isize * group.along;
        for line in 0..group.lines {
            // SAFETY: reads are in range by the assertion; writes are promised by the caller.
            unsafe { *base.offset(at + line as isize * group.across) = *from_base.add(line * pitch + i) };
        }
    }
}
