//! The axes that transforms go along, checked once for tensors and for plain arrays.

use smallvec::SmallVec;

use crate::{Dims, Direction, Error, FftKind, FftSpec, Norm, Result};

/// Checks that an array of `rank` axes has the axis.
///
/// # Errors
/// [`Error::InvalidArgument`] when it has not.
pub fn expect_axis(op: &'static str, rank: usize, axis: usize) -> Result<()> {
    if axis < rank {
        return Ok(());
    }
    Err(Error::invalid(op, "axis", axis, format!("there are {rank} axes")))
}

/// Checks that an array of `rank` axes has each of `axes`, and that they are different.
///
/// # Errors
/// [`Error::InvalidArgument`] otherwise.
pub fn expect_axes(op: &'static str, rank: usize, axes: &[usize]) -> Result<()> {
    for (i, &axis) in axes.iter().enumerate() {
        expect_axis(op, rank, axis)?;
        if axes[..i].contains(&axis) {
            return Err(Error::invalid(op, "axes", axes, "an axis is repeated"));
        }
    }
    Ok(())
}

/// Checks that there is one of `n` for each of `axes`, if there is any.
pub(crate) fn expect_one_each(op: &'static str, axes: &[usize], n: Option<&[usize]>) -> Result<()> {
    match n.filter(|n| n.len() != axes.len()) {
        Some(n) => Err(Error::invalid(op, "n", n, format!("one length for each of {} axes", axes.len()))),
        None => Ok(()),
    }
}

/// Checks the `argument` that makes an array of `shape` have `points` elements along `axes`: all can be addressed, whatever their type.
pub(crate) fn expect_addressable(
    op: &'static str,
    argument: &'static str,
    shape: &[usize],
    axes: &[usize],
    points: &[usize],
) -> Result<()> {
    let mut shape = Dims::from_slice(shape);
    axes.iter().zip(points).for_each(|(&axis, &n)| shape[axis] = n);
    let elements = shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n.max(1)));
    if elements.is_none_or(|n| n > isize::MAX as usize / size_of::<crate::Complex64>()) {
        let longest = points.iter().copied().max().unwrap_or(0);
        let reason = "the transform has more points than can be addressed";
        return Err(Error::invalid(op, argument, longest, reason));
    }
    Ok(())
}

/// The Fourier transforms of an array of `shape` along `axes`, each of the length that `n` says (by default that of its axis, or
/// `2 (bins - 1)` of a half spectrum). All are complex but the last, which is of kind `kind`; for C2C there may be none.
///
/// # Errors
/// [`Error::InvalidArgument`] for axes that do not exist or are repeated, another number of lengths than of axes, a length of 0 or
/// beyond what can be addressed, a length that is one off those of a half spectrum, and no axes for R2C and C2R.
pub fn fft_specs(
    op: &'static str,
    kind: FftKind,
    direction: Direction,
    shape: &[usize],
    axes: &[usize],
    n: Option<&[usize]>,
    norm: Norm,
) -> Result<SmallVec<[FftSpec; 8]>> {
    expect_one_each(op, axes, n)?;
    if axes.is_empty() && kind != FftKind::C2C {
        return Err(Error::invalid(op, "axes", axes, "at least one axis is needed"));
    }
    expect_axes(op, shape.len(), axes)?;
    let (mut specs, mut lengths) = (SmallVec::new(), Dims::new());
    for (i, &axis) in axes.iter().enumerate() {
        let last = i + 1 == axes.len();
        let half = last && kind == FftKind::C2R;
        let own = shape[axis];
        let points = n.map_or(if half { 2 * own.saturating_sub(1) } else { own }, |n| n[i]);
        if points == 0 {
            return Err(Error::invalid(op, "n", points, "a transform needs at least one point"));
        }
        if half {
            expect_parity(op, own, points)?;
        }
        let kind = if last { kind } else { FftKind::C2C };
        specs.push(FftSpec { kind, direction, axis, n: points, scale: norm.scale(direction, points) });
        lengths.push(points);
    }
    expect_addressable(op, "n", shape, axes, &lengths)?;
    Ok(specs)
}

/// Refuses a number of points that is one off those to which a half spectrum of `bins` bins belongs.
fn expect_parity(op: &'static str, bins: usize, n: usize) -> Result<()> {
    let twice = bins.saturating_mul(2);
    if bins == 0 || (n != twice && n.saturating_add(3) != twice) {
        return Ok(());
    }
    let (even, odd) = (twice - 2, twice - 1);
    let kind = if n.is_multiple_of(2) {
        "an even length has a middle bin more"
    } else {
        "an odd length has no middle bin"
    };
    let reason =
        format!("{bins} bins belong to {even} or {odd} points, and {kind}; resize the spectrum to mean that");
    Err(Error::invalid(op, "n", n, reason))
}
