//! The packed product with AVX-512: a column of a tile is one register.

use std::arch::x86_64::*;

use fft_core::spectral::{Bits, TILE};

use super::packed::Packed;

/// See [`Packed::product`].
///
/// # Safety
/// The machine has AVX-512 F, and the lengths are those that [`Packed::product`] checks.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn product(packed: &Packed<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    let tiles = out.len() / TILE;
    let mut t = 0;
    // Several tiles at a time: a broadcast of x serves them all, and their sums do not wait for each other.
    while tiles - t >= 4 {
        // SAFETY: the tiles exist.
        unsafe { some::<4>(packed, first + t, x, &mut out[t * TILE..][..4 * TILE]) };
        t += 4;
    }
    if tiles - t >= 2 {
        // SAFETY: as above.
        unsafe { some::<2>(packed, first + t, x, &mut out[t * TILE..][..2 * TILE]) };
        t += 2;
    }
    if tiles - t == 1 {
        // SAFETY: as above.
        unsafe { some::<1>(packed, first + t, x, &mut out[t * TILE..][..TILE]) };
    }
}

/// `N` tiles.
///
/// # Safety
/// As [`product`], for `N` tiles from `first`.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn some<const N: usize>(packed: &Packed<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    match packed.bits {
        // SAFETY: handed on.
        Bits::Four => unsafe { four::<N>(packed, first, x, out) },
        // SAFETY: handed on.
        Bits::Eight => unsafe { eight::<N>(packed, first, x, out) },
    }
}

/// # Safety
/// As [`some`].
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn four<const N: usize>(packed: &Packed<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    // Only the low four bits of a lane choose from a table of sixteen: codes need no mask, and the table holds the levels.
    let table = _mm512_setr_ps(
        -7.5, -6.5, -5.5, -4.5, -3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5,
    );
    let tiles: [_; N] = std::array::from_fn(|n| packed.tile(first + n));
    let mut total = [_mm512_setzero_ps(); N];
    let words = packed.group / 8;
    for g in 0..packed.groups {
        let mut even = [_mm512_setzero_ps(); N];
        let mut odd = [_mm512_setzero_ps(); N];
        for c in 0..words {
            let word = g * words + c;
            // SAFETY: a tile has `groups * words` words of 64 bytes.
            let mut codes: [__m512i; N] = std::array::from_fn(|n| unsafe {
                _mm512_loadu_si512(tiles[n].0.as_ptr().add(word * 64).cast())
            });
            for k in 0..4 {
                // SAFETY: x has 8 elements a word.
                let (x0, x1) =
                    unsafe { (*x.get_unchecked(word * 8 + 2 * k), *x.get_unchecked(word * 8 + 2 * k + 1)) };
                let (x0, x1) = (_mm512_set1_ps(x0), _mm512_set1_ps(x1));
                for n in 0..N {
                    even[n] = _mm512_fmadd_ps(_mm512_permutexvar_ps(codes[n], table), x0, even[n]);
                    let high = _mm512_srli_epi32::<4>(codes[n]);
                    odd[n] = _mm512_fmadd_ps(_mm512_permutexvar_ps(high, table), x1, odd[n]);
                    codes[n] = _mm512_srli_epi32::<8>(codes[n]);
                }
            }
        }
        for n in 0..N {
            // SAFETY: a tile has 16 scales a group.
            let scale = unsafe { _mm256_loadu_si256(tiles[n].1.as_ptr().add(g * TILE).cast()) };
            total[n] = _mm512_fmadd_ps(_mm512_cvtph_ps(scale), _mm512_add_ps(even[n], odd[n]), total[n]);
        }
    }
    for (total, out) in total.iter().zip(out.chunks_exact_mut(TILE)) {
        // SAFETY: a chunk has 16 elements.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *total) };
    }
}

/// # Safety
/// As [`some`].
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn eight<const N: usize>(packed: &Packed<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    let tiles: [_; N] = std::array::from_fn(|n| packed.tile(first + n));
    let mut total = [_mm512_setzero_ps(); N];
    let words = packed.group / 4;
    for g in 0..packed.groups {
        let mut even = [_mm512_setzero_ps(); N];
        let mut odd = [_mm512_setzero_ps(); N];
        for c in 0..words {
            let word = g * words + c;
            // SAFETY: x has 4 elements a word.
            let x: [__m512; 4] =
                std::array::from_fn(|k| unsafe { _mm512_set1_ps(*x.get_unchecked(word * 4 + k)) });
            for n in 0..N {
                // SAFETY: a tile has `groups * words` words of 64 bytes.
                let codes = unsafe { _mm512_loadu_si512(tiles[n].0.as_ptr().add(word * 64).cast()) };
                // A byte moves to the top of its lane and back, which extends its sign.
                let level = |codes| _mm512_cvtepi32_ps(_mm512_srai_epi32::<24>(codes));
                even[n] = _mm512_fmadd_ps(level(_mm512_slli_epi32::<24>(codes)), x[0], even[n]);
                odd[n] = _mm512_fmadd_ps(level(_mm512_slli_epi32::<16>(codes)), x[1], odd[n]);
                even[n] = _mm512_fmadd_ps(level(_mm512_slli_epi32::<8>(codes)), x[2], even[n]);
                odd[n] = _mm512_fmadd_ps(level(codes), x[3], odd[n]);
            }
        }
        for n in 0..N {
            // SAFETY: a tile has 16 scales a group.
            let scale = unsafe { _mm256_loadu_si256(tiles[n].1.as_ptr().add(g * TILE).cast()) };
            total[n] = _mm512_fmadd_ps(_mm512_cvtph_ps(scale), _mm512_add_ps(even[n], odd[n]), total[n]);
        }
    }
    for (total, out) in total.iter().zip(out.chunks_exact_mut(TILE)) {
        // SAFETY: a chunk has 16 elements.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *total) };
    }
}
