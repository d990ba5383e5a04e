//! Normalisations and gates.

use fft_core::{DType, Result, Tensor, compose};

use super::rows::{dense, map_rows, sum_squares};
use crate::elementwise::map2;
use crate::elementwise::math::Real;
use crate::reduction::sum_f32;
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

struct Normalise<'a> {
    x: &'a [f32],
    shift: f32,
    scale: f32,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let terms = self.out.iter_mut().zip(self.x).zip(self.weight);
        match self.bias {
            None => terms.for_each(|((y, &x), &w)| *y = (x - self.shift) * self.scale * w),
            Some(bias) => {
                terms.zip(bias).for_each(|(((y, &x), &w), &b)| *y = (x - self.shift) * self.scale * w + b);
            }
        }
    }
}

/// See `SpectralBackend::rms_norm`.
pub(crate) fn rms_norm(threads: &Threads, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    const OP: &str = "rms_norm";
    if x.dtype() != DType::F32 || x.is_empty() {
        return compose::rms_norm(x, weight, eps);
    }
    let weight = weight.contiguous()?;
    let weight = dense(OP, &weight)?;
    map_rows(OP, threads, x, &|x, out| {
        let mean = sum_squares(x, 0.0) / x.len() as f64;
        let scale = (1.0 / (mean + eps as f64).sqrt()) as f32;
        dispatch(Normalise { x, shift: 0.0, scale, weight, bias: None, out });
    })
}

/// See `SpectralBackend::layer_norm`.
pub(crate) fn layer_norm(
    threads: &Threads,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f32,
) -> Result<Tensor> {
    const OP: &str = "layer_norm";
    if x.dtype() != DType::F32 || x.is_empty() {
        return compose::layer_norm(x, weight, bias, eps);
    }
    let (weight, bias) = (weight.contiguous()?, bias.contiguous()?);
    let (weight, bias) = (dense(OP, &weight)?, dense(OP, &bias)?);
    map_rows(OP, threads, x, &|x, out| {
        let shift = (sum_f32(x) / x.len() as f64) as f32;
        let variance = sum_squares(x, shift) / x.len() as f64;
        let scale = (1.0 / (variance + eps as f64).sqrt()) as f32;
        dispatch(Normalise { x, shift, scale, weight, bias: Some(bias), out });
    })
}

struct SiluMul<'a>(&'a [f32], &'a [f32], &'a mut [f32]);
impl Kernel for SiluMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for ((y, &g), &u) in self.2.iter_mut().zip(self.0).zip(self.1) {
            *y = g / (1.0 + Real::exp::<L>(-g)) * u;
        }
    }
}

/// See `SpectralBackend::silu_mul`.
pub(crate) fn silu_mul(threads: &Threads, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    const OP: &str = "silu_mul";
    if gate.dtype() != DType::F32 {
        return compose::silu_mul(gate, up);
    }
    Tensor::build(gate.device(), OP, gate.shape(), DType::F32, |dst| {
        let views = (gate.view(), up.view());
        map2(OP, threads, 12, views, dst, |g: &[f32], u: &[f32], d: &mut [f32]| dispatch(SiluMul(g, u, d)))
    })
}
