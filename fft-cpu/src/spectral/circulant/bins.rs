//! The product of a frequency's complex matrix with few vectors, on real and imaginary planes.

use crate::simd::{Kernel, Level, fma};

/// Elements summed side by side.
const LANES: usize = 16;
/// Rows that share what is loaded of the vector.
const ROWS: usize = 4;

/// A complex matrix `[rows, cols]`, row-major; without imaginary part where the frequency is its own mirror image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) re: &'a [f32],
    pub(super) im: Option<&'a [f32]>,
    pub(super) cols: usize,
}

/// `y = A x`, or `y = A^H x` when `transpose` is set, for one vector.
pub(super) struct Product<'a, 'b> {
    pub(super) matrix: Matrix<'a>,
    pub(super) transpose: bool,
    pub(super) x: [&'a [f32]; 2],
    /// Real and imaginary part; the imaginary one is empty where the matrix has none.
    pub(super) y: [&'b mut [f32]; 2],
}

impl Kernel for Product<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { matrix: Matrix { re, im, cols }, transpose, x: [x_re, x_im], y: [y_re, y_im] } = self;
        match (im, transpose) {
            (Some(im), false) => rows_complex::<L>(re, im, cols, x_re, x_im, y_re, y_im),
            (Some(im), true) => columns_complex::<L>(re, im, cols, x_re, x_im, y_re, y_im),
            (None, false) => rows_real::<L>(re, cols, x_re, y_re),
            (None, true) => columns_real::<L>(re, cols, x_re, y_re),
        }
    }
}

#[inline(always)]
fn lanes(x: &[f32], at: usize) -> &[f32; LANES] {
    x[at..at + LANES].try_into().expect("the slice has that length")
}

#[inline(always)]
fn sum(lanes: &[f32; LANES]) -> f32 {
    let mut half = [0.0; LANES / 2];
    for l in 0..LANES / 2 {
        half[l] = lanes[l] + lanes[l + LANES / 2];
    }
    (half[0] + half[4]) + (half[1] + half[5]) + ((half[2] + half[6]) + (half[3] + half[7]))
}

#[inline(always)]
fn rows_complex<L: Level>(
    re: &[f32],
    im: &[f32],
    cols: usize,
    x_re: &[f32],
    x_im: &[f32],
    y_re: &mut [f32],
    y_im: &mut [f32],
) {
    let rows = y_re.len();
    let mut row = 0;
    while rows - row >= ROWS {
        rows_complex_of::<L, ROWS>(re, im, cols, x_re, x_im, row, y_re, y_im);
        row += ROWS;
    }
    for row in row..rows {
        rows_complex_of::<L, 1>(re, im, cols, x_re, x_im, row, y_re, y_im);
    }
}

/// Rows `first..first + N`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "planes of one matrix and two vectors")]
fn rows_complex_of<L: Level, const N: usize>(
    re: &[f32],
    im: &[f32],
    cols: usize,
    x_re: &[f32],
    x_im: &[f32],
    first: usize,
    y_re: &mut [f32],
    y_im: &mut [f32],
) {
    let a_re: [&[f32]; N] = std::array::from_fn(|n| &re[(first + n) * cols..][..cols]);
    let a_im: [&[f32]; N] = std::array::from_fn(|n| &im[(first + n) * cols..][..cols]);
    let (x_re, x_im) = (&x_re[..cols], &x_im[..cols]);
    let mut sum_re = [[0.0f32; LANES]; N];
    let mut sum_im = [[0.0f32; LANES]; N];
    let whole = cols / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let (xr, xi) = (lanes(x_re, at), lanes(x_im, at));
        for n in 0..N {
            let (ar, ai) = (lanes(a_re[n], at), lanes(a_im[n], at));
            for l in 0..LANES {
                sum_re[n][l] = fma::<L>(-ai[l], xi[l], fma::<L>(ar[l], xr[l], sum_re[n][l]));
                sum_im[n][l] = fma::<L>(ai[l], xr[l], fma::<L>(ar[l], xi[l], sum_im[n][l]));
            }
        }
    }
    for n in 0..N {
        let (mut re, mut im) = (sum(&sum_re[n]), sum(&sum_im[n]));
        for j in whole..cols {
            re += a_re[n][j] * x_re[j] - a_im[n][j] * x_im[j];
            im += a_re[n][j] * x_im[j] + a_im[n][j] * x_re[j];
        }
        (y_re[first + n], y_im[first + n]) = (re, im);
    }
}

#[inline(always)]
fn rows_real<L: Level>(re: &[f32], cols: usize, x: &[f32], y: &mut [f32]) {
    let x = &x[..cols];
    let whole = cols / LANES * LANES;
    for (row, y) in re.chunks_exact(cols).zip(y) {
        let mut sums = [0.0f32; LANES];
        for at in (0..whole).step_by(LANES) {
            let (a, x) = (lanes(row, at), lanes(x, at));
            for l in 0..LANES {
                sums[l] = fma::<L>(a[l], x[l], sums[l]);
            }
        }
        *y = sum(&sums);
        for j in whole..cols {
            *y += row[j] * x[j];
        }
    }
}

#[inline(always)]
fn columns_complex<L: Level>(
    re: &[f32],
    im: &[f32],
    cols: usize,
    x_re: &[f32],
    x_im: &[f32],
    y_re: &mut [f32],
    y_im: &mut [f32],
) {
    y_re.fill(0.0);
    y_im.fill(0.0);
    let rows = re.chunks_exact(cols).zip(im.chunks_exact(cols));
    for ((a_re, a_im), (&xr, &xi)) in rows.zip(x_re.iter().zip(x_im)) {
        // conj(a) x
        for (((y_re, y_im), &ar), &ai) in y_re.iter_mut().zip(y_im.iter_mut()).zip(a_re).zip(a_im) {
            *y_re = fma::<L>(ai, xi, fma::<L>(ar, xr, *y_re));
            *y_im = fma::<L>(-ai, xr, fma::<L>(ar, xi, *y_im));
        }
    }
}

#[inline(always)]
fn columns_real<L: Level>(re: &[f32], cols: usize, x: &[f32], y: &mut [f32]) {
    y.fill(0.0);
    for (row, &x) in re.chunks_exact(cols).zip(x) {
        for (y, &a) in y.iter_mut().zip(row) {
            *y = fma::<L>(a, x, *y);
        }
    }
}
