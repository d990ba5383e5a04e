//! Mixing of tokens by Fourier transforms, without parameters.

use std::f64::consts::PI;
use std::sync::Mutex;

use fft_core::frequencies::next_fast_len;
use fft_core::{Complex64, DType, Device, Error, Norm, Result, Tensor};

use super::expect::{expect_dtype, expect_sizes};
use super::parameter::from_values;
use super::{Layer, Scope};
use crate::autograd::{Var, lock};

/// `[batch, length, hidden]` of the dtype of the layer at `path`.
fn expect_tokens(op: &'static str, path: &str, x: &Var, dtype: DType) -> Result<()> {
    let shape = x.shape();
    if shape.len() != 3 || shape[1] == 0 || shape[2] == 0 {
        let reason = format!("layer {path} takes [batch, length, hidden] with at least one token and number");
        return Err(Error::shapes(op, &shape, &[], reason));
    }
    expect_dtype(op, path, x, dtype)
}

/// `Re FFT(FFT(x))` over the hidden axis and the sequence of real `[batch, length, hidden]`, unnormalised (FNet; Lee-Thorp et al. 2022). Every output sees
/// the whole sequence: see [`CausalFNetMixing`] for language models. No parameters.
#[derive(Debug, Clone)]
pub struct FNetMixing {
    path: String,
    dtype: DType,
}

impl FNetMixing {
    /// The mixing of a model of the scope's dtype.
    pub fn new(scope: &Scope) -> Self {
        Self { path: scope.path().to_owned(), dtype: scope.dtype() }
    }
}

impl Layer for FNetMixing {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_tokens("FNetMixing", &self.path, x, self.dtype)?;
        x.fftn(&[1, 2], None, Norm::Backward)?.real()
    }
}

/// FNet's mixing for language models: an output sees its own and earlier tokens only. With `X` the transform of real `x`, `[batch, length, hidden]`, over the hidden
/// axis and `T` a period that the layer fixes,
///
/// ```text
/// y[t] = 1 / sqrt((t + 1) hidden) Re sum_{s <= t} X[s] e^(-2 pi i s t / T)
/// ```
///
/// so that of white noise outputs have half the variance of inputs; without the factor, the last token of a sequence of `T` is that of [`FNetMixing`]. Frequencies come again after `T` tokens, but the sum does not: a sequence may be longer, and more tokens do
/// not change earlier outputs.
///
/// As `2 s t = s^2 + t^2 - (t - s)^2` (Bluestein 1970), the sum is a product with a chirp, a causal convolution with its conjugate, and the product
/// again: `O(length log(length))`. The tables of the last length are kept. No parameters.
#[derive(Debug)]
pub struct CausalFNetMixing {
    path: String,
    dtype: DType,
    period: usize,
    tables: Mutex<Option<Chirps>>,
}

/// The tables for a length; complex.
#[derive(Debug, Clone)]
struct Chirps {
    length: usize,
    /// Points of the transforms: at least twice the length.
    points: usize,
    /// `e^(-i pi s^2 / T)`, `[length, 1]`.
    before: Var,
    /// The transform of `e^(i pi s^2 / T)`, `[points, 1]`.
    kernel: Var,
    /// `before / sqrt(t + 1)`, `[length, 1]`.
    after: Var,
}

impl Chirps {
    fn new(device: &Device, length: usize, period: usize, dtype: DType) -> Result<Self> {
        let points = next_fast_len(2 * length, false)?;
        let chirp = |s: usize| {
            // The angle repeats after 2 T: integers keep it exact.
            let turns = (s as u128 * s as u128) % (2 * period as u128);
            Complex64::from_polar(1.0, -PI * turns as f64 / period as f64)
        };
        let table = |values: Vec<Complex64>| -> Result<Tensor> {
            from_values(device, &values, &[values.len(), 1], dtype)
        };
        let constant = |values| table(values).map(Var::constant);
        let kernel = table((0..length).map(|s| chirp(s).conj()).collect())?;
        Ok(Self {
            length,
            points,
            before: constant((0..length).map(chirp).collect())?,
            kernel: Var::constant(kernel.fft(0, Some(points), Norm::Backward)?),
            after: constant((0..length).map(|t| chirp(t) / ((t + 1) as f64).sqrt()).collect())?,
        })
    }
}

impl CausalFNetMixing {
    /// The mixing of a model of the scope's dtype, with frequencies that are multiples of `1 / period`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a period of 0.
    pub fn new(scope: &Scope, period: usize) -> Result<Self> {
        expect_sizes("CausalFNetMixing", scope.path(), &[("period", period)])?;
        Ok(Self { path: scope.path().to_owned(), dtype: scope.dtype(), period, tables: Mutex::default() })
    }

    fn chirps(&self, x: &Var) -> Result<Chirps> {
        let (device, length) = (x.device(), x.shape()[1]);
        let mut tables = lock(&self.tables);
        if let Some(chirps) = &*tables
            && chirps.length == length
            && chirps.before.device() == device
        {
            return Ok(chirps.clone());
        }
        let chirps = Chirps::new(&device, length, self.period, self.dtype.to_complex())?;
        Ok(tables.insert(chirps).clone())
    }
}

impl Layer for CausalFNetMixing {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_tokens("CausalFNetMixing", &self.path, x, self.dtype)?;
        let chirps = self.chirps(x)?;
        // Ortho over the hidden axis: the factor 1 / sqrt(hidden).
        let z = x.fftn(&[2], None, Norm::Ortho)?.mul(&chirps.before)?;
        let z = z.fftn(&[1], Some(&[chirps.points]), Norm::Backward)?.mul(&chirps.kernel)?;
        let z = z.ifftn(&[1], None, Norm::Backward)?.narrow(1, 0, chirps.length)?;
        z.mul(&chirps.after)?.real()
    }
}
