//! Discrete Fourier transforms by the definition.

use std::f64::consts::TAU;

use crate::{Complex64, Direction};

/// A running sum with the rounding errors carried along (Neumaier 1974): its error does not grow with the number of terms.
#[derive(Default, Clone, Copy)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        // Knuth's TwoSum: exact for any order of magnitudes, without a branch.
        let s = self.sum + x;
        let b = s - self.sum;
        self.lost += (self.sum - (s - b)) + (x - b);
        self.sum = s;
    }

    pub(super) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// `exp(-2 pi i j / n)` (forward) or its conjugate, for `j` in `0..n`, each correctly reduced: the angle is taken in the
/// first octant and mirrored, so that multiples of an eighth of a turn are exact.
pub(super) fn twiddles(n: usize, direction: Direction) -> Vec<Complex64> {
    (0..n)
        .map(|j| {
            let octant = 8 * j / n;
            // The distance to the nearest quarter turn, in units of 1 / n of a turn: 4 j - n quarters, over 4.
            let quarter = octant.div_ceil(2);
            let rest = (4 * j) as f64 - (quarter * n) as f64;
            let (s, c) = (TAU * (rest / (4 * n) as f64)).sin_cos();
            let (re, im) = match quarter % 4 {
                0 => (c, s),
                1 => (-s, c),
                2 => (-c, -s),
                _ => (s, -c),
            };
            Complex64::new(re, if direction == Direction::Forward { -im } else { im })
        })
        .collect()
}

/// The bins `bins` of the unscaled transform `X[k] = sum_j x[j] exp(-+2 pi i k j / n)`, each by its own compensated sum.
pub fn dft_bins(x: &[Complex64], direction: Direction, bins: &[usize]) -> Vec<Complex64> {
    let n = x.len();
    let w = twiddles(n, direction);
    bins.iter()
        .map(|&k| {
            let (mut re, mut im) = (Sum::default(), Sum::default());
            let mut at = 0;
            for z in x {
                let t = w[at];
                re.add(z.re * t.re);
                re.add(-z.im * t.im);
                im.add(z.re * t.im);
                im.add(z.im * t.re);
                at += k;
                if at >= n {
                    at -= n;
                }
            }
            Complex64::new(re.value(), im.value())
        })
        .collect()
}

/// `X[k] = sum_j x[j] exp(-2 pi i k j / n)`, unscaled; the sign is plus for the inverse. Quadratic time.
pub fn dft(x: &[Complex64], direction: Direction) -> Vec<Complex64> {
    dft_bins(x, direction, &(0..x.len()).collect::<Vec<_>>())
}

/// The inverse transform with the factor `1 / n`.
pub fn idft(x: &[Complex64]) -> Vec<Complex64> {
    let scale = 1.0 / x.len() as f64;
    dft(x, Direction::Inverse).into_iter().map(|z| z * scale).collect()
}

/// The half spectrum (`n / 2 + 1` bins) of real values, unscaled.
pub fn rdft(x: &[f64]) -> Vec<Complex64> {
    let x: Vec<Complex64> = x.iter().copied().map(Complex64::from).collect();
    dft_bins(&x, Direction::Forward, &(0..x.len() / 2 + 1).collect::<Vec<_>>())
}

/// The first `n / 2 + 1` bins of a spectrum of `n`.
pub fn half_spectrum(spectrum: &[Complex64]) -> Vec<Complex64> {
    spectrum[..spectrum.len() / 2 + 1].to_vec()
}

/// The spectrum of `n` bins that a half spectrum stands for. The imaginary part of bin 0, and for even `n` of bin `n / 2`,
/// counts as 0.
pub fn hermitian(half: &[Complex64], n: usize) -> Vec<Complex64> {
    (0..n)
        .map(|k| {
            if k == 0 || 2 * k == n {
                Complex64::from(half[k].re)
            } else if k < half.len() {
                half[k]
            } else {
                half[n - k].conj()
            }
        })
        .collect()
}

/// `n` real values from a half spectrum, with the factor `1 / n`.
pub fn irdft(half: &[Complex64], n: usize) -> Vec<f64> {
    idft(&hermitian(half, n)).into_iter().map(|z| z.re).collect()
}

/// The prime factors of `n >= 1`, ascending, with repetition.
pub fn prime_factors(mut n: usize) -> Vec<usize> {
    let mut out = Vec::new();
    let mut p = 2;
    while n > 1 {
        if p * p > n {
            p = n;
        }
        while n.is_multiple_of(p) {
            out.push(p);
            n /= p;
        }
        p += 1;
    }
    out
}

/// As [`dft`], by the decimation-in-time recursion over the prime factors of `n`: `n` times the sum of its prime factors
/// operations, for lengths at which the quadratic sum takes too long.
pub fn fast_dft(x: &[Complex64], direction: Direction) -> Vec<Complex64> {
    let n = x.len();
    let w = twiddles(n.max(1), direction);
    recurse(x, 1, n, &prime_factors(n), &w)
}

/// The transform of `x[0], x[stride], ..` (`n` of them); `w` is the table of the whole length.
fn recurse(x: &[Complex64], stride: usize, n: usize, factors: &[usize], w: &[Complex64]) -> Vec<Complex64> {
    let Some((&p, rest)) = factors.split_last() else {
        return vec![x[0]; n];
    };
    let m = n / p;
    let parts: Vec<Vec<Complex64>> =
        (0..p).map(|r| recurse(&x[r * stride..], stride * p, m, rest, w)).collect();
    let step = w.len() / n;
    (0..n)
        .map(|k| {
            parts.iter().enumerate().map(|(r, part)| part[k % m] * w[(r * k % n) * step]).sum::<Complex64>()
        })
        .collect()
}

/// The unscaled transform of a row-major array along each of `axes`.
pub fn dft_nd(x: &[Complex64], shape: &[usize], axes: &[usize], direction: Direction) -> Vec<Complex64> {
    let mut out = x.to_vec();
    for &axis in axes {
        let n = shape[axis];
        let inner: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        for o in 0..outer {
            for i in 0..inner {
                let at = |j: usize| (o * n + j) * inner + i;
                let line: Vec<Complex64> = (0..n).map(|j| out[at(j)]).collect();
                for (j, z) in dft(&line, direction).into_iter().enumerate() {
                    out[at(j)] = z;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(n: usize) -> Vec<Complex64> {
        (0..n).map(|j| Complex64::new((j * j % 17) as f64 - 8.0, (j % 5) as f64)).collect()
    }

    fn distance(a: &[Complex64], b: &[Complex64]) -> f64 {
        let norm: f64 = b.iter().map(|z| z.norm_sqr()).sum();
        (a.iter().zip(b).map(|(a, b)| (a - b).norm_sqr()).sum::<f64>() / norm).sqrt()
    }

    #[test]
    fn known_spectra() {
        let one = |re, im| Complex64::new(re, im);
        assert_eq!(dft(&[one(3.0, 1.0)], Direction::Forward), [one(3.0, 1.0)]);
        let x: Vec<_> = (0..4).map(|j| one(j as f64, 0.0)).collect();
        assert_eq!(
            dft(&x, Direction::Forward),
            [one(6.0, 0.0), one(-2.0, 2.0), one(-2.0, 0.0), one(-2.0, -2.0)]
        );
        // A complex tone of frequency 3 has one bin.
        let n = 12;
        let tone: Vec<_> = (0..n).map(|j| Complex64::cis(TAU * (3 * j) as f64 / n as f64)).collect();
        for (k, z) in dft(&tone, Direction::Forward).into_iter().enumerate() {
            let want = if k == 3 { n as f64 } else { 0.0 };
            assert!((z - want).norm() < 1e-13, "bin {k}: {z}");
        }
    }

    #[test]
    fn inverses_and_the_recursion() {
        for n in 1..=60 {
            let x = signal(n);
            let spectrum = dft(&x, Direction::Forward);
            assert!(distance(&idft(&spectrum), &x) < 1e-15 * 4.0, "{n}");
            assert!(distance(&fast_dft(&x, Direction::Forward), &spectrum) < 1e-14, "{n}");
            let real: Vec<f64> = x.iter().map(|z| z.re).collect();
            let half = rdft(&real);
            let back: Vec<_> = irdft(&half, n).into_iter().map(Complex64::from).collect();
            assert!(distance(&back, &real.iter().copied().map(Complex64::from).collect::<Vec<_>>()) < 1e-14);
        }
        assert_eq!(prime_factors(2 * 3 * 3 * 1009), [2, 3, 3, 1009]);
        assert_eq!(prime_factors(1), Vec::<usize>::new());
    }

    #[test]
    fn twiddles_are_symmetric() {
        for n in [1, 2, 3, 8, 12, 100, 1009] {
            let w = twiddles(n, Direction::Forward);
            for j in 0..n {
                assert!((w[j] - Complex64::cis(-TAU * j as f64 / n as f64)).norm() < 2e-15, "{j} of {n}");
                assert!((w[j].conj() - w[(n - j) % n]).norm() < 2e-16, "{j} of {n}");
            }
        }
        assert_eq!(twiddles(4, Direction::Forward)[1], Complex64::new(0.0, -1.0));
    }

    #[test]
    fn axes_of_an_array() {
        let x = signal(6);
        // Two axes by two sums.
        let want: Vec<Complex64> = (0..6)
            .map(|at| {
                let (u, v) = (at / 3, at % 3);
                (0..6)
                    .map(|p| {
                        let turn = (u * (p / 3)) as f64 / 2.0 + (v * (p % 3)) as f64 / 3.0;
                        x[p] * Complex64::cis(-TAU * turn)
                    })
                    .sum()
            })
            .collect();
        assert!(distance(&dft_nd(&x, &[2, 3], &[0, 1], Direction::Forward), &want) < 1e-14);
    }
}
