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
    /// The sums of the numbers of `a` and of those of `b`.
    unsafe fn sums(a: Self, b: Self) -> [f32; 2];
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
    #[inline(always)]
    unsafe fn sums(a: Self, b: Self) -> [f32; 2] {
        [a, b].map(|Self(x)| (x[0] + x[2]) + (x[1] + x[3]))
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
        #[inline(always)]
        unsafe fn sums(a: Self, b: Self) -> [f32; 2] {
            // SAFETY: as above.
            unsafe {
                let pairs = _mm256_add_ps(_mm256_unpacklo_ps(a.0, b.0), _mm256_unpackhi_ps(a.0, b.0));
                quarters(_mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)))
            }
        }
    }

    /// `[p0 + p2, p1 + p3]`.
    ///
    /// # Safety
    /// None beyond the baseline.
    #[inline(always)]
    unsafe fn quarters(pairs: __m128) -> [f32; 2] {
        // SAFETY: SSE2 is part of the baseline.
        unsafe {
            let sums = _mm_add_ps(pairs, _mm_movehl_ps(pairs, pairs));
            let bits = _mm_cvtsi128_si64(_mm_castps_si128(sums)) as u64;
            [f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32)]
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
        #[inline(always)]
        unsafe fn sums(a: Self, b: Self) -> [f32; 2] {
            // SAFETY: as above; AVX-512 comes with DQ and AVX2 at this level.
            unsafe {
                // [a0 + a2, b0 + b2, a1 + a3, b1 + b3] of each quarter.
                let pairs = _mm512_add_ps(_mm512_unpacklo_ps(a.0, b.0), _mm512_unpackhi_ps(a.0, b.0));
                let half = _mm256_add_ps(_mm512_castps512_ps256(pairs), _mm512_extractf32x8_ps(pairs, 1));
                quarters(_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)))
            }
        }
    }
}
