//! Sums, products and inner products of sparse spectral tensors, computed on their coefficients.

use num_complex::Complex64;

use crate::spectral::{HalfSpectrum, SparseOptions, SparseSpectralTensor};
use crate::{Error, Result};

impl SparseSpectralTensor {
    fn expect_like(&self, op: &'static str, other: &Self) -> Result<()> {
        if self.shape() != other.shape() {
            return Err(Error::shapes(op, self.shape(), other.shape(), "the shapes must be equal"));
        }
        self.expect_device(op, other)
    }

    fn expect_device(&self, op: &'static str, other: &Self) -> Result<()> {
        self.positions().same_device(op, other.positions())
    }

    /// `self + other`: the union of the positions, in the value format of `self`. Exact but for the rounding of values.
    ///
    /// # Errors
    /// Mismatches of shape or device; [`Error::InvalidArgument`] when a sum overflows; memory and device errors.
    pub fn add(&self, other: &Self) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::add";
        self.expect_like(OP, other)?;
        let mut sum = self.pairs()?;
        sum.extend(other.pairs()?);
        self.half_spectrum().canonical(&mut sum, |position| position);
        Self::from_sorted(OP, self.device(), self.half_spectrum().clone(), &sum, self.values().format())
    }

    /// `factor * self`, in the value format of `self`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a product is not finite; memory and device errors.
    pub fn scale(&self, factor: f64) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::scale";
        let mut pairs = self.pairs()?;
        pairs.iter_mut().for_each(|(_, c)| *c *= factor);
        Self::from_sorted(OP, self.device(), self.half_spectrum().clone(), &pairs, self.values().format())
    }

    /// `<self, other>`, the sum of the products of all elements, exactly and without transforming: by Parseval's theorem it is
    /// `1/T` times the sum of `c d` at self-mirrored positions and of `Re(c conj(d)) / 2` at pairs, in `f64`.
    ///
    /// # Errors
    /// Mismatches of shape or device; device errors.
    pub fn inner(&self, other: &Self) -> Result<f64> {
        self.expect_like("SparseSpectralTensor::inner", other)?;
        let half = self.half_spectrum();
        let (a, b) = (self.pairs()?, other.pairs()?);
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while i < a.len() && j < b.len() {
            match a[i].0.cmp(&b[j].0) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    let (c, d) = (a[i].1, b[j].1);
                    let weight = if half.freedom(a[i].0 as usize) == 1 { 1.0 } else { 0.5 };
                    sum += weight * (c.re * d.re + c.im * d.im);
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        Ok(sum / half.total() as f64)
    }

    /// The Euclidean norm of all elements, from the coefficients.
    ///
    /// # Errors
    /// Device errors.
    pub fn norm(&self) -> Result<f64> {
        Ok(self.inner(self)?.sqrt())
    }

    /// The element-by-element product; `options` select what is kept of it
    /// ([`Amount::Density`](crate::spectral::Amount::Density) of 1: everything).
    ///
    /// The product's spectrum is the circular convolution of the spectra: `c d` at `k + l` and `c conj(d)` at `k - l`, halved. With
    /// few coefficients that is what runs; when their pairs outnumber an eighth of the elements, the dense tensors are
    /// multiplied instead.
    ///
    /// # Errors
    /// Mismatches of shape or device; [`Error::InvalidArgument`] for an amount out of range; memory and device errors.
    pub fn multiply(&self, other: &Self, options: &SparseOptions) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::multiply";
        options.selection.validate(OP)?;
        self.expect_like(OP, other)?;
        let half = self.half_spectrum();
        let total = half.total() as f64;
        let pairs = self.count() as f64 * other.count() as f64;
        // The pairs are held at once, so they are also to be few beside the elements.
        if pairs > (total / 8.0).max(4096.0) || 2.0 * pairs > f64::from(u32::MAX) {
            return Self::from_dense(&self.to_dense()?.mul(&other.to_dense()?)?, options);
        }
        let (a, b) = (self.pairs()?, other.pairs()?);
        let others: Vec<_> = b.iter().map(|&(p, d)| (half.unravel(p as usize), d)).collect();
        let mut flat = Vec::with_capacity(2 * a.len() * b.len());
        let mut product = Vec::with_capacity(2 * a.len() * b.len());
        for &(p, c) in &a {
            let k = half.unravel(p as usize);
            for (l, d) in &others {
                let (mut sum, mut difference) = (0, 0);
                for (axis, &n) in half.shape().iter().enumerate() {
                    sum = sum * n + (k[axis] + l[axis]) % n;
                    difference = difference * n + (n + k[axis] - l[axis]) % n;
                }
                for (position, value) in [(sum, c * d), (difference, c * d.conj())] {
                    product.push((flat.len() as u32, value / (2.0 * total)));
                    flat.push(position);
                }
            }
        }
        half.canonical(&mut product, |slot| flat[slot]);
        Self::from_sorted_selected(OP, self.device(), half.clone(), &product, options)
    }

    /// The matrix product of `[m, k]` and `[k, n]`, both sparse spectral; `options` select what is kept of it.
    ///
    /// Exact, and sparse times sparse: coefficients `c` at `(u, p)` and `d` at `(q, v)` meet only where `q = -p` (giving `c d` at
    /// `(u, v)`) or `q = p` (giving `c conj(d)` at `(u, -v)`), each divided by `2 k`. Cost: the pairs that meet.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the shapes are not those; [`Error::DeviceMismatch`]; [`Error::InvalidArgument`] for an amount
    /// out of range; memory and device errors.
    pub fn matmul(&self, other: &Self, options: &SparseOptions) -> Result<Self> {
        const OP: &str = "SparseSpectralTensor::matmul";
        options.selection.validate(OP)?;
        self.expect_device(OP, other)?;
        let (&[m, k], &[k2, n]) = (self.shape(), other.shape()) else {
            return Err(Error::shapes(OP, self.shape(), other.shape(), "two matrices are needed"));
        };
        if k != k2 {
            return Err(Error::shapes(OP, self.shape(), other.shape(), "needed are [m, k] and [k, n]"));
        }
        let half = HalfSpectrum::new(OP, &[m, n])?;
        let (a, b) = (self.pairs()?, other.pairs()?);
        // The coefficients of `other` by row, which are those 0..=k / 2.
        let mut rows = vec![0usize; k / 2 + 2];
        b.iter().for_each(|&(p, _)| rows[p as usize / n + 1] += 1);
        for q in 0..=k / 2 {
            rows[q + 1] += rows[q];
        }
        let row = |q: usize| if q <= k / 2 { &b[rows[q]..rows[q + 1]] } else { &b[..0] };
        let mut product: Vec<(u32, Complex64)> = Vec::new();
        let mut line = vec![Complex64::default(); n];
        for chunk in a.chunk_by(|x, y| x.0 as usize / k == y.0 as usize / k) {
            let u = chunk[0].0 as usize / k;
            line.fill(Complex64::default());
            for &(position, c) in chunk {
                let p = position as usize % k;
                let c = c / (2.0 * k as f64);
                for &(at, d) in row((k - p) % k) {
                    line[at as usize % n] += c * d;
                }
                for &(at, d) in row(p) {
                    line[(n - at as usize % n) % n] += c * d.conj();
                }
            }
            let values = line.iter().enumerate().filter(|(_, c)| **c != Complex64::default());
            product.extend(values.map(|(v, &c)| ((u * n + v) as u32, c)));
        }
        half.canonical(&mut product, |position| position);
        Self::from_sorted_selected(OP, self.device(), half, &product, options)
    }
}
