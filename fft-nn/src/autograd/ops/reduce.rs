//! Sums, means and extrema over axes.

use fft_core::{Device, Dims, ReduceOp, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Needs, Operation};
use crate::autograd::registry::{Sample, Samples};

/// The sum over axes, which stay with length 1.
#[derive(Debug, Clone)]
pub struct Sum(pub Dims);

impl Operation for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].reduce(ReduceOp::Sum, &self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(grad.broadcast_to(context.shape(0))?)])
    }
}

impl Samples for Sum {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let axes = |axes: &[usize]| Sum(Dims::from_slice(axes));
        Ok(vec![
            Sample::new(axes(&[0, 2]), [real(device, &[2, 3, 4], 1)?]),
            Sample::new(axes(&[1]), [complex(device, &[2, 3], 2)?]),
        ])
    }
}

/// The mean over axes, which stay with length 1.
#[derive(Debug, Clone)]
pub struct Mean(pub Dims);

impl Operation for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].reduce(ReduceOp::Mean, &self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let count: usize = self.0.iter().map(|&a| context.shape(0)[a]).product();
        Ok(vec![Some(grad.scale(1.0 / count as f64)?.broadcast_to(context.shape(0))?)])
    }
}

impl Samples for Mean {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let axes = |axes: &[usize]| Mean(Dims::from_slice(axes));
        Ok(vec![
            Sample::new(axes(&[0, 2]), [real(device, &[2, 3, 4], 1)?]),
            Sample::new(axes(&[1]), [complex(device, &[2, 3], 2)?]),
        ])
    }
}

/// The largest or smallest over axes, which stay with length 1. Where several are equal they share the gradient, as in PyTorch's `amax`.
#[derive(Debug, Clone)]
pub struct Extremum {
    /// Whether the largest.
    pub largest: bool,
    /// The axes.
    pub axes: Dims,
}

impl Operation for Extremum {
    fn name(&self) -> &'static str {
        "extremum"
    }

    fn needs(&self) -> Needs {
        Needs::BOTH
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].reduce(if self.largest { ReduceOp::Max } else { ReduceOp::Min }, &self.axes)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let x = context.input(0)?;
        let here = x.eq(context.output()?)?.to_dtype(x.dtype())?;
        let share = grad.div(&here.reduce(ReduceOp::Sum, &self.axes)?)?;
        Ok(vec![Some(here.mul(&share)?)])
    }
}

impl Samples for Extremum {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let x = real(device, &[3, 4], 1)?;
        let of = |largest, axes: &[usize]| Extremum { largest, axes: Dims::from_slice(axes) };
        Ok(vec![Sample::new(of(true, &[1]), [x.clone()]), Sample::new(of(false, &[0, 1]), [x])])
    }
}

impl Var {
    /// Sum over axes, which stay with length 1.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn sum_keep(&self, axes: &[usize]) -> Result<Self> {
        Var::apply(Sum(Dims::from_slice(axes)), &[self])
    }

    /// Sum over `axis`, which disappears.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn sum(&self, axis: usize) -> Result<Self> {
        self.sum_keep(&[axis])?.squeeze(axis)
    }

    /// Sum of all elements, without axes.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn sum_all(&self) -> Result<Self> {
        let axes: Dims = (0..self.rank()).collect();
        Var::apply(Sum(axes), &[self])?.reshape(&[])
    }

    /// Mean over axes, which stay with length 1.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn mean_keep(&self, axes: &[usize]) -> Result<Self> {
        Var::apply(Mean(Dims::from_slice(axes)), &[self])
    }

    /// Mean over `axis`, which disappears.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn mean(&self, axis: usize) -> Result<Self> {
        self.mean_keep(&[axis])?.squeeze(axis)
    }

    /// Mean of all elements, without axes.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn mean_all(&self) -> Result<Self> {
        let axes: Dims = (0..self.rank()).collect();
        Var::apply(Mean(axes), &[self])?.reshape(&[])
    }

    /// The largest over `axis`, which disappears; real.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn max(&self, axis: usize) -> Result<Self> {
        Var::apply(Extremum { largest: true, axes: Dims::from_slice(&[axis]) }, &[self])?.squeeze(axis)
    }

    /// The smallest over `axis`, which disappears; real.
    ///
    /// # Errors
    /// As [`Tensor::reduce`].
    pub fn min(&self, axis: usize) -> Result<Self> {
        Var::apply(Extremum { largest: false, axes: Dims::from_slice(&[axis]) }, &[self])?.squeeze(axis)
    }
}
