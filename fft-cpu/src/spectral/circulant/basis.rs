//! The real DFT of short blocks as a matrix, so that `gemm` transforms all blocks at once.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest block transformed by a matrix. A row of 128 products is still about as fast as a transform that cannot work on several
/// blocks at a time.
pub(super) const LONGEST: usize = 128;

/// The transforms between a block of `b` numbers and the planes of its spectrum (see `BlockCirculantMatrix::spectrum`).
#[derive(Debug)]
pub(super) struct Basis {
    /// `[plane, q]`.
    pub(super) forward: Vec<f32>,
    /// `[p, plane]`, with the factor `1 / b`.
    pub(super) inverse: Vec<f32>,
}

impl Basis {
    fn new(b: usize) -> Self {
        let mut forward = vec![0.0; b * b];
        let mut inverse = vec![0.0; b * b];
        for plane in 0..b {
            let bin = plane.div_ceil(2);
            let own_mirror = bin == 0 || 2 * bin == b;
            for q in 0..b {
                // The product modulo b keeps the angle accurate.
                let angle = TAU * ((bin * q) % b) as f64 / b as f64;
                let part = if plane % 2 == 1 || plane == 0 { angle.cos() } else { -angle.sin() };
                forward[plane * b + q] = part as f32;
                inverse[q * b + plane] = (part * if own_mirror { 1.0 } else { 2.0 } / b as f64) as f32;
            }
        }
        Self { forward, inverse }
    }
}

/// The bases made so far.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    made: Mutex<HashMap<usize, Arc<Basis>>>,
    created: AtomicUsize,
}

impl Bases {
    /// How many were made.
    pub(crate) fn created(&self) -> usize {
        self.created.load(Relaxed)
    }

    /// The basis of blocks of `b`.
    pub(super) fn get(&self, b: usize) -> Arc<Basis> {
        // Entries are inserted whole, so a panic elsewhere leaves the map usable.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let basis = made.entry(b).or_insert_with(|| {
            self.created.fetch_add(1, Relaxed);
            Arc::new(Basis::new(b))
        });
        Arc::clone(basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_is_the_inverse() {
        for b in [1, 2, 3, 4, 7, 16, 31, 64] {
            let basis = Basis::new(b);
            for i in 0..b {
                for j in 0..b {
                    let product: f32 =
                        (0..b).map(|k| basis.inverse[i * b + k] * basis.forward[k * b + j]).sum();
                    assert!((product - f32::from(u8::from(i == j))).abs() < 1e-6, "{b}: {i} {j} {product}");
                }
            }
        }
    }
}
