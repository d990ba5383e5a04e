//! Kernels for several vectors at once: their spectra lie side by side, so that a coefficient multiplies whole registers.
//!
//! A tile holds `T` vectors as `[bins][T]` complex numbers. Spectra of real vectors are Hermitian, so bins `0..=n / 2` are enough:
//! a column beyond stands for the conjugate of its mirror.

use fft_core::Complex32;

use super::sparse_gradient::gradients;
#[cfg(target_arch = "x86_64")]
use super::sparse_lanes::{Eight, Sixteen};
use super::sparse_lanes::{Lanes, Portable};
use super::sparse_rows::own_mirror;
use super::sparse_values::{Column, Decoded, Rows};
use crate::simd::{Machine, machine};

/// The most vectors of a tile: what the machine's registers hold sums for.
pub(super) fn widest() -> usize {
    match machine() {
        Machine::Avx512 => 32,
        Machine::Avx2 => 16,
        Machine::Baseline => 8,
    }
}

/// The next tile for `left` vectors: a power of two from 4 up, at most a quarter of it empty where it is more than 4.
pub(super) fn tile_width(left: usize, widest: usize) -> usize {
    if left >= widest {
        return widest;
    }
    let next = left.next_power_of_two();
    let width = if 4 * left >= 3 * next { next } else { next / 2 };
    width.max(4)
}

/// Which sums a kernel forms.
#[derive(Clone, Copy)]
pub(super) enum Sums<'a> {
    /// `out[u] = factor(u) * sum_v c[u, v] conj(X[v])`; `out` has one tile row a row of the range. The factor is for rows that
    /// are their own mirror; others get half.
    Products { spectra: &'a [Complex32], factor: f32 },
    /// `out[v] += sum_u c[u, v] conj(Y[u])` and, for the mirrors of columns beyond `n / 2`, its conjugate; `out` has `n / 2 + 1`
    /// tile rows, `Y` `m / 2 + 1`.
    Scatters { spectra: &'a [Complex32] },
    /// `out[k] += factor * sum over the tile of G[u_k] X[v_k]` for the coefficients `k` of the range; `X` has `n / 2 + 1` tile rows, `G` `m / 2 + 1`.
    Gradients { x: &'a [Complex32], g: &'a [Complex32], factor: f32 },
}

/// Forms the sums of rows `range` for a tile of `width` vectors (4, 8, 16 or 32, at most [`widest`]).
pub(super) fn run<C: Column>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    width: usize,
    sums: Sums<'_>,
    out: &mut [Complex32],
) {
    let [m, n] = rows.shape;
    let tile_rows = |n: usize| (n / 2 + 1) * width;
    let fits = match sums {
        Sums::Products { spectra, .. } => spectra.len() >= tile_rows(n) && out.len() >= range.len() * width,
        Sums::Scatters { spectra } => spectra.len() >= tile_rows(m) && out.len() >= tile_rows(n),
        Sums::Gradients { x, g, .. } => {
            let coefficients = rows.offsets[range.end] as usize - rows.offsets[range.start] as usize;
            x.len() >= tile_rows(n) && g.len() >= tile_rows(m) && out.len() >= coefficients
        }
    };
    assert!(fits && range.end <= rows.planes(), "a tile is too small");
    // What makes each call sound: the machine has the instructions, and a tile row is as many registers as the kernel says; the
    // lengths were checked above.
    match (machine(), width) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Machine::Avx512, 32) => unsafe { avx512::<C, 4>(rows, range, sums, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Machine::Avx512, 16) => unsafe { avx512::<C, 2>(rows, range, sums, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Machine::Avx512, 8) => unsafe { avx512::<C, 1>(rows, range, sums, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Machine::Avx512 | Machine::Avx2, 4) => unsafe { avx2::<C, 1>(rows, range, sums, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Machine::Avx2, 16) => unsafe { avx2::<C, 4>(rows, range, sums, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Machine::Avx2, 8) => unsafe { avx2::<C, 2>(rows, range, sums, out) },
        // SAFETY: as above.
        (_, 8) => unsafe { tile::<Portable, C, 4>(rows, range, sums, out) },
        // SAFETY: as above.
        (_, 4) => unsafe { tile::<Portable, C, 2>(rows, range, sums, out) },
        _ => unreachable!("widths are powers of two from 4 to the widest"),
    }
}

/// # Safety
/// The machine has AVX-512 F; else as [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn avx512<C: Column, const R: usize>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    sums: Sums<'_>,
    out: &mut [Complex32],
) {
    // SAFETY: promised by the caller.
    unsafe { tile::<Sixteen, C, R>(rows, range, sums, out) }
}

/// # Safety
/// The machine has AVX2 and FMA; else as [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<C: Column, const R: usize>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    sums: Sums<'_>,
    out: &mut [Complex32],
) {
    // SAFETY: promised by the caller.
    unsafe { tile::<Eight, C, R>(rows, range, sums, out) }
}

/// Tile rows of `R` registers.
///
/// # Safety
/// The instructions of `V` are enabled; spectra and `out` have the lengths that [`run`] checks, in tile rows of
/// `R * V::LEN / 2` complex numbers.
#[inline(always)]
unsafe fn tile<V: Lanes, C: Column, const R: usize>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    sums: Sums<'_>,
    out: &mut [Complex32],
) {
    match sums {
        Sums::Products { spectra, factor } => {
            // SAFETY: promised by the caller.
            unsafe {
                products::<V, C, R>(rows, range, spectra.as_ptr().cast(), factor, out.as_mut_ptr().cast())
            }
        }
        Sums::Scatters { spectra } => {
            // SAFETY: promised by the caller.
            unsafe { scatters::<V, C, R>(rows, range, spectra.as_ptr().cast(), out.as_mut_ptr().cast()) }
        }
        Sums::Gradients { x, g, factor } => {
            // SAFETY: promised by the caller.
            unsafe { gradients::<V, C, R>(rows, range, x.as_ptr().cast(), g.as_ptr().cast(), factor, out) }
        }
    }
}

/// `re += sum r x` and `im += sum i x` over coefficients `(r, i)` and tile rows `x`.
///
/// # Safety
/// The instructions of `V` are enabled; `row(column)` is the start of a tile row for each column.
#[inline(always)]
unsafe fn accumulate<V: Lanes, C: Column, const R: usize>(
    columns: &[C],
    values: &[f32],
    mirror: Option<usize>,
    spectra: *const f32,
    re: &mut [V; R],
    im: &mut [V; R],
) {
    for (&column, c) in columns.iter().zip(values.chunks_exact(2)) {
        let bin = match mirror {
            Some(n) => n - column.at(),
            None => column.at(),
        };
        // SAFETY: promised by the caller.
        unsafe {
            let x = spectra.add(bin * R * V::LEN);
            let (r, i) = (V::splat(c[0]), V::splat(c[1]));
            for k in 0..R {
                let x = V::load(x.add(k * V::LEN));
                re[k] = re[k].add_product(r, x);
                im[k] = im[k].add_product(i, x);
            }
        }
    }
}

/// See [`Sums::Products`].
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn products<V: Lanes, C: Column, const R: usize>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    spectra: *const f32,
    factor: f32,
    out: *mut f32,
) {
    let [m, n] = rows.shape;
    let mut decoded: Decoded = [0.0; size_of::<Decoded>() / 4];
    // The sums of one row: with real and with imaginary parts of coefficients, for columns up to n / 2 and for mirrored ones.
    let mut store = [0.0f32; 4 * 64];
    for (i, u) in range.enumerate() {
        // SAFETY: enabled, as promised by the caller.
        let zero = unsafe { V::splat(0.0) };
        let (mut re, mut im) = ([zero; R], [zero; R]);
        let (mut mirrored_re, mut mirrored_im) = ([zero; R], [zero; R]);
        let row = rows.row(u);
        let mut at = row.start;
        while let Some((columns, values)) = rows.piece(&mut at, row.end, &mut decoded) {
            // Columns ascend, so those to be mirrored are last.
            let split = columns.partition_point(|c| c.at() <= n / 2);
            let (own, mirrored) = columns.split_at(split);
            let (own_values, mirrored_values) = values.split_at(2 * split);
            // SAFETY: `column` and, for those beyond n / 2, `n - column` are at most n / 2.
            unsafe {
                accumulate(own, own_values, None, spectra, &mut re, &mut im);
                accumulate(mirrored, mirrored_values, Some(n), spectra, &mut mirrored_re, &mut mirrored_im);
            }
        }
        let width = R * V::LEN;
        for (quarter, sums) in [re, im, mirrored_re, mirrored_im].iter().enumerate() {
            for (k, sum) in sums.iter().enumerate() {
                // SAFETY: `store` has room for four times 64 numbers, and a tile row has at most 64.
                unsafe { sum.store(store.as_mut_ptr().add(quarter * 64 + k * V::LEN)) };
            }
        }
        let factor = if own_mirror(u, m) { factor } else { 0.5 * factor };
        let (re, im) = (&store[..width], &store[64..64 + width]);
        let (mirrored_re, mirrored_im) = (&store[128..128 + width], &store[192..192 + width]);
        // SAFETY: `out` has a tile row for each row of the range.
        let z = unsafe { std::slice::from_raw_parts_mut(out.add(i * width), width) };
        for j in (0..width).step_by(2) {
            // With A = sum r X and B = sum i X: sum c conj(X) = conj(A) + i conj(B), and sum c X = A + i B.
            z[j] = factor * ((re[j] + im[j + 1]) + (mirrored_re[j] - mirrored_im[j + 1]));
            z[j + 1] = factor * ((im[j] - re[j + 1]) + (mirrored_re[j + 1] + mirrored_im[j]));
        }
    }
}

/// See [`Sums::Scatters`].
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn scatters<V: Lanes, C: Column, const R: usize>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    spectra: *const f32,
    out: *mut f32,
) {
    let n = rows.shape[1];
    let width = R * V::LEN;
    let mut decoded: Decoded = [0.0; size_of::<Decoded>() / 4];
    // c conj(y) = r conj(y) + i (i conj(y)), and its conjugate: the two factors of each.
    let mut factors = [0.0f32; 4 * 64];
    for u in range {
        // SAFETY: there is a tile row of spectra for each row.
        let y = unsafe { std::slice::from_raw_parts(spectra.add(u * width), width) };
        for j in (0..width).step_by(2) {
            let (re, im) = (y[j], y[j + 1]);
            for (quarter, pair) in [(re, -im), (im, re), (re, im), (im, -re)].into_iter().enumerate() {
                (factors[quarter * 64 + j], factors[quarter * 64 + j + 1]) = pair;
            }
        }
        let row = rows.row(u);
        let mut at = row.start;
        while let Some((columns, values)) = rows.piece(&mut at, row.end, &mut decoded) {
            let split = columns.partition_point(|c| c.at() <= n / 2);
            for (part, columns, values) in
                [(0, &columns[..split], &values[..2 * split]), (1, &columns[split..], &values[2 * split..])]
            {
                // SAFETY: `factors` has room for four times 64 numbers, and a tile row has at most 64; `column` and, for
                // those beyond n / 2, `n - column` are at most n / 2, and `out` has n / 2 + 1 tile rows.
                unsafe {
                    let with = |q: usize, k: usize| factors.as_ptr().add(q * 64 + k * V::LEN);
                    let mut by_re = [V::splat(0.0); R];
                    let mut by_im = [V::splat(0.0); R];
                    for k in 0..R {
                        by_re[k] = V::load(with(2 * part, k));
                        by_im[k] = V::load(with(2 * part + 1, k));
                    }
                    for (&column, c) in columns.iter().zip(values.chunks_exact(2)) {
                        let bin = if part == 0 { column.at() } else { n - column.at() };
                        let q = out.add(bin * width);
                        let (r, i) = (V::splat(c[0]), V::splat(c[1]));
                        for k in 0..R {
                            let sum = V::load(q.add(k * V::LEN));
                            sum.add_product(r, by_re[k]).add_product(i, by_im[k]).store(q.add(k * V::LEN));
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_batch() {
        for widest in [8, 16, 32] {
            for batch in 1..200usize {
                let (mut left, mut tiles) = (batch, 0);
                while left > 0 {
                    let width = tile_width(left, widest);
                    assert!(width.is_power_of_two() && (4..=widest).contains(&width));
                    left -= width.min(left);
                    tiles += 1;
                }
                assert!(tiles <= batch.div_ceil(widest) + 3);
            }
        }
    }
}
