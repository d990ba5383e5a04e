//! Where layers make their parameters.

use std::fmt::Display;
use std::sync::{Arc, Mutex};

use fft_core::{DType, Device, Error, Result, Tensor};

use super::{Init, Mode, Parameter};
use crate::autograd::{Seeds, Var, lock};
use crate::random::Random;

/// A place in a model: the path under which a layer makes its parameters, the device and dtype that they have, the seed of their first values. Clones
/// and the scopes [below](Self::at) share one list of parameters and one [`Mode`].
#[derive(Debug, Clone)]
pub struct Scope {
    shared: Arc<Shared>,
    path: String,
}

#[derive(Debug)]
struct Shared {
    device: Device,
    dtype: DType,
    seed: u64,
    mode: Mode,
    parameters: Mutex<Vec<Parameter>>,
}

impl Scope {
    /// The outermost scope of a model on `device`, whose real parameters have `dtype` and whose complex ones its complex partner. The first values of a
    /// parameter depend on `seed` and on its path only.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] unless `dtype` is `F32` or `F64`.
    pub fn new(device: &Device, dtype: DType, seed: u64) -> Result<Self> {
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: "Scope::new", lhs: dtype, rhs: DType::F32 });
        }
        let mode = Mode::new(Seeds::new(Random::named(seed, "layers at work")));
        let shared = Shared { device: device.clone(), dtype, seed, mode, parameters: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), path: String::new() })
    }

    /// The scope of the layer `name` in this one.
    #[must_use]
    pub fn at(&self, name: impl Display) -> Self {
        Self { shared: Arc::clone(&self.shared), path: self.join(name) }
    }

    fn join(&self, name: impl Display) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    /// The names of layers from the outermost; empty for the outermost scope.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where parameters are.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// The dtype of real parameters.
    pub fn dtype(&self) -> DType {
        self.shared.dtype
    }

    /// Training or evaluation, and the layers' randomness.
    pub fn mode(&self) -> &Mode {
        &self.shared.mode
    }

    /// The random numbers of `name` in this scope: those that a parameter of this name is drawn from.
    pub fn random(&self, name: &str) -> Random {
        Random::named(self.shared.seed, &self.join(name))
    }

    /// A real parameter.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the layer has one of that name, or for numbers that are not finite; memory errors.
    pub fn parameter(&self, name: &str, shape: &[usize], init: Init) -> Result<Var> {
        let value = init.tensor(self.device(), shape, self.dtype(), &mut self.random(name))?;
        self.register(name, Var::leaf(value))
    }

    /// A complex parameter.
    ///
    /// # Errors
    /// As [`parameter`](Self::parameter).
    pub fn complex_parameter(&self, name: &str, shape: &[usize], init: Init) -> Result<Var> {
        let value = init.tensor(self.device(), shape, self.dtype().to_complex(), &mut self.random(name))?;
        self.register(name, Var::leaf(value))
    }

    /// A parameter with this first value.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the layer has one of that name.
    pub fn parameter_from(&self, name: &str, value: Tensor) -> Result<Var> {
        self.register(name, Var::leaf(value))
    }

    /// Something that is saved with the parameters but not trained.
    ///
    /// # Errors
    /// As [`parameter_from`](Self::parameter_from).
    pub fn buffer(&self, name: &str, value: Tensor) -> Result<Var> {
        self.register(name, Var::constant(value))
    }

    fn register(&self, name: &str, var: Var) -> Result<Var> {
        let path = self.join(name);
        let mut parameters = lock(&self.shared.parameters);
        if parameters.iter().any(|p| p.path() == path) {
            return Err(Error::invalid("Scope", "path", path, "the model has a parameter of this path"));
        }
        parameters.push(Parameter::new(path, var.clone()));
        Ok(var)
    }

    /// The parameters in and below this scope, in the order in which they were made.
    pub fn parameters(&self) -> Vec<Parameter> {
        let below = |p: &&Parameter| {
            let rest = p.path().strip_prefix(self.path.as_str());
            self.path.is_empty() || rest.is_some_and(|rest| rest.starts_with('.'))
        };
        lock(&self.shared.parameters).iter().filter(below).cloned().collect()
    }
}
