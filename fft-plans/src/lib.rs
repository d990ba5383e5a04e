//! Plans of rustfft, realfft and rustdct in both precisions.
//!
//! These libraries are generic over the precision, so a crate that uses their planners compiles them all over again with each of its changes.
//! Here they are compiled once, behind a trait whose methods are not generic.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustdct::{Dct1, DctNum, DctPlanner, Dst1, TransformType2And3, TransformType4};
use rustfft::{Fft, FftDirection, FftNum, FftPlanner};

/// Makes plans of one precision, for transforms of `n` points. What plans share is made once and kept as long as the planner.
pub trait Planner<T: FftNum>: Send {
    /// A complex transform.
    fn complex(&mut self, n: usize, direction: FftDirection) -> Arc<dyn Fft<T>>;
    /// The transform of real input.
    fn forward(&mut self, n: usize) -> Arc<dyn RealToComplex<T>>;
    /// The transform to real output.
    fn inverse(&mut self, n: usize) -> Arc<dyn ComplexToReal<T>>;
    /// The cosine transform of type I.
    fn cosine_one(&mut self, n: usize) -> Arc<dyn Dct1<T>>;
    /// The sine transform of type I.
    fn sine_one(&mut self, n: usize) -> Arc<dyn Dst1<T>>;
    /// Cosine and sine transforms of types II and III.
    fn two_and_three(&mut self, n: usize) -> Arc<dyn TransformType2And3<T>>;
    /// Cosine and sine transforms of type IV.
    fn four(&mut self, n: usize) -> Arc<dyn TransformType4<T>>;
}

/// A precision that has plans: `f32` or `f64`.
pub trait Planned: DctNum {
    /// A planner that holds nothing yet.
    fn planner() -> Box<dyn Planner<Self>>;
}

impl Planned for f32 {
    fn planner() -> Box<dyn Planner<f32>> {
        Box::new(Planners::new())
    }
}

impl Planned for f64 {
    fn planner() -> Box<dyn Planner<f64>> {
        Box::new(Planners::new())
    }
}

/// The planners of the libraries.
struct Planners<T: DctNum> {
    complex: FftPlanner<T>,
    real: RealFftPlanner<T>,
    cosine: DctPlanner<T>,
}

impl<T: DctNum> Planners<T> {
    fn new() -> Self {
        Self { complex: FftPlanner::new(), real: RealFftPlanner::new(), cosine: DctPlanner::new() }
    }
}

impl<T: DctNum> Planner<T> for Planners<T> {
    fn complex(&mut self, n: usize, direction: FftDirection) -> Arc<dyn Fft<T>> {
        self.complex.plan_fft(n, direction)
    }

    fn forward(&mut self, n: usize) -> Arc<dyn RealToComplex<T>> {
        self.real.plan_fft_forward(n)
    }

    fn inverse(&mut self, n: usize) -> Arc<dyn ComplexToReal<T>> {
        self.real.plan_fft_inverse(n)
    }

    fn cosine_one(&mut self, n: usize) -> Arc<dyn Dct1<T>> {
        self.cosine.plan_dct1(n)
    }

    fn sine_one(&mut self, n: usize) -> Arc<dyn Dst1<T>> {
        self.cosine.plan_dst1(n)
    }

    fn two_and_three(&mut self, n: usize) -> Arc<dyn TransformType2And3<T>> {
        self.cosine.plan_dct2(n)
    }

    fn four(&mut self, n: usize) -> Arc<dyn TransformType4<T>> {
        self.cosine.plan_dct4(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DC` of ones: the number of points.
    fn check<T: Planned>() {
        let mut planner = T::planner();
        let plan = planner.complex(12, FftDirection::Forward);
        let mut line = vec![rustfft::num_complex::Complex::new(T::one(), T::zero()); 12];
        plan.process(&mut line);
        assert_eq!(line[0].re, T::from_usize(12).expect("small"));
        assert_eq!((planner.forward(10).len(), planner.inverse(10).len()), (10, 10));
        let mut points = [T::one(); 4];
        planner.two_and_three(4).process_dct2(&mut points);
        assert_eq!(points[0], T::from_usize(4).expect("small"));
    }

    #[test]
    fn both_precisions_have_plans() {
        check::<f32>();
        check::<f64>();
    }
}
