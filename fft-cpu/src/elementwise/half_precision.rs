//! `f16` and `bf16` to `f32` and back, in slices.

use fft_core::{bf16, f16};

use super::map::Plain;
use crate::simd::{Kernel, Level, Vector, dispatch};

/// A storage type that is computed with in `f32`.
pub(crate) trait Storage: Plain {
    /// The value.
    fn wide<L: Level>(self) -> f32;
    /// The nearest storable value, ties to even.
    fn rounded<L: Level>(x: f32) -> Self;
    /// A register of values.
    ///
    /// # Safety
    /// As many as it has lanes are readable.
    unsafe fn load<V: Vector>(p: *const Self) -> V;
}

impl Storage for f32 {
    #[inline(always)]
    fn wide<L: Level>(self) -> f32 {
        self
    }
    #[inline(always)]
    fn rounded<L: Level>(x: f32) -> Self {
        x
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const Self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(p) }
    }
}

impl Storage for bf16 {
    #[inline(always)]
    fn wide<L: Level>(self) -> f32 {
        f32::from_bits((self.to_bits() as u32) << 16)
    }
    #[inline(always)]
    fn rounded<L: Level>(x: f32) -> Self {
        let bits = x.to_bits();
        let even = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        // Rounding could carry a NaN's payload into infinity: keep it, quiet.
        let nan = (bits >> 16) | 0x40;
        bf16::from_bits(if x.is_nan() { nan } else { even } as u16)
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const Self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load_bf16(p) }
    }
}

impl Storage for f16 {
    #[inline(always)]
    fn wide<L: Level>(self) -> f32 {
        // Without branches, so that it vectorises: shift exponent and mantissa into place and scale by a power of two, which
        // also normalises subnormal numbers; what was infinite or NaN gets the largest exponent.
        let bits = self.to_bits() as u32;
        let scaled = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
        let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | ((bits & 0x8000) << 16))
    }
    #[inline(always)]
    fn rounded<L: Level>(x: f32) -> Self {
        let (bits, sign) = (x.to_bits() & 0x7fff_ffff, (x.to_bits() >> 16) & 0x8000);
        // Normal results: rebias the exponent, round to nearest even at bit 13.
        let normal = bits.wrapping_add(0xc800_0fff).wrapping_add((bits >> 13) & 1) >> 13;
        // Subnormal results: adding a power of two whose last bit is 2^-24 makes the addition round.
        let magic = f32::from_bits(0x3f00_0000);
        let subnormal = (f32::from_bits(bits) + magic).to_bits().wrapping_sub(magic.to_bits());
        let mut half = if bits < 0x3880_0000 { subnormal } else { normal };
        half = if bits >= 0x477f_f000 { 0x7c00 } else { half };
        half = if bits > 0x7f80_0000 { 0x7e00 | ((bits >> 13) & 0x3ff) } else { half };
        f16::from_bits((half | sign) as u16)
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const Self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load_f16(p) }
    }
}

struct Widen<'a, T>(&'a [T], &'a mut [f32]);

impl<T: Storage> Kernel for Widen<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (d, s) in self.1.iter_mut().zip(self.0) {
            *d = s.wide::<L>();
        }
    }
}

struct Narrow<'a, T>(&'a [f32], &'a mut [T]);

impl<T: Storage> Kernel for Narrow<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (d, s) in self.1.iter_mut().zip(self.0) {
            *d = T::rounded::<L>(*s);
        }
    }
}

/// Converts to `f32`.
pub(crate) fn widen<T: Storage>(src: &[T], dst: &mut [f32]) {
    dispatch(Widen(src, dst));
}

/// Rounds from `f32`.
pub(crate) fn narrow<T: Storage>(src: &[f32], dst: &mut [T]) {
    dispatch(Narrow(src, dst));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_and_many_floats_convert_as_the_half_crate_does() {
        for bits in 0..=u16::MAX {
            let (h, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            let (mut wide_h, mut wide_b) = ([0f32], [0f32]);
            widen(&[h], &mut wide_h);
            widen(&[b], &mut wide_b);
            assert!(
                wide_h[0].to_bits() == h.to_f32().to_bits() || h.is_nan() && wide_h[0].is_nan(),
                "{bits:#x}"
            );
            assert!(
                wide_b[0].to_bits() == b.to_f32().to_bits() || b.is_nan() && wide_b[0].is_nan(),
                "{bits:#x}"
            );
        }
        for i in 0..4_000_000u32 {
            let x = f32::from_bits(i.wrapping_mul(2_654_435_761));
            let (mut h, mut b) = ([f16::ZERO], [bf16::ZERO]);
            narrow(&[x], &mut h);
            narrow(&[x], &mut b);
            assert!(h[0] == f16::from_f32(x) || x.is_nan() && h[0].is_nan(), "{x:e}");
            assert!(b[0] == bf16::from_f32(x) || x.is_nan() && b[0].is_nan(), "{x:e}");
        }
    }
}
