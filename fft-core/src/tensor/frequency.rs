//! Products in the frequency domain: the names `frequency_linear` and `frequency_conv`.
//!
//! They compute exactly what the plain forms compute, by way of spectra whether that is faster or not: for comparisons, and for code that
//! was written for these names. Where speed counts, [`Tensor::conv`] chooses; matrices that are *sparse* in frequency are
//! [`SparseSpectralMatrix`](crate::spectral::SparseSpectralMatrix), and circulant ones
//! [`BlockCirculantMatrix`](crate::spectral::BlockCirculantMatrix): with these a product in the frequency domain costs less than a dense one.

use super::convolution::computed_in;
use crate::convolution::{ConvMethod, ConvSpec};
use crate::{DType, Dims, Error, Norm, Result, Tensor};

impl Tensor {
    /// `x W^T + bias` of `[.., in]` with a weight of `[out, in]` and a bias of `[out]`, as a product of spectra: by Parseval's theorem the inner product of
    /// two rows is that of their unitary spectra. Any float dtype; halves are computed in `F32`.
    ///
    /// It equals `x.matmul(W^T)` to rounding and costs the transforms more.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] for rows without elements.
    pub fn frequency_linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        const OP: &str = "frequency_linear";
        let (Some((&n, lead)), &[out, of]) = (self.shape().split_last(), weight.shape()) else {
            return Err(Error::shapes(OP, self.shape(), weight.shape(), "needed are [.., in] and [out, in]"));
        };
        let rows = lead.iter().product();
        let x = self.reshape(&[1, rows, n])?;
        let bias = bias.map(|bias| bias.unsqueeze(0)).transpose()?;
        let y = x.spectral_rows(OP, &weight.reshape(&[1, out, of])?, bias.as_ref())?;
        let mut shape = Dims::from_slice(lead);
        shape.push(out);
        y.reshape(&shape)
    }

    /// [`frequency_linear`](Self::frequency_linear) with a matrix for each entry of a batch: `[batch, rows, in]` with a weight of `[batch, out, in]` and a
    /// bias of `[batch, out]`. (A batch that shares one matrix needs no name of its own: leading axes may be any.)
    ///
    /// # Errors
    /// As [`frequency_linear`](Self::frequency_linear).
    pub fn frequency_linear_batched(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        self.spectral_rows("frequency_linear_batched", weight, bias)
    }

    /// [`conv1d`](Self::conv1d) by the convolution theorem, in the tiles that the planner predicts to be fastest.
    ///
    /// # Errors
    /// As [`conv1d`](Self::conv1d).
    pub fn frequency_conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("frequency_conv1d", Some(1), weight, bias, spec, &ConvMethod::Fft)
    }

    /// [`conv2d`](Self::conv2d) by the convolution theorem, as [`frequency_conv1d`](Self::frequency_conv1d).
    ///
    /// # Errors
    /// As [`conv2d`](Self::conv2d).
    pub fn frequency_conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("frequency_conv2d", Some(2), weight, bias, spec, &ConvMethod::Fft)
    }

    /// [`conv3d`](Self::conv3d) by the convolution theorem, as [`frequency_conv1d`](Self::frequency_conv1d).
    ///
    /// # Errors
    /// As [`conv3d`](Self::conv3d).
    pub fn frequency_conv3d(&self, weight: &Tensor, bias: Option<&Tensor>, spec: &ConvSpec) -> Result<Self> {
        self.convolved("frequency_conv3d", Some(3), weight, bias, spec, &ConvMethod::Fft)
    }

    fn spectral_rows(&self, op: &'static str, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        self.same_device(op, weight)?;
        if !self.dtype().is_float() {
            return Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::F32 });
        }
        weight.expect_dtype(op, self.dtype())?;
        let ([batch, _, n], [batches, out, of]) = (self.shape(), weight.shape()) else {
            let reason = "needed are [batch, rows, in] and [batch, out, in]";
            return Err(Error::shapes(op, self.shape(), weight.shape(), reason));
        };
        if (batch, n) != (batches, of) {
            return Err(Error::shapes(
                op,
                self.shape(),
                weight.shape(),
                "the batches and rows must be equally long",
            ));
        }
        if *n == 0 {
            return Err(Error::invalid(op, "in", n, "a transform needs at least one point"));
        }
        if let Some(bias) = bias {
            self.same_device(op, bias)?;
            bias.expect_dtype(op, self.dtype())?;
            if bias.shape() != [*batch, *out] {
                return Err(Error::shapes(
                    op,
                    bias.shape(),
                    &[*batch, *out],
                    "the bias needs one element an output",
                ));
            }
        }
        let dtype = computed_in(self.dtype());
        // Bins between the first and the middle stand for two.
        let bins = n / 2 + 1;
        let counts: Vec<f32> =
            (0..2 * bins).map(|k| if k % bins == 0 || 2 * (k % bins) == *n { 1.0 } else { 2.0 }).collect();
        let counts = Tensor::from_slice(self.device(), &counts, &[2 * bins])?.to_dtype(dtype)?;
        let x = self.to_dtype(dtype)?.unitary_parts()?;
        let w = weight.to_dtype(dtype)?.unitary_parts()?.mul(&counts)?;
        let y = x.matmul(&w.transpose(1, 2)?)?;
        let y = match bias {
            Some(bias) => y.add(&bias.to_dtype(dtype)?.unsqueeze(1)?)?,
            None => y,
        };
        y.to_dtype(self.dtype())
    }

    /// The unitary half spectrum of each row, real parts and then imaginary ones.
    fn unitary_parts(&self) -> Result<Self> {
        let last = self.rank() - 1;
        let spectrum = self.rfft(last, None, Norm::Ortho)?;
        Tensor::cat(&[spectrum.real()?, spectrum.imag()?], last)
    }
}
