//! Transform plans, made once for each kind, direction, length and precision.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use fft_core::{Complex, Direction};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftDirection, FftNum, FftPlanner};

use super::circular::Circular;
use super::half_length::{HalfLength, InverseHalfLength};
use super::lanes::{LanePlan, OnLanes, RealLanePlan};
use crate::simd::machine;

/// All plans of a backend.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    single: Mutex<PlansOf<f32>>,
    double: Mutex<PlansOf<f64>>,
    created: AtomicUsize,
}

/// Plans of one precision.
pub(crate) struct PlansOf<T: FftNum> {
    complex: HashMap<(usize, Direction), Arc<dyn Fft<T>>>,
    forward: HashMap<usize, Arc<dyn RealToComplex<T>>>,
    half: HashMap<usize, Arc<HalfLength<T>>>,
    inverse_half: HashMap<usize, Arc<InverseHalfLength<T>>>,
    circular: HashMap<usize, Arc<Circular<T>>>,
    inverse: HashMap<usize, Arc<dyn ComplexToReal<T>>>,
    lanes: HashMap<usize, Arc<LanePlan<T>>>,
    real_lanes: HashMap<usize, Arc<RealLanePlan<T>>>,
    planner: FftPlanner<T>,
    real_planner: RealFftPlanner<T>,
}

impl<T: FftNum> Default for PlansOf<T> {
    fn default() -> Self {
        Self {
            complex: HashMap::new(),
            forward: HashMap::new(),
            half: HashMap::new(),
            inverse_half: HashMap::new(),
            circular: HashMap::new(),
            inverse: HashMap::new(),
            lanes: HashMap::new(),
            real_lanes: HashMap::new(),
            planner: FftPlanner::new(),
            real_planner: RealFftPlanner::new(),
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
pub(crate) trait Precision: FftNum + bytemuck::Pod + Default + OnLanes {
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

    fn with<T: Precision, P: Clone>(
        &self,
        find: impl FnOnce(&PlansOf<T>) -> Option<P>,
        make: impl FnOnce(&mut PlansOf<T>) -> P,
    ) -> P {
        // Plans are inserted whole, so a panic elsewhere leaves the maps usable.
        let mut plans = T::of(self).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = find(&plans) {
            return plan;
        }
        self.created.fetch_add(1, Relaxed);
        make(&mut plans)
    }

    /// The plan of a complex transform.
    pub(crate) fn complex<T: Precision>(&self, n: usize, direction: Direction) -> Arc<dyn Fft<T>> {
        let sign = match direction {
            Direction::Forward => FftDirection::Forward,
            Direction::Inverse => FftDirection::Inverse,
        };
        self.with(
            |plans| plans.complex.get(&(n, direction)).cloned(),
            |plans| {
                let plan = plans.planner.plan_fft(n, sign);
                plans.complex.insert((n, direction), Arc::clone(&plan));
                plan
            },
        )
    }

    /// The plan of a transform of real input.
    pub(crate) fn forward<T: Precision>(&self, n: usize) -> Arc<dyn RealToComplex<T>> {
        self.with(
            |plans| plans.forward.get(&n).cloned(),
            |plans| {
                let plan = plans.real_planner.plan_fft_forward(n);
                plans.forward.insert(n, Arc::clone(&plan));
                plan
            },
        )
    }

    /// The plan of a transform of real input of even length that leaves it as it is.
    pub(super) fn half_length<T: Precision>(&self, n: usize) -> Arc<HalfLength<T>> {
        self.with(
            |plans| plans.half.get(&n).cloned(),
            |plans| {
                let plan = Arc::new(HalfLength::new(plans.planner.plan_fft(n / 2, FftDirection::Forward)));
                plans.half.insert(n, Arc::clone(&plan));
                plan
            },
        )
    }

    /// The plan of circular convolutions of an even length.
    pub(crate) fn circular<T: Precision>(&self, n: usize) -> Arc<Circular<T>> {
        let half = self.half_length(n);
        self.with(
            |plans| plans.circular.get(&n).cloned(),
            |plans| {
                let forward = plans.planner.plan_fft(n / 2, FftDirection::Forward);
                let inverse = plans.planner.plan_fft(n / 2, FftDirection::Inverse);
                let plan = Arc::new(Circular::new(forward, inverse, half));
                plans.circular.insert(n, Arc::clone(&plan));
                plan
            },
        )
    }

    /// The plan of a transform to real output of even length that leaves its input as it is.
    pub(super) fn inverse_half_length<T: Precision>(&self, n: usize) -> Arc<InverseHalfLength<T>> {
        self.with(
            |plans| plans.inverse_half.get(&n).cloned(),
            |plans| {
                let half = plans.planner.plan_fft(n / 2, FftDirection::Inverse);
                let plan = Arc::new(InverseHalfLength::new(half));
                plans.inverse_half.insert(n, Arc::clone(&plan));
                plan
            },
        )
    }

    /// The plan of a transform to real output.
    pub(crate) fn inverse<T: Precision>(&self, n: usize) -> Arc<dyn ComplexToReal<T>> {
        self.with(
            |plans| plans.inverse.get(&n).cloned(),
            |plans| {
                let plan = plans.real_planner.plan_fft_inverse(n);
                plans.inverse.insert(n, Arc::clone(&plan));
                plan
            },
        )
    }
}

impl Plans {
    /// The plan of complex transforms on lanes; `n` [is planned](super::lanes::is_planned).
    pub(crate) fn lanes<T: Precision>(&self, n: usize) -> Arc<LanePlan<T>> {
        self.with(|plans| plans.lanes.get(&n).cloned(), |plans| lanes_of(plans, n))
    }

    /// The plan of real transforms on lanes; [as many points](RealLanePlan::points) as its complex one has are planned.
    pub(crate) fn real_lanes<T: Precision>(&self, n: usize) -> Arc<RealLanePlan<T>> {
        self.with(
            |plans| plans.real_lanes.get(&n).cloned(),
            |plans| {
                let complex = lanes_of(plans, RealLanePlan::<T>::points(n));
                let plan = Arc::new(RealLanePlan::new(n, complex));
                plans.real_lanes.insert(n, Arc::clone(&plan));
                plan
            },
        )
    }
}

fn lanes_of<T: Precision>(plans: &mut PlansOf<T>, n: usize) -> Arc<LanePlan<T>> {
    Arc::clone(plans.lanes.entry(n).or_insert_with(|| Arc::new(LanePlan::new(n, machine()))))
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
