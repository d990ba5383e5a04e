//! Orthogonal transforms with seeded signs, which make a matrix near-Gaussian before it is quantised.

use crate::{BinaryOp, DType, Error, Norm, Result, Tensor};

/// Which orthogonal matrix `R_n` rotates a vector of length `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rotation {
    /// The real orthogonal DFT, any `n`: with `X = DFT(x) / sqrt(n)` the result is `X[0]`, then `sqrt(2) Re X[k]`, `sqrt(2) Im X[k]` for each
    /// `0 < k < n / 2`, then `X[n / 2]` when `n` is even.
    #[default]
    Fourier,
    /// The Walsh-Hadamard transform in natural order, divided by `sqrt(p)`, of each run of `p` elements, where `p` is the largest power
    /// of two that divides `n`; `n` must be even.
    Hadamard,
    /// The identity, without signs: the control.
    None,
}

impl Rotation {
    /// Checks that vectors of length `n` can be rotated.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a Hadamard rotation of an odd length.
    pub fn check(self, n: usize) -> Result<()> {
        if self == Rotation::Hadamard && !n.is_multiple_of(2) {
            return Err(Error::invalid("Hadamard rotation", "length", n, "no power of two divides it"));
        }
        Ok(())
    }

    /// The size of a Hadamard block for length `n`: the largest power of two that divides it.
    pub fn hadamard_block(n: usize) -> usize {
        1 << n.trailing_zeros()
    }
}

/// Seeded signs, one bit each.
///
/// The bits come from SplitMix64: with `s = seed`, each word is
/// `s += 0x9E3779B97F4A7C15; z = s; z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9; z = (z ^ (z >> 27)) * 0x94D049BB133111EB; z ^ (z >> 31)`
/// modulo `2^64`. Bit `j % 64` (from the lowest) of word `j / 64` is the sign of element `j`: 1 means -1. A matrix takes the words for
/// its inputs first, then, from the next whole word on, those for its outputs. This is part of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signs {
    words: Vec<u64>,
    len: usize,
}

impl Signs {
    /// The signs of the inputs and outputs of a matrix `[out, in]`; all positive for [`Rotation::None`].
    pub fn for_matrix(shape: [usize; 2], seed: u64, rotation: Rotation) -> (Signs, Signs) {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            if rotation == Rotation::None { 0 } else { z ^ (z >> 31) }
        };
        let mut take = |len: usize| Signs { words: (0..len.div_ceil(64)).map(|_| next()).collect(), len };
        let inputs = take(shape[1]);
        (inputs, take(shape[0]))
    }

    /// The number of signs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bits, 64 signs a word from the lowest bit; 1 means -1.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether element `j` is negated.
    ///
    /// # Panics
    /// When `j` is not below [`len`](Self::len) rounded up to 64.
    pub fn is_negative(&self, j: usize) -> bool {
        self.words[j / 64] >> (j % 64) & 1 == 1
    }

    /// The signs as `F32 [len]` of 1 and -1.
    ///
    /// # Errors
    /// Memory errors.
    pub fn to_tensor(&self, device: &crate::Device) -> Result<Tensor> {
        let signs: Vec<f32> = (0..self.len).map(|j| if self.is_negative(j) { -1.0 } else { 1.0 }).collect();
        Tensor::from_slice(device, &signs, &[self.len])
    }
}

/// `R_n D x` along the last axis of `F32 [.., n]`; `signs` is the diagonal of `D`, `F32 [n]`.
///
/// # Errors
/// Mismatches of shape or dtype; [`Error::InvalidArgument`] when the rotation does not exist for `n`; memory and device errors.
pub fn rotate(x: &Tensor, rotation: Rotation, signs: &Tensor) -> Result<Tensor> {
    let n = check("rotate", x, rotation, signs)?;
    match rotation {
        Rotation::None => Ok(x.clone()),
        Rotation::Hadamard => hadamard(&x.mul(signs)?, Rotation::hadamard_block(n)),
        Rotation::Fourier => {
            let axis = x.rank() - 1;
            let spectrum = x.mul(signs)?.rfft(axis, None, Norm::Ortho)?;
            let pairs = (n - 1) / 2;
            let mut parts = vec![spectrum.narrow(axis, 0, 1)?.real()?];
            if pairs > 0 {
                let inner = spectrum.narrow(axis, 1, pairs)?;
                let split = [inner.real()?.unsqueeze(axis + 1)?, inner.imag()?.unsqueeze(axis + 1)?];
                let mut shape = x.shape().to_vec();
                shape[axis] = 2 * pairs;
                parts.push(Tensor::cat(&split, axis + 1)?.reshape(&shape)?.scale(std::f64::consts::SQRT_2)?);
            }
            if n.is_multiple_of(2) {
                parts.push(spectrum.narrow(axis, n / 2, 1)?.real()?);
            }
            Tensor::cat(&parts, axis)
        }
    }
}

/// `D R_n^T x` along the last axis of `F32 [.., n]`: the inverse of [`rotate`].
///
/// # Errors
/// As [`rotate`].
pub fn rotate_back(x: &Tensor, rotation: Rotation, signs: &Tensor) -> Result<Tensor> {
    let n = check("rotate_back", x, rotation, signs)?;
    match rotation {
        Rotation::None => Ok(x.clone()),
        Rotation::Hadamard => hadamard(x, Rotation::hadamard_block(n))?.mul(signs),
        Rotation::Fourier => {
            let axis = x.rank() - 1;
            let pairs = (n - 1) / 2;
            let real_bin = |at: usize| -> Result<(Tensor, Tensor)> {
                let re = x.narrow(axis, at, 1)?;
                let im = Tensor::zeros(x.device(), re.shape(), DType::F32)?;
                Ok((re, im))
            };
            let mut parts = vec![real_bin(0)?];
            if pairs > 0 {
                let inner = x.narrow(axis, 1, 2 * pairs)?.scale(std::f64::consts::FRAC_1_SQRT_2)?;
                let im = inner.narrow(axis, 1, 2 * pairs - 1)?.step(axis, 2)?;
                parts.push((inner.step(axis, 2)?, im));
            }
            if n.is_multiple_of(2) {
                parts.push(real_bin(n - 1)?);
            }
            let (re, im): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            let spectrum = Tensor::cat(&re, axis)?.binary(BinaryOp::Complex, &Tensor::cat(&im, axis)?)?;
            spectrum.irfft(axis, Some(n), Norm::Ortho)?.mul(signs)
        }
    }
}

fn check(op: &'static str, x: &Tensor, rotation: Rotation, signs: &Tensor) -> Result<usize> {
    x.expect_dtype(op, DType::F32)?;
    signs.expect_dtype(op, DType::F32)?;
    x.same_device(op, signs)?;
    match x.shape().last() {
        Some(&n) if n > 0 && signs.shape() == [n] => rotation.check(n).map(|()| n),
        _ => Err(Error::shapes(op, x.shape(), signs.shape(), "needed are [.., n] and [n]")),
    }
}

/// Butterflies over each run of `block` elements of the last axis, scaled to be orthogonal.
fn hadamard(x: &Tensor, block: usize) -> Result<Tensor> {
    let shape = x.shape().to_vec();
    let mut y = x.scale(1.0 / (block as f64).sqrt())?;
    let mut half = 1;
    while half < block {
        let pairs = y.reshape(&[y.len() / (2 * half), 2, half])?;
        let (a, b) = (pairs.narrow(1, 0, 1)?, pairs.narrow(1, 1, 1)?);
        y = Tensor::cat(&[a.add(&b)?, a.sub(&b)?], 1)?;
        half *= 2;
    }
    y.reshape(&shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_those_of_splitmix64() {
        // The published first outputs of SplitMix64 for seed 1234567.
        let (inputs, outputs) = Signs::for_matrix([70, 65], 1_234_567, Rotation::Fourier);
        assert_eq!(inputs.words(), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_eq!(outputs.words(), [9_817_491_932_198_370_423, 4_593_380_528_125_082_431]);
        assert_eq!((inputs.len(), outputs.len()), (65, 70));
        assert!(inputs.is_negative(0) && !inputs.is_negative(1) && inputs.is_negative(2));
    }

    #[test]
    fn no_rotation_has_no_signs() {
        let (inputs, outputs) = Signs::for_matrix([3, 200], 9, Rotation::None);
        assert!((0..200).all(|j| !inputs.is_negative(j)) && !outputs.is_negative(2));
    }

    #[test]
    fn hadamard_needs_an_even_length() {
        assert!(Rotation::Hadamard.check(7).is_err());
        assert!(Rotation::Hadamard.check(6).is_ok());
        assert!(Rotation::Fourier.check(7).is_ok());
        assert_eq!((Rotation::hadamard_block(192), Rotation::hadamard_block(512)), (64, 512));
    }
}
