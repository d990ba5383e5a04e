//! Cosine and sine transforms through Fourier transforms.
//!
//! Types II and III are a real transform of `n` points of the signal in another order (Makhoul 1980), type IV of even length is a complex
//! one of `n / 2` points, type I a real one of the extended signal. A sine transform is a cosine transform of the signal
//! reversed or with every second sign changed. Factors and the weights of orthogonal forms go into the twiddles, which are made
//! in `f64`.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

use crate::{
    Complex32, Complex64, DType, DctSpec, DctType, Direction, FftKind, FftSpec, Norm, Result, Tensor, Wave,
};

/// The transform that `spec` names of a real tensor with enough points along the axis.
///
/// # Errors
/// Memory and device errors.
pub fn dct(x: &Tensor, spec: DctSpec) -> Result<Tensor> {
    let last = x.rank() - 1;
    let lines = Lines { axis: last, n: x.shape()[spec.axis], spec };
    let x = x.transpose(spec.axis, last)?;
    let y = match (spec.kind, spec.wave) {
        (DctType::I, Wave::Cosine) => lines.cosine_one(&x),
        (DctType::I, Wave::Sine) => lines.sine_one(&x),
        (DctType::II, _) => lines.two(&x),
        (DctType::III, _) => lines.three(&x),
        (DctType::IV, _) if lines.n.is_multiple_of(2) => lines.four_even(&x),
        (DctType::IV, _) => lines.four_odd(&x),
    }?;
    y.transpose(spec.axis, last)
}

/// Lines of `n` points along the last axis.
struct Lines {
    axis: usize,
    n: usize,
    spec: DctSpec,
}

impl Lines {
    fn is_sine(&self) -> bool {
        self.spec.wave == Wave::Sine
    }

    fn reversed(&self, x: &Tensor) -> Result<Tensor> {
        x.step(self.axis, -1)
    }

    /// The even extension has a real spectrum, which is the transform.
    fn cosine_one(&self, x: &Tensor) -> Result<Tensor> {
        let Self { axis, n, .. } = *self;
        let x = &self.weighted(x, SQRT_2)?;
        let mirrored = self.reversed(&x.narrow(axis, 1, n - 2)?)?;
        let spectrum = self.half_spectrum(&Tensor::cat(&[x.clone(), mirrored], axis)?, self.spec.scale)?;
        self.weighted(&spectrum.real()?, FRAC_1_SQRT_2)
    }

    /// The odd extension has an imaginary spectrum.
    fn sine_one(&self, x: &Tensor) -> Result<Tensor> {
        let Self { axis, n, .. } = *self;
        let zero = Tensor::zeros(x.device(), x.narrow(axis, 0, 1)?.shape(), x.dtype())?;
        let parts = [zero.clone(), x.clone(), zero, self.reversed(&x.neg()?)?];
        let spectrum = self.half_spectrum(&Tensor::cat(&parts, axis)?, -self.spec.scale)?;
        spectrum.narrow(axis, 1, n)?.imag()
    }

    fn half_spectrum(&self, x: &Tensor, scale: f64) -> Result<Tensor> {
        let n = x.shape()[self.axis];
        let spec = FftSpec { kind: FftKind::R2C, direction: Direction::Forward, axis: self.axis, n, scale };
        x.fft_primitive(spec)
    }

    /// With `v` the even points followed by the odd ones backwards and `V` its spectrum, `y[k] = 2 Re(w^k V[k])` and
    /// `y[n - k] = -2 Im(w^k V[k])`, `w = exp(-pi i / 2n)`.
    fn two(&self, x: &Tensor) -> Result<Tensor> {
        let Self { axis, n, spec } = *self;
        let mut parts = vec![x.step(axis, 2)?];
        if n > 1 {
            let odd = self.reversed(&x.narrow(axis, 1, n - 1)?.step(axis, 2)?)?;
            parts.push(if self.is_sine() { odd.neg()? } else { odd });
        }
        let spectrum = Tensor::cat(&parts, axis)?.rfft(axis, None, Norm::Backward)?;
        let w = self.twiddles(x, n / 2 + 1, |k| {
            let first = if k == 0 && spec.orthogonal { FRAC_1_SQRT_2 } else { 1.0 };
            Complex64::from_polar(2.0 * spec.scale * first, -0.5 * PI * k as f64 / n as f64)
        })?;
        let turned = spectrum.mul(&w)?;
        let high = turned.narrow(axis, 1, (n - 1) / 2)?.imag()?.neg()?;
        let y = Tensor::cat(&[turned.real()?, self.reversed(&high)?], axis)?;
        if self.is_sine() { self.reversed(&y) } else { Ok(y) }
    }

    /// The steps of type II backwards: `V[k] = w^-k (x[k] - i x[n - k])`.
    fn three(&self, x: &Tensor) -> Result<Tensor> {
        let Self { axis, n, spec } = *self;
        let x = if self.is_sine() { self.reversed(x)? } else { x.clone() };
        let low = x.narrow(axis, 0, n / 2 + 1)?;
        let high = self.reversed(&x.narrow(axis, n - n / 2, n / 2)?)?;
        let high = high.padded("dct", axis, 1, 0)?;
        let w = self.twiddles(&x, n / 2 + 1, |k| {
            let first = if k == 0 && spec.orthogonal { SQRT_2 } else { 1.0 };
            Complex64::from_polar(spec.scale * first, 0.5 * PI * k as f64 / n as f64)
        })?;
        let spectrum = w.mul_conj(&low.complex(&high)?)?;
        // Forward norm: the inverse transform has no factor.
        let v = spectrum.irfft(axis, Some(n), Norm::Forward)?;
        let even = v.narrow(axis, 0, n.div_ceil(2))?;
        let odd = self.reversed(&v.narrow(axis, n.div_ceil(2), n / 2)?)?;
        self.interleaved(even, if self.is_sine() { odd.neg()? } else { odd })
    }

    /// With `z[j] = (x[2j] + i x[n-1-2j]) exp(-pi i (4j+1) / 4n)`, `Z` its spectrum of `n / 2` bins and `t[k] = Z[k] exp(-pi i k / n)`,
    /// `y[2k] = 2 Re t[k]` and `y[n-1-2k] = -2 Im t[k]`.
    fn four_even(&self, x: &Tensor) -> Result<Tensor> {
        let Self { axis, n, spec } = *self;
        let x = if self.is_sine() { self.reversed(x)? } else { x.clone() };
        let z = x.step(axis, 2)?.complex(&self.reversed(&x)?.step(axis, 2)?)?;
        let before = self.twiddles(&x, n / 2, |j| {
            Complex64::from_polar(2.0 * spec.scale, -PI * (4 * j + 1) as f64 / (4 * n) as f64)
        })?;
        let after = self.twiddles(&x, n / 2, |k| Complex64::cis(-PI * k as f64 / n as f64))?;
        let t = z.mul(&before)?.fft(axis, None, Norm::Backward)?.mul(&after)?;
        let odd = self.reversed(&t.imag()?)?;
        self.interleaved(t.real()?, if self.is_sine() { odd } else { odd.neg()? })
    }

    /// `y[k] = 2 Re(exp(-pi i (2k+1) / 4n) Z[k])`, where `Z` is the spectrum of `x[j] exp(-pi i j / 2n)` padded to `2n` points.
    fn four_odd(&self, x: &Tensor) -> Result<Tensor> {
        let Self { axis, n, spec } = *self;
        let x = if self.is_sine() { self.reversed(x)? } else { x.clone() };
        let before = self.twiddles(&x, n, |j| Complex64::cis(-0.5 * PI * j as f64 / n as f64))?;
        let after = self.twiddles(&x, n, |k| {
            let sign = if self.is_sine() && k % 2 == 1 { -2.0 } else { 2.0 };
            let angle = -PI * (2 * k + 1) as f64 / (4 * n) as f64;
            Complex64::cis(angle) * (sign * spec.scale)
        })?;
        let z = x.to_dtype(x.dtype().to_complex())?.mul(&before)?;
        z.fft(axis, Some(2 * n), Norm::Backward)?.narrow(axis, 0, n)?.mul(&after)?.real()
    }

    /// The elements of two tensors in turn; the second may lack its last.
    fn interleaved(&self, even: Tensor, odd: Tensor) -> Result<Tensor> {
        let Self { axis, n, .. } = *self;
        let odd = odd.resize(axis, even.shape()[axis])?;
        let pairs = Tensor::cat(&[even.unsqueeze(axis + 1)?, odd.unsqueeze(axis + 1)?], axis + 1)?;
        let mut shape = crate::Dims::from_slice(even.shape());
        shape[axis] *= 2;
        pairs.reshape(&shape)?.narrow(axis, 0, n)
    }

    /// The first and the last point times `weight`, for the orthogonal form.
    fn weighted(&self, x: &Tensor, weight: f64) -> Result<Tensor> {
        if !self.spec.orthogonal {
            return Ok(x.clone());
        }
        let at = |k: usize| if k == 0 || k + 1 == self.n { weight } else { 1.0 };
        let weights = match x.dtype() {
            DType::F64 => Tensor::from_slice(x.device(), &(0..self.n).map(at).collect::<Vec<_>>(), &[self.n]),
            _ => {
                let weights: Vec<f32> = (0..self.n).map(|k| at(k) as f32).collect();
                Tensor::from_slice(x.device(), &weights, &[self.n])
            }
        };
        x.mul(&weights?)
    }

    /// `len` complex factors along the last axis in the precision of `x`.
    fn twiddles(&self, x: &Tensor, len: usize, f: impl Fn(usize) -> Complex64) -> Result<Tensor> {
        if x.dtype() == DType::F64 {
            return Tensor::from_slice(x.device(), &(0..len).map(f).collect::<Vec<_>>(), &[len]);
        }
        let nearest = |z: Complex64| Complex32::new(z.re as f32, z.im as f32);
        let factors: Vec<Complex32> = (0..len).map(|k| nearest(f(k))).collect();
        Tensor::from_slice(x.device(), &factors, &[len])
    }
}
