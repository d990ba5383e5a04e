//! The product with a sparse spectral matrix: transforms on scratch, and each coefficient times each vector.
//!
//! Work is cut into parts by the matrix and the batch alone, and each sum is formed by one task in one order, or in parts that are
//! added in one order: results are the same bits for any number of threads.

use fft_core::spectral::SparseSpectralMatrix;
use fft_core::{Complex32, DType, Result, Tensor};

use super::sparse_rows::{RowProducts, RowScatters, own_mirror};
use super::sparse_tiles::{self, Sums, tile_width};
use super::sparse_values::{Column, Rows, contiguous};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements_mut};
use crate::simd::dispatch;
use crate::threads::Threads;

const OP: &str = "sparse_spectral_product";
/// Coefficients of a task, and of a part with sums of its own.
pub(super) const TASK: usize = 1 << 13;
/// Vectors that are transformed by one task: a cache line of the tile.
const GROUP: usize = 8;
/// Parts with sums of their own, at most.
const PARTS: usize = 4;

/// `x W^T`, or with `transpose` `x W`; see [`fft_core::compose::sparse_spectral_product`].
pub(crate) fn sparse_spectral_product(
    context: Context<'_>,
    w: &SparseSpectralMatrix,
    x: &Tensor,
    transpose: bool,
) -> Result<Tensor> {
    if w.columns().dtype() == DType::U16 {
        product::<u16>(context, w, x, transpose)
    } else {
        product::<u32>(context, w, x, transpose)
    }
}

fn product<C: Column + bytemuck::Pod>(
    context: Context<'_>,
    w: &SparseSpectralMatrix,
    x: &Tensor,
    transpose: bool,
) -> Result<Tensor> {
    let [m, n] = w.shape();
    let (from, to) = if transpose { (m, n) } else { (n, m) };
    let batch = w.expect_operand(OP, x, transpose)?;
    let rows = Rows::<C>::new(OP, w)?;
    let x = x.contiguous()?;
    let input: &[f32] = contiguous(OP, &x)?;
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = to;
    }
    Tensor::build(x.device(), OP, &shape, DType::F32, |mut dst| {
        let output = &mut elements_mut::<f32>(OP, &mut dst)?[..batch * to];
        let job = Job { context, rows, from, to, transpose };
        let widest = sparse_tiles::widest();
        // As many whole tiles as threads can share evenly; threads share each of the others.
        let whole = batch / widest;
        let mut at = (whole - whole % context.threads.count()) * widest;
        job.tiles(widest, &input[..at * from], &mut output[..at * to])?;
        while at < batch {
            let left = batch - at;
            // One or two vectors leave most of a register empty.
            let width = if left <= 2 { 1 } else { tile_width(left, widest) };
            let vectors = width.min(left);
            let input = &input[at * from..(at + vectors) * from];
            let output = &mut output[at * to..(at + vectors) * to];
            if width == 1 {
                job.single(input, output)?
            } else {
                job.tile(width, input, output)?
            }
            at += vectors;
        }
        Ok(())
    })
}

/// A product whose operands are checked.
struct Job<'a, C> {
    context: Context<'a>,
    rows: Rows<'a, C>,
    from: usize,
    to: usize,
    transpose: bool,
}

impl<C: Column> Job<'_, C> {
    /// `1 / (m n)`: of the inverse transform and of the definition of coefficients.
    fn factor(&self) -> f32 {
        (1.0 / (self.from as f64 * self.to as f64)) as f32
    }

    /// Parts with sums of their own.
    fn parts(&self) -> usize {
        (self.rows.columns.len() / TASK).clamp(1, PARTS)
    }

    /// One vector.
    fn single(&self, input: &[f32], output: &mut [f32]) -> Result<()> {
        let Context { threads, pool, plans } = self.context;
        let (forward, inverse) = (plans.forward::<f32>(self.from), plans.inverse::<f32>(self.to));
        let (bins_in, bins_out) = (self.from / 2 + 1, self.to / 2 + 1);
        let work = forward.get_scratch_len().max(inverse.get_scratch_len());
        let parts = if self.transpose { self.parts() } else { 0 };
        let lengths =
            [self.from.div_ceil(2), self.from.max(bins_in), bins_out, work, parts * self.to].map(padded);
        let mut block = pool.scratch(lengths.iter().sum::<usize>() * size_of::<Complex32>())?;
        let mut rest = block.as_mut::<Complex32>();
        let [real, spectrum, z, work, sums] = lengths.map(|len| {
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            part
        });
        let (from, transpose) = (self.from, self.transpose);
        let forward_work = &mut work[..forward.get_scratch_len()];
        let transformed = move || -> &[Complex32] {
            let spectrum = spectrum; // moved in, to lend it beyond the call
            let real: &mut [f32] = &mut bytemuck::cast_slice_mut(real)[..from];
            real.copy_from_slice(input);
            forward
                .process_with_scratch(real, &mut spectrum[..bins_in], forward_work)
                .expect("the slices have the lengths of the plan");
            if transpose {
                return &spectrum[..bins_in];
            }
            for k in bins_in..from {
                spectrum[k] = spectrum[from - k].conj();
            }
            &spectrum[..from]
        };
        let z = &mut z[..bins_out];
        if transpose {
            self.scatter_single(transformed, sums, z);
        } else {
            let tasks = self.rows.columns.len().div_ceil(TASK).clamp(1, 64);
            let team = threads.team(tasks, self.rows.columns.len() / 4);
            let out = SharedMut::new(z);
            team.run_after(tasks, transformed, |spectrum, task, _| {
                let range = self.rows.part(task, tasks);
                // SAFETY: parts are different rows.
                let out = unsafe { out.slice(range.start, range.len()) };
                dispatch(RowProducts { rows: self.rows, range, spectrum, factor: self.factor(), out });
            });
        }
        self.finish(&*inverse, z, output, work);
        Ok(())
    }

    /// `z` of one vector for the transposed product.
    fn scatter_single<'s>(
        &self,
        transformed: impl FnOnce() -> &'s [Complex32] + Send,
        sums: &mut [Complex32],
        z: &mut [Complex32],
    ) {
        let (n, parts) = (self.to, self.parts());
        let pitch = sums.len() / parts;
        let team = self.context.threads.team(parts, self.rows.columns.len() / 2);
        let shared = SharedMut::new(&mut *sums);
        team.run_after(parts, transformed, |spectrum, part, _| {
            // SAFETY: parts have sums of their own.
            let out = unsafe { shared.slice(part * pitch, n) };
            out.fill(Complex32::default());
            dispatch(RowScatters { rows: self.rows, range: self.rows.part(part, parts), spectrum, out });
        });
        let (first, others) = sums.split_at_mut(pitch);
        for other in others.chunks_exact(pitch) {
            for (sum, other) in first[..n].iter_mut().zip(other) {
                *sum += other;
            }
        }
        // The real part of the inverse transform is the transform of the Hermitian part.
        let factor = 0.5 * self.factor();
        for (v, z) in z.iter_mut().enumerate() {
            *z = (first[v] + first[(n - v) % n].conj()) * factor;
        }
    }

    /// The real inverse transform; what makes bins not Hermitian is dropped.
    fn finish(
        &self,
        inverse: &dyn realfft::ComplexToReal<f32>,
        z: &mut [Complex32],
        output: &mut [f32],
        work: &mut [Complex32],
    ) {
        z[0].im = 0.0;
        if self.to.is_multiple_of(2) {
            z[self.to / 2].im = 0.0;
        }
        inverse
            .process_with_scratch(z, output, &mut work[..inverse.get_scratch_len()])
            .expect("the slices have the lengths of the plan, and the outer bins are real");
    }

    /// Whole tiles, each by one thread.
    fn tiles(&self, width: usize, input: &[f32], output: &mut [f32]) -> Result<()> {
        let (from, to) = (width * self.from, width * self.to);
        let tiles = input.len() / from;
        let work = tiles * (from + to + self.rows.columns.len() * width / 16);
        let alone = Threads::alone();
        let job = Job { context: Context { threads: &alone, ..self.context }, ..*self };
        let out = SharedMut::new(output);
        self.context.threads.team(tiles, work).try_run(tiles, |tile, _| {
            // SAFETY: tiles are different vectors.
            let output = unsafe { out.slice(tile * to, to) };
            job.tile(width, &input[tile * from..][..from], output)
        })
    }

    /// Up to `width` vectors side by side; the rest of the tile is zero.
    fn tile(&self, width: usize, input: &[f32], output: &mut [f32]) -> Result<()> {
        let Context { threads, pool, .. } = self.context;
        let (bins_in, bins_out) = (self.from / 2 + 1, self.to / 2 + 1);
        let parts = if self.transpose { self.parts() } else { 1 };
        let lengths = [bins_in * width, parts * bins_out * width];
        let mut block = pool.scratch(lengths.iter().sum::<usize>() * size_of::<Complex32>())?;
        let (spectra, sums) = block.as_mut::<Complex32>().split_at_mut(lengths[0]);
        let sums = &mut sums[..lengths[1]];
        side_by_side(self.context, self.from, width, input, spectra)?;
        let spectra = &*spectra;
        let work = self.rows.columns.len() * width / 16;
        let shared = SharedMut::new(&mut *sums);
        if self.transpose {
            threads.team(parts, work).run(parts, |part, _| {
                // SAFETY: parts have sums of their own.
                let out = unsafe { shared.slice(part * bins_out * width, bins_out * width) };
                out.fill(Complex32::default());
                let range = self.rows.part(part, parts);
                sparse_tiles::run(&self.rows, range, width, Sums::Scatters { spectra }, out);
            });
            let (first, others) = sums.split_at_mut(bins_out * width);
            for other in others.chunks_exact(bins_out * width) {
                for (sum, other) in first.iter_mut().zip(other) {
                    *sum += other;
                }
            }
            for (v, line) in first.chunks_exact_mut(width).enumerate() {
                let factor = if own_mirror(v, self.to) { self.factor() } else { 0.5 * self.factor() };
                line.iter_mut().for_each(|z| *z *= factor);
            }
        } else {
            let tasks = (self.rows.columns.len() * width / (8 * TASK)).clamp(1, 64);
            threads.team(tasks, work).run(tasks, |task, _| {
                let range = self.rows.part(task, tasks);
                // SAFETY: parts are different rows.
                let out = unsafe { shared.slice(range.start * width, range.len() * width) };
                let sums = Sums::Products { spectra, factor: self.factor() };
                sparse_tiles::run(&self.rows, range, width, sums, out);
            });
        }
        self.reals(width, &sums[..bins_out * width], output)
    }

    /// Transforms the sums of a tile back, each vector to its place.
    fn reals(&self, width: usize, sums: &[Complex32], output: &mut [f32]) -> Result<()> {
        let (n, bins) = (self.to, self.to / 2 + 1);
        let plan = self.context.plans.inverse::<f32>(n);
        let group = GROUP.min(width);
        let (line, work) = (padded(bins), plan.get_scratch_len());
        let pitch = padded(group * line + work);
        let vectors = output.len() / n;
        let tasks = vectors.div_ceil(group);
        let team = self.context.threads.team(tasks, output.len());
        let mut block = self.context.pool.scratch(team.workers() * pitch * size_of::<Complex32>())?;
        let scratch = SharedMut::new(block.as_mut::<Complex32>());
        let out = SharedMut::new(output);
        team.run(tasks, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { scratch.slice(worker * pitch, pitch) };
            let (lines, scratch) = scratch.split_at_mut(group * line);
            for (k, row) in sums.chunks_exact(width).enumerate() {
                for (line, z) in lines.chunks_exact_mut(line).zip(&row[task * group..]) {
                    line[k] = *z;
                }
            }
            for (i, z) in lines.chunks_exact_mut(line).enumerate().take(vectors - task * group) {
                // SAFETY: vectors are different parts of the output.
                let real = unsafe { out.slice((task * group + i) * n, n) };
                self.finish(&*plan, &mut z[..bins], real, scratch);
            }
        });
        Ok(())
    }
}

/// Transforms up to `width` vectors of `n` numbers and lays their bins `0..=n / 2` side by side; the rest of the tile is zero.
pub(super) fn side_by_side(
    context: Context<'_>,
    n: usize,
    width: usize,
    input: &[f32],
    spectra: &mut [Complex32],
) -> Result<()> {
    let bins = n / 2 + 1;
    let plan = context.plans.forward::<f32>(n);
    let group = GROUP.min(width);
    let (real, line, work) = (padded(n.div_ceil(2)), padded(bins), plan.get_scratch_len());
    let pitch = padded(real + group * line + work);
    let tasks = width / group;
    let team = context.threads.team(tasks, input.len());
    let mut block = context.pool.scratch(team.workers() * pitch * size_of::<Complex32>())?;
    let scratch = SharedMut::new(block.as_mut::<Complex32>());
    let out = SharedMut::new(spectra);
    team.run(tasks, |task, worker| {
        // SAFETY: a worker runs one task at a time, and each has its own part.
        let scratch = unsafe { scratch.slice(worker * pitch, pitch) };
        let (real, scratch) = scratch.split_at_mut(real);
        let real: &mut [f32] = &mut bytemuck::cast_slice_mut(real)[..n];
        let (lines, scratch) = scratch.split_at_mut(group * line);
        for (i, spectrum) in lines.chunks_exact_mut(line).enumerate() {
            match input.get((task * group + i) * n..(task * group + i + 1) * n) {
                Some(x) => {
                    real.copy_from_slice(x);
                    plan.process_with_scratch(real, &mut spectrum[..bins], &mut scratch[..work])
                        .expect("the slices have the lengths of the plan");
                }
                None => spectrum[..bins].fill(Complex32::default()),
            }
        }
        for k in 0..bins {
            // SAFETY: groups are different columns of the tile.
            let row = unsafe { out.slice(k * width + task * group, group) };
            for (slot, line) in row.iter_mut().zip(lines.chunks_exact(line)) {
                *slot = line[k];
            }
        }
    });
    Ok(())
}

/// A length in complex numbers that keeps what follows at a cache line of its own, and off the distance of a power of two.
fn padded(n: usize) -> usize {
    n.next_multiple_of(8) + 8
}
