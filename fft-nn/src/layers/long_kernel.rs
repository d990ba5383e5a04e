//! Kernels of long convolutions: windows, and functions of position.

use std::f64::consts::TAU;

use fft_core::{Result, Tensor};

use super::expect::expect_sizes;
use super::parameter::{expect_room, from_values};
use super::{Init, Layer, Linear, Scope};
use crate::autograd::Var;

/// After how many taps the windows of `channels` fall to `1 / e`: from 4 to `taps` in equal ratios, at least one tap.
fn reaches(channels: usize, taps: usize) -> Vec<f64> {
    let (first, last) = (taps.min(4) as f64, taps as f64);
    let part = |c: usize| if channels == 1 { 1.0 } else { c as f64 / (channels - 1) as f64 };
    (0..channels).map(|c| first * (last / first).powf(part(c))).collect()
}

/// The root of `sum_s e^(-2 s / reach)` over the taps.
fn norm(reach: f64, taps: usize) -> f64 {
    let ratio = (-2.0 / reach).exp();
    ((1.0 - ratio.powf(taps as f64)) / (1.0 - ratio)).sqrt()
}

/// `e^(-s / reach_c)` with the [`reaches`] of channels, scaled so that its squares sum to 1: `[channels, taps]`.
pub(super) fn window(scope: &Scope, channels: usize, taps: usize) -> Result<Tensor> {
    expect_room(scope.device(), &[channels, taps], scope.dtype())?;
    let row = |&reach: &f64| {
        let norm = norm(reach, taps);
        (0..taps).map(move |s| (-(s as f64) / reach).exp() / norm)
    };
    let values: Vec<f64> = reaches(channels, taps).iter().flat_map(row).collect();
    from_values(scope.device(), &values, &[channels, taps], scope.dtype())
}

/// A kernel that a small network gives at each position (Poli et al. 2023):
///
/// ```text
/// k[c, s] = e^(-s / reach_c) n_c(features(s)),   features(s) = [s / taps, cos(2 pi f s / taps), sin(2 pi f s / taps) for f = 1 ..= bands]
/// ```
///
/// where `n` is linear, sine, linear, sine, linear, of `width` numbers between. Parameters: those of three [`Linear`] layers, `input`, `hidden` and `output` (the last without
/// bias), and `rates`, `[channels, 1]`, the logarithms of `taps / reach_c`.
#[derive(Debug, Clone)]
pub struct ImplicitKernel {
    input: Linear,
    hidden: Linear,
    output: Linear,
    rates: Var,
    /// `[taps, features]`.
    features: Var,
    /// `s / taps`, `[1, taps]`.
    positions: Var,
}

impl ImplicitKernel {
    /// A kernel of so many taps. Weights are normal, those of the first layers with variance `2 / in`, those of the last such that the squares of a channel's taps sum to
    /// about 1; biases are uniform within pi; reaches are spread from 4 to `taps` in equal ratios over the channels.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](fft_core::Error::InvalidArgument) for sizes of 0; those of [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: usize, taps: usize, bands: usize, width: usize) -> Result<Self> {
        let sizes = [("channels", channels), ("taps", taps), ("bands", bands), ("width", width)];
        expect_sizes("ImplicitKernel", scope.path(), &sizes)?;
        let features = bands.saturating_mul(2).saturating_add(1);
        expect_room(scope.device(), &[taps, features], scope.dtype())?;
        let bias = Some(Init::Uniform { bound: TAU / 2.0 });
        let layer = |name, inputs: usize| {
            let init = Init::Normal { std: (2.0 / inputs as f64).sqrt() };
            Linear::with_init(&scope.at(name), inputs, width, bias, init)
        };
        let (input, hidden) = (layer("input", features)?, layer("hidden", width)?);
        // A sine at a phase that may be any has the mean square 1 / 2.
        let std = (2.0 / width as f64).sqrt();
        let output = Linear::with_init(&scope.at("output"), width, channels, None, Init::Normal { std })?;
        let reaches = reaches(channels, taps);
        let norms: Vec<f64> = reaches.iter().map(|&reach| 1.0 / norm(reach, taps)).collect();
        let norms = from_values(scope.device(), &norms, &[channels, 1], scope.dtype())?;
        output.weight().set_value(output.weight().value().mul(&norms)?)?;
        let rates: Vec<f64> = reaches.iter().map(|reach| (taps as f64 / reach).ln()).collect();
        let rates = from_values(scope.device(), &rates, &[channels, 1], scope.dtype())?;
        let at = |s: usize| {
            let place = s as f64 / taps as f64;
            let waves = (1..=bands).flat_map(move |f| {
                // Modulo the period before rounding.
                let angle = TAU * ((f as u128 * s as u128) % taps as u128) as f64 / taps as f64;
                [angle.cos(), angle.sin()]
            });
            std::iter::once(place).chain(waves)
        };
        let values: Vec<f64> = (0..taps).flat_map(at).collect();
        let positions: Vec<f64> = (0..taps).map(|s| s as f64 / taps as f64).collect();
        Ok(Self {
            input,
            hidden,
            output,
            rates: scope.parameter_from("rates", rates)?,
            features: Var::constant(from_values(scope.device(), &values, &[taps, features], scope.dtype())?),
            positions: Var::constant(from_values(scope.device(), &positions, &[1, taps], scope.dtype())?),
        })
    }

    /// The first `length` taps, or all if there are fewer: `[channels, taps]`.
    ///
    /// # Errors
    /// Memory and device errors.
    pub fn taps(&self, length: usize) -> Result<Var> {
        let taps = length.min(self.features.shape()[0]);
        let values = self.input.forward(&self.features.narrow(0, 0, taps)?)?.sin()?;
        let values = self.output.forward(&self.hidden.forward(&values)?.sin()?)?.transpose(0, 1)?;
        let decay = self.rates.exp()?.mul(&self.positions.narrow(1, 0, taps)?)?.neg()?.exp()?;
        values.mul(&decay)
    }
}
