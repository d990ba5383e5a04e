//! Whole points read from and written to where lines lie, for lines that lie side by side.

use super::butterflies::Point;
use super::code::Args;
use super::vector::Lanes;

/// A way in which points lie.
pub(super) trait Rows {
    /// Reads point `row`.
    ///
    /// # Safety
    /// It is there.
    unsafe fn load<V: Lanes>(args: &Args<V::Real>, row: usize) -> Point<V>;
    /// Writes point `row`.
    ///
    /// # Safety
    /// It is there.
    unsafe fn store<V: Lanes>(args: &Args<V::Real>, row: usize, point: Point<V>);
}

#[inline(always)]
fn swapped<V: Lanes, const SWAP: bool>(re: V, im: V) -> Point<V> {
    if SWAP { Point::new(im, re) } else { Point::new(re, im) }
}

/// Complex numbers of neighbouring lines beside each other; `SWAP` for the inverse.
pub(super) struct Interleaved<const SWAP: bool>;

impl<const SWAP: bool> Rows for Interleaved<SWAP> {
    #[inline(always)]
    unsafe fn load<V: Lanes>(args: &Args<V::Real>, row: usize) -> Point<V> {
        // SAFETY: promised by the caller.
        let (re, im) = unsafe { V::load_pairs(args.lines.at.offset(row as isize * args.lines.step)) };
        swapped::<V, SWAP>(re, im)
    }

    #[inline(always)]
    unsafe fn store<V: Lanes>(args: &Args<V::Real>, row: usize, point: Point<V>) {
        let Point { re, im } = swapped::<V, SWAP>(point.re, point.im);
        // SAFETY: promised by the caller.
        unsafe { V::store_pairs(re, im, args.lines.at.offset(row as isize * args.lines.step)) }
    }
}

/// Real numbers of neighbouring lines beside each other: a row of real parts, another of imaginary parts.
pub(super) struct Separate<const SWAP: bool>;

impl<const SWAP: bool> Rows for Separate<SWAP> {
    #[inline(always)]
    unsafe fn load<V: Lanes>(args: &Args<V::Real>, row: usize) -> Point<V> {
        // SAFETY: promised by the caller.
        unsafe {
            let at = args.lines.at.offset(row as isize * args.lines.step);
            swapped::<V, SWAP>(V::load(at), V::load(at.offset(args.lines.im.unwrap_or(0))))
        }
    }

    #[inline(always)]
    unsafe fn store<V: Lanes>(args: &Args<V::Real>, row: usize, point: Point<V>) {
        let Point { re, im } = swapped::<V, SWAP>(point.re, point.im);
        // SAFETY: promised by the caller.
        unsafe {
            let at = args.lines.at.offset(row as isize * args.lines.step);
            re.store(at);
            im.store(at.offset(args.lines.im.unwrap_or(0)));
        }
    }
}

/// Scratch, in natural order.
pub(super) struct Natural;

impl Rows for Natural {
    #[inline(always)]
    unsafe fn load<V: Lanes>(args: &Args<V::Real>, row: usize) -> Point<V> {
        // SAFETY: promised by the caller.
        unsafe { Point::load(args.scratch.add(row * 2 * V::LANES)) }
    }

    #[inline(always)]
    unsafe fn store<V: Lanes>(args: &Args<V::Real>, row: usize, point: Point<V>) {
        // SAFETY: promised by the caller.
        unsafe { point.store(args.scratch.add(row * 2 * V::LANES)) }
    }
}

/// Scratch, in the order in which the first pass reads it.
pub(super) struct Placed;

impl Rows for Placed {
    #[inline(always)]
    unsafe fn load<V: Lanes>(args: &Args<V::Real>, row: usize) -> Point<V> {
        // SAFETY: promised by the caller.
        unsafe { Point::load(args.scratch.add(*args.places.add(row) as usize * 2 * V::LANES)) }
    }

    #[inline(always)]
    unsafe fn store<V: Lanes>(args: &Args<V::Real>, row: usize, point: Point<V>) {
        // SAFETY: promised by the caller.
        unsafe { point.store(args.scratch.add(*args.places.add(row) as usize * 2 * V::LANES)) }
    }
}
