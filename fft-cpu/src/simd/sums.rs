//! Vectors of either precision for kernels that keep sums of products in registers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::{Level, Machine};

/// Numbers that sums of products are made of.
pub(crate) trait Summand: bytemuck::Pod + Default + Send + Sync {
    /// Their vectors at a level.
    type V<L: Level>: Numbers<Of = Self>;
    /// How many of them a vector has.
    fn per_vector(machine: Machine) -> usize;
}

/// A register of numbers. Only values of the level that [`super::dispatch`] chose exist, so its instructions are there.
pub(crate) trait Numbers: Copy {
    /// Each of them.
    type Of;
    /// How many.
    const LANES: usize;
    /// The same number everywhere.
    fn splat(x: Self::Of) -> Self;
    /// Reads [`LANES`](Self::LANES) numbers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load(p: *const Self::Of) -> Self;
    /// Writes them.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store(self, p: *mut Self::Of);
    /// `self * b + c`.
    fn fma(self, b: Self, c: Self) -> Self;
}

impl Summand for f32 {
    type V<L: Level> = L::V;

    fn per_vector(machine: Machine) -> usize {
        if machine == Machine::Avx512 { 16 } else { 8 }
    }
}

impl Summand for f64 {
    type V<L: Level> = L::D;

    fn per_vector(machine: Machine) -> usize {
        if machine == Machine::Avx512 { 8 } else { 4 }
    }
}

/// Four `f64` that the compiler maps to what the architecture has.
#[derive(Clone, Copy)]
pub(crate) struct PortableDoubles([f64; 4]);

impl Numbers for PortableDoubles {
    type Of = f64;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; 4])
    }

    #[inline(always)]
    unsafe fn load(p: *const f64) -> Self {
        // SAFETY: promised by the caller; an array of `f64` is aligned as one.
        Self(unsafe { p.cast::<[f64; 4]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f64) {
        // SAFETY: promised by the caller.
        unsafe { p.cast::<[f64; 4]>().write(self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        let one = |i: usize| {
            if super::Baseline::FMA { self.0[i].mul_add(b.0[i], c.0[i]) } else { self.0[i] * b.0[i] + c.0[i] }
        };
        Self(std::array::from_fn(one))
    }
}

/// An AVX register of `f64`.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Doubles256(__m256d);

#[cfg(target_arch = "x86_64")]
impl Numbers for Doubles256 {
    type Of = f64;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        // SAFETY: the type exists at levels with AVX2 and FMA only (so for every block of this implementation).
        Self(unsafe { _mm256_set1_pd(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f64) -> Self {
        // SAFETY: readable as promised by the caller.
        Self(unsafe { _mm256_loadu_pd(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f64) {
        // SAFETY: writable as promised by the caller.
        unsafe { _mm256_storeu_pd(p, self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_fmadd_pd(self.0, b.0, c.0) })
    }
}

/// An AVX-512 register of `f64`.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Doubles512(__m512d);

#[cfg(target_arch = "x86_64")]
impl Numbers for Doubles512 {
    type Of = f64;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        // SAFETY: the type exists at levels with AVX-512 F only (so for every block of this implementation).
        Self(unsafe { _mm512_set1_pd(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f64) -> Self {
        // SAFETY: readable as promised by the caller.
        Self(unsafe { _mm512_loadu_pd(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f64) {
        // SAFETY: writable as promised by the caller.
        unsafe { _mm512_storeu_pd(p, self.0) }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_fmadd_pd(self.0, b.0, c.0) })
    }
}
