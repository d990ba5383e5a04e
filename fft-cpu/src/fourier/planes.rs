//! Two axes of a larger tensor plane by plane, so that a plane stays in the second-level cache between its two transforms.

use std::sync::OnceLock;

use fft_core::{Complex, DType, FftKind, FftSpec, Layout, Result, View, ViewMut};

use super::plans::Precision;
use super::transform::{Context, Job};
use crate::memory::{SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::Walk;

const OP: &str = "fft";
/// Most bytes of a plane, which is read from another tensor as well.
const PLANE: usize = 512 << 10;
/// Least bytes of all planes: less stays in the cache anyway.
const ALL: usize = 2 << 20;

/// Whether the axes of `first` and `second` of `dst` are planes that the caches can keep, of lines that lie behind or beside each other.
pub(super) fn are_planes(first: FftSpec, second: FftSpec, dst: &Layout, dtype: DType) -> bool {
    let plane = dst.shape()[first.axis] * dst.shape()[second.axis] * dtype.size();
    let planes = dst.len() * dtype.size() / plane.max(1);
    let dense = [first, second].iter().any(|s| dst.strides()[s.axis].unsigned_abs() == 1);
    dense && plane <= PLANE && planes > 1 && plane * planes >= ALL
}

/// `first` from `src` to `dst`, then `second`, which is complex and keeps its length, where that lies. Layouts and types are those that
/// [`fft`](super::fft) of `first` would take.
pub(super) fn two_axes(
    context: Context<'_>,
    first: FftSpec,
    second: FftSpec,
    src: View<'_>,
    mut dst: ViewMut<'_>,
) -> Result<()> {
    let planes = Planes { context, first, second, src: src.layout, dst: dst.layout };
    match (first.kind, dst.dtype) {
        (FftKind::C2C, DType::C64) => planes.complex::<f32>(src, &mut dst),
        (FftKind::C2C, _) => planes.complex::<f64>(src, &mut dst),
        (_, DType::C64) => planes.forward::<f32>(src, &mut dst),
        _ => planes.forward::<f64>(src, &mut dst),
    }
}

struct Planes<'a> {
    context: Context<'a>,
    first: FftSpec,
    second: FftSpec,
    src: &'a Layout,
    dst: &'a Layout,
}

impl Planes<'_> {
    fn complex<T: Precision>(&self, src: View<'_>, dst: &mut ViewMut<'_>) -> Result<()> {
        let input = elements::<Complex<T>>(OP, &src)?;
        let output = SharedMut::new(elements_mut::<Complex<T>>(OP, dst)?);
        // SAFETY: positions of checked layouts in two buffers; tasks have different planes.
        self.run(&|job| unsafe { job.complex_lines(input, output) }, output)
    }

    fn forward<T: Precision>(&self, src: View<'_>, dst: &mut ViewMut<'_>) -> Result<()> {
        let input = elements::<T>(OP, &src)?;
        let output = SharedMut::new(elements_mut::<Complex<T>>(OP, dst)?);
        // SAFETY: as in `complex`.
        self.run(&|job| unsafe { job.forward_lines(input, output) }, output)
    }

    /// Each plane is a task, done by one thread.
    fn run<T: Precision>(
        &self,
        out_of_place: &(dyn Fn(&Job<'_>) -> Result<()> + Sync),
        output: SharedMut<'_, Complex<T>>,
    ) -> Result<()> {
        let Self { context, first, second, src, dst } = *self;
        let (a, b) = (first.axis, second.axis);
        let others = (0..dst.rank())
            .filter(|&axis| axis != a && axis != b)
            .map(|axis| (dst.shape()[axis], [src.strides()[axis], dst.strides()[axis]]));
        let planes = Walk::from_axes(others, [src.offset() as isize, dst.offset() as isize]);
        let tasks = planes.tasks(1, 1);
        let points = dst.shape()[a] * dst.shape()[b];
        let team = context.threads.team(tasks.count, planes.positions() * points);
        let alone = Threads::alone();
        let inner = Context { threads: &alone, ..context };
        let failed = OnceLock::new();
        let plane = |[s, d]: [isize; 2]| -> Result<()> {
            let needed = if first.kind == FftKind::C2R { first.n / 2 + 1 } else { first.n };
            let lines = [(dst.shape()[b], [src.strides()[b], dst.strides()[b]])];
            out_of_place(&Job {
                context: inner,
                spec: first,
                have: src.shape()[a].min(needed),
                walk: Walk::from_axes(lines, [s, d]),
                along: [src.strides()[a], dst.strides()[a]],
            })?;
            let job = Job {
                context: inner,
                spec: second,
                have: second.n,
                walk: Walk::from_axes([(dst.shape()[a], [dst.strides()[a]; 2])], [d, d]),
                along: [dst.strides()[b]; 2],
            };
            // SAFETY: positions of a checked layout; tasks have different planes.
            unsafe { job.in_place(output) }
        };
        team.run(tasks.count, |task, _| {
            planes.task(&tasks, task, |[s, d], count| {
                for i in 0..count as isize {
                    let at = [s + i * planes.strides[0], d + i * planes.strides[1]];
                    if failed.get().is_none()
                        && let Err(error) = plane(at)
                    {
                        // The first error is told.
                        let _ = failed.set(error);
                    }
                }
            });
        });
        failed.into_inner().map_or(Ok(()), Err)
    }
}
