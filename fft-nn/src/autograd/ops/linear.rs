//! Matrix products.

use fft_core::{Device, Result, Tensor};

use super::sum_to;
use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

/// The batched product `[.., m, k] x [.., k, n]`, real or complex; leading axes broadcast.
#[derive(Debug, Clone, Copy)]
pub struct Matmul;

/// `conj(x)^T` of the last two axes.
fn adjoint(x: &Tensor) -> Result<Tensor> {
    let turned = x.transpose(x.rank() - 2, x.rank() - 1)?;
    if x.dtype().is_complex() { turned.conj() } else { Ok(turned) }
}

impl Operation for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].matmul(&inputs[1])
    }

    /// `grad B^H` and `A^H grad`. Where `B` is one matrix for a batch of `A` its gradient is one product over the joined rows.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (a, b) = (context.input(0)?, context.input(1)?);
        let of_a = || sum_to(&grad.matmul(&adjoint(b)?)?, a.shape());
        let of_b = || {
            if b.rank() == 2 && a.rank() > 2 {
                let rows = |x: &Tensor| {
                    let (outer, last) = x.shape().split_at(x.rank() - 1);
                    x.reshape(&[outer.iter().product(), last[0]])
                };
                return adjoint(&rows(a)?)?.matmul(&rows(grad)?);
            }
            sum_to(&adjoint(a)?.matmul(grad)?, b.shape())
        };
        let of_a = context.wants(0).then(of_a).transpose()?;
        let of_b = context.wants(1).then(of_b).transpose()?;
        Ok(vec![of_a, of_b])
    }
}

impl Samples for Matmul {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for (a, b) in [
            (&[3, 4][..], &[4, 2][..]),
            (&[2, 3, 4], &[4, 2]),
            (&[3, 4], &[2, 4, 2]),
            (&[2, 1, 3, 4], &[5, 4, 2]),
            // Nothing to add up, and nothing that comes out.
            (&[2, 3, 0], &[0, 2]),
            (&[2, 3, 4], &[4, 0]),
        ] {
            samples.push(Sample::new(Matmul, [real(device, a, 1)?, real(device, b, 2)?]));
            samples.push(Sample::new(Matmul, [complex(device, a, 3)?, complex(device, b, 4)?]));
        }
        Ok(samples)
    }
}

impl Var {
    /// Batched matrix product `[.., m, k] x [.., k, n] -> [.., m, n]`, real or complex; leading axes broadcast.
    ///
    /// # Errors
    /// As [`Tensor::matmul`].
    pub fn matmul(&self, other: &Var) -> Result<Self> {
        Var::apply(Matmul, &[self, other])
    }
}
