//! Eight lanes of `f32` with AVX2 and FMA.

use std::arch::x86_64::*;

use super::vector::Lanes;

/// An AVX register.
#[derive(Clone, Copy)]
pub(super) struct Eight(__m256);

/// Four by four numbers in each 128-bit part: `out[j]` has the j-th number of each vector.
#[inline(always)]
fn turned(v: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: vectors of this type exist on machines with AVX2 only.
    unsafe {
        let a = _mm256_castps_pd(_mm256_unpacklo_ps(v[0], v[1]));
        let b = _mm256_castps_pd(_mm256_unpackhi_ps(v[0], v[1]));
        let c = _mm256_castps_pd(_mm256_unpacklo_ps(v[2], v[3]));
        let d = _mm256_castps_pd(_mm256_unpackhi_ps(v[2], v[3]));
        [
            _mm256_castpd_ps(_mm256_unpacklo_pd(a, c)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(a, c)),
            _mm256_castpd_ps(_mm256_unpacklo_pd(b, d)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(b, d)),
        ]
    }
}

/// Four numbers of the lines `i` and `i + 4`.
///
/// # Safety
/// They are readable, and the machine has AVX.
#[inline(always)]
unsafe fn row(at: *const f32, across: isize, i: isize) -> __m256 {
    // SAFETY: promised by the caller.
    unsafe {
        let v = _mm256_castps128_ps256(_mm_loadu_ps(at.offset(i * across)));
        _mm256_insertf128_ps::<1>(v, _mm_loadu_ps(at.offset((i + 4) * across)))
    }
}

/// Two points times a factor: the i-th vector has four numbers each of lines `i` and `i + 4`.
///
/// # Safety
/// They are readable, and the machine has AVX.
#[inline(always)]
unsafe fn column(points: *const f32, parts: [usize; 2], factor: __m256) -> [__m256; 4] {
    // SAFETY: promised by the caller.
    unsafe {
        turned([
            _mm256_mul_ps(_mm256_loadu_ps(points.add(parts[0])), factor),
            _mm256_mul_ps(_mm256_loadu_ps(points.add(parts[1])), factor),
            _mm256_mul_ps(_mm256_loadu_ps(points.add(16 + parts[0])), factor),
            _mm256_mul_ps(_mm256_loadu_ps(points.add(16 + parts[1])), factor),
        ])
    }
}

impl Lanes for Eight {
    type Real = f32;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: the type exists at levels with AVX2 and FMA only (so for every block of this implementation).
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
    unsafe fn load_pairs(p: *const f32) -> (Self, Self) {
        // SAFETY: readable as promised by the caller.
        unsafe {
            let (low, high) = (_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8)));
            let first = _mm256_permute2f128_ps::<0x20>(low, high);
            let second = _mm256_permute2f128_ps::<0x31>(low, high);
            (Self(_mm256_shuffle_ps::<0x88>(first, second)), Self(_mm256_shuffle_ps::<0xdd>(first, second)))
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(a: Self, b: Self, p: *mut f32) {
        // SAFETY: writable as promised by the caller.
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a.0, b.0), _mm256_unpackhi_ps(a.0, b.0));
            _mm256_storeu_ps(p, _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(p.add(8), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }

    #[inline(always)]
    fn plus(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_add_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn minus(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_sub_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn times(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_mul_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn times_plus(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn times_from(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_fnmadd_ps(self.0, b.0, c.0) })
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
            for two in 0..2 {
                let at = lines.add(4 * two);
                let (a, b) = (row(at, across, 0), row(at, across, 1));
                let turned = turned([a, b, row(at, across, 2), row(at, across, 3)]);
                for i in 0..2 {
                    let to = scratch.add(*places.add(2 * two + i) as usize * 16);
                    _mm256_storeu_ps(to.add(parts[0]), turned[2 * i]);
                    _mm256_storeu_ps(to.add(parts[1]), turned[2 * i + 1]);
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
            let (a, b) = (column(scratch, parts, factor.0), column(scratch.add(32), parts, factor.0));
            for (i, (a, b)) in a.into_iter().zip(b).enumerate() {
                let rows = [_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)];
                for (j, row) in rows.into_iter().enumerate() {
                    let to = lines.offset((i + 4 * j) as isize * across);
                    if stream {
                        _mm256_stream_ps(to, row);
                    } else {
                        _mm256_storeu_ps(to, row);
                    }
                }
            }
        }
    }
}
