//! Rows of log8 spectra times vectors, decoded in registers or to scratch.

use std::ops::Range;

use fft_core::Complex32;

use super::log8::{Group, Tables, padded};
use crate::simd::{Kernel, Level, Numbers, Vector, dispatch};

/// Numbers that a kernel may read beyond the last one of a plane.
pub(super) const SLACK: usize = 16;

/// A matrix as the kernels read it.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// `[rows, 2, cols]`.
    pub(super) codes: &'a [u8],
    /// `[rows, 2, groups, 2]`.
    pub(super) ranges: &'a [f32],
    /// Columns; at least 1.
    pub(super) cols: usize,
    /// Codes of a group; at least 1.
    pub(super) group: usize,
}

impl<'a> Rows<'a> {
    /// The codes and ranges of one part of row `u`: 0 for the real parts, 1 for the imaginary ones.
    #[inline(always)]
    fn part(&self, u: usize, part: usize) -> (&'a [u8], &'a [f32]) {
        let flat = 2 * self.cols.div_ceil(self.group);
        let at = 2 * u + part;
        (&self.codes[at * self.cols..][..self.cols], &self.ranges[at * flat..][..flat])
    }

    /// Decodes one part of row `u`.
    fn decode(&self, u: usize, part: usize, out: &mut [f32]) {
        let (codes, ranges) = self.part(u, part);
        let groups = codes.chunks(self.group).zip(out.chunks_mut(self.group));
        for ((codes, out), range) in groups.zip(ranges.chunks_exact(2)) {
            dispatch(Group { codes, max: range[0], step: range[1], out });
        }
    }

    /// Row `u` as two rows of real numbers, for products with the parts of bins `0..=cols / 2` of a real vector's spectrum `X`, which
    /// lie one after the other: `out[0]` yields the real part of `sum_v c[u, v] conj(X[v])`, `out[1]` the imaginary part.
    ///
    /// Both have `2 (cols / 2 + 1)` numbers, and `scratch` has `2 cols`.
    pub(super) fn fold(&self, u: usize, out: [&mut [f32]; 2], scratch: &mut [f32]) {
        let n = self.cols;
        let (re, im) = scratch.split_at_mut(n);
        self.decode(u, 0, re);
        self.decode(u, 1, im);
        let [to_re, to_im] = out;
        // Bin n - v is the conjugate of bin v, and bins 0 and n / 2 are their own: those have no imaginary parts.
        to_re[..2].copy_from_slice(&[re[0], im[0]]);
        to_im[..2].copy_from_slice(&[im[0], -re[0]]);
        let pairs = to_re[2..].chunks_exact_mut(2).zip(to_im[2..].chunks_exact_mut(2));
        let own = re[1..].iter().zip(&im[1..]);
        let mirrors = re.iter().rev().zip(im.iter().rev());
        for (((to_re, to_im), (re, im)), (mirror_re, mirror_im)) in pairs.zip(own).zip(mirrors) {
            // One by one: pairs would go through memory, and wait for it.
            to_re[0] = re + mirror_re;
            to_re[1] = im - mirror_im;
            to_im[0] = im + mirror_im;
            to_im[1] = mirror_re - re;
        }
        if n.is_multiple_of(2) {
            let v = n / 2;
            to_re[2 * v..2 * v + 2].copy_from_slice(&[re[v], im[v]]);
            to_im[2 * v..2 * v + 2].copy_from_slice(&[im[v], -re[v]]);
        }
    }
}

/// `out[u, k] = sum_v c[u, v] conj(X[k, v])` for some rows `u` and `K` vectors.
pub(super) struct Products<'a, 'b, const K: usize> {
    pub(super) rows: Rows<'a>,
    /// The rows computed.
    pub(super) range: Range<usize>,
    /// Real parts of `X[0]`, its imaginary parts, real parts of `X[1]`, and so on: finite numbers or what makes the sums not finite.
    pub(super) planes: &'b [f32],
    /// The distance of planes, at least [`SLACK`] more than columns.
    pub(super) pitch: usize,
    /// `[range, K]`.
    pub(super) out: &'b mut [Complex32],
}

impl<const K: usize> Kernel for Products<'_, '_, K> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { rows, range, planes, pitch, out } = self;
        let n = rows.cols;
        assert!(planes.len() >= 2 * K * pitch && pitch >= n + SLACK && L::V::LANES <= SLACK);
        let (one, minus) = (L::V::splat(1.0), L::V::splat(-1.0));
        for (u, out) in range.zip(out.chunks_exact_mut(K)) {
            let ((re, re_ranges), (im, im_ranges)) = (rows.part(u, 0), rows.part(u, 1));
            let groups = re.chunks(rows.group).zip(im.chunks(rows.group));
            let ranges = re_ranges.chunks_exact(2).zip(im_ranges.chunks_exact(2));
            let mut sums = [[L::V::splat(0.0); 4]; K];
            let mut start = 0;
            for ((re, im), (re_range, im_range)) in groups.zip(ranges) {
                let re_tables = Tables::<L::V>::new(re_range[0], re_range[1]);
                let im_tables = Tables::<L::V>::new(im_range[0], im_range[1]);
                let tables = [re_tables, im_tables];
                let (mut re_codes, mut im_codes) =
                    (re.chunks_exact(L::V::LANES), im.chunks_exact(L::V::LANES));
                let mut at = start;
                for (re, im) in (&mut re_codes).zip(&mut im_codes) {
                    // SAFETY: both are a register of codes, and planes are longer than columns by another.
                    unsafe {
                        add([re.as_ptr(), im.as_ptr()], &tables, planes.as_ptr().add(at), pitch, &mut sums)
                    };
                    at += L::V::LANES;
                }
                let (re_rest, im_rest) = (re_codes.remainder(), im_codes.remainder());
                if !re_rest.is_empty() {
                    // Codes of 0 are zeros, which the numbers beyond do not change.
                    let (re, im) = (padded(re_rest), padded(im_rest));
                    // SAFETY: as above.
                    unsafe {
                        add([re.as_ptr(), im.as_ptr()], &tables, planes.as_ptr().add(at), pitch, &mut sums)
                    };
                }
                start += re.len();
            }
            for (out, [rr, ii, ir, ri]) in out.iter_mut().zip(sums) {
                *out = Complex32::new(rr.fma(one, ii).sum(), ri.fma(minus, ir).sum());
            }
        }
    }
}

/// Adds the products of a register of codes: for each vector those of real with real parts, imaginary with imaginary, imaginary with real,
/// real with imaginary.
///
/// Not a closure, since those are not always compiled for the level of what surrounds them.
///
/// # Safety
/// A register can be read from each of `codes`, and from each of `2 K` planes that are `pitch` apart.
#[inline(always)]
unsafe fn add<V: Vector, const K: usize>(
    codes: [*const u8; 2],
    tables: &[Tables<V>; 2],
    planes: *const f32,
    pitch: usize,
    sums: &mut [[V; 4]; K],
) {
    // SAFETY: promised by the caller.
    unsafe {
        let (re, im) = (tables[0].decode(codes[0]), tables[1].decode(codes[1]));
        let mut plane = planes;
        for [rr, ii, ir, ri] in sums {
            let (x_re, x_im) = (V::load(plane), V::load(plane.add(pitch)));
            plane = plane.wrapping_add(2 * pitch);
            *rr = re.fma(x_re, *rr);
            *ii = im.fma(x_im, *ii);
            *ir = im.fma(x_re, *ir);
            *ri = re.fma(x_im, *ri);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Baseline;
    use fft_core::spectral::log8::Range as Magnitudes;

    /// Products of two vectors by the kernel of one level.
    fn sums(rows: Rows<'_>, planes: &[f32], run: impl Fn(Products<'_, '_, 2>)) -> Vec<Complex32> {
        let mut out = vec![Complex32::default(); 2 * 3];
        run(Products { rows, range: 0..3, planes, pitch: planes.len() / 4, out: &mut out });
        out
    }

    #[test]
    fn every_level_forms_the_defined_sums() {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2(kernel: Products<'_, '_, 2>) {
            kernel.run::<crate::simd::Avx2>();
        }
        for (cols, group) in [(1usize, 1usize), (7, 64), (40, 16), (53, 11), (130, 64)] {
            let groups = cols.div_ceil(group);
            // Every code but for the shortest rows, and numbers that differ everywhere.
            let codes: Vec<u8> = (0..6 * cols).map(|i| (i * 37 + 1) as u8).collect();
            let ranges: Vec<f32> = (0..6 * groups).flat_map(|i| [1.0 + i as f32, 0.01 * i as f32]).collect();
            let rows = Rows { codes: &codes, ranges: &ranges, cols, group };
            let pitch = cols + SLACK;
            let planes: Vec<f32> = (0..4 * pitch).map(|i| ((i * i % 101) as f32 - 50.0) / 50.0).collect();
            let value = |u: usize, part: usize, v: usize| {
                let at = 2 * u + part;
                let range = &ranges[2 * (at * groups + v / group)..][..2];
                f64::from(Magnitudes::new(range[0], range[1]).unwrap().decode(codes[at * cols + v]))
            };
            let mut want = Vec::new();
            for u in 0..3 {
                for k in 0..2 {
                    let (mut re, mut im, mut size) = (0.0, 0.0, 0.0);
                    for v in 0..cols {
                        let (c_re, c_im) = (value(u, 0, v), value(u, 1, v));
                        let (x_re, x_im) = (
                            f64::from(planes[2 * k * pitch + v]),
                            f64::from(planes[(2 * k + 1) * pitch + v]),
                        );
                        re += c_re * x_re + c_im * x_im;
                        im += c_im * x_re - c_re * x_im;
                        size += (c_re.abs() + c_im.abs()) * (x_re.abs() + x_im.abs());
                    }
                    want.push((re, im, size));
                }
            }
            let mut levels = vec![
                ("best", sums(rows, &planes, |kernel| dispatch(kernel))),
                ("baseline", sums(rows, &planes, |kernel| kernel.run::<Baseline>())),
            ];
            #[cfg(target_arch = "x86_64")]
            if crate::simd::machine() >= crate::simd::Machine::Avx2 {
                // SAFETY: the machine has the instructions.
                levels.push(("avx2", sums(rows, &planes, |kernel| unsafe { avx2(kernel) })));
            }
            for (name, got) in levels {
                for (z, (re, im, size)) in got.iter().zip(&want) {
                    // Three roundings of a decoded number and one for each of the sums' steps.
                    let bound = f64::from(f32::EPSILON) * (4.0 + cols as f64 / 2.0) * size;
                    let off = (f64::from(z.re) - re).abs().max((f64::from(z.im) - im).abs());
                    assert!(off <= bound, "{name}, {cols} columns in groups of {group}: {off:e} > {bound:e}");
                }
            }
        }
    }
}
