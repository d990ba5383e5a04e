//! Complex numbers of magnitude 1.

use fft_core::{Device, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::complex;
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

/// `z / |z|`, and 0 where `z` is 0, or so small that `1 / |z|` is not finite.
#[derive(Debug, Clone, Copy)]
pub struct Phasor;

/// `z / |z|` and `1 / |z|`, each 0 where the latter would not be finite.
pub(super) fn parts(z: &Tensor) -> Result<(Tensor, Tensor)> {
    let over = z.abs()?.recip()?;
    let [zero, infinity] = [0.0, f64::INFINITY].map(|x| Tensor::full(z.device(), &[], over.dtype(), x));
    let over = Tensor::select(&over.eq(&infinity?)?, &zero?, &over)?.to_dtype(z.dtype())?;
    Ok((z.mul(&over)?, over))
}

impl Operation for Phasor {
    fn name(&self) -> &'static str {
        "phasor"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Ok(parts(&inputs[0])?.0)
    }

    /// Across the radius only: `(grad - u Re(conj(u) grad)) / |z|` with `u = z / |z|`.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (u, over) = parts(context.input(0)?)?;
        let along = grad.mul_conj(&u)?.real()?.to_dtype(u.dtype())?;
        Ok(vec![Some(grad.sub(&u.mul(&along)?)?.mul(&over)?)])
    }
}

impl Samples for Phasor {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(Phasor, [complex(device, &[2, 3], 1)?])])
    }
}

impl Var {
    /// `z / |z|` of each complex number, and 0 of 0 (or where `1 / |z|` is not finite), where the slope is taken as 0 too.
    ///
    /// # Errors
    /// As [`Tensor::unary`].
    pub fn phasor(&self) -> Result<Self> {
        Var::apply(Phasor, &[self])
    }
}
