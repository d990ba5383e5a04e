//! Products with matrices whose whole spectrum is in log8.
//!
//! One vector or a few: transform, multiply by the codes as they are decoded in registers, transform back. Many: rows are decoded to scratch,
//! a block at a time, and multiplied by `gemm`, since a decoded block then serves all vectors.
//!
//! Work is cut into tasks by sizes alone, and each sum is formed by one task: results are the same bits for any number of threads.

use fft_core::spectral::LogSpectrumMatrix;
use fft_core::{Complex32, DType, Result, Tensor, compose};
use realfft::ComplexToReal;

use super::log_spectrum_rows::{Products, Rows, SLACK};
use super::sparse_values::contiguous;
use crate::fourier::Context;
use crate::memory::{SharedMut, elements_mut};
use crate::simd::dispatch;

const OP: &str = "log_spectrum_product";
/// From this many vectors on, rows are decoded to scratch.
const DECODE_FROM: usize = 16;
/// Codes of a task of the product in registers.
const TASK: usize = 1 << 14;
/// Numbers of a decoded block: it stays in the second-level cache.
const BLOCK: usize = 1 << 16;

/// See `SpectralBackend::log_spectrum_product`.
pub(crate) fn product(context: Context<'_>, w: &LogSpectrumMatrix, x: &Tensor) -> Result<Tensor> {
    let [m, n] = w.shape();
    if x.dtype() != DType::F32 || x.shape().last() != Some(&n) {
        return compose::log_spectrum_product(w, x);
    }
    let (codes, ranges, x) = (w.codes().contiguous()?, w.ranges().contiguous()?, x.contiguous()?);
    let mut shape = fft_core::Dims::from_slice(x.shape());
    if let Some(last) = shape.last_mut() {
        *last = m;
    }
    Tensor::build(x.device(), OP, &shape, DType::F32, |mut dst| {
        let xs = contiguous::<f32>(OP, &x)?;
        let (offset, len) = (dst.layout.offset(), dst.layout.len());
        let out = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];
        let group = w.options().group;
        let rows = Rows { codes: contiguous(OP, &codes)?, ranges: contiguous(OP, &ranges)?, cols: n, group };
        let job = Job { context, rows, m, n };
        if xs.len() / n >= DECODE_FROM {
            return job.many(xs, out);
        }
        let (mut xs, mut out) = (xs, out);
        while !xs.is_empty() {
            let count = match xs.len() / n {
                4.. => 4,
                2 | 3 => 2,
                _ => 1,
            };
            let (input, output);
            (input, xs) = xs.split_at(count * n);
            (output, out) = out.split_at_mut(count * m);
            match count {
                4 => job.few::<4>(input, output)?,
                2 => job.few::<2>(input, output)?,
                _ => job.few::<1>(input, output)?,
            }
        }
        Ok(())
    })
}

/// A product whose operands are checked.
struct Job<'a> {
    context: Context<'a>,
    rows: Rows<'a>,
    /// Rows of the matrix.
    m: usize,
    /// Columns of the matrix.
    n: usize,
}

impl Job<'_> {
    /// `K` vectors, straight from the codes.
    fn few<const K: usize>(&self, xs: &[f32], out: &mut [f32]) -> Result<()> {
        let Self { context: Context { threads, pool, plans }, rows, m, n } = *self;
        let (forward, inverse) = (plans.forward::<f32>(n), plans.inverse::<f32>(m));
        let (bins, planes) = (n / 2 + 1, m / 2 + 1);
        let pitch = (n + SLACK).next_multiple_of(16);
        let work = forward.get_scratch_len().max(inverse.get_scratch_len());
        // A copy of the input, its bins, parts of all bins of each vector, sums of each row, a line of them, and what plans want.
        let lengths = [n.div_ceil(2), bins, K * pitch, K * planes, planes, work].map(aligned);
        let mut block = pool.scratch(lengths.iter().sum::<usize>() * size_of::<Complex32>())?;
        let mut rest = block.as_mut::<Complex32>();
        let [real, spectrum, parts, sums, line, work] = lengths.map(|len| {
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            part
        });
        let real: &mut [f32] = &mut bytemuck::cast_slice_mut(real)[..n];
        let parts: &mut [f32] = bytemuck::cast_slice_mut(parts);
        let spectrum = &mut spectrum[..bins];
        for (x, parts) in xs.chunks_exact(n).zip(parts.chunks_exact_mut(2 * pitch)) {
            real.copy_from_slice(x);
            forward
                .process_with_scratch(real, spectrum, &mut work[..forward.get_scratch_len()])
                .expect("the slices have the lengths of the plan");
            let (re, im) = parts.split_at_mut(pitch);
            unfold(spectrum, (1.0 / n as f64) as f32, &mut re[..n], &mut im[..n]);
            re[n..].fill(0.0);
            im[n..].fill(0.0);
        }
        let tasks = (2 * planes * n).div_ceil(TASK).min(planes);
        // About 0.1 ns a code, and some more for each vector.
        let team = threads.team(tasks, planes * n * (K + 3) / 20);
        let (shared, parts) = (SharedMut::new(&mut sums[..K * planes]), &*parts);
        team.run(tasks, |task, _| {
            let range = planes * task / tasks..planes * (task + 1) / tasks;
            // SAFETY: a task's rows are its own.
            let out = unsafe { shared.slice(K * range.start, K * range.len()) };
            dispatch(Products::<K> { rows, range, planes: parts, pitch, out });
        });
        let line = &mut line[..planes];
        for (k, out) in out.chunks_exact_mut(m).enumerate() {
            for (z, sums) in line.iter_mut().zip(sums.chunks_exact(K)) {
                *z = sums[k];
            }
            self.finish(&*inverse, line, out, work);
        }
        Ok(())
    }

    /// All vectors at once, from decoded blocks of rows.
    fn many(&self, xs: &[f32], out: &mut [f32]) -> Result<()> {
        let Self { context: Context { threads, pool, plans }, rows, m, n } = *self;
        let count = xs.len() / n;
        let (forward, inverse) = (plans.forward::<f32>(n), plans.inverse::<f32>(m));
        let (bins, planes) = (n / 2 + 1, m / 2 + 1);
        let mut spectra = pool.scratch(count * bins * size_of::<Complex32>())?;
        let spectra = &mut spectra.as_mut::<Complex32>()[..count * bins];
        let mut sums = pool.scratch(count * planes * size_of::<Complex32>())?;
        let sums = &mut sums.as_mut::<Complex32>()[..count * planes];

        // A vector's transform costs about n log n / 4 ns.
        let cost = |n: usize| count * n * (n.ilog2() as usize + 1) / 4;
        let team = threads.team(count, cost(n));
        let (real, work) = (aligned(n.div_ceil(2)), forward.get_scratch_len());
        let pitch = aligned(real + work);
        let mut scratch = pool.scratch(team.workers() * pitch * size_of::<Complex32>())?;
        let (spare, shared) = (SharedMut::new(scratch.as_mut::<Complex32>()), SharedMut::new(&mut *spectra));
        team.run(count, |i, worker| {
            // SAFETY: a vector's place is its task's own, and so is a worker's scratch while it runs.
            let (to, spare) = unsafe { (shared.slice(i * bins, bins), spare.slice(worker * pitch, pitch)) };
            let (x, spare) = spare.split_at_mut(real);
            let x: &mut [f32] = &mut bytemuck::cast_slice_mut(x)[..n];
            x.copy_from_slice(&xs[i * n..][..n]);
            forward
                .process_with_scratch(x, to, &mut spare[..work])
                .expect("the slices have the lengths of the plan");
            let factor = (1.0 / n as f64) as f32;
            to.iter_mut().for_each(|z| *z *= factor);
        });
        drop(scratch);

        let width = 2 * bins;
        let height = (BLOCK / (2 * width)).clamp(1, planes);
        let tasks = planes.div_ceil(height);
        // About 0.03 ns a product.
        let team = threads.team(tasks, count * planes * width / 16);
        let pitch = 2 * n + 2 * height * width;
        let mut scratch = pool.scratch(team.workers() * pitch * size_of::<f32>())?;
        let (spare, shared) = (SharedMut::new(scratch.as_mut::<f32>()), SharedMut::new(&mut *sums));
        let spectra: &[f32] = bytemuck::cast_slice(spectra);
        team.run(tasks, |task, worker| {
            let range = task * height..((task + 1) * height).min(planes);
            // SAFETY: a worker's scratch is its own while it runs a task.
            let spare = unsafe { spare.slice(worker * pitch, pitch) };
            let (line, block) = spare.split_at_mut(2 * n);
            for (u, pair) in range.clone().zip(block.chunks_exact_mut(2 * width)) {
                let (re, im) = pair.split_at_mut(width);
                rows.fold(u, [re, im], line);
            }
            // SAFETY: the columns of a task's rows are its own; as real numbers `sums` is [count, 2 planes], `spectra` [count, width]
            // and `block` [2 range.len(), width], all row-major.
            unsafe {
                gemm::gemm(
                    count,
                    2 * range.len(),
                    width,
                    shared.as_ptr().cast::<f32>().add(2 * range.start),
                    1,
                    2 * planes as isize,
                    false,
                    spectra.as_ptr(),
                    1,
                    width as isize,
                    block.as_ptr(),
                    width as isize,
                    1,
                    0.0f32,
                    1.0f32,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });
        drop(scratch);

        let team = threads.team(count, cost(m));
        let work = aligned(inverse.get_scratch_len());
        let mut scratch = pool.scratch(team.workers() * work * size_of::<Complex32>())?;
        let spare = SharedMut::new(scratch.as_mut::<Complex32>());
        let (from, to) = (SharedMut::new(sums), SharedMut::new(out));
        team.run(count, |i, worker| {
            // SAFETY: as for the first transform.
            let (z, to, spare) = unsafe {
                (from.slice(i * planes, planes), to.slice(i * m, m), spare.slice(worker * work, work))
            };
            self.finish(&*inverse, z, to, spare);
        });
        Ok(())
    }

    /// The real inverse transform of the sums of one vector; what makes bins not Hermitian is dropped.
    fn finish(
        &self,
        inverse: &dyn ComplexToReal<f32>,
        z: &mut [Complex32],
        out: &mut [f32],
        work: &mut [Complex32],
    ) {
        let m = self.m;
        let factor = (1.0 / m as f64) as f32;
        // The transform counts rows twice that are not their own mirrors.
        z.iter_mut().for_each(|z| *z *= 0.5 * factor);
        for u in [Some(0), m.is_multiple_of(2).then_some(m / 2)].into_iter().flatten() {
            z[u] = Complex32::new(2.0 * z[u].re, 0.0);
        }
        inverse
            .process_with_scratch(z, out, &mut work[..inverse.get_scratch_len()])
            .expect("the slices have the lengths of the plan, and the outer bins are real");
    }
}

/// The parts of all `n` bins of a real vector's spectrum, each times `factor`, from its bins `0..=n / 2`.
fn unfold(spectrum: &[Complex32], factor: f32, re: &mut [f32], im: &mut [f32]) {
    let n = re.len();
    for ((z, re), im) in spectrum.iter().zip(&mut *re).zip(&mut *im) {
        (*re, *im) = (z.re * factor, z.im * factor);
    }
    // Bin n - v is the conjugate of bin v.
    let bins = spectrum.len();
    let mirrored = spectrum[1..].iter().take(n - bins);
    for ((z, re), im) in mirrored.zip(re[bins..].iter_mut().rev()).zip(im[bins..].iter_mut().rev()) {
        (*re, *im) = (z.re * factor, -(z.im * factor));
    }
}

/// A length in complex numbers that keeps what follows on a cache line of its own.
fn aligned(n: usize) -> usize {
    n.next_multiple_of(8)
}
