//! Products and convolutions by the definition.

use crate::Complex64;

/// `[m, k] x [k, n] -> [m, n]`, row-major.
pub fn matmul(a: &[Complex64], b: &[Complex64], m: usize, k: usize, n: usize) -> Vec<Complex64> {
    assert!(a.len() == m * k && b.len() == k * n);
    let mut out = vec![Complex64::default(); m * n];
    for i in 0..m {
        for l in 0..k {
            let factor = a[i * k + l];
            for j in 0..n {
                out[i * n + j] += factor * b[l * n + j];
            }
        }
    }
    out
}

/// `y[t] = sum_s kernel[s] x[(t - s) mod n]`.
pub fn circular_convolution(x: &[f64], kernel: &[f64]) -> Vec<f64> {
    let n = x.len();
    (0..n).map(|t| (0..n).map(|s| kernel[s] * x[(t + n - s) % n]).sum()).collect()
}

/// The circulant matrix whose first column is `c`: `C[i, j] = c[(i - j) mod n]`, row-major, so that `C x` is the circular
/// convolution of `c` and `x`.
pub fn circulant(c: &[f64]) -> Vec<f64> {
    let n = c.len();
    (0..n * n).map(|at| c[(at / n + n - at % n) % n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circulant_matrix_convolves() {
        let (x, c) = ([1.0, 2.0, -3.0, 0.5, 7.0], [0.25, -1.0, 0.0, 2.0, 3.0]);
        let product = matmul(
            &circulant(&c).into_iter().map(Complex64::from).collect::<Vec<_>>(),
            &x.map(Complex64::from),
            5,
            5,
            1,
        );
        let product: Vec<f64> = product.into_iter().map(|z| z.re).collect();
        assert_eq!(product, circular_convolution(&x, &c));
        assert_eq!(circular_convolution(&x, &[0.0, 1.0, 0.0, 0.0, 0.0]), [7.0, 1.0, 2.0, -3.0, 0.5]);
    }
}
