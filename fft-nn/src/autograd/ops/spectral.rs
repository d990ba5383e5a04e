//! Products with matrices in spectral forms.

use fft_core::{Device, Error, Norm, Result, ScatterMode, Tensor, tensor::check_indices};

use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

/// `y = x W^T` with the sparse spectral matrix `W[i, j] = Re(1 / (M N) sum_k c[k] exp(2 pi i (u_k i / M + v_k j / N)))`, of operands `c`, complex `[count]`,
/// and `x`, real `[batch, N]`. Positions lie in the half plane `0 <= u <= M / 2`.
#[derive(Debug, Clone)]
pub struct SparseSpectral {
    /// `M` and `N`.
    pub shape: [usize; 2],
    /// `u`, `U32 [count]`.
    pub rows: Tensor,
    /// `v`, `U32 [count]`.
    pub columns: Tensor,
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
        x.fft(1, None, Norm::Backward)?.gather(1, &self.columns)
    }
}

impl Operation for SparseSpectral {
    fn name(&self) -> &'static str {
        "sparse_spectral"
    }

    /// `z[u] = 1 / N sum c conj(X[v])`, `y = Re IFFT_M(z)`. As a C2R transform, which counts the bins with a mirror image twice: those are halved.
    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (c, x) = (&inputs[0], &inputs[1]);
        let [m, n] = self.shape;
        let terms = self.spectrum_at_columns(x)?.conj()?.mul(c)?;
        let z = self.gathered(&terms, &self.rows, m / 2 + 1)?.scale(1.0 / n as f64)?;
        let z = weigh_pairs(&z, m, 0.5)?;
        z.irfft(1, Some(m), Norm::Backward)
    }

    /// With `G = FFT(grad)`: `dc = 1 / (M N) sum over the batch of G[u] X[v]`, and `dx = Re IFFT_N(1 / M sum c conj(G[u]))` by the columns.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (c, x) = (context.input(0)?, context.input(1)?);
        let [m, n] = self.shape;
        let rows = grad.rfft(1, None, Norm::Backward)?.gather(1, &self.rows)?;
        let of_c = || {
            let products = rows.mul(&self.spectrum_at_columns(x)?)?;
            products.sum(0)?.scale(1.0 / (m as f64 * n as f64))
        };
        let of_x = || {
            let columns = self.gathered(&rows.conj()?.mul(c)?, &self.columns, n)?;
            columns.scale(1.0 / m as f64)?.ifft(1, None, Norm::Backward)?.real()
        };
        Ok(vec![context.wants(0).then(of_c).transpose()?, context.wants(1).then(of_x).transpose()?])
    }
}

/// Multiplies the bins of a half spectrum of `points` that have a mirror image.
fn weigh_pairs(spectrum: &Tensor, points: usize, factor: f64) -> Result<Tensor> {
    let single = |k: usize| k == 0 || 2 * k == points;
    let weights: Vec<f64> = (0..points / 2 + 1).map(|k| if single(k) { 1.0 } else { factor }).collect();
    let weights = Tensor::from_slice(spectrum.device(), &weights, &[weights.len()])?;
    spectrum.mul(&weights.to_dtype(spectrum.dtype())?)
}

impl Samples for SparseSpectral {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for shape in [[6, 8], [5, 7], [2, 9], [1, 1]] {
            let [m, n] = shape;
            let positions: Vec<(u32, u32)> = [(0, 1), (0, 3), (1, 0), (2, 5), (3, 2), (1, 7)]
                .map(|(u, v)| (u % (m / 2 + 1), v % n))
                .to_vec();
            let axis = |f: fn(&(u32, u32)) -> u32| {
                Tensor::from_slice(device, &positions.iter().map(f).collect::<Vec<_>>(), &[positions.len()])
            };
            let operation = SparseSpectral {
                shape: [m as usize, n as usize],
                rows: axis(|p| p.0)?,
                columns: axis(|p| p.1)?,
            };
            let inputs = [complex(device, &[positions.len()], 1)?, real(device, &[3, n as usize], 2)?];
            samples.push(Sample::new(operation, inputs));
        }
        Ok(samples)
    }
}

impl Var {
    /// `x W^T` of `[.., N]` with the sparse spectral matrix of this variable's coefficients, complex `[count]`, at `positions` of the half plane; see
    /// [`SparseSpectral`]. The result is `[.., M]`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a position outside the half plane; mismatches of shape, dtype or device.
    pub fn sparse_spectral(&self, shape: [usize; 2], positions: &[[u32; 2]], x: &Var) -> Result<Self> {
        const OP: &str = "sparse_spectral";
        let [m, n] = shape;
        let (rows, columns): (Vec<u32>, Vec<u32>) = positions.iter().map(|p| (p[0], p[1])).unzip();
        check_indices(OP, &rows, m / 2 + 1)?;
        check_indices(OP, &columns, n)?;
        if self.shape()[..] != [positions.len()] {
            return Err(Error::shapes(
                OP,
                &self.shape(),
                &[positions.len()],
                "one coefficient for each position",
            ));
        }
        if self.dtype() != x.dtype().to_complex() {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: x.dtype() });
        }
        let outer = x.shape();
        let Some((&last, outer)) = outer.split_last().filter(|(last, _)| **last == n) else {
            return Err(Error::shapes(
                OP,
                &outer,
                &[n],
                "the last axis must have as many elements as the matrix columns",
            ));
        };
        let device = x.device();
        let tensor = |at: &[u32]| Tensor::from_slice(&device, at, &[at.len()]);
        let operation = SparseSpectral { shape, rows: tensor(&rows)?, columns: tensor(&columns)? };
        let y = Var::apply(operation, &[self, &x.reshape(&[outer.iter().product(), last])?])?;
        let mut shape = fft_core::Dims::from_slice(outer);
        shape.push(m);
        y.reshape(&shape)
    }

    /// `x W^T` of `[.., in]` with the block-circulant matrix whose blocks have this variable as first rows, `[out / b, in / b, b]`: `W[m b + p, n b + q] =
    /// rows[m, n, (q - p) mod b]`. The result is `[.., out]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device.
    pub fn block_circulant(&self, x: &Var) -> Result<Self> {
        const OP: &str = "block_circulant";
        let (blocks, shape) = (self.shape(), x.shape());
        let fits =
            blocks.len() == 3 && shape.last().is_some_and(|&n| n == blocks[1] * blocks[2]) && blocks[2] > 0;
        if !fits {
            let reason = "needed are blocks [out / b, in / b, b] and vectors [.., in]";
            return Err(Error::shapes(OP, &blocks, &shape, reason));
        }
        let (out, inner, b) = (blocks[0], blocks[1], blocks[2]);
        let outer = &shape[..shape.len() - 1];
        let batch: usize = outer.iter().product();
        // For each bin k a product [batch, in / b] x [in / b, out / b] of X[k] and conj(W[k]).
        let x = x.reshape(&[batch, inner, b])?.rfftn(&[2], None, Norm::Backward)?.permute(&[2, 0, 1])?;
        let w = self.rfftn(&[2], None, Norm::Backward)?.conj()?.permute(&[2, 1, 0])?;
        let y = x.matmul(&w)?.permute(&[1, 2, 0])?.irfftn(&[2], Some(&[b]), Norm::Backward)?;
        let mut shape = fft_core::Dims::from_slice(outer);
        shape.push(out * b);
        y.reshape(&shape)
    }
}
