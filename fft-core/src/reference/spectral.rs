//! Dense matrices of spectral representations, element by element.

use std::f64::consts::TAU;

use crate::Complex64;

/// The `m x n` matrix `W[i, j] = Re(1 / (m n) sum c exp(2 pi i (u i / m + v j / n)))` of coefficients `(u, v, c)`,
/// row-major.
pub fn half_plane_matrix(m: usize, n: usize, coefficients: &[(usize, usize, Complex64)]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for (at, w) in out.iter_mut().enumerate() {
        let (i, j) = (at / n, at % n);
        for &(u, v, c) in coefficients {
            // The products modulo the lengths keep the angle accurate.
            let turn = (u * i % m) as f64 / m as f64 + (v * j % n) as f64 / n as f64;
            *w += (c * Complex64::cis(TAU * turn)).re;
        }
        *w /= (m * n) as f64;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, reference::dft_nd};

    #[test]
    fn doubled_half_of_a_spectrum_is_the_matrix() {
        for (m, n) in [(4, 6), (5, 3), (4, 5), (1, 7), (6, 1)] {
            let w: Vec<Complex64> =
                (0..m * n).map(|at| Complex64::from((at * at % 13) as f64 - 6.0)).collect();
            let spectrum = dft_nd(&w, &[m, n], &[0, 1], Direction::Forward);
            let mut kept = Vec::new();
            for u in 0..m {
                for v in 0..n {
                    let mirror = ((m - u) % m, (n - v) % n);
                    if (u, v) <= mirror {
                        let weight = if (u, v) == mirror { 1.0 } else { 2.0 };
                        kept.push((u, v, spectrum[u * n + v] * weight));
                    }
                }
            }
            for (got, want) in half_plane_matrix(m, n, &kept).into_iter().zip(&w) {
                assert!((got - want.re).abs() < 1e-12, "{m} x {n}");
            }
        }
    }
}
