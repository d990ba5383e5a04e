//! Windows: weights that taper a stretch of a signal to its ends.

use std::f64::consts::{PI, TAU};

use crate::{Complex32, Complex64, DType, Device, Error, Result, Tensor};

/// A window by name, as in `scipy.signal.windows`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// All ones.
    Rectangular,
    /// A triangle that is 0 at its ends.
    Bartlett,
    /// `0.5 - 0.5 cos`, 0 at its ends.
    Hann,
    /// `0.54 - 0.46 cos`.
    Hamming,
    /// `0.42 - 0.5 cos + 0.08 cos`, 0 at its ends.
    Blackman,
    /// Four cosines (Harris 1978), side lobes below -92 dB.
    BlackmanHarris,
    /// Kaiser's window: `I0(beta sqrt(1 - u^2)) / I0(beta)` for `u` in -1..1.
    Kaiser {
        /// The shape, at least 0; the larger, the wider the main lobe and the lower the side lobes.
        beta: f64,
    },
    /// A bell curve.
    Gaussian {
        /// The standard deviation in samples, above 0.
        deviation: f64,
    },
    /// Flat with the flanks of a Hann window.
    Tukey {
        /// The share of the window that its flanks take, 0 (rectangular) to 1 (Hann).
        taper: f64,
    },
}

impl Window {
    /// The `n` weights of the window. A periodic one lacks the last point of the symmetric one of `n + 1`, so that shifted copies add up
    /// evenly: for spectra and [`stft`](Tensor::stft). A symmetric one is for the design of filters. A single point is 1.
    ///
    /// ```
    /// use fft_core::window::Window;
    ///
    /// let periodic: Vec<f64> = Window::Hann.values(4, true)?.into_iter().map(|w| (w * 1e9).round() / 1e9).collect();
    /// assert_eq!(periodic, [0.0, 0.5, 1.0, 0.5]);
    /// assert_eq!(Window::Bartlett.values(5, false)?, [0.0, 0.5, 1.0, 0.5, 0.0]);
    /// # Ok::<(), fft_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no points, more than memory holds, or a parameter out of its range.
    pub fn values(self, n: usize, periodic: bool) -> Result<Vec<f64>> {
        self.values_for("window", n, periodic)
    }

    /// [`values`](Self::values), with the name of the operation that needs them in its errors.
    pub(crate) fn values_for(self, op: &'static str, n: usize, periodic: bool) -> Result<Vec<f64>> {
        if n == 0 {
            return Err(Error::invalid(op, "n", n, "a window needs at least one point"));
        }
        let finite = |name, value: f64, fits: bool, reason: &str| match value.is_finite() && fits {
            true => Ok(()),
            false => Err(Error::invalid(op, name, value, reason)),
        };
        match self {
            Window::Kaiser { beta } => finite("beta", beta, beta >= 0.0, "must be finite and at least 0")?,
            Window::Gaussian { deviation } => {
                finite("deviation", deviation, deviation > 0.0, "must be finite and above 0")?;
            }
            Window::Tukey { taper } => {
                finite("taper", taper, (0.0..=1.0).contains(&taper), "must be from 0 to 1")?;
            }
            _ => {}
        }
        let mut out = Vec::new();
        let memory = |_| Error::invalid(op, "n", n, "has more points than memory holds");
        out.try_reserve_exact(n).map_err(memory)?;
        if n == 1 {
            out.push(1.0);
            return Ok(out);
        }
        // The last point of the symmetric window; weights are taken from the nearer end, which makes them symmetric.
        let last = if periodic { n } else { n - 1 };
        out.extend((0..n).map(|j| self.weight(j.min(last - j) as f64, last as f64)));
        Ok(out)
    }

    /// The weights as a tensor of one axis.
    ///
    /// # Errors
    /// As [`values`](Self::values); [`Error::DTypeMismatch`] when `dtype` is not `F32`, `F64`, `C64` or `C128`; memory errors.
    pub fn tensor(self, device: &Device, n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        weights(device, &self.values(n, periodic)?, dtype)
    }

    /// The weight of point `j` in the first half of `0..=last`.
    fn weight(self, j: f64, last: f64) -> f64 {
        let cosines = |a: &[f64]| -> f64 {
            let signed = a.iter().enumerate().map(|(k, a)| if k % 2 == 0 { *a } else { -a });
            signed.enumerate().map(|(k, a)| a * (TAU * k as f64 * j / last).cos()).sum()
        };
        match self {
            Window::Rectangular => 1.0,
            Window::Bartlett => 2.0 * j / last,
            Window::Hann => cosines(&[0.5, 0.5]),
            Window::Hamming => cosines(&[0.54, 0.46]),
            Window::Blackman => cosines(&[0.42, 0.5, 0.08]),
            Window::BlackmanHarris => cosines(&[0.35875, 0.48829, 0.14128, 0.01168]),
            Window::Kaiser { beta } => {
                // 1 - u^2 with u = 2 j / last - 1.
                let argument = beta * (4.0 * (j / last) * (1.0 - j / last)).max(0.0).sqrt();
                (argument - beta).exp() * scaled_bessel(argument) / scaled_bessel(beta)
            }
            Window::Gaussian { deviation } => (-0.5 * ((j - 0.5 * last) / deviation).powi(2)).exp(),
            Window::Tukey { taper } => {
                let flank = 0.5 * taper * last;
                if j < flank { 0.5 - 0.5 * (PI * j / flank).cos() } else { 1.0 }
            }
        }
    }
}

/// Real weights as a tensor of a real or complex type.
pub(crate) fn weights(device: &Device, values: &[f64], dtype: DType) -> Result<Tensor> {
    let shape = &[values.len()];
    let of = values.iter().copied();
    match dtype {
        DType::F32 => Tensor::from_slice(device, &of.map(|w| w as f32).collect::<Vec<_>>(), shape),
        DType::F64 => Tensor::from_slice(device, values, shape),
        DType::C64 => {
            Tensor::from_slice(device, &of.map(|w| Complex32::from(w as f32)).collect::<Vec<_>>(), shape)
        }
        DType::C128 => Tensor::from_slice(device, &of.map(Complex64::from).collect::<Vec<_>>(), shape),
        rhs => Err(Error::DTypeMismatch { op: "window", lhs: DType::F32, rhs }),
    }
}

/// `e^-x I0(x)`, the modified Bessel function of order 0, for `x >= 0`: its power series (Abramowitz and Stegun 9.6.10), all terms of which
/// are positive, and from 40 on the asymptotic series (9.7.1), whose terms fall below 1e-17 there.
fn scaled_bessel(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    if x < 40.0 {
        let quarter = 0.25 * x * x;
        for k in 1..200 {
            term *= quarter / (k * k) as f64;
            sum += term;
            if term < 1e-17 * sum {
                break;
            }
        }
        return (-x).exp() * sum;
    }
    for k in 1..40 {
        let odd = (2 * k - 1) as f64;
        term *= odd * odd / (8.0 * x * k as f64);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum / (TAU * x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Window; 9] = [
        Window::Rectangular,
        Window::Bartlett,
        Window::Hann,
        Window::Hamming,
        Window::Blackman,
        Window::BlackmanHarris,
        Window::Kaiser { beta: 8.6 },
        Window::Gaussian { deviation: 3.0 },
        Window::Tukey { taper: 0.5 },
    ];

    #[test]
    fn symmetric_and_periodic() {
        for window in ALL {
            for n in 1..40 {
                let symmetric = window.values(n + 1, false).unwrap();
                assert!(symmetric.iter().eq(symmetric.iter().rev()), "{window:?} {n}");
                assert!(symmetric.iter().all(|w| (-1e-15..=1.0 + 1e-15).contains(w)), "{window:?} {n}");
                if n > 1 {
                    assert_eq!(window.values(n, true).unwrap(), symmetric[..n], "{window:?} {n}");
                }
            }
            assert_eq!(window.values(1, true).unwrap(), [1.0]);
            assert_eq!(window.values(1, false).unwrap(), [1.0]);
        }
    }

    #[test]
    fn bessel_values() {
        // I0(1), I0(10) from tables; both series where they meet.
        assert!((scaled_bessel(1.0) * 1f64.exp() - 1.266_065_877_752_008_4).abs() < 1e-15);
        assert!((scaled_bessel(10.0) * 10f64.exp() / 2_815.716_628_466_254 - 1.0).abs() < 1e-14);
        assert!((scaled_bessel(40.0 - 1e-9) / scaled_bessel(40.0 + 1e-9) - 1.0).abs() < 1e-10);
        let sharp = Window::Kaiser { beta: 1e6 }.values(9, false).unwrap();
        assert!(sharp.iter().all(|w| w.is_finite()) && sharp[4] == 1.0 && sharp[0] == 0.0);
    }

    #[test]
    fn bad_arguments() {
        for window in ALL {
            assert!(window.values(0, true).unwrap_err().to_string().contains("window: n = 0"));
            assert!(window.values(usize::MAX, true).is_err());
        }
        for (window, name) in [
            (Window::Kaiser { beta: -1.0 }, "beta = -1"),
            (Window::Kaiser { beta: f64::NAN }, "beta = NaN"),
            (Window::Gaussian { deviation: 0.0 }, "deviation = 0"),
            (Window::Tukey { taper: 1.5 }, "taper = 1.5"),
        ] {
            assert!(window.values(4, true).unwrap_err().to_string().contains(name), "{window:?}");
        }
    }
}
