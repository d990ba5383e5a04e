//! The gradient in the coefficients of a sparse spectral matrix: for each the product of two bins, summed over the vectors.

use fft_core::spectral::SparseSpectralMatrix;
use fft_core::{Complex32, DType, Result, Tensor};

use super::sparse::{TASK, side_by_side};
use super::sparse_lanes::Lanes;
use super::sparse_tiles::{self, Sums, tile_width};
use super::sparse_values::{Column, Rows, contiguous};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements_mut};
use crate::threads::Threads;

const OP: &str = "sparse_spectral_gradient";
/// Tiles of a group with sums of its own, at least, and such groups, at most.
const GROUP: usize = 4;
const GROUPS: usize = 16;

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
        let count = w.count();
        let out = &mut elements_mut::<Complex32>(OP, &mut dst)?[..count];
        out.fill(Complex32::default());
        let widest = sparse_tiles::widest();
        let tiles = batch.div_ceil(widest);
        // Groups of tiles with sums of their own, which take at most an eighth of the operands' memory.
        let groups = (tiles / GROUP).clamp(1, GROUPS).min(batch * (m + n) / (16 * count.max(1))).max(1);
        if groups == 1 || count == 0 {
            return Job { context, rows }.add(xs, dys, out);
        }
        let alone = Threads::alone();
        let job = Job { context: Context { threads: &alone, ..context }, rows };
        let mut block = context.pool.scratch((groups - 1) * count * size_of::<Complex32>())?;
        let others = &mut block.as_mut::<Complex32>()[..(groups - 1) * count];
        others.fill(Complex32::default());
        let (first, rest) = (SharedMut::new(&mut *out), SharedMut::new(&mut *others));
        let work = batch * (m + n + count / 16);
        context.threads.team(groups, work).try_run(groups, |group, _| {
            let [from, to] = [group, group + 1].map(|g| (g * tiles / groups * widest).min(batch));
            // SAFETY: groups have sums of their own.
            let sums = unsafe {
                match group {
                    0 => first.slice(0, count),
                    group => rest.slice((group - 1) * count, count),
                }
            };
            job.add(&xs[from * n..to * n], &dys[from * m..to * m], sums)
        })?;
        for other in others.chunks_exact(count) {
            out.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        Ok(())
    })
}

/// A gradient whose operands are checked.
struct Job<'a, C> {
    context: Context<'a>,
    rows: Rows<'a, C>,
}

impl<C: Column> Job<'_, C> {
    /// Adds the sums over some vectors, tile by tile.
    fn add(&self, xs: &[f32], dys: &[f32], out: &mut [Complex32]) -> Result<()> {
        let Self { context, rows } = *self;
        let [m, n] = rows.shape;
        let batch = xs.len() / n;
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
    }
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
