//! The passes: butterflies of one radix over blocks of points.
//!
//! Decimation in time: a block of `r m` points holds the transforms of `r` interleaved parts of `m` points each, one after the other;
//! [`Combine`] makes the transform of the whole of them, in place.

use std::marker::PhantomData;

use super::butterflies::{Point, butterfly};
use super::code::{Args, Pass};
use super::rows::Rows;
use super::vector::Lanes;

/// `blocks` butterflies of consecutive points of scratch, in place. Reads `scratch, blocks, roots`.
pub(super) struct Adjacent<const R: usize>;

impl<const R: usize> Pass for Adjacent<R> {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        for group in 0..args.blocks {
            // SAFETY: the points of the block are there, as promised by the caller.
            unsafe {
                let at = args.scratch.add(group * R * 2 * V::LANES);
                let mut x = [Point::<V>::zero(); R];
                for (i, x) in x.iter_mut().enumerate() {
                    *x = Point::load(at.add(i * 2 * V::LANES));
                }
                butterfly::<V, R>(&mut x, args.roots);
                for (i, x) in x.into_iter().enumerate() {
                    x.store(at.add(i * 2 * V::LANES));
                }
            }
        }
    }
}

/// `blocks` butterflies from lines to consecutive points of scratch. Reads `scratch, blocks, leg, roots, lines, bases`.
pub(super) struct First<const R: usize, From>(PhantomData<From>);

impl<const R: usize, From: Rows> Pass for First<R, From> {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        for group in 0..args.blocks {
            // SAFETY: the lines and the points of the block are there, as promised by the caller.
            unsafe {
                let base = *args.bases.add(group) as usize;
                let at = args.scratch.add(group * R * 2 * V::LANES);
                let mut x = [Point::<V>::zero(); R];
                for (i, x) in x.iter_mut().enumerate() {
                    *x = From::load(args, base + i * args.leg);
                }
                butterfly::<V, R>(&mut x, args.roots);
                for (i, x) in x.into_iter().enumerate() {
                    x.store(at.add(i * 2 * V::LANES));
                }
            }
        }
    }
}

/// The inputs of the `k`-th butterfly of a block, times their twiddles.
///
/// # Safety
/// The block's points and twiddles are there.
#[inline(always)]
unsafe fn twiddled<V: Lanes, const R: usize>(
    args: &Args<V::Real>,
    block: *const V::Real,
    k: usize,
) -> [Point<V>; R] {
    // SAFETY: promised by the caller.
    unsafe {
        let at = block.add(k * 2 * V::LANES);
        let twiddles = args.twiddles.add(k * (R - 1));
        let mut x = [Point::<V>::load(at); R];
        for (s, x) in x.iter_mut().enumerate().skip(1) {
            let w = *twiddles.add(s - 1);
            let own = Point::<V>::load(at.add(s * args.leg * 2 * V::LANES));
            *x = own.times(V::splat(w.re), V::splat(w.im));
        }
        x
    }
}

/// `blocks` blocks in place. Reads `scratch, blocks, leg, twiddles, roots`.
pub(super) struct Combine<const R: usize>;

impl<const R: usize> Pass for Combine<R> {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        for block in 0..args.blocks {
            // SAFETY: the points of the blocks are there, as promised by the caller (so for every block below).
            let block = unsafe { args.scratch.add(block * R * args.leg * 2 * V::LANES) };
            for k in 0..args.leg {
                // SAFETY: as above.
                unsafe {
                    let mut x = twiddled::<V, R>(args, block, k);
                    butterfly::<V, R>(&mut x, args.roots);
                    let at = block.add(k * 2 * V::LANES);
                    for (q, x) in x.into_iter().enumerate() {
                        x.store(at.add(q * args.leg * 2 * V::LANES));
                    }
                }
            }
        }
    }
}

/// The only block of the last pass, from scratch to lines. Reads `scratch, leg, twiddles, roots, lines, scale`.
pub(super) struct Last<const R: usize, To>(PhantomData<To>);

impl<const R: usize, To: Rows> Pass for Last<R, To> {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        let scale = V::splat(args.scale);
        for k in 0..args.leg {
            // SAFETY: the lines and the points are there, as promised by the caller.
            unsafe {
                let mut x = twiddled::<V, R>(args, args.scratch, k);
                butterfly::<V, R>(&mut x, args.roots);
                for (q, x) in x.into_iter().enumerate() {
                    To::store(args, k + q * args.leg, x.scaled(scale));
                }
            }
        }
    }
}
