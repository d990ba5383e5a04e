//! Cosine and sine transforms line by line in place: of short lines by the plans of rustdct, of others through Fourier transforms.

mod fourier;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use fft_core::{Complex, DType, DctSpec, DctType, Result, Tensor, Wave, compose};
use fft_plans::{Planned, Planner};
use rustdct::{Dct1, DctNum, Dst1, TransformType2And3, TransformType4};

use crate::cache::Cache;
use crate::fourier::{LIMIT, tables};
use crate::memory::{BlockPool, SharedMut, elements_mut};
use crate::threads::Threads;

const OP: &str = "dct";
/// Bytes of lines in a task.
const TASK: usize = 1 << 16;
/// Lines of up to so many points are left to rustdct, which adds them up or has plans without loops.
const SHORT: usize = 16;

/// The plan of one wave, type and length.
pub(crate) struct Plan<T> {
    algorithm: Algorithm<T>,
    wave: Wave,
    kind: DctType,
    n: usize,
}

enum Algorithm<T> {
    CosineOne(Arc<dyn Dct1<T>>),
    SineOne(Arc<dyn Dst1<T>>),
    TwoAndThree(Arc<dyn TransformType2And3<T>>),
    Four(Arc<dyn TransformType4<T>>),
    LongOne(fourier::One<T>),
    LongTwo(fourier::Two<T>),
    LongThree(fourier::Three<T>),
    LongFour(fourier::Four<T>),
}

/// A precision that has plans.
pub trait Precision: Planned + DctNum + bytemuck::Pod + Default {
    /// Its plans.
    fn of(plans: &Plans) -> &Mutex<PlansOf<Self>>;
    /// The nearest number.
    fn nearest(x: f64) -> Self;
}

impl Precision for f32 {
    fn of(plans: &Plans) -> &Mutex<PlansOf<f32>> {
        &plans.single
    }
    fn nearest(x: f64) -> f32 {
        x as f32
    }
}

impl Precision for f64 {
    fn of(plans: &Plans) -> &Mutex<PlansOf<f64>> {
        &plans.double
    }
    fn nearest(x: f64) -> f64 {
        x
    }
}

/// All plans of a backend.
#[derive(Debug, Default)]
pub struct Plans {
    single: Mutex<PlansOf<f32>>,
    double: Mutex<PlansOf<f64>>,
    created: AtomicUsize,
}

/// Plans of one precision.
pub struct PlansOf<T: DctNum> {
    plans: Cache<(Wave, DctType, usize), Arc<Plan<T>>>,
    planner: Box<dyn Planner<T>>,
}

impl<T: Planned> Default for PlansOf<T> {
    fn default() -> Self {
        Self { plans: Cache::new(LIMIT), planner: T::planner() }
    }
}

impl<T: DctNum> std::fmt::Debug for PlansOf<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PlansOf").field(&self.plans.len()).finish()
    }
}

impl Plans {
    /// How many plans were made.
    pub(crate) fn created(&self) -> usize {
        self.created.load(Relaxed)
    }

    /// The plan of `n` points: at least one, and two for the cosine transform of type I.
    pub(crate) fn plan<T: Precision>(&self, wave: Wave, kind: DctType, n: usize) -> Arc<Plan<T>> {
        // Plans are inserted whole, so a panic elsewhere leaves the cache usable.
        let mut of = T::of(self).lock().unwrap_or_else(PoisonError::into_inner);
        let key = (wave, kind, n);
        if let Some(plan) = of.plans.get(key) {
            return plan;
        }
        self.created.fetch_add(1, Relaxed);
        let PlansOf { plans, planner } = &mut *of;
        let algorithm = match (wave, kind) {
            (_, DctType::I) if n > SHORT => Algorithm::LongOne(fourier::One::new(&mut **planner, n, wave)),
            (Wave::Cosine, DctType::I) => Algorithm::CosineOne(planner.cosine_one(n)),
            (Wave::Sine, DctType::I) => Algorithm::SineOne(planner.sine_one(n)),
            (_, DctType::II) if n > SHORT => Algorithm::LongTwo(fourier::Two::new(&mut **planner, n)),
            (_, DctType::III) if n > SHORT => Algorithm::LongThree(fourier::Three::new(&mut **planner, n)),
            (_, DctType::IV) if n > SHORT && n.is_multiple_of(2) => {
                Algorithm::LongFour(fourier::Four::new(&mut **planner, n))
            }
            (_, DctType::II | DctType::III) => Algorithm::TwoAndThree(planner.two_and_three(n)),
            (_, DctType::IV) => Algorithm::Four(planner.four(n)),
        };
        let plan = Arc::new(Plan { algorithm, wave, kind, n });
        if plans.insert(key, Arc::clone(&plan), tables::<T>(n)) {
            // It holds plans for itself.
            *planner = T::planner();
        }
        plan
    }
}

impl<T: Precision> Plan<T> {
    /// Complex numbers of scratch.
    pub(crate) fn scratch_len(&self) -> usize {
        let numbers = match &self.algorithm {
            Algorithm::CosineOne(plan) => plan.get_scratch_len(),
            Algorithm::SineOne(plan) => plan.get_scratch_len(),
            Algorithm::TwoAndThree(plan) => plan.get_scratch_len(),
            Algorithm::Four(plan) => plan.get_scratch_len(),
            Algorithm::LongOne(plan) => return plan.scratch_len(),
            Algorithm::LongTwo(plan) => return plan.scratch_len(),
            Algorithm::LongThree(plan) => return plan.scratch_len(),
            Algorithm::LongFour(plan) => return plan.scratch_len(),
        };
        numbers.div_ceil(2)
    }

    /// Transforms a line of the plan's length; see [`DctSpec`] for the factor and the orthogonal form.
    pub(crate) fn process(&self, line: &mut [T], scratch: &mut [Complex<T>], scale: f64, orthogonal: bool) {
        use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};
        let last = self.n - 1;
        // Which ends weigh in the orthogonal form.
        let ends: &[usize] = match (self.wave, self.kind) {
            _ if !orthogonal => &[],
            (Wave::Cosine, DctType::I) => &[0, last],
            (Wave::Cosine, DctType::II | DctType::III) => &[0],
            (Wave::Sine, DctType::II | DctType::III) => &[last],
            _ => &[],
        };
        if self.kind != DctType::II {
            ends.iter().for_each(|&i| line[i] = line[i] * T::nearest(SQRT_2));
        }
        // The plans compute half of what SciPy defines, but for two.
        let mut gain = 2.0;
        let complex = &mut scratch[..self.scratch_len()];
        match &self.algorithm {
            Algorithm::LongOne(plan) => {
                gain = 1.0;
                plan.process(line, complex, self.wave);
            }
            Algorithm::LongTwo(plan) => plan.process(line, complex, self.wave),
            Algorithm::LongThree(plan) => {
                gain = 1.0;
                plan.process(line, complex, self.wave);
            }
            Algorithm::LongFour(plan) => plan.process(line, complex, self.wave),
            _ => self.process_short(line, bytemuck::cast_slice_mut(complex)),
        }
        let factor = T::nearest(gain * scale);
        line.iter_mut().for_each(|y| *y = *y * factor);
        if self.kind != DctType::III {
            ends.iter().for_each(|&i| line[i] = line[i] * T::nearest(FRAC_1_SQRT_2));
        }
    }

    /// By rustdct: half of what SciPy defines.
    fn process_short(&self, line: &mut [T], scratch: &mut [T]) {
        match (&self.algorithm, self.wave, self.kind) {
            (Algorithm::CosineOne(plan), ..) => plan.process_dct1_with_scratch(line, scratch),
            (Algorithm::SineOne(plan), ..) => {
                // It takes two points of its extended signal to be zeros that are there.
                scratch.fill(T::zero());
                plan.process_dst1_with_scratch(line, scratch);
            }
            (Algorithm::TwoAndThree(plan), Wave::Cosine, DctType::II) => {
                plan.process_dct2_with_scratch(line, scratch);
            }
            (Algorithm::TwoAndThree(plan), Wave::Cosine, _) => plan.process_dct3_with_scratch(line, scratch),
            (Algorithm::TwoAndThree(plan), Wave::Sine, DctType::II) => {
                plan.process_dst2_with_scratch(line, scratch);
            }
            (Algorithm::TwoAndThree(plan), Wave::Sine, _) => plan.process_dst3_with_scratch(line, scratch),
            (Algorithm::Four(plan), Wave::Cosine, _) => plan.process_dct4_with_scratch(line, scratch),
            (Algorithm::Four(plan), Wave::Sine, _) => plan.process_dst4_with_scratch(line, scratch),
            // Not short.
            _ => {}
        }
    }
}

/// See `SpectralBackend::dct`.
pub(crate) fn dct(
    threads: &Threads,
    pool: &Arc<BlockPool>,
    plans: &Plans,
    x: &Tensor,
    spec: DctSpec,
) -> Result<Tensor> {
    match x.dtype() {
        DType::F32 => lines::<f32>(threads, pool, plans, x, spec),
        DType::F64 => lines::<f64>(threads, pool, plans, x, spec),
        _ => compose::dct(x, spec),
    }
}

fn lines<T: Precision>(
    threads: &Threads,
    pool: &Arc<BlockPool>,
    plans: &Plans,
    x: &Tensor,
    spec: DctSpec,
) -> Result<Tensor> {
    let last = x.rank() - 1;
    // The lines one after another in a buffer of their own, where they are transformed; a view brings the axis back.
    let turned = x.transpose(spec.axis, last)?;
    let n = turned.shape()[last];
    let plan = plans.plan::<T>(spec.wave, spec.kind, n);
    let y = Tensor::build(x.device(), OP, turned.shape(), x.dtype(), |mut dst| {
        let copied = fft_core::ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype: dst.dtype };
        x.device().copy(turned.view(), copied)?;
        let all = elements_mut::<T>(OP, &mut dst)?;
        let rows = all.len() / n;
        let per_task = (TASK / (n * size_of::<T>())).max(1);
        let tasks = rows.div_ceil(per_task);
        let team = threads.team(tasks, all.len().saturating_mul(4));
        // Parts of different workers start at different cache lines.
        let each = plan.scratch_len().next_multiple_of(16);
        let mut block = pool.scratch(team.workers() * each * size_of::<Complex<T>>())?;
        let (scratch, all) = (SharedMut::new(block.as_mut::<Complex<T>>()), SharedMut::new(all));
        team.run(tasks, |task, worker| {
            // SAFETY: a worker runs one task at a time, and each has its own part.
            let scratch = unsafe { scratch.slice(worker * each, each) };
            for row in task * per_task..rows.min((task + 1) * per_task) {
                // SAFETY: a row of the output; tasks have different rows.
                let line = unsafe { all.slice(row * n, n) };
                plan.process(line, scratch, spec.scale, spec.orthogonal);
            }
        });
        Ok(())
    })?;
    y.transpose(spec.axis, last)
}
