//! The gradient in the first columns of a block-circulant matrix: for each frequency a complex matrix product over the vectors.

use fft_core::{DType, Result, Tensor};

use super::{Bases, TASK, blocks, planes_of};
use crate::fourier::Context;
use crate::memory::{SharedMut, elements, elements_mut};

const OP: &str = "block_circulant_gradient";

/// Rows of a bin's matrix that are one task.
const ROWS: usize = 32;

/// See `SpectralBackend::block_circulant_gradient`.
pub(crate) fn gradient(
    context: Context<'_>,
    bases: &Bases,
    x: &Tensor,
    dy: &Tensor,
    block: usize,
) -> Result<Tensor> {
    let side = |t: &Tensor| t.shape().last().copied().unwrap_or(1) / block;
    let (rows, cols) = (side(dy), side(x));
    if x.dtype() != DType::F32 || dy.dtype() != DType::F32 || x.is_empty() || dy.is_empty() {
        return fft_core::compose::block_circulant_gradient(x, dy, block);
    }
    let (x, dy) = (x.contiguous()?, dy.contiguous()?);
    Tensor::build(x.device(), OP, &[rows, cols, block], DType::F32, |mut dst| {
        let xs = &elements::<f32>(OP, &x.view())?[x.layout().offset()..][..x.len()];
        let dys = &elements::<f32>(OP, &dy.view())?[dy.layout().offset()..][..dy.len()];
        let size = rows * cols;
        let (offset, len) = (dst.layout.offset(), size * block);
        let out = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];
        let basis = blocks::by_basis(block).then(|| bases.get(block));
        let basis = basis.as_deref();
        let lengths = [xs.len(), dys.len(), len];
        let mut scratch = context.pool.scratch(lengths.iter().sum::<usize>() * 4)?;
        let (x_planes, rest) = scratch.as_mut::<f32>().split_at_mut(lengths[0]);
        let (g_planes, rest) = rest.split_at_mut(lengths[1]);
        let planes = &mut rest[..len];
        blocks::forward(context, basis, block, xs, x_planes)?;
        blocks::forward(context, basis, block, dys, g_planes)?;
        let job = Job { x: x_planes, g: g_planes, b: block, rows, cols, count: xs.len() / (cols * block) };
        job.multiply(context, planes);
        blocks::inverse(context, basis, block, planes, out)
    })
}

/// The products over `count` vectors of planes `[b, count, cols]` and `[b, count, rows]`, to planes `[b, rows, cols]`.
struct Job<'a> {
    x: &'a [f32],
    g: &'a [f32],
    b: usize,
    rows: usize,
    cols: usize,
    count: usize,
}

impl Job<'_> {
    fn multiply(&self, context: Context<'_>, out: &mut [f32]) {
        let bins = self.b / 2 + 1;
        let work = 4 * self.rows * self.cols * self.count;
        // Rows of a bin are cut where bins alone are too few or too large, small bins are joined.
        let cuts = if work > 4 * TASK { self.rows.div_ceil(ROWS) } else { 1 };
        let joined = (TASK / work.max(1)).max(1);
        let tasks = if cuts > 1 { bins * cuts } else { bins.div_ceil(joined) };
        let out = SharedMut::new(out);
        context.threads.team(tasks, bins * work / 30).run(tasks, |task, _| {
            if cuts > 1 {
                let first = task % cuts * ROWS;
                self.bin(task / cuts, first..self.rows.min(first + ROWS), out);
            } else {
                (task * joined..bins.min((task + 1) * joined))
                    .for_each(|bin| self.bin(bin, 0..self.rows, out));
            }
        });
    }

    /// Rows of one bin: with `[re; im]` stacked, `re = [g_re; g_im]^T [x_re; x_im]` and `im = g_im^T x_re - g_re^T x_im`.
    fn bin(&self, bin: usize, rows: std::ops::Range<usize>, out: SharedMut<'_, f32>) {
        let (first, planes) = planes_of(self.b, bin);
        let plane = |of: usize| {
            let at = (first + of) * self.rows * self.cols + rows.start * self.cols;
            // SAFETY: tasks are different rows of bins.
            unsafe { out.slice(at, rows.len() * self.cols) }
        };
        let g = |of: usize| &self.g[(first + of) * self.count * self.rows..];
        let x = |of: usize| &self.x[(first + of) * self.count * self.cols..];
        let product = |k: usize, g: &[f32], x: &[f32], factor: f32, more: bool, out: &mut [f32]| {
            assert!(
                g.len() >= k * self.rows && x.len() >= k * self.cols && out.len() == rows.len() * self.cols
            );
            // SAFETY: g is [k, rows] and x [k, cols], row-major, of which columns `rows` of g are read; out is [rows, cols].
            unsafe {
                gemm::gemm(
                    rows.len(),
                    self.cols,
                    k,
                    out.as_mut_ptr(),
                    1,
                    self.cols as isize,
                    more,
                    g.as_ptr().add(rows.start),
                    self.rows as isize,
                    1,
                    x.as_ptr(),
                    1,
                    self.cols as isize,
                    if more { 1.0f32 } else { 0.0 },
                    factor,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        };
        product(planes * self.count, g(0), x(0), 1.0, false, plane(0));
        if planes == 2 {
            let im = plane(1);
            product(self.count, g(1), x(0), 1.0, false, im);
            product(self.count, g(0), x(1), -1.0, true, im);
        }
    }
}
