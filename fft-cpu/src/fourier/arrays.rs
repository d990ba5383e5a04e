//! Transforms along several axes of row-major arrays that the caller holds, where they lie.

use fft_core::{Complex, Dims, FftSpec, Layout, Result};

use super::plans::Precision;
use super::transform::{Context, Job};
use crate::memory::SharedMut;

/// The elements that two arrays of the same rank have in common, in each of them, apart from `axis`, of which each has its own.
fn common(from: &[usize], to: &[usize], axis: usize) -> [Layout; 2] {
    let mut layouts = [Layout::contiguous(from), Layout::contiguous(to)];
    for a in (0..from.len()).filter(|&a| a != axis) {
        layouts = layouts.map(|layout| layout.narrowed(a, 0, from[a].min(to[a])));
    }
    layouts
}

fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Complex transforms, each of all elements of its axis, of `data` of `shape`.
///
/// # Errors
/// Memory errors.
pub(crate) fn complex_in_place<T: Precision>(
    context: Context<'_>,
    specs: &[FftSpec],
    data: &mut [Complex<T>],
    shape: &[usize],
) -> Result<()> {
    assert_eq!(data.len(), elements(shape), "the array has its shape");
    if data.is_empty() {
        return Ok(());
    }
    let layout = Layout::contiguous(shape);
    for &spec in specs.iter().rev() {
        let job = Job::between(context, spec, &layout, &layout)?;
        // SAFETY: the layout is that of the array, which is borrowed for writing.
        unsafe { job.in_place(SharedMut::new(data))? };
    }
    Ok(())
}

/// Transforms of which the last is R2C: that of `input` of `shape` goes to `output`, where the others, complex, are in place. `output` has
/// the shape that the transforms say.
///
/// # Errors
/// Memory errors.
pub(crate) fn forward<T: Precision>(
    context: Context<'_>,
    specs: &[FftSpec],
    input: &[T],
    shape: &[usize],
    output: &mut [Complex<T>],
) -> Result<()> {
    let Some((&real, complex)) = specs.split_last() else { return Ok(()) };
    let mut to = Dims::from_slice(shape);
    complex.iter().for_each(|spec| to[spec.axis] = spec.n);
    to[real.axis] = real.n / 2 + 1;
    assert_eq!((input.len(), output.len()), (elements(shape), elements(&to)), "the arrays have their shapes");
    let [from, into] = common(shape, &to, real.axis);
    if into.len() < output.len() || input.is_empty() {
        output.fill(Complex::default());
    }
    if input.is_empty() || output.is_empty() {
        return Ok(());
    }
    let job = Job::between(context, real, &from, &into)?;
    // SAFETY: both layouts are parts of their arrays.
    unsafe { job.forward_lines(input, SharedMut::new(output))? };
    complex_in_place(context, complex, output, &to)
}

/// Transforms of which the last is C2R, of `data` of `shape`, which is overwritten, to `output`. The complex ones are of all elements of their
/// axes.
///
/// # Errors
/// Memory errors.
pub(crate) fn inverse<T: Precision>(
    context: Context<'_>,
    specs: &[FftSpec],
    data: &mut [Complex<T>],
    shape: &[usize],
    output: &mut [T],
) -> Result<()> {
    let Some((&real, complex)) = specs.split_last() else { return Ok(()) };
    let mut to = Dims::from_slice(shape);
    to[real.axis] = real.n;
    assert_eq!((data.len(), output.len()), (elements(shape), elements(&to)), "the arrays have their shapes");
    if data.is_empty() {
        output.fill(T::zero());
        return Ok(());
    }
    complex_in_place(context, complex, data, shape)?;
    let job = Job::between(context, real, &Layout::contiguous(shape), &Layout::contiguous(&to))?;
    // SAFETY: the layouts are those of the arrays.
    unsafe { job.inverse_lines(data, SharedMut::new(output)) }
}
