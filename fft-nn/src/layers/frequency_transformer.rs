//! A transformer layer of spectra.

use fft_core::{Error, Norm, Result};

use super::expect::{expect, expect_sizes};
use super::{ComplexLinear, Dropout, FrequencyLayerNorm, FrequencyRelu, Layer, Scope};
use crate::autograd::Var;

/// Sizes of a [`FrequencyTransformerLayer`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrequencyTransformerConfig {
    /// Channels.
    pub width: usize,
    /// Groups of channels with one similarity each; a divisor of the width.
    pub heads: usize,
    /// Channels between the two linear layers of the feed-forward part.
    pub hidden: usize,
    /// The probability with which numbers are dropped before they are added.
    pub dropout: f64,
}

/// A transformer layer whose input and output are spectra along the sequence, complex `[batch, frequencies, width]`; with [`FrequencyLayerNorm`] as the norms `n`,
/// [`ComplexLinear`] layers and [`FrequencyRelu`],
///
/// ```text
/// z = z + output(a(n1(z))),   a = s[f] V[f],   s[f] = S[f] / sqrt(mean_f |S|^2 + 1e-6),   S[f] = sum_c Q[f, c] conj(K[f, c])
/// z = z + down(frequency_relu(up(n2(z))))
/// ```
///
/// `S` is the spectrum of the cross-correlation of queries and keys over the channels of a head, and its product with `V` the spectrum of the circular convolution of
/// the values with that similarity by lag: the attention of [`FrequencyAttention`](super::FrequencyAttention), with the softmax over lags replaced by a norm over
/// frequencies. No transform is needed. For signals, transform them before the first layer and back after the last; the half spectrum of a real signal is as good
/// as the whole one for `irfft`, which takes the real part of its first and (of an even length) last bin.
///
/// Parameters: those of the layers `norm1`, `query`, `key`, `value`, `output`, `norm2`, `up`, `relu`, `down`, with the first values that these have.
#[derive(Debug, Clone)]
pub struct FrequencyTransformerLayer {
    path: String,
    heads: usize,
    norms: [FrequencyLayerNorm; 2],
    projections: [ComplexLinear; 3],
    output: ComplexLinear,
    up: ComplexLinear,
    relu: FrequencyRelu,
    down: ComplexLinear,
    dropout: Dropout,
}

/// Added to mean squares.
const EPS: f64 = 1e-6;

impl FrequencyTransformerLayer {
    const OP: &str = "FrequencyTransformerLayer";

    /// A layer of these sizes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0, heads that do not divide the width and a probability outside `0.0..1.0`; those of
    /// [`Scope::complex_parameter`].
    pub fn new(scope: &Scope, config: FrequencyTransformerConfig) -> Result<Self> {
        let FrequencyTransformerConfig { width, heads, hidden, dropout } = config;
        let path = scope.path();
        expect_sizes(Self::OP, path, &[("width", width), ("heads", heads), ("hidden", hidden)])?;
        if !width.is_multiple_of(heads) {
            let reason = format!("layer {path} divides its width, {width}, by them");
            return Err(Error::invalid(Self::OP, "heads", heads, reason));
        }
        let norm = |name| FrequencyLayerNorm::new(&scope.at(name), width, EPS);
        let linear = |name, inputs, outputs| ComplexLinear::new(&scope.at(name), inputs, outputs, true);
        Ok(Self {
            path: path.to_owned(),
            heads,
            norms: [norm("norm1")?, norm("norm2")?],
            projections: [
                linear("query", width, width)?,
                linear("key", width, width)?,
                linear("value", width, width)?,
            ],
            output: linear("output", width, width)?,
            up: linear("up", width, hidden)?,
            relu: FrequencyRelu::new(&scope.at("relu"), hidden)?,
            down: linear("down", hidden, width)?,
            dropout: Dropout::new(&scope.at("dropout"), dropout)?,
        })
    }

    fn attention(&self, z: &Var) -> Result<Var> {
        let shape = z.shape();
        let apart = [shape[0], shape[1], self.heads, shape[2] / self.heads];
        let [q, k, v] = self.projections.each_ref().map(|layer| layer.forward(z)?.reshape(&apart));
        let joint = q?.mul_conj(&k?)?.sum_keep(&[3])?;
        let size = joint.abs_squared()?.mean_keep(&[1])?.affine(1.0, EPS)?.rsqrt()?;
        let weights = joint.mul(&size.to_dtype(joint.dtype())?)?;
        self.output.forward(&v?.mul(&weights)?.reshape(&shape)?)
    }

    /// [`forward`](Layer::forward) of a real signal, `[batch, length, width]`: through its half spectrum, with factors `1 / sqrt(length)` both ways.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn forward_signal(&self, x: &Var) -> Result<Var> {
        let weight = self.output.weight();
        let axes = [("batch", None), ("length", None), ("width", Some(weight.shape()[0]))];
        expect(Self::OP, &self.path, x, weight.dtype().to_real(), &axes)?;
        let z = self.forward(&x.rfftn(&[1], None, Norm::Ortho)?)?;
        z.irfftn(&[1], Some(&[x.shape()[1]]), Norm::Ortho)
    }
}

impl Layer for FrequencyTransformerLayer {
    fn forward(&self, z: &Var) -> Result<Var> {
        let weight = self.output.weight();
        let axes = [("batch", None), ("frequencies", None), ("width", Some(weight.shape()[0]))];
        expect(Self::OP, &self.path, z, weight.dtype(), &axes)?;
        let attended = self.attention(&self.norms[0].forward(z)?)?;
        let z = z.add(&self.dropout.forward(&attended)?)?;
        let inner = self.relu.forward(&self.up.forward(&self.norms[1].forward(&z)?)?)?;
        z.add(&self.dropout.forward(&self.down.forward(&inner)?)?)
    }
}
