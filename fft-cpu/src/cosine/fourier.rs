//! Cosine transforms through Fourier transforms of the extended or reordered line, as `fft_core::compose::dct` does, without
//! tensors between the steps. From about 16 points on they take less time than the plans of rustdct, which are scalar.

use std::f64::consts::PI;
use std::sync::Arc;

use fft_core::{Complex, Wave};
use fft_plans::Planner;
use realfft::{ComplexToReal, RealToComplex};
use rustfft::{Fft, FftDirection};

use super::Precision;
use crate::simd::{Kernel, Level, dispatch};

/// `exp(i angle)` in the precision of the line, made in `f64`.
fn turn<T: Precision>(angle: f64) -> Complex<T> {
    let (sin, cos) = angle.sin_cos();
    Complex::new(T::nearest(cos), T::nearest(sin))
}

/// Scratch as the numbers of a line, and the rest.
fn split_line<T: Precision>(scratch: &mut [Complex<T>], n: usize) -> (&mut [T], &mut [Complex<T>]) {
    let (line, rest) = scratch.split_at_mut(n.div_ceil(2));
    (&mut bytemuck::cast_slice_mut(line)[..n], rest)
}

/// Type I: the spectrum of the line continued evenly about both ends (cosines), or oddly about a zero before it and one behind (sines). The
/// whole of what SciPy defines, not half of it.
pub(super) struct One<T> {
    plan: Arc<dyn RealToComplex<T>>,
}

impl<T: Precision> One<T> {
    pub(super) fn new(planner: &mut dyn Planner<T>, n: usize, wave: Wave) -> Self {
        let points = match wave {
            Wave::Cosine => 2 * (n - 1),
            Wave::Sine => 2 * (n + 1),
        };
        Self { plan: planner.forward(points) }
    }

    pub(super) fn scratch_len(&self) -> usize {
        self.plan.len() + 1 + self.plan.get_scratch_len()
    }

    pub(super) fn process(&self, line: &mut [T], scratch: &mut [Complex<T>], wave: Wave) {
        let (points, middle) = (self.plan.len(), self.plan.len() / 2);
        let (v, scratch) = split_line(scratch, points);
        let (bins, work) = scratch.split_at_mut(middle + 1);
        // The first point and the middle are their own mirror images.
        let (front, back) = v.split_at_mut(middle + 1);
        let mirrored = back.iter_mut().rev();
        match wave {
            Wave::Cosine => {
                front.copy_from_slice(line);
                mirrored.zip(&front[1..]).for_each(|(to, x)| *to = *x);
            }
            Wave::Sine => {
                (front[0], front[middle]) = (T::zero(), T::zero());
                front[1..middle].copy_from_slice(line);
                mirrored.zip(&front[1..]).for_each(|(to, x)| *to = -*x);
            }
        }
        let work = &mut work[..self.plan.get_scratch_len()];
        self.plan.process_with_scratch(v, bins, work).expect("the slices have the lengths of the plan");
        match wave {
            Wave::Cosine => line.iter_mut().zip(&*bins).for_each(|(y, z)| *y = z.re),
            Wave::Sine => line.iter_mut().zip(&bins[1..]).for_each(|(y, z)| *y = -z.im),
        }
    }
}

/// Type II: with `v` the even points followed by the odd ones backwards and `V` its spectrum, half of `y[k]` is `Re(w^k V[k])` and half of
/// `y[n - k]` is `-Im(w^k V[k])`, `w = exp(-pi i / 2n)`.
pub(super) struct Two<T> {
    plan: Arc<dyn RealToComplex<T>>,
    twiddles: Vec<Complex<T>>,
}

impl<T: Precision> Two<T> {
    pub(super) fn new(planner: &mut dyn Planner<T>, n: usize) -> Self {
        let twiddles = (0..=n / 2).map(|k| turn(-0.5 * PI * k as f64 / n as f64)).collect();
        Self { plan: planner.forward(n), twiddles }
    }

    pub(super) fn scratch_len(&self) -> usize {
        let n = self.plan.len();
        n.div_ceil(2) + self.twiddles.len() + self.plan.get_scratch_len()
    }

    pub(super) fn process(&self, line: &mut [T], scratch: &mut [Complex<T>], wave: Wave) {
        let n = line.len();
        let sine = wave == Wave::Sine;
        let (v, scratch) = split_line(scratch, n);
        let (bins, work) = scratch.split_at_mut(self.twiddles.len());
        let (even, odd) = v.split_at_mut(n.div_ceil(2));
        let (pairs, last) = line.as_chunks::<2>();
        for ((even, odd), &[a, b]) in even.iter_mut().zip(odd.iter_mut().rev()).zip(pairs) {
            *even = a;
            *odd = if sine { -b } else { b };
        }
        if let ([last], Some(even)) = (last, even.last_mut()) {
            *even = *last;
        }
        let work = &mut work[..self.plan.get_scratch_len()];
        self.plan.process_with_scratch(v, bins, work).expect("the slices have the lengths of the plan");
        dispatch(Turned { bins, twiddles: &self.twiddles, line, sine });
    }
}

/// The last step of type II.
struct Turned<'a, T> {
    bins: &'a [Complex<T>],
    twiddles: &'a [Complex<T>],
    line: &'a mut [T],
    sine: bool,
}

impl<T: Precision> Kernel for Turned<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { bins, twiddles, line, sine } = self;
        let (n, h) = (line.len(), (line.len() - 1) / 2);
        // A sine transform has its outputs in the opposite order.
        let at = |k: usize| if sine { n - 1 - k } else { k };
        line[at(0)] = bins[0].re;
        if n.is_multiple_of(2) {
            let (z, t) = (bins[n / 2], twiddles[n / 2]);
            line[at(n / 2)] = z.re * t.re - z.im * t.im;
        }
        // Outputs k and n - k; of sines k is the later one.
        let outputs = if sine { &mut line[..n - 1] } else { &mut line[1..] };
        let (front, back) = outputs.split_at_mut(h);
        let from = back.len() - h;
        let ends = front.iter_mut().zip(back[from..].iter_mut().rev());
        for ((front, back), (z, t)) in ends.zip(bins[1..=h].iter().zip(&twiddles[1..=h])) {
            let (low, high) = (z.re * t.re - z.im * t.im, -(z.re * t.im + z.im * t.re));
            (*front, *back) = if sine { (high, low) } else { (low, high) };
        }
    }
}

/// Type III, the steps of type II backwards: `V[k] = w^-k (x[k] - i x[n - k])`. The whole of what SciPy defines, not half of it.
pub(super) struct Three<T> {
    plan: Arc<dyn ComplexToReal<T>>,
    twiddles: Vec<Complex<T>>,
}

impl<T: Precision> Three<T> {
    pub(super) fn new(planner: &mut dyn Planner<T>, n: usize) -> Self {
        let twiddles = (0..=n / 2).map(|k| turn(0.5 * PI * k as f64 / n as f64)).collect();
        Self { plan: planner.inverse(n), twiddles }
    }

    pub(super) fn scratch_len(&self) -> usize {
        let n = self.plan.len();
        n.div_ceil(2) + self.twiddles.len() + self.plan.get_scratch_len()
    }

    pub(super) fn process(&self, line: &mut [T], scratch: &mut [Complex<T>], wave: Wave) {
        let n = line.len();
        let sine = wave == Wave::Sine;
        if sine {
            line.reverse();
        }
        let (v, scratch) = split_line(scratch, n);
        let (bins, work) = scratch.split_at_mut(self.twiddles.len());
        dispatch(Combined { line, twiddles: &self.twiddles, bins });
        let work = &mut work[..self.plan.get_scratch_len()];
        self.plan
            .process_with_scratch(bins, v, work)
            .expect("the slices have the lengths of the plan, and the outer bins are real");
        let (even, odd) = v.split_at(n.div_ceil(2));
        let (pairs, last) = line.as_chunks_mut::<2>();
        for ((even, odd), pair) in even.iter().zip(odd.iter().rev()).zip(pairs) {
            *pair = [*even, if sine { -*odd } else { *odd }];
        }
        if let ([last], Some(even)) = (last, even.last()) {
            *last = *even;
        }
    }
}

/// The first step of type III.
struct Combined<'a, T> {
    line: &'a [T],
    twiddles: &'a [Complex<T>],
    bins: &'a mut [Complex<T>],
}

impl<T: Precision> Kernel for Combined<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { line, twiddles, bins } = self;
        let n = line.len();
        let points = line[1..].iter().zip(line.iter().rev());
        for (bin, ((a, b), t)) in bins[1..].iter_mut().zip(points.zip(&twiddles[1..])) {
            *bin = Complex::new(*a * t.re + *b * t.im, *a * t.im - *b * t.re);
        }
        bins[0] = Complex::new(line[0], T::zero());
        if n.is_multiple_of(2) {
            // Both points are the same one, so that the imaginary part is 0 but for rounding.
            bins[n / 2].im = T::zero();
        }
    }
}

/// Type IV of even length: with `z[j] = (x[2j] + i x[n-1-2j]) exp(-pi i (4j+1) / 4n)`, `Z` its spectrum of `n / 2` bins and `t[k] = Z[k]
/// exp(-pi i k / n)`, half of `y[2k]` is `Re t[k]` and half of `y[n-1-2k]` is `-Im t[k]`.
pub(super) struct Four<T> {
    plan: Arc<dyn Fft<T>>,
    before: Vec<Complex<T>>,
    after: Vec<Complex<T>>,
}

impl<T: Precision> Four<T> {
    pub(super) fn new(planner: &mut dyn Planner<T>, n: usize) -> Self {
        let turns = |f: fn(f64) -> f64| (0..n / 2).map(|j| turn(-PI * f(j as f64) / n as f64)).collect();
        Self {
            plan: planner.complex(n / 2, FftDirection::Forward),
            before: turns(|j| j + 0.25),
            after: turns(|k| k),
        }
    }

    pub(super) fn scratch_len(&self) -> usize {
        self.plan.len() + self.plan.get_inplace_scratch_len()
    }

    pub(super) fn process(&self, line: &mut [T], scratch: &mut [Complex<T>], wave: Wave) {
        let sine = wave == Wave::Sine;
        if sine {
            line.reverse();
        }
        let (z, work) = scratch.split_at_mut(self.plan.len());
        // x[n-1-2j] is the second of a pair, from the end.
        let (pairs, _) = line.as_chunks::<2>();
        for ((z, t), (first, second)) in
            z.iter_mut().zip(&self.before).zip(pairs.iter().zip(pairs.iter().rev()))
        {
            let (a, b) = (first[0], second[1]);
            *z = Complex::new(a * t.re - b * t.im, a * t.im + b * t.re);
        }
        self.plan.process_with_scratch(z, &mut work[..self.plan.get_inplace_scratch_len()]);
        for (z, t) in z.iter_mut().zip(&self.after) {
            *z = Complex::new(z.re * t.re - z.im * t.im, z.re * t.im + z.im * t.re);
        }
        let (pairs, _) = line.as_chunks_mut::<2>();
        for (pair, (low, high)) in pairs.iter_mut().zip(z.iter().zip(z.iter().rev())) {
            *pair = [low.re, if sine { high.im } else { -high.im }];
        }
    }
}
