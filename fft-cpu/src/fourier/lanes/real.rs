//! Between the complex transform of half the length and the half spectrum of a real line of even length; the formulas are in
//! [`half_length`](crate::fourier::half_length).

use std::marker::PhantomData;

use super::butterflies::Point;
use super::code::{Args, Pass};
use super::rows::{Placed, Rows};
use super::vector::Lanes;
use crate::fourier::plans::Precision;

/// From `Z` in scratch, in natural order, to the `points + 1` bins of the half spectrum. Reads `scratch, points, twiddles, scale`, and what `To`
/// writes to, which may be scratch with a point more.
pub(super) struct Untangle<To>(PhantomData<To>);

impl<To: Rows> Pass for Untangle<To> {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        let h = args.points;
        let (scale, half) = (V::splat(args.scale), V::splat(args.scale * V::Real::nearest(0.5)));
        let zero = V::splat(V::Real::nearest(0.0));
        // SAFETY: points up to `h` are there, as promised by the caller (so for every block below).
        let z = |k: usize| unsafe { Point::<V>::load(args.scratch.add(k * 2 * V::LANES)) };
        let first = z(0).scaled(scale);
        // SAFETY: as above.
        unsafe {
            To::store(args, 0, Point::new(first.re.plus(first.im), zero));
            To::store(args, h, Point::new(first.re.minus(first.im), zero));
        }
        for k in 1..h.div_ceil(2) {
            let (a, b) = (z(k).scaled(half), z(h - k).scaled(half));
            // SAFETY: there are `h / 2 + 1` twiddles.
            let t = unsafe { *args.twiddles.add(k) };
            let sum = Point::new(a.re.plus(b.re), a.im.minus(b.im));
            let turned = Point::new(a.re.minus(b.re), a.im.plus(b.im)).times(V::splat(t.re), V::splat(t.im));
            // SAFETY: as above.
            unsafe {
                To::store(args, k, sum.plus(turned));
                To::store(args, h - k, Point::new(sum.re.minus(turned.re), turned.im.minus(sum.im)));
            }
        }
        if h.is_multiple_of(2) {
            let middle = z(h / 2).scaled(scale);
            // SAFETY: as above.
            unsafe { To::store(args, h / 2, Point::new(middle.re, zero.minus(middle.im))) };
        }
    }
}

/// From the `points + 1` bins of a half spectrum to `Z` for the inverse of half the length, at the places of the first pass, with real and
/// imaginary parts swapped. Imaginary parts of the outer bins do not count. Reads `scratch, points, places, twiddles`, and what `From` reads from, which
/// may be the same places of scratch.
pub(super) struct Retangle<From>(PhantomData<From>);

impl<From: Rows> Pass for Retangle<From> {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        let h = args.points;
        // SAFETY: the bins and the places are there, as promised by the caller (so for every block below).
        let bin = |k: usize| unsafe { From::load::<V>(args, k) };
        // SAFETY: as above.
        let put = |k: usize, z: Point<V>| unsafe { Placed::store(args, k, Point::new(z.im, z.re)) };
        let (first, last) = (bin(0).re, bin(h).re);
        put(0, Point::new(first.plus(last), first.minus(last)));
        for k in 1..h.div_ceil(2) {
            let (a, b) = (bin(k), bin(h - k));
            // SAFETY: there are `h / 2 + 1` twiddles.
            let t = unsafe { *args.twiddles.add(k) };
            let zero = V::splat(V::Real::nearest(0.0));
            let sum = Point::new(a.re.plus(b.re), a.im.minus(b.im));
            let turned = Point::new(a.re.minus(b.re), a.im.plus(b.im))
                .times(V::splat(t.re), zero.minus(V::splat(t.im)));
            put(k, sum.plus(turned));
            put(h - k, Point::new(sum.re.minus(turned.re), turned.im.minus(sum.im)));
        }
        if h.is_multiple_of(2) {
            let middle = bin(h / 2);
            let zero = V::splat(V::Real::nearest(0.0));
            let twice = Point::new(middle.re.plus(middle.re), zero.minus(middle.im.plus(middle.im)));
            put(h / 2, twice);
        }
    }
}

/// From the bins of the half spectrum of an odd number of `points` at their places to all bins, with real and imaginary parts swapped. The imaginary
/// part of bin 0 does not count. Reads `scratch, points, places`.
pub(super) struct Mirror;

impl Pass for Mirror {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        let zero = V::splat(V::Real::nearest(0.0));
        // SAFETY: the places are there, as promised by the caller (so for every block below).
        unsafe { Placed::store(args, 0, Point::new(zero, Placed::load::<V>(args, 0).re)) };
        for k in 1..=args.points / 2 {
            // SAFETY: as above.
            unsafe {
                let z = Placed::load::<V>(args, k);
                Placed::store(args, k, Point::new(z.im, z.re));
                Placed::store(args, args.points - k, Point::new(zero.minus(z.im), z.re));
            }
        }
    }
}
