//! Rotations of one vector at a time, with signs and scales folded in.

use std::sync::Arc;

use fft_core::spectral::{Rotation, Signs};
use fft_core::{Complex32, Error, Result};
use realfft::{ComplexToReal, RealToComplex};

use crate::fourier::Plans;

/// What rotates vectors of one length.
pub(super) enum Forward<'a> {
    Fourier { plan: Arc<dyn RealToComplex<f32>>, signs: &'a Signs },
    Hadamard { block: usize, signs: &'a Signs },
    None,
}

/// What rotates them back.
pub(super) enum Inverse<'a> {
    Fourier { plan: Arc<dyn ComplexToReal<f32>>, signs: &'a Signs },
    Hadamard { block: usize, signs: &'a Signs },
    None,
}

/// The elements of scratch that [`Forward::run`] and [`Inverse::run`] need, in complex numbers, for length `n`.
fn spectrum_len(n: usize) -> usize {
    n / 2 + 1
}

impl<'a> Forward<'a> {
    pub(super) fn new(plans: &Plans, rotation: Rotation, signs: &'a Signs) -> Self {
        let n = signs.len();
        match rotation {
            Rotation::Fourier => Self::Fourier { plan: plans.forward::<f32>(n), signs },
            Rotation::Hadamard => Self::Hadamard { block: Rotation::hadamard_block(n), signs },
            Rotation::None => Self::None,
        }
    }

    /// Complex numbers of scratch that a run needs.
    pub(super) fn scratch_len(&self) -> usize {
        match self {
            // The signed vector, its spectrum, and what the plan wants.
            Self::Fourier { plan, signs } => {
                signs.len().div_ceil(2) + spectrum_len(signs.len()) + plan.get_scratch_len()
            }
            _ => 0,
        }
    }

    /// `out = gain * R D x`; elements of `out` past the length of `x` become 0.
    pub(super) fn run(&self, x: &[f32], gain: f32, out: &mut [f32], scratch: &mut [Complex32]) -> Result<()> {
        let n = x.len();
        let (out, rest) = out.split_at_mut(n);
        rest.fill(0.0);
        match self {
            Self::None => scaled(x, gain, out),
            Self::Hadamard { block, signs } => {
                signed(x, signs, out);
                hadamard(out, *block);
                scale(out, gain / (*block as f32).sqrt());
            }
            Self::Fourier { plan, signs } => {
                let (input, scratch) = scratch.split_at_mut(n.div_ceil(2));
                let (spectrum, scratch) = scratch.split_at_mut(spectrum_len(n));
                let input: &mut [f32] = &mut bytemuck::cast_slice_mut(input)[..n];
                signed(x, signs, input);
                plan.process_with_scratch(input, spectrum, scratch).map_err(|e| plan_error(&e))?;
                // The parts of bins 1, 2, .. follow each other already; the imaginary part of bin 0 is left out.
                let parts: &[f32] = bytemuck::cast_slice(spectrum);
                let unit = f64::from(gain) / (n as f64).sqrt();
                out[0] = parts[0] * unit as f32;
                scaled(&parts[2..n + 1], (unit * std::f64::consts::SQRT_2) as f32, &mut out[1..]);
                if n.is_multiple_of(2) {
                    out[n - 1] = parts[n] * unit as f32;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Inverse<'a> {
    pub(super) fn new(plans: &Plans, rotation: Rotation, signs: &'a Signs) -> Self {
        let n = signs.len();
        match rotation {
            Rotation::Fourier => Self::Fourier { plan: plans.inverse::<f32>(n), signs },
            Rotation::Hadamard => Self::Hadamard { block: Rotation::hadamard_block(n), signs },
            Rotation::None => Self::None,
        }
    }

    /// Complex numbers of scratch that a run needs.
    pub(super) fn scratch_len(&self) -> usize {
        match self {
            Self::Fourier { plan, signs } => spectrum_len(signs.len()) + plan.get_scratch_len(),
            _ => 0,
        }
    }

    /// `out = D R^T y`, of which the first `out.len()` elements of `y` count.
    pub(super) fn run(&self, y: &[f32], out: &mut [f32], scratch: &mut [Complex32]) -> Result<()> {
        let n = out.len();
        let y = &y[..n];
        match self {
            Self::None => out.copy_from_slice(y),
            Self::Hadamard { block, signs } => {
                scaled(y, 1.0 / (*block as f32).sqrt(), out);
                hadamard(out, *block);
                sign(out, signs);
            }
            Self::Fourier { plan, signs } => {
                let (spectrum, scratch) = scratch.split_at_mut(spectrum_len(n));
                let parts: &mut [f32] = bytemuck::cast_slice_mut(spectrum);
                let unit = 1.0 / (n as f64).sqrt();
                parts[0] = y[0] * unit as f32;
                parts[1] = 0.0;
                scaled(&y[1..], (unit * std::f64::consts::FRAC_1_SQRT_2) as f32, &mut parts[2..n + 1]);
                if n.is_multiple_of(2) {
                    parts[n] = y[n - 1] * unit as f32;
                    parts[n + 1] = 0.0;
                }
                plan.process_with_scratch(spectrum, out, scratch).map_err(|e| plan_error(&e))?;
                sign(out, signs);
            }
        }
        Ok(())
    }
}

fn plan_error(error: &realfft::FftError) -> Error {
    Error::invalid("rotated_product", "plan", error, "a transform was given buffers of another length")
}

/// `out = factor * x`.
fn scaled(x: &[f32], factor: f32, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = factor * x;
    }
}

fn scale(x: &mut [f32], factor: f32) {
    for x in x {
        *x *= factor;
    }
}

/// The sign bit of element `j`, in the place where a float has its own.
#[inline(always)]
fn flip(word: u64, j: usize) -> u32 {
    ((word >> j) as u32) << 31
}

/// `out = D x`.
fn signed(x: &[f32], signs: &Signs, out: &mut [f32]) {
    for ((out, x), &word) in out.chunks_mut(64).zip(x.chunks(64)).zip(signs.words()) {
        for (j, (out, x)) in out.iter_mut().zip(x).enumerate() {
            *out = f32::from_bits(x.to_bits() ^ flip(word, j));
        }
    }
}

/// `x = D x`.
fn sign(x: &mut [f32], signs: &Signs) {
    for (x, &word) in x.chunks_mut(64).zip(signs.words()) {
        for (j, x) in x.iter_mut().enumerate() {
            *x = f32::from_bits(x.to_bits() ^ flip(word, j));
        }
    }
}

/// Butterflies over each run of `block` elements, unscaled.
fn hadamard(x: &mut [f32], block: usize) {
    let mut half = 1;
    while half < block {
        for pair in x.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}
