//! Checks of what layers are given, in words that name the layer.

use fft_core::{DType, Error, Result};

use crate::autograd::Var;

/// Checks that `x` has the dtype and the axes that the layer at `path` takes: of each its name, and its length where the layer fixes one. Only a batch may be
/// empty.
///
/// # Errors
/// [`Error::ShapeMismatch`] and [`Error::InvalidArgument`] naming the layer; the lengths that are free show as they are in `x`.
pub(crate) fn expect(
    op: &'static str,
    path: &str,
    x: &Var,
    dtype: DType,
    axes: &[(&str, Option<usize>)],
) -> Result<()> {
    let shape = x.shape();
    let fits = shape.len() == axes.len()
        && shape.iter().zip(axes).all(|(&len, (_, wanted))| wanted.is_none_or(|wanted| wanted == len));
    if !fits {
        let name =
            |&(name, len): &(&str, Option<usize>)| len.map_or(name.into(), |len| format!("{name} = {len}"));
        let names: Vec<String> = axes.iter().map(name).collect();
        let expected: Vec<usize> = axes
            .iter()
            .enumerate()
            .map(|(i, (_, len))| len.or(shape.get(i).copied()).unwrap_or_default())
            .collect();
        let reason = format!("layer {path} takes [{}]", names.join(", "));
        return Err(Error::shapes(op, &shape, &expected, reason));
    }
    if let Some((name, _)) =
        axes.iter().zip(&shape).find(|((name, _), len)| **len == 0 && *name != "batch").map(|(axis, _)| axis)
    {
        return Err(Error::invalid(
            op,
            "shape",
            &shape,
            format!("layer {path} needs at least one of {name}"),
        ));
    }
    expect_dtype(op, path, x, dtype)
}

/// Checks that `x` has the dtype of the layer at `path`.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the layer.
pub(crate) fn expect_dtype(op: &'static str, path: &str, x: &Var, dtype: DType) -> Result<()> {
    if x.dtype() == dtype {
        return Ok(());
    }
    Err(Error::invalid(op, "dtype", x.dtype(), format!("layer {path} takes {dtype:?}")))
}

/// Checks that the last axis of `x` has as many elements as the layer at `path` takes.
///
/// # Errors
/// [`Error::ShapeMismatch`] naming the layer.
pub(crate) fn expect_last(op: &'static str, path: &str, x: &Var, features: usize) -> Result<()> {
    let shape = x.shape();
    if shape.last() == Some(&features) {
        return Ok(());
    }
    let reason = format!("layer {path} takes [.., {features}]");
    Err(Error::shapes(op, &shape, &[features], reason))
}

/// Checks that none of the sizes of the layer at `path` is 0.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the layer.
pub(crate) fn expect_sizes(op: &'static str, path: &str, sizes: &[(&'static str, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, size)) => {
            Err(Error::invalid(op, name, size, format!("layer {path} needs at least one of them")))
        }
        None => Ok(()),
    }
}
