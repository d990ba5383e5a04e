//! Products of any dtypes and strides, in tiles whose cut does not depend on the number of threads.

use std::sync::Arc;

use bytemuck::Pod;
use fft_core::{Buffer, Complex32, Complex64, DType, Dims, Error, Layout, Result, View, ViewMut};

use super::few_rows::{few_rows, suits};
use crate::elementwise::{copy, fill};
use crate::memory::{BlockPool, HostBuffer, SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::Walk;

pub(super) const OP: &str = "matmul";

/// The three sides of a product, and its strides `[rows, columns]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: [isize; 2],
    pub(super) b: [isize; 2],
    pub(super) d: [isize; 2],
}

/// See `SpectralBackend::matmul`.
pub(crate) fn matmul(
    threads: &Threads,
    pool: &Arc<BlockPool>,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    let (sa, sb, sd) = (a.layout.shape(), b.layout.shape(), dst.layout.shape());
    let rank = sd.len();
    let fits = rank >= 2
        && sa.len() == rank
        && sb.len() == rank
        && sa[..rank - 2] == sd[..rank - 2]
        && sb[..rank - 2] == sd[..rank - 2]
        && sa[rank - 2] == sd[rank - 2]
        && sb[rank - 1] == sd[rank - 1]
        && sa[rank - 1] == sb[rank - 2];
    if !fits {
        return Err(Error::shapes(OP, sa, sb, "needed are [.., m, k] and [.., k, n]"));
    }
    let last = |s: &[isize]| [s[rank - 2], s[rank - 1]];
    let strides = (a.layout.strides(), b.layout.strides(), dst.layout.strides());
    let sides = Sides {
        m: sd[rank - 2],
        n: sd[rank - 1],
        k: sa[rank - 1],
        a: last(strides.0),
        b: last(strides.1),
        d: last(strides.2),
    };
    let axes = (0..rank - 2).map(|i| (sd[i], [strides.0[i], strides.1[i], strides.2[i]]));
    let batch = Walk::from_axes(axes, [a.layout, b.layout, dst.layout].map(|l| l.offset() as isize));
    if batch.positions() == 0 || sides.m == 0 || sides.n == 0 {
        return Ok(());
    }
    if sides.k == 0 {
        return fill(threads, 0.0, 0.0, dst);
    }
    let stored = |d| matches!(d, DType::F32 | DType::F16 | DType::BF16);
    if stored(dst.dtype) && suits(&sides, &a, &b) {
        return few_rows((threads, pool), sides, &batch, a, b, dst);
    }
    // Few columns are few rows of the transposed product.
    let turned = Sides {
        m: sides.n,
        n: sides.m,
        k: sides.k,
        a: [sides.b[1], sides.b[0]],
        b: [sides.a[1], sides.a[0]],
        d: [sides.d[1], sides.d[0]],
    };
    if stored(dst.dtype) && suits(&turned, &b, &a) {
        let axes = (0..rank - 2).map(|i| (sd[i], [strides.1[i], strides.0[i], strides.2[i]]));
        let batch = Walk::from_axes(axes, [b.layout, a.layout, dst.layout].map(|l| l.offset() as isize));
        return few_rows((threads, pool), turned, &batch, b, a, dst);
    }
    match (a.dtype, b.dtype, dst.dtype) {
        (DType::F32, DType::F32, DType::F32) => product::<f32>(threads, sides, &batch, a, b, dst),
        (DType::F64, DType::F64, DType::F64) => product::<f64>(threads, sides, &batch, a, b, dst),
        (DType::C64, DType::C64, DType::C64) => product::<Complex32>(threads, sides, &batch, a, b, dst),
        (DType::C128, DType::C128, DType::C128) => product::<Complex64>(threads, sides, &batch, a, b, dst),
        (x, y, z) if stored(x) && stored(y) && stored(z) => through_f32(threads, pool, a, b, dst),
        (lhs, rhs, _) => Err(Error::DTypeMismatch { op: OP, lhs, rhs }),
    }
}

/// Half-precision operands and results, converted as wholes.
fn through_f32(
    threads: &Threads,
    pool: &Arc<BlockPool>,
    a: View<'_>,
    b: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    // Axes that repeat by a stride of 0 are converted once.
    let wide = |view: View<'_>| -> Result<(Buffer, Layout)> {
        let (shape, strides) = (view.layout.shape(), view.layout.strides());
        let once: Dims =
            shape.iter().zip(strides).map(|(&n, &s)| if s == 0 { n.min(1) } else { n }).collect();
        let from = Layout::from_parts(&once, strides, view.layout.offset())?;
        let to = Layout::contiguous(&once);
        let mut buffer = buffer(pool, to.len() * size_of::<f32>())?;
        let target = ViewMut { buffer: &mut buffer, layout: &to, dtype: DType::F32 };
        copy(threads, View { layout: &from, ..view }, target)?;
        Ok((buffer, to.broadcast_to(OP, shape)?))
    };
    let wide_a = if a.dtype == DType::F32 { None } else { Some(wide(a)?) };
    let wide_b = if b.dtype == DType::F32 { None } else { Some(wide(b)?) };
    let a = wide_a.as_ref().map_or(a, |(buffer, layout)| View { buffer, layout, dtype: DType::F32 });
    let b = wide_b.as_ref().map_or(b, |(buffer, layout)| View { buffer, layout, dtype: DType::F32 });
    if dst.dtype == DType::F32 {
        return matmul(threads, pool, a, b, dst);
    }
    let layout = Layout::contiguous(dst.layout.shape());
    let mut sums = buffer(pool, layout.len() * size_of::<f32>())?;
    matmul(threads, pool, a, b, ViewMut { buffer: &mut sums, layout: &layout, dtype: DType::F32 })?;
    copy(threads, View { buffer: &sums, layout: &layout, dtype: DType::F32 }, dst)
}

fn buffer(pool: &Arc<BlockPool>, bytes: usize) -> Result<Buffer> {
    let (block, reservation) = pool.take(bytes)?;
    Ok(Buffer::new(Box::new(HostBuffer::owned(block, bytes, Arc::clone(pool))), Some(reservation)))
}

/// Rows and columns of a tile: `gemm` packs both operands for each, which large tiles repeat less.
const TILE: [usize; 2] = [256, 1024];
/// The multiply-adds below which a product stays whole.
const WHOLE: usize = 1 << 18;

/// Tasks of a long product, at least: `gemm` packs operands for each.
const TASKS: usize = 4;
/// The multiply-adds of a tile beyond which a product is long.
const LONG: usize = 1 << 22;
/// Rows or columns that are not cut further.
const NARROW: usize = 64;

/// A type that the `gemm` crate multiplies.
pub(crate) trait Scalar: Pod + Send + Sync {
    const ZERO: Self;
    const ONE: Self;
}
macro_rules! scalar {
    ($($t:ty, $zero:expr, $one:expr);*) => {$(impl Scalar for $t {
        const ZERO: Self = $zero;
        const ONE: Self = $one;
    })*};
}
scalar!(f32, 0.0, 1.0; f64, 0.0, 1.0; Complex32, Complex32::new(0.0, 0.0), Complex32::new(1.0, 0.0);
    Complex64, Complex64::new(0.0, 0.0), Complex64::new(1.0, 0.0));

/// A product in tiles of the result.
fn product<T: Scalar>(
    threads: &Threads,
    sides: Sides,
    batch: &Walk<3>,
    a: View<'_>,
    b: View<'_>,
    mut dst: ViewMut<'_>,
) -> Result<()> {
    let (pa, pb) = (elements::<T>(OP, &a)?, elements::<T>(OP, &b)?);
    let pd = SharedMut::new(elements_mut::<T>(OP, &mut dst)?);
    let Sides { m, n, k, .. } = sides;
    let (rows, columns) = tile(&sides, batch.positions());
    let (down, across) = (m.div_ceil(rows), n.div_ceil(columns));
    let tasks = batch.positions() * down * across;
    let work = batch.positions() * (m * n * k / 16).max(1);
    threads.team(tasks, work).run(tasks, |task, _| {
        let (at, tile) = (task / (down * across), task % (down * across));
        let (row, column) = (tile / across * rows, tile % across * columns);
        let mut start = batch.row(at / batch.len);
        for (s, stride) in start.iter_mut().zip(batch.strides) {
            *s += (at % batch.len) as isize * stride;
        }
        let (i, j) = (row as isize, column as isize);
        // SAFETY: the operands' positions lie in checked layouts; every task writes a tile of its own.
        unsafe {
            multiply(
                (rows.min(m - row), columns.min(n - column), k),
                (pd.as_ptr().offset(start[2] + i * sides.d[0] + j * sides.d[1]), sides.d),
                false,
                T::ONE,
                (pa.as_ptr().offset(start[0] + i * sides.a[0]), sides.a),
                (pb.as_ptr().offset(start[1] + j * sides.b[1]), sides.b),
            );
        }
    });
    Ok(())
}

/// Tiles that are wide enough for the inner kernels, of equal size. A small result of long sums, such as the gradient of a weight over many
/// positions, is cut into smaller ones than others, so that several threads have a part.
fn tile(&Sides { m, n, k, .. }: &Sides, batch: usize) -> (usize, usize) {
    if m * n * k <= WHOLE {
        return (m, n);
    }
    let (mut rows, mut columns) = (even(m, TILE[0]), even(n, TILE[1]));
    while batch * m.div_ceil(rows) * n.div_ceil(columns) < TASKS && rows * columns * k > LONG {
        match (rows > NARROW, columns > NARROW) {
            (true, narrow) if !narrow || rows >= columns => rows = even(m, rows / 2),
            (_, true) => columns = even(n, columns / 2),
            _ => break,
        }
    }
    (rows, columns)
}

/// `d = factor a b`, or `d += factor a b`, on this thread. Operands come with their strides `[rows, columns]`.
///
/// # Safety
/// The elements of `a`, `m` by `k`, and of `b`, `k` by `n`, are readable; those of `d`, `m` by `n`, are writable by no one else, and hold numbers where
/// they are added to.
pub(crate) unsafe fn multiply<T: Scalar>(
    (m, n, k): (usize, usize, usize),
    (d, d_strides): (*mut T, [isize; 2]),
    add: bool,
    factor: T,
    (a, a_strides): (*const T, [isize; 2]),
    (b, b_strides): (*const T, [isize; 2]),
) {
    // SAFETY: promised by the caller.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            d,
            d_strides[1],
            d_strides[0],
            add,
            a,
            a_strides[1],
            a_strides[0],
            b,
            b_strides[1],
            b_strides[0],
            if add { T::ONE } else { T::ZERO },
            factor,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// About `size`, so that pieces of `n` are equally long.
fn even(n: usize, size: usize) -> usize {
    n.div_ceil(n.div_ceil(size)).next_multiple_of(16).min(n)
}
