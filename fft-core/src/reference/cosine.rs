//! Cosine and sine transforms by the definition.

use std::f64::consts::SQRT_2;

use super::dft::{Sum, twiddles};
use crate::{DctType, Direction, Wave};

/// The unscaled transform as SciPy defines it: see [`DctType`]. Quadratic time; angles by integer modulo, compensated sums.
pub fn dct(wave: Wave, kind: DctType, x: &[f64]) -> Vec<f64> {
    let n = x.len();
    // The angle of point j in bin k is 2 pi p(j) q(k) / turn.
    type Place = fn(usize) -> usize;
    let (same, next, odd): (Place, Place, Place) = (|j| j, |j| j + 1, |j| 2 * j + 1);
    let (p, q, turn) = match (wave, kind) {
        (Wave::Cosine, DctType::I) => (same, same, 2 * (n - 1)),
        (Wave::Cosine, DctType::II) => (odd, same, 4 * n),
        (Wave::Cosine, DctType::III) => (same, odd, 4 * n),
        (Wave::Sine, DctType::I) => (next, next, 2 * (n + 1)),
        (Wave::Sine, DctType::II) => (odd, next, 4 * n),
        (Wave::Sine, DctType::III) => (next, odd, 4 * n),
        (_, DctType::IV) => (odd, odd, 8 * n),
    };
    let table = twiddles(turn, Direction::Forward);
    let weight = |j: usize| match (wave, kind) {
        (Wave::Cosine, DctType::I) if j == 0 || j + 1 == n => 1.0,
        (Wave::Cosine, DctType::III) if j == 0 => 1.0,
        (Wave::Sine, DctType::III) if j + 1 == n => 1.0,
        _ => 2.0,
    };
    (0..n)
        .map(|k| {
            let mut sum = Sum::default();
            for (j, &x) in x.iter().enumerate() {
                let z = table[p(j) * q(k) % turn];
                sum.add(weight(j) * x * if wave == Wave::Cosine { z.re } else { -z.im });
            }
            sum.value()
        })
        .collect()
}

/// The transform whose matrix is orthogonal, by its definition: rows and columns weighed until they have norm 1.
pub fn orthogonal_dct(wave: Wave, kind: DctType, x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let mut x = x.to_vec();
    let last = n - 1;
    match (wave, kind) {
        (Wave::Cosine, DctType::I) => {
            x[0] *= SQRT_2;
            x[last] *= SQRT_2;
        }
        (Wave::Cosine, DctType::III) => x[0] *= SQRT_2,
        (Wave::Sine, DctType::III) => x[last] *= SQRT_2,
        _ => {}
    }
    let scale = (crate::DctSpec::period(wave, kind, n) as f64).sqrt().recip();
    let mut y: Vec<f64> = dct(wave, kind, &x).into_iter().map(|y| y * scale).collect();
    match (wave, kind) {
        (Wave::Cosine, DctType::I) => {
            y[0] /= SQRT_2;
            y[last] /= SQRT_2;
        }
        (Wave::Cosine, DctType::II) => y[0] /= SQRT_2,
        (Wave::Sine, DctType::II) => y[last] /= SQRT_2,
        _ => {}
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_and_orthogonality() {
        for wave in [Wave::Cosine, Wave::Sine] {
            for kind in DctType::ALL {
                for n in 2..=17 {
                    let x: Vec<f64> = (0..n).map(|j| (j * j % 7) as f64 - 2.5).collect();
                    let m = crate::DctSpec::period(wave, kind, n) as f64;
                    let back = dct(wave, kind.inverse(), &dct(wave, kind, &x));
                    assert!(
                        back.iter().zip(&x).all(|(b, x)| (b / m - x).abs() < 1e-13),
                        "{wave:?} {kind:?} {n}"
                    );
                    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
                    let y = orthogonal_dct(wave, kind, &x);
                    assert!((norm(&y) - norm(&x)).abs() < 1e-12 * norm(&x), "{wave:?} {kind:?} {n}");
                }
            }
        }
        assert_eq!(dct(Wave::Cosine, DctType::I, &[1.0, 2.0]), [3.0, -1.0]);
        assert_eq!(dct(Wave::Sine, DctType::I, &[3.0]), [6.0]);
    }
}
