//! The gradient in the coefficients of a sparse spectral matrix: for each the product of two bins, summed over the vectors.

use fft_core::spectral::SparseSpectralMatrix;
use fft_core::{Complex32, DType, Result, Tensor};

use super::sparse::{TASK, side_by_side};
use super::sparse_lanes::Lanes;
use super::sparse_tiles::{self, Sums, tile_width};
use super::sparse_values::{Column, Rows, contiguous};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements_mut};

const OP: &str = "sparse_spectral_gradient";

/// See [`fft_core::compose::sparse_spectral_gradient`].
pub(crate) fn sparse_spectral_gradient(
    context: Context<'_>,
    w: &SparseSpectralMatrix,
    x: &Tensor,
    dy: &Tensor,
) -> Result<Tensor> {
    if w.columns().dtype() == DType::U16 {
        gradient::<u16>(context, w, x, dy)
    } else {
        gradient::<u32>(context, w, x, dy)
    }
}

fn gradient<C: Column + bytemuck::Pod>(
    context: Context<'_>,
    w: &SparseSpectralMatrix,
    x: &Tensor,
    dy: &Tensor,
) -> Result<Tensor> {
    let [m, n] = w.shape();
    let batch = w.expect_gradient(OP, x, dy)?;
    let rows = Rows::<C>::new(OP, w)?;
    let (x, dy) = (x.contiguous()?, dy.contiguous()?);
    let (xs, dys): (&[f32], &[f32]) = (contiguous(OP, &x)?, contiguous(OP, &dy)?);
    Tensor::build(x.device(), OP, &[w.count()], DType::C64, |mut dst| {
        let out = &mut elements_mut::<Complex32>(OP, &mut dst)?[..w.count()];
        out.fill(Complex32::default());
        let widest = sparse_tiles::widest();
        let tile_rows = n / 2 + 1 + m / 2 + 1;
        let scratch = tile_rows * tile_width(batch, widest);
        let mut block = context.pool.scratch(scratch * size_of::<Complex32>())?;
        let spectra = &mut block.as_mut::<Complex32>()[..scratch];
        let factor = (1.0 / (m as f64 * n as f64)) as f32;
        let mut at = 0;
        while at < batch {
            let width = tile_width(batch - at, widest);
            let vectors = width.min(batch - at);
            let (x, g) = spectra[..tile_rows * width].split_at_mut((n / 2 + 1) * width);
            side_by_side(context, n, width, &xs[at * n..][..vectors * n], x)?;
            side_by_side(context, m, width, &dys[at * m..][..vectors * m], g)?;
            let sums = Sums::Gradients { x, g, factor };
            let tasks = (rows.columns.len() * width / (8 * TASK)).clamp(1, 64);
            let team = context.threads.team(tasks, rows.columns.len() * width / 16);
            let shared = SharedMut::new(&mut *out);
            team.run(tasks, |task, _| {
                let range = rows.part(task, tasks);
                let [first, end] = [range.start, range.end].map(|u| rows.offsets[u] as usize);
                // SAFETY: parts are different rows, whose coefficients follow one another.
                let out = unsafe { shared.slice(first, end - first) };
                sparse_tiles::run(&rows, range, width, sums, out);
            });
            at += vectors;
        }
        Ok(())
    })
}

/// See [`Sums::Gradients`].
///
/// # Safety
/// The instructions of `V` are enabled; tile rows are `R` registers, of which `x` has `n / 2 + 1` and `g` `m / 2 + 1`.
#[inline(always)]
pub(super) unsafe fn gradients<V: Lanes, C: Column, const R: usize>(
    rows: &Rows<'_, C>,
    range: std::ops::Range<usize>,
    x: *const f32,
    g: *const f32,
    factor: f32,
    out: &mut [Complex32],
) {
    let n = rows.shape[1];
    let width = R * V::LEN;
    let first = rows.offsets[range.start] as usize;
    // What a bin's parts are multiplied by for the real and for the imaginary part of g x, and of g conj(x) for columns beyond n / 2.
    let mut factors = [0.0f32; 4 * 64];
    for u in range {
        // SAFETY: there is a tile row for each row.
        let g = unsafe { std::slice::from_raw_parts(g.add(u * width), width) };
        for j in (0..width).step_by(2) {
            let (re, im) = (factor * g[j], factor * g[j + 1]);
            for (quarter, pair) in [(re, -im), (im, re), (re, im), (im, -re)].into_iter().enumerate() {
                (factors[quarter * 64 + j], factors[quarter * 64 + j + 1]) = pair;
            }
        }
        let row = rows.row(u);
        let columns = &rows.columns[row.clone()];
        let out = &mut out[row.start - first..row.end - first];
        // Columns ascend, so those to be mirrored are last.
        let split = columns.partition_point(|c| c.at() <= n / 2);
        let (own, mirrored) = out.split_at_mut(split);
        for (part, columns, out) in [(0, &columns[..split], own), (1, &columns[split..], mirrored)] {
            // SAFETY: `factors` has room for four times 64 numbers, and a tile row has at most 64; `column` and, for those beyond
            // n / 2, `n - column` are at most n / 2.
            unsafe {
                let with = |q: usize, k: usize| factors.as_ptr().add(q * 64 + k * V::LEN);
                let (mut for_re, mut for_im) = ([V::splat(0.0); R], [V::splat(0.0); R]);
                for k in 0..R {
                    for_re[k] = V::load(with(2 * part, k));
                    for_im[k] = V::load(with(2 * part + 1, k));
                }
                for (&column, out) in columns.iter().zip(out) {
                    let bin = if part == 0 { column.at() } else { n - column.at() };
                    let x = x.add(bin * width);
                    let (mut re, mut im) = (V::splat(0.0), V::splat(0.0));
                    for k in 0..R {
                        let x = V::load(x.add(k * V::LEN));
                        re = re.add_product(x, for_re[k]);
                        im = im.add_product(x, for_im[k]);
                    }
                    let [re, im] = V::sums(re, im);
                    *out += Complex32::new(re, im);
                }
            }
        }
    }
}
