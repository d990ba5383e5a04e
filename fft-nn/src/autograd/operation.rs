//! What an operation has to say about itself.

use fft_core::{DType, Dims, Error, Result, Tensor};

/// What of a forward computation the way back needs; nothing else is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The operands.
    pub inputs: bool,
    /// The result.
    pub output: bool,
}

impl Needs {
    /// Shapes and dtypes are enough.
    pub const NOTHING: Self = Self { inputs: false, output: false };
    /// The operands.
    pub const INPUTS: Self = Self { inputs: true, output: false };
    /// The result.
    pub const OUTPUT: Self = Self { inputs: false, output: true };
    /// Both.
    pub const BOTH: Self = Self { inputs: true, output: true };
}

/// What was kept of a forward computation.
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) name: &'static str,
    pub(super) operands: Vec<(Dims, DType)>,
    pub(super) inputs: Vec<Tensor>,
    pub(super) output: Option<Tensor>,
    pub(super) kept: Vec<Tensor>,
    pub(super) wanted: Vec<bool>,
}

impl Context {
    fn lost(&self, argument: &'static str) -> Error {
        Error::invalid("backward", argument, self.name, "the operation did not ask for it to be kept")
    }

    /// Operand `i`; the operation's [`needs`](Operation::needs) must name the inputs.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it was not kept.
    pub fn input(&self, i: usize) -> Result<&Tensor> {
        self.inputs.get(i).ok_or_else(|| self.lost("input"))
    }

    /// The result; the operation's [`needs`](Operation::needs) must name it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it was not kept.
    pub fn output(&self) -> Result<&Tensor> {
        self.output.as_ref().ok_or_else(|| self.lost("output"))
    }

    /// Tensor `i` of those that [`forward_keeping`](Operation::forward_keeping) made for the way back.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there is none.
    pub fn kept(&self, i: usize) -> Result<&Tensor> {
        self.kept.get(i).ok_or_else(|| self.lost("kept"))
    }

    /// The number of operands.
    pub fn operands(&self) -> usize {
        self.operands.len()
    }

    /// The shape of operand `i`.
    pub fn shape(&self, i: usize) -> &[usize] {
        &self.operands[i].0
    }

    /// The dtype of operand `i`.
    pub fn dtype(&self, i: usize) -> DType {
        self.operands[i].1
    }

    /// Whether the gradient of operand `i` is asked for; others may be `None`.
    pub fn wants(&self, i: usize) -> bool {
        self.wanted[i]
    }
}

/// A differentiable operation on tensors: a value that holds its options.
pub trait Operation: std::fmt::Debug + Send + Sync + 'static {
    /// Its name, in errors and in the registry.
    fn name(&self) -> &'static str;

    /// What [`backward`](Self::backward) reads.
    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    /// The result for operands.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors.
    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor>;

    /// The result, and what else was computed on the way that [`backward`](Self::backward) reads, as [`Context::kept`]. Called instead of
    /// [`forward`](Self::forward) where a way back is recorded.
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward).
    fn forward_keeping(&self, inputs: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        Ok((self.forward(inputs)?, Vec::new()))
    }

    /// The gradients of a loss in the operands, from that in the result: each of its operand's shape and dtype, for those that
    /// [`Context::wants`] at least.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the operation has no derivative; memory and device errors.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>>;
}

/// The error of a way back that does not exist.
pub(super) fn not_differentiable(name: &'static str, grad: &Tensor) -> Error {
    let device = grad.device().info().id.clone();
    Error::Unsupported { op: "backward", device, reason: format!("{name} is not differentiable") }
}
