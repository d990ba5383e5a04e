//! Products with sparse spectral matrices.

use std::sync::Arc;

use fft_core::spectral::SparseSpectralMatrix;
use fft_core::{DType, Device, Error, Norm, Result, ScatterMode, Tensor, tensor::check_indices};

use super::fourier::weigh_pairs;
use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

/// Where a matrix of shape `[M, N]` has coefficients: positions `(u, v)` of the half plane `0 <= u <= M / 2`, prepared once for all products. Clones share it.
#[derive(Debug, Clone)]
pub struct SparsePositions(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    shape: [usize; 2],
    /// `u` and `v` as given, `U32 [count]`.
    rows: Tensor,
    columns: Tensor,
    /// The same positions row-compressed, ascending.
    structure: SparseSpectralMatrix,
    /// The slots as given of ascending positions, and the other way; none when they were given ascending.
    order: Option<[Tensor; 2]>,
}

impl SparsePositions {
    /// Positions `[u, v]` of coefficients of a matrix `[M, N]`, in any order; coefficients at equal positions add up.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a position outside the half plane; [`Error::InvalidArgument`] for an impossible shape; memory errors.
    pub fn new(device: &Device, shape: [usize; 2], positions: &[[u32; 2]]) -> Result<Self> {
        const OP: &str = "SparsePositions::new";
        let (rows, columns): (Vec<u32>, Vec<u32>) = positions.iter().map(|p| (p[0], p[1])).unzip();
        check_indices(OP, &rows, shape[0] / 2 + 1)?;
        check_indices(OP, &columns, shape[1])?;
        let tensor = |at: &[u32]| Tensor::from_slice(device, at, &[at.len()]);
        let (sorted, order) = if positions.is_sorted() {
            (positions.to_vec(), None)
        } else {
            let mut order: Vec<u32> = (0..positions.len() as u32).collect();
            order.sort_by_key(|&slot| positions[slot as usize]);
            let mut back = vec![0u32; order.len()];
            order.iter().enumerate().for_each(|(i, &slot)| back[slot as usize] = i as u32);
            let sorted = order.iter().map(|&slot| positions[slot as usize]).collect();
            (sorted, Some([tensor(&order)?, tensor(&back)?]))
        };
        Ok(Self(Arc::new(Prepared {
            shape,
            rows: tensor(&rows)?,
            columns: tensor(&columns)?,
            structure: SparseSpectralMatrix::from_positions(device, shape, &sorted)?,
            order,
        })))
    }

    /// `[M, N]`.
    pub fn shape(&self) -> [usize; 2] {
        self.0.shape
    }

    /// The number of positions.
    pub fn count(&self) -> usize {
        self.0.rows.len()
    }

    /// The matrix of these positions with coefficients `C64 [count]`.
    fn matrix(&self, coefficients: &Tensor) -> Result<SparseSpectralMatrix> {
        match &self.0.order {
            Some([order, _]) => self.0.structure.with_values(&coefficients.gather(0, order)?),
            None => self.0.structure.with_values(coefficients),
        }
    }
}

/// `y = x W^T` with the sparse spectral matrix `W[i, j] = Re(1 / (M N) sum_k c[k] exp(2 pi i (u_k i / M + v_k j / N)))`, of operands `c`, complex `[count]`,
/// and `x`, real `[batch, N]`.
///
/// In single precision both ways go through the products of [`SparseSpectralMatrix`], in double precision through transforms, gathers and scatters.
#[derive(Debug, Clone)]
pub struct SparseSpectral {
    positions: SparsePositions,
    /// In single precision the matrix of the first operand, which both ways share.
    matrix: Option<SparseSpectralMatrix>,
}

impl SparseSpectral {
    /// Sums over positions of a row: `[batch, count]` to `[batch, M / 2 + 1]`, or the columns `[batch, N]`.
    fn gathered(&self, terms: &Tensor, at: &Tensor, len: usize) -> Result<Tensor> {
        let mut sums = Tensor::zeros(terms.device(), &[terms.shape()[0], len], terms.dtype())?;
        sums.scatter(1, at, terms, ScatterMode::Add)?;
        Ok(sums)
    }

    /// `FFT(x)` at the columns of the positions.
    fn spectrum_at_columns(&self, x: &Tensor) -> Result<Tensor> {
        x.fft(1, None, Norm::Backward)?.gather(1, &self.positions.0.columns)
    }
}

impl Operation for SparseSpectral {
    fn name(&self) -> &'static str {
        "sparse_spectral"
    }

    /// `z[u] = 1 / N sum c conj(X[v])`, `y = Re IFFT_M(z)`. As a C2R transform, which counts the bins with a mirror image twice: those are halved.
    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (c, x) = (&inputs[0], &inputs[1]);
        if let Some(w) = &self.matrix {
            return w.apply(x);
        }
        let [m, n] = self.positions.shape();
        let terms = self.spectrum_at_columns(x)?.conj()?.mul(c)?;
        let z = self.gathered(&terms, &self.positions.0.rows, m / 2 + 1)?.scale(1.0 / n as f64)?;
        let z = weigh_pairs(&z, 1, m, 0.5)?;
        z.irfft(1, Some(m), Norm::Backward)
    }

    /// With `G = FFT(grad)`: `dc = 1 / (M N) sum over the batch of G[u] X[v]`, and `dx = Re IFFT_N(1 / M sum c conj(G[u]))` by the columns.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (c, x) = (context.input(0)?, context.input(1)?);
        let [m, n] = self.positions.shape();
        if let Some(w) = &self.matrix {
            let of_c = || {
                let ascending = w.coefficient_gradient(x, grad)?;
                match &self.positions.0.order {
                    Some([_, back]) => ascending.gather(0, back),
                    None => Ok(ascending),
                }
            };
            let of_c = context.wants(0).then(of_c).transpose()?;
            return Ok(vec![of_c, context.wants(1).then(|| w.apply_transposed(grad)).transpose()?]);
        }
        let rows = grad.rfft(1, None, Norm::Backward)?.gather(1, &self.positions.0.rows)?;
        let of_c = || {
            let products = rows.mul(&self.spectrum_at_columns(x)?)?;
            products.sum(0)?.scale(1.0 / (m as f64 * n as f64))
        };
        let of_x = || {
            let columns = self.gathered(&rows.conj()?.mul(c)?, &self.positions.0.columns, n)?;
            columns.scale(1.0 / m as f64)?.ifft(1, None, Norm::Backward)?.real()
        };
        Ok(vec![context.wants(0).then(of_c).transpose()?, context.wants(1).then(of_x).transpose()?])
    }
}

impl Samples for SparseSpectral {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for shape in [[6, 8], [5, 7], [2, 9], [1, 1]] {
            let [m, n] = shape;
            let positions = [[0, 1], [0, 3], [1, 0], [2, 5], [3, 2], [1, 7]]
                .map(|[u, v]: [u32; 2]| [u % (m as u32 / 2 + 1), v % n as u32]);
            let positions = SparsePositions::new(device, shape, &positions)?;
            let inputs = [complex(device, &[positions.count()], 1)?, real(device, &[3, n], 2)?];
            samples.push(Sample::new(SparseSpectral { positions, matrix: None }, inputs));
        }
        Ok(samples)
    }
}

impl Var {
    /// `x W^T` of `[.., N]` with the sparse spectral matrix of this variable's coefficients, complex `[count]`; see [`SparseSpectral`]. The result is `[.., M]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    pub fn sparse_spectral(&self, positions: &SparsePositions, x: &Var) -> Result<Self> {
        const OP: &str = "sparse_spectral";
        let [m, n] = positions.shape();
        if self.shape()[..] != [positions.count()] {
            let reason = "one coefficient for each position";
            return Err(Error::shapes(OP, &self.shape(), &[positions.count()], reason));
        }
        if x.dtype().is_complex() || self.dtype() != x.dtype().to_complex() {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: x.dtype() });
        }
        let outer = x.shape();
        let Some((&last, outer)) = outer.split_last().filter(|(last, _)| **last == n) else {
            let reason = "the last axis must have as many elements as the matrix columns";
            return Err(Error::shapes(OP, &outer, &[n], reason));
        };
        let single = self.dtype() == DType::C64;
        let matrix = single.then(|| positions.matrix(&self.value())).transpose()?;
        let operation = SparseSpectral { positions: positions.clone(), matrix };
        let y = Var::apply(operation, &[self, &x.reshape(&[outer.iter().product(), last])?])?;
        let mut shape = fft_core::Dims::from_slice(outer);
        shape.push(m);
        y.reshape(&shape)
    }
}
