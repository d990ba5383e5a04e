//! Comparisons of results with oracles.
//!
//! Each takes the bound that the caller derived, and refuses bounds that a result of zeros would meet.

use super::{Failure, Outcome, sample::Array};
use crate::{Complex64, Tensor};

/// `|got - want| / |want|` in the Euclidean norm; NaN when there is one.
pub fn relative_l2(got: &[Complex64], want: &[Complex64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).norm_sqr()).sum();
    let norm: f64 = want.iter().map(|w| w.norm_sqr()).sum();
    (error / norm).sqrt()
}

/// The relative L2 error of a tensor is at most `bound`, and its shape is that of the oracle.
///
/// # Errors
/// A failure that names the error, the bound and the worst element; also when `bound >= 0.5` or the oracle is 0, since
/// zeros would pass.
pub fn close_l2(what: impl std::fmt::Display, got: &Tensor, want: &Array, bound: f64) -> Outcome {
    if got.shape() != want.shape {
        return Err(Failure::new(format!("{what}: shape {:?} instead of {:?}", got.shape(), want.shape)));
    }
    slices_close_l2(what, &Array::from(got)?.data, &want.data, bound)
}

/// As [`close_l2`], for values that are on the host already.
///
/// # Errors
/// As [`close_l2`].
pub fn slices_close_l2(
    what: impl std::fmt::Display,
    got: &[Complex64],
    want: &[Complex64],
    bound: f64,
) -> Outcome {
    if got.len() != want.len() {
        return Err(Failure::new(format!("{what}: {} elements instead of {}", got.len(), want.len())));
    }
    if got.is_empty() {
        return Ok(());
    }
    if bound >= 0.5 || want.iter().all(|w| w.norm_sqr() == 0.0) {
        return Err(Failure::new(format!(
            "{what}: the comparison is void, zeros would pass (bound {bound:e})"
        )));
    }
    let error = relative_l2(got, want);
    if error <= bound {
        return Ok(());
    }
    let (i, g, w) = worst(got, want);
    Err(Failure::new(format!(
        "{what}: relative L2 error {error:.3e} exceeds {bound:.3e}; worst at {i} of {}: {g} instead of {w}",
        want.len()
    )))
}

/// Each element differs by at most `bound(i, want[i])`; NaN equals NaN, and an infinity only itself.
///
/// # Errors
/// A failure that names the first element out of bounds; also when zeros would pass although the oracle is not 0.
pub fn close_each(
    what: impl std::fmt::Display,
    got: &Tensor,
    want: &Array,
    bound: impl Fn(usize, Complex64) -> f64,
) -> Outcome {
    if got.shape() != want.shape {
        return Err(Failure::new(format!("{what}: shape {:?} instead of {:?}", got.shape(), want.shape)));
    }
    let got = Array::from(got)?;
    let mut zeros_pass = true;
    for (i, (&g, &w)) in got.data.iter().zip(&want.data).enumerate() {
        let bound = bound(i, w);
        for (g, w) in [(g.re, w.re), (g.im, w.im)] {
            let fits = g == w || (g.is_nan() && w.is_nan()) || (w.is_finite() && (g - w).abs() <= bound);
            if !fits {
                return Err(Failure::new(format!(
                    "{what}: element {i} of {} is {g:e} instead of {w:e}, off by {:.3e}, bound {bound:.3e}",
                    want.data.len(),
                    (g - w).abs()
                )));
            }
            zeros_pass &= w.abs() <= bound;
        }
    }
    let all_zero = want.data.iter().all(|w| w.norm_sqr() == 0.0);
    if zeros_pass && !all_zero {
        return Err(Failure::new(format!("{what}: the comparison is void, zeros would pass")));
    }
    Ok(())
}

/// Every element equals that of the oracle exactly; NaN equals NaN.
///
/// # Errors
/// A failure that names the first element that differs.
pub fn equal(what: impl std::fmt::Display, got: &Tensor, want: &Array) -> Outcome {
    close_each(what, got, want, |_, _| 0.0)
}

/// `condition` holds.
///
/// # Errors
/// A failure with `message` when it does not.
pub fn ensure(condition: bool, message: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(Failure::new(message())) }
}

fn worst(got: &[Complex64], want: &[Complex64]) -> (usize, Complex64, Complex64) {
    // A NaN counts as the worst.
    let distance =
        |i: usize| Some((got[i] - want[i]).norm()).filter(|d| !d.is_nan()).unwrap_or(f64::INFINITY);
    let i = (0..got.len()).max_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
    (i, got[i], want[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_nan_never_pass() {
        let one = [Complex64::new(1.0, 0.0); 2];
        let zero = [Complex64::default(); 2];
        let nan = [Complex64::new(1.0, 0.0), Complex64::new(f64::NAN, 0.0)];
        assert!(slices_close_l2("t", &one, &one, 1e-9).is_ok());
        assert!(slices_close_l2("t", &zero, &one, 1e-9).is_err());
        assert!(slices_close_l2("t", &nan, &one, 1e-9).is_err());
        assert!(slices_close_l2("t", &one, &one, 1.0).is_err(), "a bound that zeros meet");
        assert!(slices_close_l2("t", &zero, &zero, 1e-9).is_err(), "an oracle of zeros");
    }
}
