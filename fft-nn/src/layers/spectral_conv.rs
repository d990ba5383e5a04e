//! Convolutions by a few learned frequencies: the Fourier neural operator's.

use fft_core::{Dims, Error, Result};

use super::expect::{expect, expect_sizes};
use super::{Init, Layer, Scope};
use crate::autograd::Var;

/// A convolution whose kernel is given by its lowest frequencies (Li et al. 2021): real `[batch, in, n..]` to `[batch, out, n..]`, `AXES` axes `n..`, with the complex
/// parameter `weight`, `[in, out, modes..]`:
///
/// ```text
/// y = irfft( sum_i weight[i, o, k] rfft(x[b, i])[k]  for kept frequencies k, 0 for others )
/// ```
///
/// With `m` modes an axis keeps the frequencies `-(m - 1) ..= m - 1`. The last axis stores `0 .. m` of them, for the spectrum of a real signal mirrors the rest; an
/// axis before it stores `2 m - 1`, ordered as in a spectrum, `0 .. m` and then `-(m - 1) .. 0`. All lie below the Nyquist frequency, so the layer is one and the same operator at any
/// resolution: inputs that are samples of one band-limited function give samples of one function. (Of a frequency that is its own mirror image in the
/// last axis, 0, the weights of `k` and `-k` in the other axes act by their Hermitian part: the output is real whatever the weights are.)
///
/// Other frequencies are not computed with: see [`Tensor::low_frequencies`](fft_core::Tensor::low_frequencies) and
/// [`Tensor::band_limited`](fft_core::Tensor::band_limited). On a GPU a layer is a transform an axis there and back, and one product.
#[derive(Debug, Clone)]
pub struct SpectralConv<const AXES: usize> {
    path: String,
    weight: Var,
    modes: [usize; AXES],
}

/// [`SpectralConv`] of functions on a line.
pub type SpectralConv1d = SpectralConv<1>;
/// [`SpectralConv`] of functions on a plane.
pub type SpectralConv2d = SpectralConv<2>;
/// [`SpectralConv`] of functions in space.
pub type SpectralConv3d = SpectralConv<3>;

impl<const AXES: usize> SpectralConv<AXES> {
    const OP: &str = match AXES {
        1 => "SpectralConv1d",
        2 => "SpectralConv2d",
        _ => "SpectralConv3d",
    };

    /// A layer with that many modes along each axis, whose weights are normal with `E |w|^2 = 1 / in`, half of it in either part: kept frequencies of an
    /// input of independent channels keep their variance.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0 or other than one to three axes; those of [`Scope::complex_parameter`].
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, modes: [usize; AXES]) -> Result<Self> {
        let path = scope.path();
        expect_sizes(Self::OP, path, &[("inputs", inputs), ("outputs", outputs)])?;
        if !(1..=3).contains(&AXES) || modes.contains(&0) {
            let reason = format!("layer {path} needs modes along one to three axes");
            return Err(Error::invalid(Self::OP, "modes", modes, reason));
        }
        let mut shape = Dims::from_slice(&[inputs, outputs]);
        // More than can be addressed stays more than can be addressed.
        let stored = |m: usize| m.saturating_mul(2) - 1;
        shape.extend((0..AXES).map(|a| if a + 1 == AXES { modes[a] } else { stored(modes[a]) }));
        let init = Init::Normal { std: 1.0 / (inputs as f64).sqrt() };
        Ok(Self { path: path.to_owned(), weight: scope.complex_parameter("weight", &shape, init)?, modes })
    }

    /// `[in, out, modes..]`, complex; `2 m - 1` along the axes before the last.
    pub fn weight(&self) -> &Var {
        &self.weight
    }
}

impl<const AXES: usize> Layer for SpectralConv<AXES> {
    /// # Errors
    /// [`Error::InvalidArgument`] also when an axis has no more than `2 (m - 1)` points: its highest mode would not lie below the Nyquist frequency.
    fn forward(&self, x: &Var) -> Result<Var> {
        let weights = self.weight.shape();
        let mut axes = vec![("batch", None), ("channels", Some(weights[0]))];
        axes.extend([("length", None); AXES]);
        expect(Self::OP, &self.path, x, self.weight.dtype().to_real(), &axes)?;
        let shape = x.shape();
        let n = &shape[2..];
        if n.iter().zip(&self.modes).any(|(&n, &m)| n <= 2 * (m - 1)) {
            let least: Vec<usize> = self.modes.iter().map(|m| 2 * m - 1).collect();
            let reason =
                format!("layer {} keeps {:?} modes, which need at least {least:?}", self.path, self.modes);
            return Err(Error::invalid(Self::OP, "length", n, reason));
        }
        let (batch, outputs) = (shape[0], weights[1]);
        let modes: usize = weights[2..].iter().product();
        // A product [batch, in] x [in, out] for each frequency, of matrices that lie across one another: nothing is copied between the transforms.
        let x = x.low_frequencies(&self.modes)?.reshape(&[batch, weights[0], modes])?.permute(&[2, 0, 1])?;
        let w = self.weight.reshape(&[weights[0], outputs, modes])?.permute(&[2, 0, 1])?;
        let mut kept = Dims::from_slice(&[batch, outputs]);
        kept.extend_from_slice(&weights[2..]);
        x.matmul(&w)?.permute(&[1, 2, 0])?.reshape(&kept)?.band_limited(n)
    }
}
