//! Weights that can be looked at in part without being made dense.

use num_complex::{Complex32, Complex64};

use crate::spectral::sparse_tensor::widen;
use crate::spectral::{HalfSpectrum, SparseSpectralMatrix, SparseSpectralTensor};
use crate::{Error, Result, Tensor};

/// What it takes to compute a part of implicit weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockCost {
    /// Complex multiplications and additions, about.
    pub operations: usize,
    /// Bytes of scratch beside the result and the decoded coefficients, at most.
    pub scratch_bytes: usize,
}

/// A tensor that is not stored element by element, but any part of which can be computed without the rest.
pub trait ImplicitWeights {
    /// Axis lengths.
    fn shape(&self) -> &[usize];

    /// One element. Cost: one complex multiplication for each coefficient.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of indices, [`Error::IndexOutOfRange`], device errors.
    fn element(&self, index: &[usize]) -> Result<f32> {
        const OP: &str = "ImplicitWeights::element";
        let shape = self.shape();
        if index.len() != shape.len() {
            return Err(Error::shapes(OP, index, shape, "one index for each axis"));
        }
        for (&i, &n) in index.iter().zip(shape) {
            if i >= n {
                return Err(Error::IndexOutOfRange { op: OP, index: i as i64, len: n });
            }
        }
        self.block(index, &vec![1; shape.len()])?.flatten()?.to_scalar()
    }

    /// The elements `start[a]..start[a] + len[a]` along every axis `a`, `F32` of shape `len`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong number of axes, [`Error::InvalidArgument`] when the block passes the end; memory and
    /// device errors.
    fn block(&self, start: &[usize], len: &[usize]) -> Result<Tensor>;

    /// What [`block`](Self::block) of shape `len` costs.
    fn block_cost(&self, len: &[usize]) -> BlockCost;

    /// Rows `start..start + len` of the first axis, `F32`.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    fn rows(&self, start: usize, len: usize) -> Result<Tensor> {
        let mut starts = vec![0; self.shape().len()];
        let mut lens = self.shape().to_vec();
        (starts[0], lens[0]) = (start, len);
        self.block(&starts, &lens)
    }
}

/// How a block is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// Each element is a sum over all coefficients.
    Direct,
    /// The first axis is summed for the rows of the block, giving their spectra along the other axes; those are transformed
    /// one after the other, each cropped at once.
    Transform,
}

fn route(half: &HalfSpectrum, count: usize, len: &[usize]) -> (Route, BlockCost) {
    let elements = len.iter().fold(1usize, |product, &l| product.saturating_mul(l));
    // Rotating a phase and accumulating it in f64 costs about four of the transforms' multiplications.
    let direct = 4usize.saturating_mul(count).saturating_mul(elements);
    let lines = len[0].saturating_mul(half.plane_len());
    let log = usize::BITS - half.plane_len().leading_zeros();
    let transform = count.saturating_mul(len[0]).saturating_add(lines.saturating_mul(log as usize));
    if half.shape().len() > 1 && transform < direct {
        // The spectra on the host, on the device, and transformed.
        (Route::Transform, BlockCost { operations: transform, scratch_bytes: lines.saturating_mul(24) })
    } else {
        let roots: usize = half.shape().iter().sum();
        (
            Route::Direct,
            BlockCost {
                operations: direct,
                scratch_bytes: elements.saturating_mul(8).saturating_add(roots * 16),
            },
        )
    }
}

/// `exp(2 pi i t / n)` for `t` in `0..n`.
fn roots(n: usize) -> Vec<Complex64> {
    (0..n).map(|t| Complex64::cis(std::f64::consts::TAU * t as f64 / n as f64)).collect()
}

/// A block of the dense tensor from coefficients at flat positions of the half spectrum.
fn block_of(
    device: &crate::Device,
    half: &HalfSpectrum,
    (positions, values): (Vec<u32>, Vec<Complex32>),
    start: &[usize],
    len: &[usize],
) -> Result<Tensor> {
    const OP: &str = "ImplicitWeights::block";
    let shape = half.shape();
    if start.len() != shape.len() || len.len() != shape.len() {
        let given = if start.len() != shape.len() { start } else { len };
        return Err(Error::shapes(OP, given, shape, "one number for each axis"));
    }
    for (axis, (&s, &l)) in start.iter().zip(len).enumerate() {
        if s.checked_add(l).is_none_or(|end| end > shape[axis]) {
            let reason = format!("{l} elements from {s} pass the end of axis {axis}, {}", shape[axis]);
            return Err(Error::invalid(OP, "start", start, reason));
        }
    }
    if len.contains(&0) {
        return Tensor::zeros(device, len, crate::DType::F32);
    }
    let count = positions.len();
    let coefficients = &mut positions.into_iter().map(|p| p as usize).zip(values);
    match route(half, count, len).0 {
        Route::Direct => direct(device, half, coefficients, start, len),
        Route::Transform => transform(device, half, coefficients, start, len),
    }
}

fn direct(
    device: &crate::Device,
    half: &HalfSpectrum,
    coefficients: &mut dyn Iterator<Item = (usize, Complex32)>,
    start: &[usize],
    len: &[usize],
) -> Result<Tensor> {
    let shape = half.shape();
    let roots: Vec<Vec<Complex64>> = shape.iter().map(|&n| roots(n)).collect();
    let elements: usize = len.iter().product();
    let mut sums = vec![0.0f64; elements];
    let last = shape.len() - 1;
    for (position, c) in coefficients {
        let k = half.unravel(position);
        let c = widen(c) / half.total() as f64;
        for (line, sums) in sums.chunks_exact_mut(len[last]).enumerate() {
            // The phase of all axes but the last, then steps along the last.
            let (mut at, mut phase) = (line, c);
            for axis in (0..last).rev() {
                let i = start[axis] + at % len[axis];
                at /= len[axis];
                phase *= roots[axis][k[axis] * i % shape[axis]];
            }
            let (table, step) = (&roots[last], k[last]);
            let mut turn = step * start[last] % shape[last];
            for sum in sums {
                *sum += phase.re * table[turn].re - phase.im * table[turn].im;
                turn += step;
                if turn >= shape[last] {
                    turn -= shape[last];
                }
            }
        }
    }
    let sums: Vec<f32> = sums.into_iter().map(|v| v as f32).collect();
    Tensor::from_slice(device, &sums, len)
}

fn transform(
    device: &crate::Device,
    half: &HalfSpectrum,
    coefficients: &mut dyn Iterator<Item = (usize, Complex32)>,
    start: &[usize],
    len: &[usize],
) -> Result<Tensor> {
    let (n0, rest) = (half.shape()[0], half.plane_len());
    let roots = roots(n0);
    let mut lines = vec![Complex32::default(); len[0] * rest];
    for (position, c) in coefficients {
        let (plane, within) = (position / rest, position % rest);
        for (row, line) in lines.chunks_exact_mut(rest).enumerate() {
            let turn = roots[plane * (start[0] + row) % n0] / n0 as f64;
            line[within] += c * Complex32::new(turn.re as f32, turn.im as f32);
        }
    }
    let mut shape = half.shape().to_vec();
    shape[0] = len[0];
    let mut out = Tensor::from_slice(device, &lines, &shape)?;
    drop(lines);
    for axis in (1..shape.len()).rev() {
        out = out.ifft(axis, None, crate::Norm::Backward)?.narrow(axis, start[axis], len[axis])?;
    }
    out.real()
}

impl ImplicitWeights for SparseSpectralTensor {
    fn shape(&self) -> &[usize] {
        self.shape()
    }

    fn block(&self, start: &[usize], len: &[usize]) -> Result<Tensor> {
        block_of(self.device(), self.half_spectrum(), self.coefficients()?, start, len)
    }

    fn block_cost(&self, len: &[usize]) -> BlockCost {
        cost_of(self.half_spectrum(), self.count(), len)
    }
}

impl ImplicitWeights for SparseSpectralMatrix {
    fn shape(&self) -> &[usize] {
        self.half_spectrum().shape()
    }

    fn block(&self, start: &[usize], len: &[usize]) -> Result<Tensor> {
        block_of(self.device(), self.half_spectrum(), self.coefficients()?, start, len)
    }

    fn block_cost(&self, len: &[usize]) -> BlockCost {
        cost_of(self.half_spectrum(), self.count(), len)
    }
}

fn cost_of(half: &HalfSpectrum, count: usize, len: &[usize]) -> BlockCost {
    if len.len() != half.shape().len() || len.contains(&0) {
        return BlockCost { operations: 0, scratch_bytes: 0 };
    }
    route(half, count, len).1
}
