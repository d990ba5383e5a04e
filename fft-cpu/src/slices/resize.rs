//! Row-major arrays cropped or padded.

use fft_core::{Element, Error, Result};

use super::shared::expect_shape;

/// The first `n[a]` elements along each axis `a` of a row-major array of `shape`, with zeros after them where there are fewer: `output` has shape
/// `n`. (A line is cropped by `&x[..n]`.)
///
/// ```
/// let mut padded = [0.0; 5];
/// fft_cpu::slices::resize(&[1.0, 2.0, 3.0], &[3], &mut padded, &[5])?;
/// assert_eq!(padded, [1.0, 2.0, 3.0, 0.0, 0.0]);
/// # Ok::<(), fft_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] when a slice has not as many elements as its shape, or when the shapes have not the same number of axes.
pub fn resize<E: Element>(input: &[E], shape: &[usize], output: &mut [E], n: &[usize]) -> Result<()> {
    const OP: &str = "resize";
    expect_shape(OP, "input", input.len(), shape)?;
    expect_shape(OP, "output", output.len(), n)?;
    if n.len() != shape.len() {
        return Err(Error::invalid(OP, "n", n, format!("one length for each of {} axes", shape.len())));
    }
    place(input, shape, output, n);
    Ok(())
}

/// Copies what both arrays, of the same rank, have; the other elements of `to` become zeros.
pub(super) fn place<E: Copy + Default>(from: &[E], shape: &[usize], to: &mut [E], new: &[usize]) {
    // Behind the last axis whose lengths differ, elements lie together.
    let Some(axis) = (0..shape.len()).rev().find(|&a| shape[a] != new[a]) else {
        return to.copy_from_slice(from);
    };
    if from.is_empty() || to.is_empty() {
        return to.fill(E::default());
    }
    let together: usize = new[axis + 1..].iter().product();
    let (rows, kept) = (shape[axis] * together, shape[axis].min(new[axis]) * together);
    for (place, row) in to.chunks_exact_mut(new[axis] * together).enumerate() {
        // The same place in the input, if it has one.
        let (mut rest, mut start, mut step, mut inside) = (place, 0, rows, true);
        for a in (0..axis).rev() {
            let i = rest % new[a];
            rest /= new[a];
            inside &= i < shape[a];
            start += i * step;
            step *= shape[a];
        }
        let kept = if inside { kept } else { 0 };
        if inside {
            row[..kept].copy_from_slice(&from[start..start + kept]);
        }
        row[kept..].fill(E::default());
    }
}
