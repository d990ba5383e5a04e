//! What optimisers have in common: groups of parameters, each with what it remembers of its gradients.

use fft_core::{DType, Error, Result, Tensor};

use crate::layers::Parameter;

/// An optimiser: changes parameters by their gradients.
pub trait Optimiser {
    /// Changes every parameter that has a gradient; the others stay as they are.
    ///
    /// # Errors
    /// Mismatches of a gradient, and memory errors: nothing has changed then where the device's step needs no memory of its own, as the processor's in single
    /// precision. Device errors.
    fn step(&mut self) -> Result<()> {
        self.step_scaled(1.0)
    }

    /// [`step`](Self::step) with all gradients times `scale`, as clipping and sums over several batches need.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    fn step_scaled(&mut self, scale: f64) -> Result<()>;

    /// Multiplies every group's rate from now on; 1 at the start. Schedules set it.
    fn set_rate_factor(&mut self, factor: f64);

    /// The parameters, in the order of the groups.
    fn parameters(&self) -> Vec<&Parameter>;

    /// Forgets all gradients.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|p| p.var().set_grad(None));
    }

    /// Everything that it remembers, by names that begin with the paths of parameters.
    ///
    /// # Errors
    /// Memory and device errors.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Remembers what [`state`](Self::state) told; `get` finds a tensor by its name, `None` when there is none.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what is missing or a negative number of steps; [`Error::ShapeMismatch`] naming what does not fit; those of `get`. The optimiser is then unchanged.
    fn load_state(&mut self, get: &mut dyn FnMut(&str) -> Result<Option<Tensor>>) -> Result<()>;
}

/// Parameters with common options.
#[derive(Debug)]
pub(super) struct Group<O> {
    pub(super) options: O,
    pub(super) slots: Vec<Slot>,
}

/// A parameter, its steps and what is remembered of its gradients, one tensor for each name.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) parameter: Parameter,
    pub(super) steps: u64,
    pub(super) memory: Vec<Tensor>,
}

/// Groups with zeroed memory of tensors like the parameters, `names` of them each.
///
/// # Errors
/// [`Error::InvalidArgument`] when there are no parameters or one is in two places; memory errors.
pub(super) fn groups<O>(
    op: &'static str,
    groups: Vec<(Vec<Parameter>, O)>,
    memories: usize,
) -> Result<Vec<Group<O>>> {
    let mut seen = std::collections::HashSet::new();
    let mut made = Vec::with_capacity(groups.len());
    for (parameters, options) in groups {
        let mut slots = Vec::new();
        for parameter in parameters.into_iter().filter(Parameter::is_trained) {
            if !seen.insert(parameter.path().to_owned()) {
                let reason = "the parameter is in two groups, or twice in one";
                return Err(Error::invalid(op, "parameters", parameter.path(), reason));
            }
            let value = parameter.var().value();
            let zeros = || Tensor::zeros(value.device(), value.shape(), value.dtype());
            let memory = (0..memories).map(|_| zeros()).collect::<Result<_>>()?;
            slots.push(Slot { parameter, steps: 0, memory });
        }
        made.push(Group { options, slots });
    }
    if seen.is_empty() {
        return Err(Error::invalid(op, "parameters", 0, "there is nothing to train"));
    }
    Ok(made)
}

/// Checks gradients, and makes every tensor that a step writes the only one of its buffer, so that neither can end a step half done.
pub(super) fn prepare<O>(op: &'static str, groups: &mut [Group<O>]) -> Result<()> {
    let own = |t: &mut Tensor| -> Result<()> {
        if !t.layout().is_contiguous() {
            *t = t.contiguous()?;
        }
        t.view_mut().map(|_| ())
    };
    for slot in groups.iter_mut().flat_map(|g| &mut g.slots) {
        let var = slot.parameter.var();
        let Some(grad) = var.grad() else { continue };
        let value = var.value();
        if grad.shape() != value.shape() {
            let reason = format!("the gradient of {} has another shape", slot.parameter.path());
            return Err(Error::shapes(op, grad.shape(), value.shape(), reason));
        }
        if grad.dtype() != value.dtype() {
            return Err(Error::DTypeMismatch { op, lhs: grad.dtype(), rhs: value.dtype() });
        }
        drop(value);
        var.set_grad(Some(grad.contiguous()?));
        var.update(own)?;
        slot.memory.iter_mut().try_for_each(own)?;
    }
    Ok(())
}

/// The state of groups whose memories have these names.
pub(super) fn state<O>(groups: &[Group<O>], names: &[&str]) -> Result<Vec<(String, Tensor)>> {
    let mut all = Vec::new();
    for slot in groups.iter().flat_map(|g| &g.slots) {
        let path = slot.parameter.path();
        let device = slot.parameter.var().device();
        all.push((format!("{path}.steps"), Tensor::from_slice(&device, &[slot.steps as i64], &[1])?));
        all.extend(names.iter().zip(&slot.memory).map(|(name, m)| (format!("{path}.{name}"), m.clone())));
    }
    Ok(all)
}

/// Reads what [`state`] told; everything is checked before anything changes.
pub(super) fn load_state<O>(
    groups: &mut [Group<O>],
    names: &[&str],
    get: &mut dyn FnMut(&str) -> Result<Option<Tensor>>,
) -> Result<()> {
    const OP: &str = "load_state";
    let mut found = Vec::new();
    for slot in groups.iter().flat_map(|g| &g.slots) {
        let path = slot.parameter.path();
        let mut find = |name: &str, shape: &[usize]| {
            let name = format!("{path}.{name}");
            let tensor = get(&name)?
                .ok_or_else(|| Error::invalid(OP, "tensor", &name, "the optimiser's state lacks it"))?;
            if tensor.shape() != shape {
                return Err(Error::shapes(OP, tensor.shape(), shape, format!("{name} has another shape")));
            }
            Ok(tensor)
        };
        let steps = find("steps", &[1])?.to_dtype(DType::I64)?.to_scalar::<i64>()?;
        let steps = u64::try_from(steps)
            .map_err(|_| Error::invalid(OP, "steps", steps, format!("{path} has not done so many")))?;
        let value = slot.parameter.var().value();
        let memory = names
            .iter()
            .map(|name| find(name, value.shape())?.to_dtype(value.dtype()))
            .collect::<Result<Vec<Tensor>>>()?;
        found.push((steps, memory));
    }
    for (slot, (steps, memory)) in groups.iter_mut().flat_map(|g| &mut g.slots).zip(found) {
        (slot.steps, slot.memory) = (steps, memory);
    }
    Ok(())
}

/// Checks a number of an optimiser's options.
pub(super) fn expect(op: &'static str, name: &'static str, value: f64, fits: bool, want: &str) -> Result<()> {
    match (fits, value.is_finite()) {
        (true, true) => Ok(()),
        (true, false) => Err(Error::invalid(op, name, value, "must be finite")),
        (false, _) => Err(Error::invalid(op, name, value, want)),
    }
}
