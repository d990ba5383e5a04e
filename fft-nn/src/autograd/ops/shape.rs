//! Operations that move elements.

use fft_core::{Device, Dims, Error, Result, ScatterMode, Tensor, tensor::check_indices};

use super::sum_to;
use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Needs, Operation};
use crate::autograd::registry::{Sample, Samples};

/// The same elements in another shape.
#[derive(Debug, Clone)]
pub struct Reshape(pub Dims);

impl Operation for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].reshape(&self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(grad.reshape(context.shape(0))?)])
    }
}

impl Samples for Reshape {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(Reshape(Dims::from_slice(&[3, 2])), [complex(device, &[2, 3], 1)?])])
    }
}

/// The axes in another order.
#[derive(Debug, Clone)]
pub struct Permute(pub Dims);

impl Operation for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].permute(&self.0)
    }

    fn backward(&self, _: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut back = self.0.clone();
        for (i, &axis) in self.0.iter().enumerate() {
            back[axis] = i;
        }
        Ok(vec![Some(grad.permute(&back)?)])
    }
}

impl Samples for Permute {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(Permute(Dims::from_slice(&[2, 0, 1])), [real(device, &[2, 3, 4], 1)?])])
    }
}

/// A range along an axis.
#[derive(Debug, Clone)]
pub struct Narrow {
    /// The axis.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// How many.
    pub len: usize,
}

impl Operation for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].narrow(self.axis, self.start, self.len)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut all = Tensor::zeros(grad.device(), context.shape(0), grad.dtype())?;
        all.assign(self.axis, self.start, grad)?;
        Ok(vec![Some(all)])
    }
}

impl Samples for Narrow {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(Narrow { axis: 1, start: 2, len: 3 }, [complex(device, &[2, 6], 1)?])])
    }
}

/// Elements repeated to a shape.
#[derive(Debug, Clone)]
pub struct BroadcastTo(pub Dims);

impl Operation for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].broadcast_to(&self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(sum_to(grad, context.shape(0))?)])
    }
}

impl Samples for BroadcastTo {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        Ok(vec![Sample::new(BroadcastTo(Dims::from_slice(&[4, 2, 3])), [real(device, &[2, 1], 1)?])])
    }
}

/// Tensors joined along an axis.
#[derive(Debug, Clone)]
pub struct Cat(pub usize);

impl Operation for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Tensor::cat(inputs, self.0)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut start = 0;
        let part = |i: usize| {
            let len = context.shape(i)[self.0];
            start += len;
            Ok(Some(grad.narrow(self.0, start - len, len)?))
        };
        (0..context.operands()).map(part).collect()
    }
}

impl Samples for Cat {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let parts = [(1, 1), (3, 2), (2, 3)].map(|(n, seed)| real(device, &[2, n], seed));
        Ok(vec![Sample::new(Cat(1), parts.into_iter().collect::<Result<Vec<_>>>()?)])
    }
}

/// Slices at indices along an axis: the lookup of an embedding is that along its first. Indices may repeat.
#[derive(Debug, Clone)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
    /// The positions, `U32 [count]`.
    pub indices: Tensor,
}

impl Operation for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].gather(self.axis, &self.indices)
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut sums = Tensor::zeros(grad.device(), context.shape(0), grad.dtype())?;
        sums.scatter(self.axis, &self.indices, grad, ScatterMode::Add)?;
        Ok(vec![Some(sums)])
    }
}

impl Samples for Gather {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let indices = Tensor::from_slice(device, &[3u32, 0, 3, 1], &[4])?;
        Ok(vec![
            Sample::new(Gather { axis: 0, indices: indices.clone() }, [real(device, &[5, 2], 1)?]),
            Sample::new(Gather { axis: 1, indices }, [complex(device, &[2, 4], 2)?]),
        ])
    }
}

impl Var {
    /// The same elements in another shape.
    ///
    /// # Errors
    /// As [`Tensor::reshape`].
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        Var::apply(Reshape(Dims::from_slice(shape)), &[self])
    }

    /// Without `axis`, which must have length 1.
    ///
    /// # Errors
    /// As [`Tensor::squeeze`].
    pub fn squeeze(&self, axis: usize) -> Result<Self> {
        let shape = self.value().squeeze(axis)?;
        self.reshape(shape.shape())
    }

    /// With a new axis of length 1 before `axis`.
    ///
    /// # Errors
    /// As [`Tensor::unsqueeze`].
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        let shape = self.value().unsqueeze(axis)?;
        self.reshape(shape.shape())
    }

    /// The axes in another order.
    ///
    /// # Errors
    /// As [`Tensor::permute`].
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        Var::apply(Permute(Dims::from_slice(axes)), &[self])
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// As [`Tensor::transpose`].
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        let mut axes: Dims = (0..self.rank()).collect();
        if a >= axes.len() || b >= axes.len() {
            let reason = format!("the tensor has {} axes", axes.len());
            return Err(Error::invalid("transpose", "axis", a.max(b), reason));
        }
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// Elements `start..start + len` along `axis`.
    ///
    /// # Errors
    /// As [`Tensor::narrow`].
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Result<Self> {
        Var::apply(Narrow { axis, start, len }, &[self])
    }

    /// Repeated to `shape`.
    ///
    /// # Errors
    /// As [`Tensor::broadcast_to`].
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self> {
        Var::apply(BroadcastTo(Dims::from_slice(shape)), &[self])
    }

    /// Variables joined along `axis`.
    ///
    /// # Errors
    /// As [`Tensor::cat`].
    pub fn cat(parts: &[&Var], axis: usize) -> Result<Self> {
        Var::apply(Cat(axis), parts)
    }

    /// The slices at `indices` along `axis`, in that order; along axis 0 of `[vocabulary, width]` the lookup of an embedding.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`]; as [`Tensor::gather`].
    pub fn gather(&self, axis: usize, indices: &[u32]) -> Result<Self> {
        if let Some(&len) = self.shape().get(axis) {
            check_indices("gather", indices, len)?;
        }
        let indices = Tensor::from_slice(&self.device(), indices, &[indices.len()])?;
        Var::apply(Gather { axis, indices }, &[self])
    }
}
