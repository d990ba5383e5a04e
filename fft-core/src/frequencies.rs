//! Frequencies of bins, and lengths at which transforms are fast.

use crate::{Error, Result};

/// Frequencies of the bins of an `n`-point transform of samples `spacing` apart, in cycles per unit of `spacing`:
/// `0, 1, .., -2, -1` over `n * spacing`. For even `n` the middle bin is negative, as in NumPy.
///
/// ```
/// assert_eq!(fft_core::frequencies::fftfreq(5, 0.1)?, [0.0, 2.0, 4.0, -4.0, -2.0]);
/// assert_eq!(fft_core::frequencies::fftfreq(4, 1.0)?, [0.0, 0.25, -0.5, -0.25]);
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] for `n = 0`, for more bins than memory holds, and for a spacing that is 0 or not finite.
pub fn fftfreq(n: usize, spacing: f64) -> Result<Vec<f64>> {
    let width = width("fftfreq", n, spacing)?;
    let positive = n.div_ceil(2);
    bins("fftfreq", n, |k| if k < positive { k as f64 / width } else { -((n - k) as f64) / width })
}

/// Frequencies of the `n / 2 + 1` bins of the half spectrum of `n` samples; all positive.
///
/// ```
/// assert_eq!(fft_core::frequencies::rfftfreq(4, 1.0)?, [0.0, 0.25, 0.5]);
/// assert_eq!(fft_core::frequencies::rfftfreq(5, 0.1)?, [0.0, 2.0, 4.0]);
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// As [`fftfreq`].
pub fn rfftfreq(n: usize, spacing: f64) -> Result<Vec<f64>> {
    let width = width("rfftfreq", n, spacing)?;
    bins("rfftfreq", n / 2 + 1, |k| k as f64 / width)
}

/// The shortest fast length that is not below `n`: a product of powers of 2, 3, 5 and 7, and an even one (or 1) for real
/// transforms, which run as complex ones of half the length.
///
/// ```
/// use fft_core::frequencies::next_fast_len;
///
/// assert_eq!(next_fast_len(1009, false)?, 1024);
/// assert_eq!((next_fast_len(1011, false)?, next_fast_len(105, false)?, next_fast_len(105, true)?), (1024, 105, 108));
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] for `n = 0`, and when no such length fits a `usize`.
pub fn next_fast_len(n: usize, real: bool) -> Result<usize> {
    const OP: &str = "next_fast_len";
    if n == 0 {
        return Err(Error::invalid(OP, "n", n, "a transform needs at least one point"));
    }
    if real && n > 1 {
        let half = smooth(n.div_ceil(2)).and_then(|half| half.checked_mul(2));
        return half.ok_or_else(|| Error::invalid(OP, "n", n, "is too large"));
    }
    smooth(n).ok_or_else(|| Error::invalid(OP, "n", n, "is too large"))
}

/// The least `2^a 3^b 5^c 7^d >= n`.
fn smooth(n: usize) -> Option<usize> {
    let mut best = n.checked_next_power_of_two();
    for seven in powers(7, n) {
        for five in powers(5, n).map(|p| p.checked_mul(seven)).map_while(|p| p) {
            for three in powers(3, n).map(|p| p.checked_mul(five)).map_while(|p| p) {
                // The power of two that takes it over n.
                let rest = n.div_ceil(three).checked_next_power_of_two();
                if let Some(candidate) = rest.and_then(|two| two.checked_mul(three)) {
                    best = Some(best.map_or(candidate, |b| b.min(candidate)));
                }
                if three >= n {
                    break;
                }
            }
            if five >= n {
                break;
            }
        }
    }
    best
}

/// `1, base, base^2, ..` up to the first that is not below `limit`.
fn powers(base: usize, limit: usize) -> impl Iterator<Item = usize> {
    let mut below = true;
    std::iter::successors(Some(1usize), move |&p| {
        below &= p < limit;
        if below { p.checked_mul(base) } else { None }
    })
}

fn width(op: &'static str, n: usize, spacing: f64) -> Result<f64> {
    if n == 0 {
        return Err(Error::invalid(op, "n", n, "a transform needs at least one point"));
    }
    if spacing == 0.0 || !spacing.is_finite() {
        return Err(Error::invalid(op, "spacing", spacing, "must be finite and not 0"));
    }
    Ok(n as f64 * spacing)
}

fn bins(op: &'static str, len: usize, f: impl FnMut(usize) -> f64) -> Result<Vec<f64>> {
    let mut out = Vec::new();
    out.try_reserve_exact(len)
        .map_err(|_| Error::invalid(op, "n", len, "has more bins than memory holds"))?;
    out.extend((0..len).map(f));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_lengths_are_the_next() {
        let is_smooth = |mut n: usize| {
            for p in [2, 3, 5, 7] {
                while n.is_multiple_of(p) {
                    n /= p;
                }
            }
            n == 1
        };
        for n in 1..=5000 {
            let want = (n..).find(|&m| is_smooth(m)).unwrap();
            assert_eq!(next_fast_len(n, false).unwrap(), want, "{n}");
            let want = (n..).find(|&m| is_smooth(m) && (m == 1 || m.is_multiple_of(2))).unwrap();
            assert_eq!(next_fast_len(n, true).unwrap(), want, "{n}, real");
        }
        for real in [false, true] {
            assert!(next_fast_len(0, real).is_err());
            assert!(next_fast_len(usize::MAX, real).is_err());
            assert_eq!(next_fast_len(1 << 63, real).unwrap(), 1 << 63);
            assert!(
                next_fast_len((1 << 62) + 1, real).unwrap() < (1 << 62) + (1 << 57),
                "near ones are found"
            );
        }
    }

    #[test]
    fn frequencies_of_bad_arguments() {
        for f in [fftfreq, rfftfreq] {
            assert!(f(0, 1.0).unwrap_err().to_string().contains("n = 0"));
            assert!(f(4, 0.0).unwrap_err().to_string().contains("spacing = 0"));
            assert!(f(4, f64::NAN).is_err());
            assert!(f(usize::MAX, 1.0).is_err());
            assert_eq!(f(1, 2.0).unwrap(), [0.0]);
        }
        assert_eq!(fftfreq(3, -1.0).unwrap(), [0.0, -1.0 / 3.0, 1.0 / 3.0]);
    }
}
