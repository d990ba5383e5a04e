//! Picking and placing slices by index.

use bytemuck::Pod;
use fft_core::{Complex32, Complex64, DType, Error, Layout, Result, ScatterMode, View, ViewMut, bf16, f16};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::Walk;

/// Elements of a task.
const TASK: usize = 1 << 14;

/// The indices as signed positions.
pub(crate) fn positions(op: &'static str, view: &View<'_>) -> Result<Vec<i64>> {
    fn read<T: Pod>(op: &'static str, view: &View<'_>, f: impl Fn(T) -> i64) -> Result<Vec<i64>> {
        let all = elements::<T>(op, view)?;
        let (at, step) = (view.layout.offset() as isize, view.layout.strides()[0]);
        Ok((0..view.layout.len() as isize).map(|i| f(all[(at + i * step) as usize])).collect())
    }
    if view.layout.rank() != 1 {
        return Err(Error::shapes(
            op,
            view.layout.shape(),
            &[view.layout.len()],
            "indices must have one axis",
        ));
    }
    match view.dtype {
        DType::U32 => read::<u32>(op, view, i64::from),
        DType::I64 => read::<i64>(op, view, |i| i),
        lhs => Err(Error::DTypeMismatch { op, lhs, rhs: DType::U32 }),
    }
}

/// The axes other than `axis` of two layouts that agree there.
fn others(op: &'static str, a: &Layout, b: &Layout, axis: usize) -> Result<Walk<2>> {
    let rest = || (0..a.rank()).filter(move |&i| i != axis);
    if a.rank() != b.rank() || axis >= a.rank() || rest().any(|i| a.shape()[i] != b.shape()[i]) {
        return Err(Error::shapes(op, a.shape(), b.shape(), format!("only axis {axis} may differ")));
    }
    let axes = rest().map(|i| (a.shape()[i], [a.strides()[i], b.strides()[i]]));
    Ok(Walk::from_axes(axes, [a.offset() as isize, b.offset() as isize]))
}

/// The other axes and the indices, after a check that types agree and that `picked`, of source and destination the one that the indices do not
/// count in, has a slice for each index.
fn checked(
    op: &'static str,
    src: &View<'_>,
    dst: &ViewMut<'_>,
    axis: usize,
    indices: &View<'_>,
    picked: &Layout,
) -> Result<(Walk<2>, Vec<i64>)> {
    if src.dtype != dst.dtype {
        return Err(Error::DTypeMismatch { op, lhs: src.dtype, rhs: dst.dtype });
    }
    let walk = others(op, src.layout, dst.layout, axis)?;
    let indices = positions(op, indices)?;
    if indices.len() != picked.shape()[axis] {
        return Err(Error::shapes(op, &[indices.len()], picked.shape(), "one slice an index is needed"));
    }
    Ok((walk, indices))
}

/// For each slice `(from, to)` along the axis (already multiplied by strides), in order: `f(dst, src)` on its elements.
fn slices<T: Pod + Send + Sync>(
    threads: &Threads,
    src: &[T],
    dst: SharedMut<'_, T>,
    walk: &Walk<2>,
    pairs: &[(isize, isize)],
    f: impl Fn(T, T) -> T + Send + Sync,
    replaces: bool,
) {
    let tasks = walk.tasks((TASK / pairs.len().max(1)).max(64), 64);
    let team = threads.team(tasks.count, walk.positions() * pairs.len());
    let [ss, sd] = walk.strides;
    team.run(tasks.count, |task, _| {
        let base = src.as_ptr();
        walk.task(&tasks, task, |[s, d], n| {
            // SAFETY: positions of checked layouts; a task alone writes its positions of the other axes.
            let one = |s: isize, d: isize| unsafe {
                let place = dst.as_ptr().offset(d);
                place.write(f(place.read(), *base.offset(s)));
            };
            if (ss, sd) == (1, 1) {
                for &(from, to) in pairs {
                    if replaces {
                        // SAFETY: as above; the buffers differ.
                        unsafe {
                            std::ptr::copy_nonoverlapping(
                                base.offset(s + from),
                                dst.as_ptr().offset(d + to),
                                n,
                            );
                        }
                    } else {
                        (0..n as isize).for_each(|i| one(s + from + i, d + to + i));
                    }
                }
            } else {
                for i in 0..n as isize {
                    for &(from, to) in pairs {
                        one(s + i * ss + from, d + i * sd + to);
                    }
                }
            }
        });
    });
}

/// See `SpectralBackend::gather`.
pub(crate) fn gather(
    threads: &Threads,
    src: View<'_>,
    axis: usize,
    indices: View<'_>,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "gather";
    fn run<T: Pod + Send + Sync>(
        threads: &Threads,
        src: View<'_>,
        mut dst: ViewMut<'_>,
        walk: &Walk<2>,
        pairs: &[(isize, isize)],
    ) -> Result<()> {
        let from = elements::<T>(OP, &src)?;
        let to = SharedMut::new(elements_mut::<T>(OP, &mut dst)?);
        slices(threads, from, to, walk, pairs, |_, x| x, true);
        Ok(())
    }
    let (walk, indices) = checked(OP, &src, &dst, axis, &indices, dst.layout)?;
    let len = src.layout.shape()[axis];
    if indices.is_empty() || walk.positions() == 0 {
        return Ok(());
    }
    if len == 0 {
        return Err(Error::IndexOutOfRange { op: OP, index: indices[0], len });
    }
    let (ss, sd) = (src.layout.strides()[axis], dst.layout.strides()[axis]);
    let pairs = indices.iter().enumerate();
    let pairs: Vec<_> =
        pairs.map(|(j, &i)| (i.clamp(0, len as i64 - 1) as isize * ss, j as isize * sd)).collect();
    match src.dtype.size() {
        1 => run::<u8>(threads, src, dst, &walk, &pairs),
        2 => run::<u16>(threads, src, dst, &walk, &pairs),
        4 => run::<u32>(threads, src, dst, &walk, &pairs),
        8 => run::<u64>(threads, src, dst, &walk, &pairs),
        _ => run::<Complex64>(threads, src, dst, &walk, &pairs),
    }
}

/// See `SpectralBackend::scatter`.
pub(crate) fn scatter(
    threads: &Threads,
    src: View<'_>,
    axis: usize,
    indices: View<'_>,
    mode: ScatterMode,
    dst: ViewMut<'_>,
) -> Result<()> {
    const OP: &str = "scatter";
    fn run<T: Pod + Send + Sync>(
        threads: &Threads,
        src: View<'_>,
        mut dst: ViewMut<'_>,
        walk: &Walk<2>,
        pairs: &[(isize, isize)],
        add: Option<fn(T, T) -> T>,
    ) -> Result<()> {
        let from = elements::<T>(OP, &src)?;
        let to = SharedMut::new(elements_mut::<T>(OP, &mut dst)?);
        match add {
            None => slices(threads, from, to, walk, pairs, |_, x| x, true),
            Some(add) => slices(threads, from, to, walk, pairs, add, false),
        }
        Ok(())
    }
    let (walk, indices) = checked(OP, &src, &dst, axis, &indices, src.layout)?;
    let len = dst.layout.shape()[axis];
    let (ss, sd) = (src.layout.strides()[axis], dst.layout.strides()[axis]);
    let pairs = indices.iter().enumerate().filter(|&(_, &i)| i >= 0 && (i as u64) < len as u64);
    let pairs: Vec<_> = pairs.map(|(j, &i)| (j as isize * ss, i as isize * sd)).collect();
    if pairs.is_empty() || walk.positions() == 0 {
        return Ok(());
    }
    macro_rules! with {
        ($t:ty, $add:expr) => {
            run::<$t>(threads, src, dst, &walk, &pairs, (mode == ScatterMode::Add).then_some($add))
        };
    }
    match src.dtype {
        DType::F32 => with!(f32, |a, b| a + b),
        DType::F64 => with!(f64, |a, b| a + b),
        DType::F16 => with!(f16, |a, b| f16::from_f32(a.to_f32() + b.to_f32())),
        DType::BF16 => with!(bf16, |a, b| bf16::from_f32(a.to_f32() + b.to_f32())),
        DType::C64 => with!(Complex32, |a, b| a + b),
        DType::C128 => with!(Complex64, |a, b| a + b),
        DType::U8 => with!(u8, u8::wrapping_add),
        DType::I8 => with!(i8, i8::wrapping_add),
        DType::U16 => with!(u16, u16::wrapping_add),
        DType::U32 => with!(u32, u32::wrapping_add),
        DType::I64 => with!(i64, i64::wrapping_add),
        other => Err(Error::Unsupported {
            op: OP,
            device: "cpu".to_owned(),
            reason: format!("no kernel for {other}"),
        }),
    }
}
