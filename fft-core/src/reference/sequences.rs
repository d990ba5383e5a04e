//! Convolution and correlation of sequences by the definition.

use crate::Complex64;

/// `y[k] = sum_j a[j] v[k - j]`, all `n + m - 1` of them.
pub fn convolve(a: &[Complex64], v: &[Complex64]) -> Vec<Complex64> {
    let mut y = vec![Complex64::default(); a.len() + v.len() - 1];
    for (j, a) in a.iter().enumerate() {
        for (i, v) in v.iter().enumerate() {
            y[i + j] += a * v;
        }
    }
    y
}

/// `y[k + m - 1] = sum_j a[j + k] conj(v[j])` for `k` from `1 - m` to `n - 1`.
pub fn correlate(a: &[Complex64], v: &[Complex64]) -> Vec<Complex64> {
    let (n, m) = (a.len() as isize, v.len() as isize);
    let at = |i: isize| usize::try_from(i).ok().and_then(|i| a.get(i)).copied().unwrap_or_default();
    (1 - m..n).map(|k| v.iter().enumerate().map(|(j, v)| at(j as isize + k) * v.conj()).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let z = |re, im| Complex64::new(re, im);
        let (a, v) = ([z(1.0, 0.0), z(2.0, 0.0), z(3.0, 0.0)], [z(0.0, 1.0), z(0.5, 0.0)]);
        assert_eq!(convolve(&a, &v), [z(0.0, 1.0), z(0.5, 2.0), z(1.0, 3.0), z(1.5, 0.0)]);
        assert_eq!(correlate(&a, &v), [z(0.5, 0.0), z(1.0, -1.0), z(1.5, -2.0), z(0.0, -3.0)]);
    }
}
