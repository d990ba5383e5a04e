//! Lines of any layout to scratch and back, where a pass cannot read or write them as it goes.

use super::butterflies::Point;
use super::code::{Args, Lines, Pass};
use super::vector::Lanes;
use crate::fourier::plans::Precision;

/// How the lines of a tile lie.
enum Manner {
    /// Complex numbers of neighbouring lines beside each other.
    Interleaved,
    /// Real numbers of neighbouring lines beside each other.
    Separate,
    /// Complex numbers of each line behind each other.
    Along,
    /// Anything else, and fewer lines than lanes.
    Scattered,
}

impl Manner {
    #[inline(always)]
    fn of<V: Lanes>(lines: &Lines<V::Real>) -> Self {
        match *lines {
            Lines { lanes, .. } if lanes < V::LANES => Self::Scattered,
            Lines { im: Some(1), across: 2, .. } => Self::Interleaved,
            Lines { across: 1, .. } => Self::Separate,
            Lines { im: Some(1), step: 2, .. } => Self::Along,
            _ => Self::Scattered,
        }
    }
}

/// The places of the real and the imaginary part in a point.
#[inline(always)]
fn parts<V: Lanes>(swap: bool) -> [usize; 2] {
    if swap { [V::LANES, 0] } else { [0, V::LANES] }
}

/// Numbers `0..have` of the lines to their places; zeros to those up to `points`. Reads `scratch, lines, have, points, places, swap`.
pub(super) struct Gather;

impl Pass for Gather {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        let Args { lines, have, places, swap, .. } = *args;
        // SAFETY: the places are points of scratch, as promised by the caller (so for every block below).
        let place = |j: usize| unsafe { args.scratch.add(*places.add(j) as usize * 2 * V::LANES) };
        let put = |j: usize, re: V, im: V| {
            let point = if swap { Point::new(im, re) } else { Point::new(re, im) };
            // SAFETY: as above.
            unsafe { point.store(place(j)) }
        };
        let zero = V::splat(V::Real::nearest(0.0));
        let mut from = 0;
        match Manner::of::<V>(&lines) {
            Manner::Interleaved => {
                while from < have {
                    // SAFETY: the numbers of the lines are there, as promised by the caller (so for every block below).
                    let (re, im) = unsafe { V::load_pairs(lines.at.offset(from as isize * lines.step)) };
                    put(from, re, im);
                    from += 1;
                }
            }
            Manner::Separate => {
                while from < have {
                    let at = lines.at.wrapping_offset(from as isize * lines.step);
                    // SAFETY: as above.
                    let re = unsafe { V::load(at) };
                    // SAFETY: as above.
                    put(from, re, lines.im.map_or(zero, |im| unsafe { V::load(at.offset(im)) }));
                    from += 1;
                }
            }
            Manner::Along => {
                while from + V::LANES / 2 <= have {
                    // SAFETY: as above.
                    unsafe {
                        let at = lines.at.add(2 * from);
                        V::turn_in(at, lines.across, args.scratch, places.add(from), parts::<V>(swap));
                    }
                    from += V::LANES / 2;
                }
            }
            Manner::Scattered => {}
        }
        for j in from..have {
            if lines.lanes < V::LANES {
                put(j, zero, zero);
            }
            let [re, im] = parts::<V>(swap);
            let to = place(j);
            for lane in 0..lines.lanes {
                // SAFETY: as above.
                unsafe {
                    let at = lines.at.offset(j as isize * lines.step + lane as isize * lines.across);
                    *to.add(re + lane) = *at;
                    *to.add(im + lane) = lines.im.map_or(V::Real::nearest(0.0), |im| *at.offset(im));
                }
            }
        }
        for j in have..args.points {
            put(j, zero, zero);
        }
    }
}

/// Points `0..points` of scratch to the lines, times `scale`. Reads `scratch, lines, points, swap, scale, stream`.
pub(super) struct Scatter;

impl Pass for Scatter {
    #[inline(always)]
    unsafe fn run<V: Lanes>(args: &Args<V::Real>) {
        let Args { lines, points, swap, scale, .. } = *args;
        let factor = V::splat(scale);
        // SAFETY: the points of scratch are there, as promised by the caller (so for every block below).
        let place = |j: usize| unsafe { args.scratch.add(j * 2 * V::LANES) };
        let take = |j: usize| {
            // SAFETY: as above.
            let point = unsafe { Point::<V>::load(place(j)) }.scaled(factor);
            if swap { (point.im, point.re) } else { (point.re, point.im) }
        };
        let mut from = 0;
        match Manner::of::<V>(&lines) {
            Manner::Interleaved => {
                while from < points {
                    let (re, im) = take(from);
                    // SAFETY: the lines are there, as promised by the caller (so for every block below).
                    unsafe { V::store_pairs(re, im, lines.at.offset(from as isize * lines.step)) };
                    from += 1;
                }
            }
            Manner::Separate => {
                while from < points {
                    let (re, im) = take(from);
                    // SAFETY: as above.
                    unsafe {
                        let at = lines.at.offset(from as isize * lines.step);
                        re.store(at);
                        if let Some(apart) = lines.im {
                            im.store(at.offset(apart));
                        }
                    }
                    from += 1;
                }
            }
            Manner::Along => {
                while from + V::LANES / 2 <= points {
                    // SAFETY: as above.
                    unsafe {
                        let at = lines.at.add(2 * from);
                        let parts = parts::<V>(swap);
                        V::turn_out(place(from), parts, factor, at, lines.across, args.stream);
                    }
                    from += V::LANES / 2;
                }
            }
            Manner::Scattered => {}
        }
        let [re, im] = parts::<V>(swap);
        for j in from..points {
            let own = place(j);
            for lane in 0..lines.lanes {
                // SAFETY: as above.
                unsafe {
                    let at = lines.at.offset(j as isize * lines.step + lane as isize * lines.across);
                    *at = *own.add(re + lane) * scale;
                    if let Some(apart) = lines.im {
                        *at.offset(apart) = *own.add(im + lane) * scale;
                    }
                }
            }
        }
    }
}
