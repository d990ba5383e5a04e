//! Transforms of a few points, all in registers, forward.
//!
//! A transform of the other sign is this one with the real and the imaginary parts swapped before and after.

use super::super::plans::Precision;
use super::vector::Lanes;

/// A complex number in each lane.
#[derive(Clone, Copy)]
pub(super) struct Point<V> {
    pub(super) re: V,
    pub(super) im: V,
}

impl<V: Lanes> Point<V> {
    #[inline(always)]
    pub(super) fn new(re: V, im: V) -> Self {
        Self { re, im }
    }

    /// 0.
    #[inline(always)]
    pub(super) fn zero() -> Self {
        let zero = V::splat(V::Real::nearest(0.0));
        Self::new(zero, zero)
    }

    /// Reads a point of scratch.
    ///
    /// # Safety
    /// It is readable.
    #[inline(always)]
    pub(super) unsafe fn load(p: *const V::Real) -> Self {
        // SAFETY: promised by the caller.
        unsafe { Self::new(V::load(p), V::load(p.add(V::LANES))) }
    }

    /// Writes a point of scratch.
    ///
    /// # Safety
    /// It is writable.
    #[inline(always)]
    pub(super) unsafe fn store(self, p: *mut V::Real) {
        // SAFETY: promised by the caller.
        unsafe {
            self.re.store(p);
            self.im.store(p.add(V::LANES));
        }
    }

    #[inline(always)]
    pub(super) fn plus(self, b: Self) -> Self {
        Self::new(self.re.plus(b.re), self.im.plus(b.im))
    }

    #[inline(always)]
    pub(super) fn minus(self, b: Self) -> Self {
        Self::new(self.re.minus(b.re), self.im.minus(b.im))
    }

    #[inline(always)]
    pub(super) fn scaled(self, factor: V) -> Self {
        Self::new(self.re.times(factor), self.im.times(factor))
    }

    #[inline(always)]
    pub(super) fn times(self, re: V, im: V) -> Self {
        Self::new(self.im.times_from(im, self.re.times(re)), self.im.times_plus(re, self.re.times(im)))
    }

    /// `self - i b`.
    #[inline(always)]
    fn minus_i(self, b: Self) -> Self {
        Self::new(self.re.plus(b.im), self.im.minus(b.re))
    }

    /// `self + i b`.
    #[inline(always)]
    fn plus_i(self, b: Self) -> Self {
        Self::new(self.re.minus(b.im), self.im.plus(b.re))
    }
}

/// The cosines, then the sines, of `2 pi j / r` for `1 <= j <= (r - 1) / 2`: what the butterfly of an odd radix reads.
pub(super) fn roots<T: Precision>(r: usize) -> Vec<T> {
    let angle = |j: usize| std::f64::consts::TAU * j as f64 / r as f64;
    let half = r.div_ceil(2);
    (1..half)
        .map(|j| T::nearest(angle(j).cos()))
        .chain((1..half).map(|j| T::nearest(angle(j).sin())))
        .collect()
}

/// The transform of `R` points in place.
///
/// # Safety
/// `roots` holds those of `R` when it is odd.
#[inline(always)]
pub(super) unsafe fn butterfly<V: Lanes, const R: usize>(x: &mut [Point<V>; R], roots: *const V::Real) {
    let all = x.as_mut_slice();
    match R {
        2 => two(all),
        4 => four(all),
        8 => eight(all),
        16 => sixteen(all),
        // SAFETY: promised by the caller.
        _ => unsafe { odd::<V, R>(x, roots) },
    }
}

#[inline(always)]
fn two<V: Lanes>(x: &mut [Point<V>]) {
    (x[0], x[1]) = (x[0].plus(x[1]), x[0].minus(x[1]));
}

#[inline(always)]
fn four_of<V: Lanes>(a: Point<V>, b: Point<V>, c: Point<V>, d: Point<V>) -> [Point<V>; 4] {
    let (ac, bd) = (a.plus(c), b.plus(d));
    let (a_c, b_d) = (a.minus(c), b.minus(d));
    [ac.plus(bd), a_c.minus_i(b_d), ac.minus(bd), a_c.plus_i(b_d)]
}

#[inline(always)]
fn four<V: Lanes>(x: &mut [Point<V>]) {
    let out = four_of(x[0], x[1], x[2], x[3]);
    x[..4].copy_from_slice(&out);
}

#[inline(always)]
fn eight<V: Lanes>(x: &mut [Point<V>]) {
    let h = V::splat(V::Real::nearest(std::f64::consts::FRAC_1_SQRT_2));
    let even = four_of(x[0], x[2], x[4], x[6]);
    let odd = four_of(x[1], x[3], x[5], x[7]);
    // Times exp(-i pi / 4) and exp(-3 i pi / 4).
    let o1 = Point::new(odd[1].re.plus(odd[1].im), odd[1].im.minus(odd[1].re));
    let o3 = Point::new(odd[3].im.minus(odd[3].re), odd[3].re.plus(odd[3].im));
    x[0] = even[0].plus(odd[0]);
    x[4] = even[0].minus(odd[0]);
    x[2] = even[2].minus_i(odd[2]);
    x[6] = even[2].plus_i(odd[2]);
    x[1] = Point::new(o1.re.times_plus(h, even[1].re), o1.im.times_plus(h, even[1].im));
    x[5] = Point::new(o1.re.times_from(h, even[1].re), o1.im.times_from(h, even[1].im));
    x[3] = Point::new(o3.re.times_plus(h, even[3].re), o3.im.times_from(h, even[3].im));
    x[7] = Point::new(o3.re.times_from(h, even[3].re), o3.im.times_plus(h, even[3].im));
}

#[inline(always)]
fn sixteen<V: Lanes>(x: &mut [Point<V>]) {
    let c = V::splat(V::Real::nearest(COS_PI_8));
    let s = V::splat(V::Real::nearest(SIN_PI_8));
    let h = V::splat(V::Real::nearest(std::f64::consts::FRAC_1_SQRT_2));
    let zero = V::splat(V::Real::nearest(0.0));
    let (minus_c, minus_s) = (zero.minus(c), zero.minus(s));
    let a = four_of(x[0], x[4], x[8], x[12]);
    let b = four_of(x[1], x[5], x[9], x[13]);
    let d = four_of(x[2], x[6], x[10], x[14]);
    let e = four_of(x[3], x[7], x[11], x[15]);
    // Row 0 has no twiddles; `w = exp(-2 pi i / 16)`.
    let eighth = |z: Point<V>| Point::new(z.re.plus(z.im).times(h), z.im.minus(z.re).times(h));
    let three_eighths = |z: Point<V>| Point::new(z.im.minus(z.re).times(h), z.re.plus(z.im).times(minus(h)));
    let quarter = |z: Point<V>| Point::new(z.im, zero.minus(z.re));
    let rows = [
        four_of(a[0], b[0], d[0], e[0]),
        four_of(a[1], b[1].times(c, minus_s), eighth(d[1]), e[1].times(s, minus_c)),
        four_of(a[2], eighth(b[2]), quarter(d[2]), three_eighths(e[2])),
        four_of(a[3], b[3].times(s, minus_c), three_eighths(d[3]), e[3].times(minus_c, s)),
    ];
    for (i, row) in rows.into_iter().enumerate() {
        for (j, z) in row.into_iter().enumerate() {
            x[i + 4 * j] = z;
        }
    }
}

const COS_PI_8: f64 = 0.923_879_532_511_286_7;
const SIN_PI_8: f64 = 0.382_683_432_365_089_8;

#[inline(always)]
fn minus<V: Lanes>(x: V) -> V {
    V::splat(V::Real::nearest(0.0)).minus(x)
}

/// An odd prime: with sums and differences of mirrored points, half the products of the definition.
///
/// # Safety
/// As [`butterfly`].
#[inline(always)]
unsafe fn odd<V: Lanes, const R: usize>(x: &mut [Point<V>; R], roots: *const V::Real) {
    let half = R / 2;
    // SAFETY: promised by the caller; `1 <= j <= half`.
    let cos = |j: usize| V::splat(unsafe { *roots.add(j - 1) });
    // SAFETY: as above.
    let sin = |j: usize| V::splat(unsafe { *roots.add(half + j - 1) });
    let first = x[0];
    // Loops over arrays: adapters of the standard library would not be compiled for the level.
    let (mut sums, mut differences, mut total) = ([first; R], [first; R], first);
    for j in 1..=half {
        sums[j] = x[j].plus(x[R - j]);
        differences[j] = x[j].minus(x[R - j]);
        total = total.plus(sums[j]);
    }
    x[0] = total;
    for k in 1..=half {
        let mut even = first;
        let mut odd = Point::zero();
        for j in 1..=half {
            let turn = j * k % R;
            let (mirrored, turn) = if turn > half { (true, R - turn) } else { (false, turn) };
            let (c, s) = (cos(turn), sin(turn));
            even = Point::new(sums[j].re.times_plus(c, even.re), sums[j].im.times_plus(c, even.im));
            let d = differences[j];
            odd = match (j, mirrored) {
                (1, _) => d.scaled(s),
                (_, false) => Point::new(d.re.times_plus(s, odd.re), d.im.times_plus(s, odd.im)),
                (_, true) => Point::new(d.re.times_from(s, odd.re), d.im.times_from(s, odd.im)),
            };
        }
        x[k] = even.minus_i(odd);
        x[R - k] = even.plus_i(odd);
    }
}
