//! Vectors whose lanes belong to different transforms.

use super::super::plans::Precision;

/// A vector register. Only values of the machine's own level exist, so its instructions are there.
///
/// A *point* is a complex number of each lane: a vector of real parts, then one of imaginary parts.
pub(crate) trait Lanes: Copy {
    /// Its numbers.
    type Real: Precision;
    /// How many of them, a power of two from 4 to 16.
    const LANES: usize;
    /// The same number everywhere.
    fn splat(x: Self::Real) -> Self;
    /// Reads [`LANES`](Self::LANES) numbers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load(p: *const Self::Real) -> Self;
    /// Writes them.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store(self, p: *mut Self::Real);
    /// Reads as many pairs and separates them.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_pairs(p: *const Self::Real) -> (Self, Self);
    /// Writes as many pairs.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store_pairs(a: Self, b: Self, p: *mut Self::Real);
    /// `self + b`.
    fn plus(self, b: Self) -> Self;
    /// `self - b`.
    fn minus(self, b: Self) -> Self;
    /// `self * b`.
    fn times(self, b: Self) -> Self;
    /// `self * b + c`.
    fn times_plus(self, b: Self, c: Self) -> Self;
    /// `c - self * b`.
    fn times_from(self, b: Self, c: Self) -> Self;
    /// Reads `LANES / 2` consecutive complex numbers of each of `LANES` lines that lie `across` numbers apart, and writes them as points of
    /// `scratch`, the i-th at the place `places[i]`, with `parts` the place of the real and the imaginary part in a point.
    ///
    /// # Safety
    /// The numbers are readable, the points writable, the places as many.
    unsafe fn turn_in(
        lines: *const Self::Real,
        across: isize,
        scratch: *mut Self::Real,
        places: *const u32,
        parts: [usize; 2],
    );
    /// The reverse, from `LANES / 2` consecutive points, with a factor. `stream` writes past the caches where the machine can; the lines then
    /// begin at cache lines.
    ///
    /// # Safety
    /// The points are readable, the numbers writable and aligned as said.
    unsafe fn turn_out(
        scratch: *const Self::Real,
        parts: [usize; 2],
        factor: Self,
        lines: *mut Self::Real,
        across: isize,
        stream: bool,
    );
}

/// Numbers that the compiler maps to what the architecture has. `FUSED` says that a fused product and sum is one instruction.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T, const N: usize, const FUSED: bool>([T; N]);

impl<T: Precision, const N: usize, const FUSED: bool> Portable<T, N, FUSED> {
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(T, T) -> T) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], b.0[i])))
    }
}

impl<T: Precision, const N: usize, const FUSED: bool> Lanes for Portable<T, N, FUSED> {
    type Real = T;
    const LANES: usize = N;

    #[inline(always)]
    fn splat(x: T) -> Self {
        Self([x; N])
    }

    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        // SAFETY: promised by the caller; an array is aligned as its elements.
        Self(unsafe { p.cast::<[T; N]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[T; N]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn load_pairs(p: *const T) -> (Self, Self) {
        // SAFETY: promised by the caller.
        let pairs = unsafe { p.cast::<[[T; 2]; N]>().read() };
        (Self(pairs.map(|z| z[0])), Self(pairs.map(|z| z[1])))
    }

    #[inline(always)]
    unsafe fn store_pairs(a: Self, b: Self, p: *mut T) {
        let pairs: [[T; 2]; N] = std::array::from_fn(|i| [a.0[i], b.0[i]]);
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[[T; 2]; N]>().write(pairs) }
    }

    #[inline(always)]
    fn plus(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }

    #[inline(always)]
    fn minus(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }

    #[inline(always)]
    fn times(self, b: Self) -> Self {
        self.zip(b, |a, b| a * b)
    }

    #[inline(always)]
    fn times_plus(self, b: Self, c: Self) -> Self {
        let one = |i: usize| {
            if FUSED { T::fused(self.0[i], b.0[i], c.0[i]) } else { self.0[i] * b.0[i] + c.0[i] }
        };
        Self(std::array::from_fn(one))
    }

    #[inline(always)]
    fn times_from(self, b: Self, c: Self) -> Self {
        let one = |i: usize| {
            if FUSED { T::fused(-self.0[i], b.0[i], c.0[i]) } else { c.0[i] - self.0[i] * b.0[i] }
        };
        Self(std::array::from_fn(one))
    }

    #[inline(always)]
    unsafe fn turn_in(
        lines: *const T,
        across: isize,
        scratch: *mut T,
        places: *const u32,
        parts: [usize; 2],
    ) {
        for i in 0..N / 2 {
            for lane in 0..N {
                // SAFETY: promised by the caller.
                unsafe {
                    let from = lines.offset(lane as isize * across).add(2 * i);
                    let to = scratch.add(*places.add(i) as usize * 2 * N + lane);
                    *to.add(parts[0]) = *from;
                    *to.add(parts[1]) = *from.add(1);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn turn_out(
        scratch: *const T,
        parts: [usize; 2],
        factor: Self,
        lines: *mut T,
        across: isize,
        _stream: bool,
    ) {
        for lane in 0..N {
            for i in 0..N / 2 {
                // SAFETY: promised by the caller.
                unsafe {
                    let from = scratch.add(i * 2 * N + lane);
                    let to = lines.offset(lane as isize * across).add(2 * i);
                    *to = *from.add(parts[0]) * factor.0[lane];
                    *to.add(1) = *from.add(parts[1]) * factor.0[lane];
                }
            }
        }
    }
}
