//! The precisions of slices: their planners, scratch and last plans.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use fft_core::{Complex, Device, FftSpec, Result, Tensor};
use fft_plans::{Planned, Planner};
use realfft::{ComplexToReal, RealToComplex};
use rustfft::{Fft, FftDirection, FftNum};

use super::{Plan, RealPlan};
use crate::{CpuBackend, fourier};

/// `f32` or `f64`.
pub trait Scalar: internal::Internal {}

impl Scalar for f32 {}
impl Scalar for f64 {}

/// Lengths whose plans are kept; when there are more, all are dropped.
const KEPT: usize = 256;

/// Forward and inverse plan of real lines.
type RealPair<T> = (Arc<dyn RealToComplex<T>>, Arc<dyn ComplexToReal<T>>);

/// Plans of one precision that the process shares.
pub struct Planners<T: FftNum> {
    complex: HashMap<usize, [Arc<dyn Fft<T>>; 2]>,
    real: HashMap<usize, RealPair<T>>,
    planner: Box<dyn Planner<T>>,
}

impl<T: Planned> Default for Planners<T> {
    fn default() -> Self {
        Self { complex: HashMap::new(), real: HashMap::new(), planner: T::planner() }
    }
}

impl<T: Planned> Planners<T> {
    /// Forward and inverse of `n` points.
    pub(super) fn complex(&mut self, n: usize) -> [Arc<dyn Fft<T>>; 2] {
        self.make_room();
        let planner = &mut self.planner;
        let plans = self.complex.entry(n);
        let both = plans.or_insert_with(|| {
            [FftDirection::Forward, FftDirection::Inverse].map(|direction| planner.complex(n, direction))
        });
        both.clone()
    }

    /// Forward and inverse of `n` real points.
    pub(super) fn real(&mut self, n: usize) -> RealPair<T> {
        self.make_room();
        let planner = &mut self.planner;
        let plans = self.real.entry(n);
        plans.or_insert_with(|| (planner.forward(n), planner.inverse(n))).clone()
    }

    fn make_room(&mut self) {
        if self.complex.len() + self.real.len() >= KEPT {
            *self = Self::default();
        }
    }
}

/// What a precision needs inside this crate; public only in name.
pub(super) mod internal {
    use super::{Complex, CpuBackend, Device, FftSpec, Plan, Planners, RealPlan, Result, Tensor};

    /// See [`super::Scalar`].
    pub trait Internal: crate::cosine::Precision + fft_core::Element {
        /// Calls `f` with the shared planners.
        fn planners<R>(f: impl FnOnce(&mut Planners<Self>) -> R) -> R;
        /// Calls `f` with `len` elements of scratch of unspecified content, which the thread keeps.
        fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Complex<Self>]) -> R) -> R;
        /// Calls `f` with the plan of `n` points; the thread keeps its last one at hand.
        fn with_plan<R>(n: usize, f: impl FnOnce(&Plan<Self>) -> Result<R>) -> Result<R>
        where
            Self: super::Scalar;
        /// As [`with_plan`](Self::with_plan) for real points.
        fn with_real_plan<R>(n: usize, f: impl FnOnce(&RealPlan<Self>) -> Result<R>) -> Result<R>
        where
            Self: super::Scalar;
        /// Complex numbers on a device.
        fn complex_tensor(device: &Device, data: &[Complex<Self>], shape: &[usize]) -> Result<Tensor>;
        /// Complex numbers from a device.
        fn complex_vec(tensor: &Tensor) -> Result<Vec<Complex<Self>>>;
        /// See [`crate::fourier::complex_in_place`].
        fn complex_in_place(
            backend: &CpuBackend,
            specs: &[FftSpec],
            data: &mut [Complex<Self>],
            shape: &[usize],
        ) -> Result<()>;
        /// See [`crate::fourier::forward`].
        fn real_forward(
            backend: &CpuBackend,
            specs: &[FftSpec],
            input: &[Self],
            shape: &[usize],
            output: &mut [Complex<Self>],
        ) -> Result<()>;
        /// See [`crate::fourier::inverse`].
        fn real_inverse(
            backend: &CpuBackend,
            specs: &[FftSpec],
            data: &mut [Complex<Self>],
            shape: &[usize],
            output: &mut [Self],
        ) -> Result<()>;
    }
}

macro_rules! scalar {
    ($t:ty) => {
        impl internal::Internal for $t {
            fn planners<R>(f: impl FnOnce(&mut Planners<$t>) -> R) -> R {
                static PLANNERS: LazyLock<Mutex<Planners<$t>>> = LazyLock::new(Default::default);
                // Plans are inserted whole, so a panic elsewhere leaves the maps usable.
                f(&mut PLANNERS.lock().unwrap_or_else(PoisonError::into_inner))
            }

            fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Complex<$t>]) -> R) -> R {
                thread_local!(static SCRATCH: Cell<Vec<Complex<$t>>> = const { Cell::new(Vec::new()) });
                // Taken, so that a transform inside another one finds none and makes its own.
                let mut scratch = SCRATCH.take();
                if scratch.len() < len {
                    scratch.resize(len, Complex::default());
                }
                let result = f(&mut scratch[..len]);
                SCRATCH.set(scratch);
                result
            }

            fn with_plan<R>(n: usize, f: impl FnOnce(&Plan<$t>) -> Result<R>) -> Result<R> {
                thread_local!(static LAST: Cell<Option<Plan<$t>>> = const { Cell::new(None) });
                let plan = match LAST.take().filter(|plan| plan.len() == n) {
                    Some(plan) => plan,
                    None => Plan::new(n)?,
                };
                let result = f(&plan);
                LAST.set(Some(plan));
                result
            }

            fn with_real_plan<R>(n: usize, f: impl FnOnce(&RealPlan<$t>) -> Result<R>) -> Result<R> {
                thread_local!(static LAST: Cell<Option<RealPlan<$t>>> = const { Cell::new(None) });
                let plan = match LAST.take().filter(|plan| plan.len() == n) {
                    Some(plan) => plan,
                    None => RealPlan::new(n)?,
                };
                let result = f(&plan);
                LAST.set(Some(plan));
                result
            }

            fn complex_tensor(device: &Device, data: &[Complex<$t>], shape: &[usize]) -> Result<Tensor> {
                Tensor::from_slice(device, data, shape)
            }

            fn complex_vec(tensor: &Tensor) -> Result<Vec<Complex<$t>>> {
                tensor.to_vec()
            }

            fn complex_in_place(
                backend: &CpuBackend,
                specs: &[FftSpec],
                data: &mut [Complex<$t>],
                shape: &[usize],
            ) -> Result<()> {
                fourier::complex_in_place(backend.fourier_context(), specs, data, shape)
            }

            fn real_forward(
                backend: &CpuBackend,
                specs: &[FftSpec],
                input: &[$t],
                shape: &[usize],
                output: &mut [Complex<$t>],
            ) -> Result<()> {
                fourier::forward(backend.fourier_context(), specs, input, shape, output)
            }

            fn real_inverse(
                backend: &CpuBackend,
                specs: &[FftSpec],
                data: &mut [Complex<$t>],
                shape: &[usize],
                output: &mut [$t],
            ) -> Result<()> {
                fourier::inverse(backend.fourier_context(), specs, data, shape, output)
            }
        }
    };
}
scalar!(f32);
scalar!(f64);
