//! Vectors of `f32` for the kernels that have to keep their sums in registers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use fft_core::{bf16, f16};

use super::Numbers;
use super::powers::scaled_power;
#[cfg(target_arch = "x86_64")]
use super::powers::{eight, sixteen};
use crate::elementwise::Storage;

/// A register of `f32`. Only values of the level that [`super::dispatch`] chose exist, so its instructions are there.
pub(crate) trait Vector: Numbers<Of = f32> {
    /// Sixteen numbers, ready to be looked up.
    type Table: Copy;
    /// Reads and widens.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_bf16(p: *const bf16) -> Self;
    /// Reads and widens.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_f16(p: *const f16) -> Self;
    /// The sum of all, in an order that depends on the level alone.
    fn sum(self) -> f32;
    /// A table of `max * signs * 2^(steps * step)`; see [`super::powers`] for what steps may be.
    fn powers(max: f32, signs: &[f32; 16], steps: &[f32; 16], step: f32) -> Self::Table;
    /// For [`LANES`](Numbers::LANES) bytes: the product of the numbers that the upper and the lower four bits stand for in their tables, or
    /// 0 where the lower seven bits are 0.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn nibbles(upper: Self::Table, lower: Self::Table, bytes: *const u8) -> Self;
}

/// Eight numbers that the compiler maps to what the architecture has.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

impl Numbers for Portable {
    type Of = f32;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; 8])
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: promised by the caller; an array of `f32` is aligned as one.
        Self(unsafe { p.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[f32; 8]>().write(self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|i| super::fma::<super::Baseline>(self.0[i], b.0[i], c.0[i])))
    }
}

impl Vector for Portable {
    type Table = [f32; 16];

    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Self {
        // SAFETY: as above.
        Self(unsafe { p.cast::<[bf16; 8]>().read() }.map(bf16::wide::<super::Baseline>))
    }

    #[inline(always)]
    unsafe fn load_f16(p: *const f16) -> Self {
        // SAFETY: as above.
        Self(unsafe { p.cast::<[f16; 8]>().read() }.map(f16::wide::<super::Baseline>))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn powers(max: f32, signs: &[f32; 16], steps: &[f32; 16], step: f32) -> [f32; 16] {
        std::array::from_fn(|i| scaled_power(max * signs[i], steps[i], step))
    }

    #[inline(always)]
    unsafe fn nibbles(upper: [f32; 16], lower: [f32; 16], bytes: *const u8) -> Self {
        // SAFETY: promised by the caller.
        Self(unsafe { bytes.cast::<[u8; 8]>().read() }.map(|byte| {
            let product = upper[usize::from(byte >> 4)] * lower[usize::from(byte & 15)];
            if byte & 0x7f == 0 { 0.0 } else { product }
        }))
    }
}

/// An AVX register.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Vector256(__m256);

#[cfg(target_arch = "x86_64")]
impl Numbers for Vector256 {
    type Of = f32;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: the type exists at levels with AVX2, FMA and F16C only (so for every block of this implementation).
        Self(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: readable as promised by the caller.
        Self(unsafe { _mm256_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable as promised by the caller.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for Vector256 {
    type Table = [Self; 2];

    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Self {
        // SAFETY: readable as promised by the caller.
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)))
        }
    }

    #[inline(always)]
    unsafe fn load_f16(p: *const f16) -> Self {
        // SAFETY: readable as promised by the caller.
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: as in `splat`.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn powers(max: f32, signs: &[f32; 16], steps: &[f32; 16], step: f32) -> [Self; 2] {
        // SAFETY: eight numbers from 0 and from 8 on; the instructions as in `splat`.
        unsafe {
            let (max, step) = (_mm256_set1_ps(max), _mm256_set1_ps(step));
            let (low, high) = (signs.as_ptr(), signs.as_ptr().add(8));
            let low = _mm256_mul_ps(max, _mm256_loadu_ps(low));
            let high = _mm256_mul_ps(max, _mm256_loadu_ps(high));
            let (first, last) = (_mm256_loadu_ps(steps.as_ptr()), _mm256_loadu_ps(steps.as_ptr().add(8)));
            [Self(eight(low, first, step)), Self(eight(high, last, step))]
        }
    }

    #[inline(always)]
    unsafe fn nibbles(upper: [Self; 2], lower: [Self; 2], bytes: *const u8) -> Self {
        // SAFETY: readable as promised by the caller.
        unsafe {
            let byte = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()));
            let product = _mm256_mul_ps(look_up(upper, _mm256_srli_epi32::<4>(byte)), look_up(lower, byte));
            let magnitude = _mm256_and_si256(byte, _mm256_set1_epi32(0x7f));
            let none = _mm256_cmpeq_epi32(magnitude, _mm256_setzero_si256());
            Self(_mm256_andnot_ps(_mm256_castsi256_ps(none), product))
        }
    }
}

/// The numbers at the lower four bits of indices.
///
/// # Safety
/// The machine has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn look_up([low, high]: [Vector256; 2], index: __m256i) -> __m256 {
    // SAFETY: promised by the caller.
    unsafe {
        // The permutations read three bits of an index; the fourth, moved to the sign, chooses between them.
        let low = _mm256_permutevar8x32_ps(low.0, index);
        let high = _mm256_permutevar8x32_ps(high.0, index);
        _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)))
    }
}

/// An AVX-512 register.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Vector512(__m512);

#[cfg(target_arch = "x86_64")]
impl Numbers for Vector512 {
    type Of = f32;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: the type exists at levels with AVX-512 F and BW only (so for every block of this implementation).
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: readable as promised by the caller.
        Self(unsafe { _mm512_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable as promised by the caller.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for Vector512 {
    type Table = Self;

    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Self {
        // SAFETY: readable as promised by the caller.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)))
        }
    }

    #[inline(always)]
    unsafe fn load_f16(p: *const f16) -> Self {
        // SAFETY: readable as promised by the caller.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    fn powers(max: f32, signs: &[f32; 16], steps: &[f32; 16], step: f32) -> Self {
        // SAFETY: sixteen numbers each; the instructions as in `splat`.
        unsafe {
            let max = _mm512_mul_ps(_mm512_set1_ps(max), _mm512_loadu_ps(signs.as_ptr()));
            Self(sixteen(max, _mm512_loadu_ps(steps.as_ptr()), _mm512_set1_ps(step)))
        }
    }

    #[inline(always)]
    unsafe fn nibbles(upper: Self, lower: Self, bytes: *const u8) -> Self {
        // SAFETY: readable as promised by the caller.
        unsafe {
            let byte = _mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.cast()));
            // The permutations read four bits of an index.
            let high = _mm512_permutexvar_ps(_mm512_srli_epi32::<4>(byte), upper.0);
            let low = _mm512_permutexvar_ps(byte, lower.0);
            let some = _mm512_test_epi32_mask(byte, _mm512_set1_epi32(0x7f));
            Self(_mm512_maskz_mul_ps(some, high, low))
        }
    }
}
