//! Transform plans, made once for each kind, direction, length and precision.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use fft_core::{Complex, Direction};
use fft_plans::{Planned, Planner};
use realfft::{ComplexToReal, RealToComplex};
use rustfft::{Fft, FftDirection, FftNum};

use super::circular::Circular;
use super::half_length::{HalfLength, InverseHalfLength};
use super::lanes::{LanePlan, OnLanes, RealLanePlan, is_planned};
use crate::cache::Cache;
use crate::simd::machine;

/// All plans of a backend.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    single: Mutex<PlansOf<f32>>,
    double: Mutex<PlansOf<f64>>,
    created: AtomicUsize,
}

/// Most bytes of the plans of one kind and precision, as [`tables`] counts them.
pub(crate) const LIMIT: usize = 32 << 20;

/// About how many bytes the tables of a plan for `n` points take: twiddles of each pass, and for a length with a large prime factor those of
/// a transform of at least twice as many points, and two spectra of it.
pub(crate) fn tables<T>(n: usize) -> usize {
    let points = if is_planned(n) { 2 } else { 10 };
    n.saturating_mul(points * size_of::<Complex<T>>())
}

type Kept<K, P> = Cache<K, Arc<P>>;

/// Plans of one precision.
pub(crate) struct PlansOf<T: FftNum> {
    complex: Kept<(usize, Direction), dyn Fft<T>>,
    forward: Kept<usize, dyn RealToComplex<T>>,
    half: Kept<usize, HalfLength<T>>,
    inverse_half: Kept<usize, InverseHalfLength<T>>,
    circular: Kept<usize, Circular<T>>,
    inverse: Kept<usize, dyn ComplexToReal<T>>,
    lanes: Kept<usize, LanePlan<T>>,
    real_lanes: Kept<usize, RealLanePlan<T>>,
    planner: Box<dyn Planner<T>>,
}

impl<T: Planned> Default for PlansOf<T> {
    fn default() -> Self {
        Self {
            complex: Cache::new(LIMIT),
            forward: Cache::new(LIMIT),
            half: Cache::new(LIMIT),
            inverse_half: Cache::new(LIMIT),
            circular: Cache::new(LIMIT),
            inverse: Cache::new(LIMIT),
            lanes: Cache::new(LIMIT),
            real_lanes: Cache::new(LIMIT),
            planner: T::planner(),
        }
    }
}

impl<T: FftNum> std::fmt::Debug for PlansOf<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let halves = self.half.len() + self.inverse_half.len();
        let real = self.forward.len() + self.inverse.len() + halves;
        let counts = (self.complex.len(), real, self.lanes.len() + self.real_lanes.len());
        f.debug_tuple("PlansOf").field(&counts).finish()
    }
}

/// A precision that has plans.
pub(crate) trait Precision: Planned + FftNum + bytemuck::Pod + Default + OnLanes {
    /// Its plans.
    fn of(plans: &Plans) -> &Mutex<PlansOf<Self>>;
    /// The nearest number.
    fn nearest(x: f64) -> Self;
    /// `a * b + c`, rounded once: slow where the machine has no instruction for it.
    fn fused(a: Self, b: Self, c: Self) -> Self;
}

impl Precision for f32 {
    fn of(plans: &Plans) -> &Mutex<PlansOf<f32>> {
        &plans.single
    }
    #[inline(always)]
    fn nearest(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl Precision for f64 {
    fn of(plans: &Plans) -> &Mutex<PlansOf<f64>> {
        &plans.double
    }
    #[inline(always)]
    fn nearest(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn fused(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
}

impl Plans {
    /// How many plans were made.
    pub(crate) fn created(&self) -> usize {
        self.created.load(Relaxed)
    }

    /// The plan of a key, for `n` points, kept where `kept` says; the planners make it when it is not there.
    fn with<T: Precision, K: Copy + Eq + Hash, P: ?Sized>(
        &self,
        kept: impl Fn(&mut PlansOf<T>) -> &mut Kept<K, P>,
        (key, n): (K, usize),
        make: impl FnOnce(&mut PlansOf<T>) -> Arc<P>,
    ) -> Arc<P> {
        // Plans are inserted whole, so a panic elsewhere leaves the caches usable.
        let mut plans = T::of(self).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = kept(&mut plans).get(key) {
            return plan;
        }
        self.created.fetch_add(1, Relaxed);
        let plan = make(&mut plans);
        if kept(&mut plans).insert(key, Arc::clone(&plan), tables::<T>(n)) {
            // It holds plans for itself.
            plans.planner = T::planner();
        }
        plan
    }

    /// The plan of a complex transform.
    pub(crate) fn complex<T: Precision>(&self, n: usize, direction: Direction) -> Arc<dyn Fft<T>> {
        let sign = match direction {
            Direction::Forward => FftDirection::Forward,
            Direction::Inverse => FftDirection::Inverse,
        };
        let key = (n, direction);
        self.with(|plans| &mut plans.complex, (key, n), |plans| plans.planner.complex(n, sign))
    }

    /// The plan of a transform of real input.
    pub(crate) fn forward<T: Precision>(&self, n: usize) -> Arc<dyn RealToComplex<T>> {
        self.with(|plans| &mut plans.forward, (n, n), |plans| plans.planner.forward(n))
    }

    /// The plan of a transform of real input of even length that leaves it as it is.
    pub(super) fn half_length<T: Precision>(&self, n: usize) -> Arc<HalfLength<T>> {
        self.with(
            |plans| &mut plans.half,
            (n, n),
            |plans| Arc::new(HalfLength::new(plans.planner.complex(n / 2, FftDirection::Forward))),
        )
    }

    /// The plan of circular convolutions of an even length.
    pub(crate) fn circular<T: Precision>(&self, n: usize) -> Arc<Circular<T>> {
        let half = self.half_length(n);
        self.with(
            |plans| &mut plans.circular,
            (n, n),
            |plans| {
                let forward = plans.planner.complex(n / 2, FftDirection::Forward);
                let inverse = plans.planner.complex(n / 2, FftDirection::Inverse);
                Arc::new(Circular::new(forward, inverse, half))
            },
        )
    }

    /// The plan of a transform to real output of even length that leaves its input as it is.
    pub(super) fn inverse_half_length<T: Precision>(&self, n: usize) -> Arc<InverseHalfLength<T>> {
        self.with(
            |plans| &mut plans.inverse_half,
            (n, n),
            |plans| Arc::new(InverseHalfLength::new(plans.planner.complex(n / 2, FftDirection::Inverse))),
        )
    }

    /// The plan of a transform to real output.
    pub(crate) fn inverse<T: Precision>(&self, n: usize) -> Arc<dyn ComplexToReal<T>> {
        self.with(|plans| &mut plans.inverse, (n, n), |plans| plans.planner.inverse(n))
    }

    /// The plan of complex transforms on lanes; `n` [is planned](super::lanes::is_planned).
    pub(crate) fn lanes<T: Precision>(&self, n: usize) -> Arc<LanePlan<T>> {
        self.with(|plans| &mut plans.lanes, (n, n), |_| Arc::new(LanePlan::new(n, machine())))
    }

    /// The plan of real transforms on lanes; [as many points](RealLanePlan::points) as its complex one has are planned.
    pub(crate) fn real_lanes<T: Precision>(&self, n: usize) -> Arc<RealLanePlan<T>> {
        let make = |plans: &mut PlansOf<T>| {
            let points = RealLanePlan::<T>::points(n);
            // An older one is shared.
            let complex = plans.lanes.get(points);
            let complex = complex.unwrap_or_else(|| Arc::new(LanePlan::new(points, machine())));
            Arc::new(RealLanePlan::new(n, complex))
        };
        self.with(|plans| &mut plans.real_lanes, (n, n), make)
    }
}

/// Multiplies complex numbers by a real factor.
pub(super) fn scale<T: Precision>(zs: &mut [Complex<T>], factor: T) {
    if factor != T::one() {
        for z in zs {
            *z = Complex::new(z.re * factor, z.im * factor);
        }
    }
}

/// Multiplies real numbers by a factor.
pub(super) fn scale_real<T: Precision>(xs: &mut [T], factor: T) {
    if factor != T::one() {
        for x in xs {
            *x = *x * factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_many_lengths_take_limited_memory() {
        let plans = Plans::default();
        let length = |i: usize| 4096 * (64 - i);
        for i in 0..30 {
            plans.complex::<f32>(length(i), Direction::Forward);
            plans.complex::<f32>(length(0), Direction::Forward);
        }
        assert_eq!(plans.created(), 30, "one that is used stays");
        let kept = plans.single.lock().unwrap().complex.len();
        assert!(kept >= 4 && kept * tables::<f32>(length(29)) <= LIMIT, "{kept}");
        assert!(30 * tables::<f32>(length(29)) > LIMIT, "or nothing had to leave");
        plans.complex::<f32>(length(29), Direction::Forward);
        assert_eq!(plans.created(), 30, "the last is there");
        plans.complex::<f32>(length(1), Direction::Forward);
        assert_eq!(plans.created(), 31, "the first of the others is not");
    }
}
