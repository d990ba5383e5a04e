//! Products with block-circulant matrices.
//!
//! All blocks of all vectors go to the frequency domain, as planes of real and imaginary parts; there each frequency is a complex
//! matrix product, by `gemm` for several vectors and by own kernels for few; all blocks go back.

mod basis;
mod bins;
mod blocks;
mod gradient;

pub(crate) use basis::Bases;
pub(crate) use gradient::gradient;

use fft_core::spectral::BlockCirculantMatrix;
use fft_core::{DType, Error, Result, Tensor};

use self::bins::{Matrix, Product};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::dispatch;

const OP: &str = "block_circulant_product";

/// From this many vectors on, a frequency's product is one of `gemm`, which packs the matrix first.
const GEMM_FROM: usize = 4;
/// The smallest matrix worth calling `gemm` for.
const GEMM_ELEMENTS: usize = 256;
/// Multiplications of a task.
const TASK: usize = 1 << 16;

/// See `SpectralBackend::block_circulant_product`.
pub(crate) fn product(
    context: Context<'_>,
    bases: &Bases,
    w: &BlockCirculantMatrix,
    x: &Tensor,
    transpose: bool,
) -> Result<Tensor> {
    let [rows, cols] = w.shape();
    let (from, to) = if transpose { (rows, cols) } else { (cols, rows) };
    let mut shape = fft_core::Dims::from_slice(x.shape());
    if let Some(last) = shape.last_mut() {
        *last = to;
    }
    let x = x.contiguous()?;
    Tensor::build(x.device(), OP, &shape, DType::F32, |mut dst| {
        let xs = &elements::<f32>(OP, &x.view())?[x.layout().offset()..][..x.len()];
        let spectrum = w.spectrum();
        let planes = &elements::<f32>(OP, &spectrum.view())?[spectrum.layout().offset()..][..spectrum.len()];
        let (offset, len) = (dst.layout.offset(), dst.layout.len());
        let out = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];

        let b = w.block();
        let job = Job { planes, b, rows: rows / b, cols: cols / b, count: xs.len() / from, transpose };
        let basis = blocks::by_basis(b).then(|| bases.get(b));
        let basis = basis.as_deref();
        let mut scratch = context.pool.scratch((xs.len() + out.len()) * 4)?;
        let (x_planes, y_planes) = scratch.as_mut::<f32>()[..xs.len() + out.len()].split_at_mut(xs.len());
        blocks::forward(context, basis, b, xs, x_planes)?;
        job.multiply(context, x_planes, y_planes)?;
        blocks::inverse(context, basis, b, y_planes, out)
    })
}

/// See `SpectralBackend::block_circulant_spectrum`.
pub(crate) fn spectrum(context: Context<'_>, bases: &Bases, columns: &Tensor) -> Result<Tensor> {
    const OP: &str = "block_circulant_spectrum";
    let &[rows, cols, b] = columns.shape() else {
        return Err(Error::shapes(OP, columns.shape(), &[], "needed is [out / b, in / b, b]"));
    };
    let columns = columns.contiguous()?;
    Tensor::build(columns.device(), OP, &[b, rows, cols], DType::F32, |mut dst| {
        let from = &elements::<f32>(OP, &columns.view())?[columns.layout().offset()..][..columns.len()];
        let (offset, len) = (dst.layout.offset(), dst.layout.len());
        let planes = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];
        let basis = blocks::by_basis(b).then(|| bases.get(b));
        blocks::forward(context, basis.as_deref(), b, from, planes)
    })
}

/// The planes of a bin of blocks of `b`: the first, and how many there are.
fn planes_of(b: usize, bin: usize) -> (usize, usize) {
    match bin {
        0 => (0, 1),
        bin if 2 * bin == b => (b - 1, 1),
        bin => (2 * bin - 1, 2),
    }
}

/// The product in the frequency domain, from planes `[b, count, blocks]` to planes `[b, count, blocks]`.
struct Job<'a> {
    /// `[b, rows, cols]`.
    planes: &'a [f32],
    b: usize,
    /// Blocks down.
    rows: usize,
    /// Blocks across.
    cols: usize,
    /// Vectors.
    count: usize,
    transpose: bool,
}

impl Job<'_> {
    fn multiply(&self, context: Context<'_>, x: &[f32], y: &mut [f32]) -> Result<()> {
        let size = self.rows * self.cols;
        let bins = self.b / 2 + 1;
        let by_gemm = self.count >= GEMM_FROM && size >= GEMM_ELEMENTS;
        let work = 4 * size * self.count;
        let per_task = (TASK / work).max(1);
        let tasks = bins.div_ceil(per_task);
        // About 0.03 ns a multiplication.
        let team = context.threads.team(tasks, bins * work / 30);
        let wide = 2 * x.len() / self.b;
        let mut scratch = context.pool.scratch(if by_gemm { team.workers() * wide * 4 } else { 0 })?;
        let (spare, y) = (SharedMut::new(scratch.as_mut::<f32>()), SharedMut::new(y));
        team.run(tasks, |task, worker| {
            for bin in task * per_task..((task + 1) * per_task).min(bins) {
                if by_gemm {
                    // SAFETY: a worker's scratch is its own while it runs a task.
                    let turned = unsafe { spare.slice(worker * wide, wide) };
                    self.bin_by_gemm(bin, x, y, turned);
                } else {
                    self.bin(bin, x, y);
                }
            }
        });
        Ok(())
    }

    /// One bin, vector by vector.
    fn bin(&self, bin: usize, x: &[f32], y: SharedMut<'_, f32>) {
        let size = self.rows * self.cols;
        let (from, to) = if self.transpose { (self.rows, self.cols) } else { (self.cols, self.rows) };
        let (first, planes) = planes_of(self.b, bin);
        let re = &self.planes[first * size..][..size];
        let im = (planes == 2).then(|| &self.planes[(first + 1) * size..][..size]);
        for vector in 0..self.count {
            let x_of = |plane: usize| &x[(plane * self.count + vector) * from..][..from];
            // SAFETY: the planes of a bin are its task's own.
            let y_of = |plane: usize| unsafe { y.slice((plane * self.count + vector) * to, to) };
            let product = Product {
                matrix: Matrix { re, im, cols: self.cols },
                transpose: self.transpose,
                x: [x_of(first), if planes == 2 { x_of(first + 1) } else { &[] }],
                y: [y_of(first), if planes == 2 { y_of(first + 1) } else { &mut [] }],
            };
            dispatch(product);
        }
    }

    /// One bin, all vectors: with `[x_re; x_im]` stacked, `y = [x_re; x_im] re^T + [-x_im; x_re] im^T`.
    fn bin_by_gemm(&self, bin: usize, x: &[f32], y: SharedMut<'_, f32>, turned: &mut [f32]) {
        let size = self.rows * self.cols;
        let (from, to) = if self.transpose { (self.rows, self.cols) } else { (self.cols, self.rows) };
        let (first, planes) = planes_of(self.b, bin);
        let half = self.count * from;
        let x = &x[first * half..][..planes * half];
        // SAFETY: the planes of a bin are its task's own.
        let y = unsafe { y.slice(first * self.count * to, planes * self.count * to) };
        let stacked = planes * self.count;
        // The right operand [from, to] is the matrix transposed, or as it is.
        let (cs, rs) = if self.transpose { (1, self.cols as isize) } else { (self.cols as isize, 1) };
        let mut add = |x: &[f32], matrix: &[f32], more: bool| {
            assert!(x.len() == stacked * from && matrix.len() == size && y.len() == stacked * to);
            // SAFETY: x is [stacked, from] and y [stacked, to], row-major; the matrix has rows * cols elements.
            unsafe {
                gemm::gemm(
                    stacked,
                    to,
                    from,
                    y.as_mut_ptr(),
                    1,
                    to as isize,
                    more,
                    x.as_ptr(),
                    1,
                    from as isize,
                    matrix.as_ptr(),
                    cs,
                    rs,
                    if more { 1.0f32 } else { 0.0 },
                    1.0f32,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        };
        add(x, &self.planes[first * size..][..size], false);
        if planes == 2 {
            let (x_re, x_im) = x.split_at(half);
            let turned = &mut turned[..2 * half];
            let (top, bottom) = turned.split_at_mut(half);
            // i x, or -i x for the conjugate matrix.
            let sign = if self.transpose { -1.0 } else { 1.0 };
            for (out, x) in top.iter_mut().zip(x_im) {
                *out = -sign * x;
            }
            for (out, x) in bottom.iter_mut().zip(x_re) {
                *out = sign * x;
            }
            add(turned, &self.planes[(first + 1) * size..][..size], true);
        }
    }
}
