//! Sixteen lanes of `f32` with AVX-512.

use std::arch::x86_64::*;

use super::vector::Lanes;

/// An AVX-512 register.
#[derive(Clone, Copy)]
pub(super) struct Sixteen(__m512);

/// Four by four numbers in each 128-bit part: `out[j]` has the j-th number of each vector.
#[inline(always)]
fn turned(v: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: vectors of this type exist on machines with AVX-512 only.
    unsafe {
        let a = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1]));
        let b = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1]));
        let c = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
        let d = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));
        [
            _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(a, c)),
            _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(b, d)),
        ]
    }
}

/// Four numbers of the lines `i`, `i + 4`, `i + 8` and `i + 12`.
///
/// # Safety
/// They are readable, and the machine has AVX-512.
#[inline(always)]
unsafe fn row(at: *const f32, across: isize, i: isize) -> __m512 {
    // SAFETY: promised by the caller.
    unsafe {
        let v = _mm512_castps128_ps512(_mm_loadu_ps(at.offset(i * across)));
        let v = _mm512_insertf32x4::<1>(v, _mm_loadu_ps(at.offset((i + 4) * across)));
        let v = _mm512_insertf32x4::<2>(v, _mm_loadu_ps(at.offset((i + 8) * across)));
        _mm512_insertf32x4::<3>(v, _mm_loadu_ps(at.offset((i + 12) * across)))
    }
}

/// Two points times a factor: the i-th vector has four numbers each of lines `i`, `i + 4`, `i + 8` and `i + 12`.
///
/// # Safety
/// They are readable, and the machine has AVX-512.
#[inline(always)]
unsafe fn column(points: *const f32, parts: [usize; 2], factor: __m512) -> [__m512; 4] {
    // SAFETY: promised by the caller.
    unsafe {
        turned([
            _mm512_mul_ps(_mm512_loadu_ps(points.add(parts[0])), factor),
            _mm512_mul_ps(_mm512_loadu_ps(points.add(parts[1])), factor),
            _mm512_mul_ps(_mm512_loadu_ps(points.add(32 + parts[0])), factor),
            _mm512_mul_ps(_mm512_loadu_ps(points.add(32 + parts[1])), factor),
        ])
    }
}

impl Lanes for Sixteen {
    type Real = f32;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: the type exists at the level with AVX-512 only (so for every block of this implementation).
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
    unsafe fn load_pairs(p: *const f32) -> (Self, Self) {
        // SAFETY: readable as promised by the caller.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(p), _mm512_loadu_ps(p.add(16)));
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (Self(_mm512_permutex2var_ps(low, even, high)), Self(_mm512_permutex2var_ps(low, odd, high)))
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(a: Self, b: Self, p: *mut f32) {
        // SAFETY: writable as promised by the caller.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            _mm512_storeu_ps(p, _mm512_permutex2var_ps(a.0, low, b.0));
            _mm512_storeu_ps(p.add(16), _mm512_permutex2var_ps(a.0, high, b.0));
        }
    }

    #[inline(always)]
    fn plus(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_add_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn minus(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_sub_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn times(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_mul_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn times_plus(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn times_from(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_fnmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    unsafe fn turn_in(
        lines: *const f32,
        across: isize,
        scratch: *mut f32,
        places: *const u32,
        parts: [usize; 2],
    ) {
        // SAFETY: readable and writable as promised by the caller.
        unsafe {
            for two in 0..4 {
                let at = lines.add(4 * two);
                let (a, b) = (row(at, across, 0), row(at, across, 1));
                let turned = turned([a, b, row(at, across, 2), row(at, across, 3)]);
                for i in 0..2 {
                    let to = scratch.add(*places.add(2 * two + i) as usize * 32);
                    _mm512_storeu_ps(to.add(parts[0]), turned[2 * i]);
                    _mm512_storeu_ps(to.add(parts[1]), turned[2 * i + 1]);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn turn_out(
        scratch: *const f32,
        parts: [usize; 2],
        factor: Self,
        lines: *mut f32,
        across: isize,
        stream: bool,
    ) {
        // SAFETY: readable and writable as promised by the caller.
        unsafe {
            let (a, b, c, d) = (
                column(scratch, parts, factor.0),
                column(scratch.add(64), parts, factor.0),
                column(scratch.add(128), parts, factor.0),
                column(scratch.add(192), parts, factor.0),
            );
            for (i, (((a, b), c), d)) in a.into_iter().zip(b).zip(c).zip(d).enumerate() {
                let (ab, cd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
                let (a_b, c_d) = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
                let rows = [
                    _mm512_shuffle_f32x4::<0x88>(ab, cd),
                    _mm512_shuffle_f32x4::<0x88>(a_b, c_d),
                    _mm512_shuffle_f32x4::<0xdd>(ab, cd),
                    _mm512_shuffle_f32x4::<0xdd>(a_b, c_d),
                ];
                for (j, row) in rows.into_iter().enumerate() {
                    let to = lines.offset((i + 4 * j) as isize * across);
                    if stream {
                        _mm512_stream_ps(to, row);
                    } else {
                        _mm512_storeu_ps(to, row);
                    }
                }
            }
        }
    }
}
