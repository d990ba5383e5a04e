//! Parameters in files, by their paths.

use std::collections::BTreeSet;

use fft_core::{Complex64, DType, Error, Result, Tensor};

use crate::checkpoint::{Checkpoint, CheckpointWriter};
use crate::layers::Parameter;

/// `tensor` as it is stored: a complex one as pairs of real numbers along a last axis, since other readers lack complex types.
///
/// # Errors
/// Memory and device errors.
pub(crate) fn to_stored(tensor: &Tensor) -> Result<Tensor> {
    if !tensor.dtype().is_complex() {
        return tensor.contiguous();
    }
    let parts = [tensor.real()?.unsqueeze(tensor.rank())?, tensor.imag()?.unsqueeze(tensor.rank())?];
    Tensor::cat(&parts, tensor.rank())
}

/// The inverse of [`to_stored`], for a tensor of `dtype`.
pub(crate) fn from_stored(stored: Tensor, dtype: DType) -> Result<Tensor> {
    if !dtype.is_complex() {
        return stored.to_dtype(dtype);
    }
    let rank = stored.rank().saturating_sub(1);
    if stored.rank() == 0 || stored.shape()[rank] != 2 {
        return Err(Error::shapes(
            "from_stored",
            stored.shape(),
            &[2],
            "complex numbers are stored as pairs",
        ));
    }
    let part = |i| stored.narrow(rank, i, 1)?.squeeze(rank)?.to_dtype(dtype);
    let i = Tensor::from_slice(stored.device(), &[Complex64::i()], &[1])?.to_dtype(dtype)?;
    part(0)?.add(&part(1)?.mul(&i)?)
}

/// Writes all parameters, under `prefix` and their paths.
///
/// # Errors
/// [`Error::Io`]; memory and device errors.
pub fn write_parameters(writer: &mut CheckpointWriter, prefix: &str, parameters: &[Parameter]) -> Result<()> {
    for parameter in parameters {
        let name = format!("{prefix}{}", parameter.path());
        writer.write_tensor(&name, &to_stored(&parameter.var().value())?)?;
    }
    Ok(())
}

/// How the tensors of a file and the parameters of a model differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Parameters that the file lacks.
    pub missing: Vec<String>,
    /// Tensors that the model has no place for.
    pub unused: Vec<String>,
    /// Tensors of another shape: name, shape in the file, shape in the model.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("missing: {}", self.missing.join(", ")));
        }
        if !self.unused.is_empty() {
            parts.push(format!("unused: {}", self.unused.join(", ")));
        }
        if !self.mismatched.is_empty() {
            let each = self
                .mismatched
                .iter()
                .map(|(name, found, want)| format!("{name} is {found:?}, not {want:?}"));
            parts.push(format!("of another shape: {}", each.collect::<Vec<_>>().join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}

/// How the tensors of `file` under `prefix` differ from `parameters`.
pub fn differences(file: &Checkpoint, prefix: &str, parameters: &[Parameter]) -> Differences {
    let mut found = Differences::default();
    let mut known = BTreeSet::new();
    for parameter in parameters {
        let name = format!("{prefix}{}", parameter.path());
        let value = parameter.var().value();
        let mut want = value.shape().to_vec();
        if value.dtype().is_complex() {
            want.push(2);
        }
        match file.get(&name) {
            None => found.missing.push(name.clone()),
            Some(entry) if entry.shape != want => {
                found.mismatched.push((name.clone(), entry.shape.clone(), want));
            }
            Some(_) => {}
        }
        known.insert(name);
    }
    let unused = file.names().filter(|name| name.starts_with(prefix) && !known.contains(*name));
    found.unused = unused.map(str::to_owned).collect();
    found
}

/// Gives all parameters the values that `file` has under `prefix`; nothing changes when they do not fit.
///
/// # Errors
/// [`Error::Format`] listing missing, unused and mismatched tensors, or naming one that is not finite or of another type; [`Error::Io`]; memory errors.
pub fn read_parameters(file: &Checkpoint, prefix: &str, parameters: &[Parameter]) -> Result<()> {
    let found = differences(file, prefix, parameters);
    if !found.is_empty() {
        return Err(Error::format(file.path(), format!("the parameters are of another model: {found}")));
    }
    let mut values = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let name = format!("{prefix}{}", parameter.path());
        let own = parameter.var().value();
        let stored = file.dtype(&name)?;
        if stored.is_float() != (own.dtype().is_float() || own.dtype().is_complex()) {
            let reason = format!("is {stored}, a parameter of {} was expected", own.dtype());
            return Err(Error::tensor(file.path(), name, reason));
        }
        let stored = if stored.is_float() {
            file.read_finite(&name, own.device())?
        } else {
            file.tensor(&name, own.device())?
        };
        values.push(from_stored(stored, own.dtype())?);
    }
    for (parameter, value) in parameters.iter().zip(values) {
        parameter.var().set_value(value)?;
    }
    Ok(())
}
