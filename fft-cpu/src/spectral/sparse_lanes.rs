//! Vector registers of `f32`, for the kernels that keep sums in them.

/// A register of `LEN` numbers.
///
/// # Safety
/// Methods are called only where the instructions of the implementation are enabled.
pub(super) unsafe trait Lanes: Copy + 'static {
    const LEN: usize;
    /// All `x`.
    unsafe fn splat(x: f32) -> Self;
    /// The `LEN` numbers from `at`, which may be read.
    unsafe fn load(at: *const f32) -> Self;
    /// Writes `LEN` numbers from `at`, which may be written.
    unsafe fn store(self, at: *mut f32);
    /// `a * b + self`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
}

/// Four numbers, as any machine has them.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 4]);

// SAFETY: no instructions beyond the baseline.
unsafe impl Lanes for Portable {
    const LEN: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self {
        // SAFETY: promised by the caller.
        Self(unsafe { at.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe { at.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        let one = |i: usize| {
            if cfg!(target_arch = "aarch64") {
                a.0[i].mul_add(b.0[i], self.0[i])
            } else {
                a.0[i] * b.0[i] + self.0[i]
            }
        };
        Self([one(0), one(1), one(2), one(3)])
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Eight, Sixteen};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// Eight numbers: AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Eight(__m256);

    // SAFETY: the caller has enabled AVX2 and FMA.
    unsafe impl Lanes for Eight {
        const LEN: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            // SAFETY: as above, and promised by the caller.
            Self(unsafe { _mm256_loadu_ps(at) })
        }
        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            // SAFETY: as above, and promised by the caller.
            unsafe { _mm256_storeu_ps(at, self.0) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }
    }

    /// Sixteen numbers: AVX-512 F.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Sixteen(__m512);

    // SAFETY: the caller has enabled AVX-512 F.
    unsafe impl Lanes for Sixteen {
        const LEN: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            // SAFETY: as above, and promised by the caller.
            Self(unsafe { _mm512_loadu_ps(at) })
        }
        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            // SAFETY: as above, and promised by the caller.
            unsafe { _mm512_storeu_ps(at, self.0) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
        }
    }
}
