//! The cross-entropy of logits with classes.

use fft_core::{Device, Element, Error, ReduceOp, Result, Tensor, tensor::check_indices};

use crate::autograd::Var;
use crate::autograd::check::real;
use crate::autograd::operation::{Context, Operation};
use crate::autograd::registry::{Sample, Samples};

const OP: &str = "cross_entropy";

/// The mean over positions of `-ln softmax(logits)[target]`, from logits `[positions, classes]`.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// The class of each position, `[positions]`, `U32` or `I64`; positions whose target is no class do not count.
    pub targets: Tensor,
    /// The number of positions that count.
    pub count: usize,
}

impl Operation for CrossEntropy {
    fn name(&self) -> &'static str {
        OP
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Ok(self.forward_keeping(inputs)?.0)
    }

    /// Keeps the log-sum-exp of each position.
    fn forward_keeping(&self, inputs: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let (losses, log_sum_exp) = inputs[0].cross_entropy(&self.targets)?;
        let mean = losses.reduce(ReduceOp::Sum, &[0])?.scale(1.0 / self.count as f64)?.reshape(&[])?;
        Ok((mean, vec![log_sum_exp]))
    }

    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let each = grad.scale(1.0 / self.count as f64)?.broadcast_to(self.targets.shape())?;
        let of_logits = context.input(0)?.cross_entropy_backward(&self.targets, context.kept(0)?, &each)?;
        Ok(vec![Some(of_logits)])
    }
}

impl Samples for CrossEntropy {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let logits = real(device, &[3, 4], 1)?;
        let sample = |targets: [i64; 3], count| -> Result<Sample> {
            let targets = Tensor::from_slice(device, &targets, &[3])?;
            Ok(Sample::new(CrossEntropy { targets, count }, [logits.clone()]))
        };
        Ok(vec![sample([2, 0, 2], 3)?, sample([1, -1, 3], 2)?])
    }
}

impl Var {
    /// The mean over positions of `-ln softmax(self)[target]`, in nats: `self` is `[positions, classes]`, with one target a position.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the shapes do not fit; [`Error::IndexOutOfRange`] for a target that is no class.
    pub fn cross_entropy(&self, targets: &[u32]) -> Result<Self> {
        check_indices(OP, targets, self.expect_positions(targets.len())?)?;
        self.mean_cross_entropy(targets, targets.len())
    }

    /// [`cross_entropy`](Self::cross_entropy) over the positions that have a target; the others have no influence (PyTorch's `ignore_index`).
    ///
    /// # Errors
    /// As [`cross_entropy`](Self::cross_entropy); [`Error::InvalidArgument`] when no position has a target.
    pub fn cross_entropy_of_some(&self, targets: &[Option<u32>]) -> Result<Self> {
        let classes = self.expect_positions(targets.len())?;
        let known: Vec<u32> = targets.iter().copied().flatten().collect();
        check_indices(OP, &known, classes)?;
        if known.is_empty() {
            return Err(Error::invalid(OP, "targets", "none", "at least one position must have a target"));
        }
        let all: Vec<i64> = targets.iter().map(|t| t.map_or(-1, i64::from)).collect();
        self.mean_cross_entropy(&all, known.len())
    }

    /// The number of classes.
    fn expect_positions(&self, positions: usize) -> Result<usize> {
        let shape = self.shape();
        if shape.len() != 2 || shape[0] != positions || positions == 0 {
            let reason = "needed are [positions, classes], and a target a position";
            return Err(Error::shapes(OP, &shape, &[positions], reason));
        }
        Ok(shape[1])
    }

    fn mean_cross_entropy<T: Element>(&self, targets: &[T], count: usize) -> Result<Self> {
        let targets = Tensor::from_slice(&self.device(), targets, &[targets.len()])?;
        Var::apply(CrossEntropy { targets, count }, &[self])
    }
}
