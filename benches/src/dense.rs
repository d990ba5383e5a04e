//! The peer of every compressed matrix: the dense `f32` product by `gemm`, in the layout that suits it best.

use std::time::Duration;

use crate::Contestant;

/// Layouts of weight and vectors that `gemm` may be given: rows or columns of the weight contiguous, vectors contiguous or side by side. A
/// user is free to choose, so the fastest is the one to beat.
pub const LAYOUTS: usize = 4;

/// `y = x W^T` of `batch` vectors in one of the [`LAYOUTS`]; `w` holds `rows x cols` numbers, `x` `batch x cols`, `y` `batch x rows`.
///
/// # Panics
/// When the lengths do not fit.
pub fn product(
    w: &[f32],
    x: &[f32],
    y: &mut [f32],
    [rows, cols]: [usize; 2],
    batch: usize,
    layout: usize,
    threads: usize,
) {
    assert!(w.len() == rows * cols && x.len() == cols * batch && y.len() == rows * batch);
    let (r, c, b) = (rows as isize, cols as isize, batch as isize);
    let (w_row, w_column) = if layout & 1 == 0 { (c, 1) } else { (1, r) };
    let ((x_vector, y_vector), across) = if layout & 2 == 0 { ((c, r), 1) } else { ((1, 1), b) };
    let parallelism = if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
    // SAFETY: the slices have the lengths that the strides reach, checked above.
    unsafe {
        gemm::gemm(
            rows,
            batch,
            cols,
            y.as_mut_ptr(),
            y_vector,
            across,
            false,
            w.as_ptr(),
            w_column,
            w_row,
            x.as_ptr(),
            x_vector,
            across,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Outputs for [`contestants`].
pub fn outputs(rows: usize, batch: usize) -> Vec<Vec<f32>> {
    vec![vec![0.0; rows * batch]; LAYOUTS]
}

/// One contestant a layout.
pub fn contestants<'a>(
    w: &'a [f32],
    x: &'a [f32],
    outputs: &'a mut [Vec<f32>],
    shape: [usize; 2],
    batch: usize,
    threads: usize,
) -> Vec<Contestant<'a>> {
    outputs
        .iter_mut()
        .enumerate()
        .map(|(layout, y)| {
            Contestant::new(format!("gemm, layout {layout}"), move || {
                product(w, x, y, shape, batch, layout, threads);
                y.first().copied()
            })
        })
        .collect()
}

/// The fastest of the [`LAYOUTS`], which come first in `medians`.
pub fn best(medians: &[Duration]) -> Duration {
    medians.iter().take(LAYOUTS).copied().min().unwrap_or_default()
}
