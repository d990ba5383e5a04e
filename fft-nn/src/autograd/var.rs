//! Variables: tensors with a history.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fft_core::{DType, Device, Dims, Error, Result, Tensor};

use super::operation::{Context, Operation};

/// Looks at a gradient on its way, and may replace it.
pub type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

/// A tensor that remembers how it was computed. Clones share everything.
#[derive(Clone)]
pub struct Var(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// Larger than those of all variables that this one was computed from.
    pub(super) id: u64,
    value: RwLock<Tensor>,
    pub(super) needs_grad: bool,
    grad: Mutex<Option<Tensor>>,
    pub(super) hooks: Mutex<Vec<Hook>>,
    pub(super) step: Option<Step>,
}

/// How a variable was computed.
pub(super) struct Step {
    pub(super) operation: Box<dyn Operation>,
    pub(super) parents: Vec<Var>,
    /// Gone once the way back was taken.
    pub(super) context: Mutex<Option<Context>>,
}

impl Drop for Inner {
    /// Takes long histories apart one by one: dropped recursively they would overflow the stack.
    fn drop(&mut self) {
        let mut parents = self.step.take().map_or_else(Vec::new, |step| step.parents);
        while let Some(Var(parent)) = parents.pop() {
            if let Some(mut inner) = Arc::into_inner(parent)
                && let Some(step) = inner.step.take()
            {
                parents.extend(step.parents);
            }
        }
    }
}

impl std::fmt::Debug for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let made_by = self.0.step.as_ref().map(|step| step.operation.name());
        let value = self.value();
        f.debug_struct("Var")
            .field("shape", &value.shape())
            .field("dtype", &value.dtype())
            .field("needs_grad", &self.0.needs_grad)
            .field("made_by", &made_by)
            .finish_non_exhaustive()
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations of this thread record the way back.
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Sets whether this thread records while `work` runs, also if it panics.
pub(super) fn recording<T>(on: bool, work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(on));
    work()
}

/// Runs `work` without recording: its results have no history.
pub fn no_grad<T>(work: impl FnOnce() -> T) -> T {
    recording(false, work)
}

static NEXT: AtomicU64 = AtomicU64::new(0);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks that a leaf keeps its shape and dtype.
fn expect_alike(op: &'static str, value: &Tensor, shape: &[usize], dtype: DType) -> Result<()> {
    if value.shape() != shape {
        return Err(Error::shapes(op, value.shape(), shape, "a leaf keeps its shape"));
    }
    if value.dtype() != dtype {
        return Err(Error::DTypeMismatch { op, lhs: value.dtype(), rhs: dtype });
    }
    Ok(())
}

impl Var {
    fn new(value: Tensor, needs_grad: bool, step: Option<Step>) -> Self {
        Self(Arc::new(Inner {
            id: NEXT.fetch_add(1, Relaxed),
            value: RwLock::new(value),
            needs_grad,
            grad: Mutex::default(),
            hooks: Mutex::default(),
            step,
        }))
    }

    /// A leaf whose gradient is wanted: a parameter.
    pub fn leaf(value: Tensor) -> Self {
        Self::new(value, true, None)
    }

    /// A leaf without a gradient: data.
    pub fn constant(value: Tensor) -> Self {
        Self::new(value, false, None)
    }

    /// The tensor.
    pub fn value(&self) -> Tensor {
        self.0.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives a leaf another value, as optimisers do. Histories keep the value that they were computed with.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a variable that is not a leaf; mismatches of shape or dtype.
    pub fn set_value(&self, value: Tensor) -> Result<()> {
        const OP: &str = "set_value";
        self.expect_leaf(OP)?;
        let mut own = self.0.value.write().unwrap_or_else(PoisonError::into_inner);
        expect_alike(OP, &value, own.shape(), own.dtype())?;
        *own = value;
        Ok(())
    }

    /// Changes the value of a leaf where it is, as optimisers do with [`Tensor::adamw_step`]. Histories keep the value that they were
    /// computed with: while one of them lives, its buffer is copied first. After an error the value is what `change` left.
    ///
    /// # Errors
    /// As [`set_value`](Self::set_value), and those of `change`.
    pub fn update(&self, change: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
        const OP: &str = "update";
        self.expect_leaf(OP)?;
        let mut own = self.0.value.write().unwrap_or_else(PoisonError::into_inner);
        let (shape, dtype) = (Dims::from_slice(own.shape()), own.dtype());
        change(&mut own)?;
        expect_alike(OP, &own, &shape, dtype)
    }

    fn expect_leaf(&self, op: &'static str) -> Result<()> {
        let Some(step) = &self.0.step else { return Ok(()) };
        let reason = "only a leaf takes another value; this one was computed";
        Err(Error::invalid(op, "variable", step.operation.name(), reason))
    }

    /// Axis lengths.
    pub fn shape(&self) -> Dims {
        Dims::from_slice(self.value().shape())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.value().rank()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.value().dtype()
    }

    /// The device.
    pub fn device(&self) -> Device {
        self.value().device().clone()
    }

    /// Whether a gradient flows to or through this variable.
    pub fn needs_grad(&self) -> bool {
        self.0.needs_grad
    }

    /// Whether this variable was not computed from others, as far as was recorded.
    pub fn is_leaf(&self) -> bool {
        self.0.step.is_none()
    }

    /// The gradient that backward passes have added up in a leaf so far.
    pub fn grad(&self) -> Option<Tensor> {
        lock(&self.0.grad).clone()
    }

    /// Replaces the gradient; `None` forgets it.
    pub fn set_grad(&self, grad: Option<Tensor>) {
        *lock(&self.0.grad) = grad;
    }

    pub(super) fn add_grad(&self, grad: Tensor) -> Result<()> {
        let mut own = lock(&self.0.grad);
        *own = Some(match own.take() {
            None => grad,
            Some(sum) => sum.add(&grad)?,
        });
        Ok(())
    }

    /// The same value without its history.
    pub fn detach(&self) -> Self {
        Self::constant(self.value())
    }

    /// Calls `hook` with the gradient in this variable in every backward pass, before it goes on; what it returns takes the
    /// gradient's place.
    pub fn on_grad(&self, hook: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static) {
        lock(&self.0.hooks).push(Arc::new(hook));
    }

    /// The result of an operation on variables, with its history if one of them needs a gradient and this thread records.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn apply(operation: impl Operation, inputs: &[&Var]) -> Result<Self> {
        let needed = inputs.iter().any(|v| v.needs_grad());
        Self::computed(operation, inputs, needed)
    }

    /// [`apply`](Self::apply), with a history also if no operand needs a gradient: the operation may reach variables that do.
    pub(super) fn apply_always(operation: impl Operation, inputs: &[&Var]) -> Result<Self> {
        Self::computed(operation, inputs, true)
    }

    fn computed(operation: impl Operation, inputs: &[&Var], needed: bool) -> Result<Self> {
        let tensors: Vec<Tensor> = inputs.iter().map(|v| v.value()).collect();
        if !is_recording() || !needed {
            return Ok(Self::constant(operation.forward(&tensors)?));
        }
        let (output, kept) = operation.forward_keeping(&tensors)?;
        let needs = operation.needs();
        let context = Context {
            name: operation.name(),
            operands: tensors.iter().map(|t| (Dims::from_slice(t.shape()), t.dtype())).collect(),
            inputs: if needs.inputs { tensors } else { Vec::new() },
            output: needs.output.then(|| output.clone()),
            kept,
            wanted: inputs.iter().map(|v| v.needs_grad()).collect(),
        };
        let step = Step {
            operation: Box::new(operation),
            parents: inputs.iter().map(|&v| v.clone()).collect(),
            context: Mutex::new(Some(context)),
        };
        Ok(Self::new(output, true, Some(step)))
    }
}
