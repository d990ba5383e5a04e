//! The packed product with AVX2: a column of a tile is two registers.

use std::arch::x86_64::*;

use fft_core::spectral::{Bits, TILE};

use super::packed::Packed;

/// See [`Packed::product`].
///
/// # Safety
/// The machine has AVX2, FMA and F16C, and the lengths are those that [`Packed::product`] checks.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn product(packed: &Packed<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    for (t, out) in out.chunks_exact_mut(TILE).enumerate() {
        for half in 0..2 {
            let out = &mut out[8 * half..][..8];
            match packed.bits {
                // SAFETY: the tile exists, handed on.
                Bits::Four => unsafe { four(packed, first + t, half, x, out) },
                // SAFETY: as above.
                Bits::Eight => unsafe { eight(packed, first + t, half, x, out) },
            }
        }
    }
}

/// Rows `8 half ..` of tile `t`.
///
/// # Safety
/// As [`product`].
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
unsafe fn four(packed: &Packed<'_>, t: usize, half: usize, x: &[f32], out: &mut [f32]) {
    let (codes, scales) = packed.tile(t);
    // A magic float: the last place of 2^19 is 1/16, so that a code in bits 4 to 7 of its pattern adds the code itself. Subtracting
    // 2^19 + 7.5 leaves the level, exactly, without a conversion.
    let mask = _mm256_set1_epi32(0xf0);
    let magic = _mm256_set1_epi32(0x4900_0000);
    let base = _mm256_set1_ps(524_288.0 + 7.5);
    let mut total = _mm256_setzero_ps();
    let words = packed.group / 8;
    for g in 0..packed.groups {
        let mut sums = [_mm256_setzero_ps(); 4];
        for c in 0..words {
            let word = g * words + c;
            // SAFETY: a tile has `groups * words` words of 64 bytes.
            let codes = unsafe { _mm256_loadu_si256(codes.as_ptr().add(word * 64 + 32 * half).cast()) };
            let x = &x[word * 8..][..8];
            macro_rules! step {
                ($k:literal, $shifted:expr) => {
                    let code = _mm256_or_si256(_mm256_and_si256($shifted, mask), magic);
                    let level = _mm256_sub_ps(_mm256_castsi256_ps(code), base);
                    sums[$k % 4] = _mm256_fmadd_ps(level, _mm256_set1_ps(x[$k]), sums[$k % 4]);
                };
            }
            step!(0, _mm256_slli_epi32::<4>(codes));
            step!(1, codes);
            step!(2, _mm256_srli_epi32::<4>(codes));
            step!(3, _mm256_srli_epi32::<8>(codes));
            step!(4, _mm256_srli_epi32::<12>(codes));
            step!(5, _mm256_srli_epi32::<16>(codes));
            step!(6, _mm256_srli_epi32::<20>(codes));
            step!(7, _mm256_srli_epi32::<24>(codes));
        }
        let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
        // SAFETY: a tile has 16 scales a group.
        let scale = unsafe { _mm_loadu_si128(scales.as_ptr().add(g * TILE + 8 * half).cast()) };
        total = _mm256_fmadd_ps(_mm256_cvtph_ps(scale), sum, total);
    }
    // SAFETY: `out` has 8 elements.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), total) };
}

/// Rows `8 half ..` of tile `t`.
///
/// # Safety
/// As [`product`].
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
unsafe fn eight(packed: &Packed<'_>, t: usize, half: usize, x: &[f32], out: &mut [f32]) {
    let (codes, scales) = packed.tile(t);
    let mut total = _mm256_setzero_ps();
    let words = packed.group / 4;
    for g in 0..packed.groups {
        let mut sums = [_mm256_setzero_ps(); 4];
        for c in 0..words {
            let word = g * words + c;
            // SAFETY: a tile has `groups * words` words of 64 bytes.
            let codes = unsafe { _mm256_loadu_si256(codes.as_ptr().add(word * 64 + 32 * half).cast()) };
            let x = &x[word * 4..][..4];
            // A byte moves to the top of its lane and back, which extends its sign.
            let level = |codes| _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(codes));
            sums[0] = _mm256_fmadd_ps(level(_mm256_slli_epi32::<24>(codes)), _mm256_set1_ps(x[0]), sums[0]);
            sums[1] = _mm256_fmadd_ps(level(_mm256_slli_epi32::<16>(codes)), _mm256_set1_ps(x[1]), sums[1]);
            sums[2] = _mm256_fmadd_ps(level(_mm256_slli_epi32::<8>(codes)), _mm256_set1_ps(x[2]), sums[2]);
            sums[3] = _mm256_fmadd_ps(level(codes), _mm256_set1_ps(x[3]), sums[3]);
        }
        let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
        // SAFETY: a tile has 16 scales a group.
        let scale = unsafe { _mm_loadu_si128(scales.as_ptr().add(g * TILE + 8 * half).cast()) };
        total = _mm256_fmadd_ps(_mm256_cvtph_ps(scale), sum, total);
    }
    // SAFETY: `out` has 8 elements.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), total) };
}
