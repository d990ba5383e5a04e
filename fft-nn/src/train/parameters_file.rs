//! Parameters in files, by their paths.

use std::collections::BTreeSet;

use fft_core::{DType, Error, Result, Tensor};

use crate::checkpoint::{Checkpoint, CheckpointWriter, StoredType, listed};
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
    let part = |i| stored.narrow(rank, i, 1)?.squeeze(rank)?.to_dtype(dtype.to_real());
    part(0)?.complex(&part(1)?)
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

/// How the tensors of a file and those that were expected differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Differences {
    /// What the file lacks.
    pub missing: Vec<String>,
    /// Tensors that there is no place for.
    pub unused: Vec<String>,
    /// Tensors of another shape: name, shape in the file, shape expected.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Tensors that hold integers where others are expected, or the other way: name, type in the file, type expected.
    pub retyped: Vec<(String, StoredType, DType)>,
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unused.is_empty()
            && self.mismatched.is_empty()
            && self.retyped.is_empty()
    }

    /// Those between the tensors of `file` under `prefix` and tensors of these names, shapes and types.
    pub(super) fn from<'a>(
        file: &Checkpoint,
        prefix: &str,
        wanted: impl IntoIterator<Item = (&'a str, Tensor)>,
    ) -> Self {
        let mut found = Self::default();
        let mut known = BTreeSet::new();
        for (name, value) in wanted {
            let name = format!("{prefix}{name}");
            let mut want = value.shape().to_vec();
            if value.dtype().is_complex() {
                want.push(2);
            }
            let numbers = |dtype: DType| dtype.is_float() || dtype.is_complex();
            match file.get(&name) {
                None => found.missing.push(name.clone()),
                Some(entry) if entry.shape != want => {
                    found.mismatched.push((name.clone(), entry.shape.clone(), want));
                }
                Some(entry) if entry.dtype.dtype().is_none_or(|d| numbers(d) != numbers(value.dtype())) => {
                    found.retyped.push((name.clone(), entry.dtype, value.dtype()));
                }
                Some(_) => {}
            }
            known.insert(name);
        }
        let unused = file.names().filter(|name| name.starts_with(prefix) && !known.contains(*name));
        found.unused = unused.map(str::to_owned).collect();
        found
    }
}

impl std::fmt::Display for Differences {
    /// The first few of each kind, and how many more there are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reshaped =
            self.mismatched.iter().map(|(name, found, want)| format!("{name} is {found:?}, not {want:?}"));
        let retyped = self.retyped.iter().map(|(name, found, want)| format!("{name} is {found}, not {want}"));
        let kinds = [
            ("missing", self.missing.clone()),
            ("unused", self.unused.clone()),
            ("of another shape", reshaped.collect()),
            ("of another type", retyped.collect()),
        ];
        let parts = kinds.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(kind, names)| format!("{kind}: {}", listed(names))).collect();
        f.write_str(&parts.join("; "))
    }
}

/// How the tensors of `file` under `prefix` differ from `parameters`.
pub fn differences(file: &Checkpoint, prefix: &str, parameters: &[Parameter]) -> Differences {
    Differences::from(file, prefix, parameters.iter().map(|p| (p.path(), p.var().value())))
}

/// Gives all parameters the values that `file` has under `prefix`; nothing changes when they do not fit.
///
/// # Errors
/// [`Error::Format`] listing missing, unused and mismatched tensors, or naming one that is not finite; [`Error::Io`]; memory errors.
pub fn read_parameters(file: &Checkpoint, prefix: &str, parameters: &[Parameter]) -> Result<()> {
    let found = differences(file, prefix, parameters);
    if !found.is_empty() {
        return Err(Error::format(file.path(), format!("the parameters are of another model: {found}")));
    }
    let mut values = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let name = format!("{prefix}{}", parameter.path());
        let own = parameter.var().value();
        values.push(read(file, &name, &own)?);
    }
    for (parameter, value) in parameters.iter().zip(values) {
        parameter.var().set_value(value)?;
    }
    Ok(())
}

/// A stored tensor as one like `own`, whose shape and type were found to fit.
pub(super) fn read(file: &Checkpoint, name: &str, own: &Tensor) -> Result<Tensor> {
    if own.dtype().is_integer() {
        return file.tensor(name, own.device())?.to_dtype(own.dtype());
    }
    from_stored(file.read_finite(name, own.device())?, own.dtype())
}
