//! From views to slices of elements, checked: what passes here may be addressed by layout without further checks.

use fft_core::{Error, Layout, Result, View, ViewMut};

use super::buffer::{HostBuffer, foreign};

/// Checks that a layout lies within `len` elements.
fn check(op: &'static str, layout: &Layout, len: usize) -> Result<()> {
    if layout.is_empty() {
        return Ok(());
    }
    let spans = layout.shape().iter().zip(layout.strides());
    let lowest: i128 = spans.map(|(&n, &s)| (n as i128 - 1) * s.min(0) as i128).sum();
    if layout.offset() as i128 + lowest >= 0 && layout.extent() <= len {
        return Ok(());
    }
    Err(Error::invalid(op, "layout", layout, format!("must lie within the {len} elements of its buffer")))
}

/// The elements of the view's buffer; positions of its layout are within.
pub(crate) fn elements<'a, T: bytemuck::Pod>(op: &'static str, view: &View<'a>) -> Result<&'a [T]> {
    let bytes = view.buffer.downcast_ref::<HostBuffer>().ok_or_else(|| foreign(op))?.bytes();
    let whole = bytes.len() / size_of::<T>() * size_of::<T>();
    let all = bytemuck::try_cast_slice(&bytes[..whole])
        .map_err(|e| Error::invalid(op, "buffer", view.dtype, format!("does not hold such elements: {e}")))?;
    check(op, view.layout, all.len())?;
    Ok(all)
}

/// The elements of the view's buffer for writing; positions of its layout are within and do not repeat by a stride of 0.
pub(crate) fn elements_mut<'a, T: bytemuck::Pod>(
    op: &'static str,
    view: &'a mut ViewMut<'_>,
) -> Result<&'a mut [T]> {
    let dtype = view.dtype;
    let bytes = view.buffer.downcast_mut::<HostBuffer>().ok_or_else(|| foreign(op))?.bytes_mut()?;
    let whole = bytes.len() / size_of::<T>() * size_of::<T>();
    let all = bytemuck::try_cast_slice_mut(&mut bytes[..whole])
        .map_err(|e| Error::invalid(op, "buffer", dtype, format!("does not hold such elements: {e}")))?;
    check(op, view.layout, all.len())?;
    if view.layout.shape().iter().zip(view.layout.strides()).any(|(&n, &s)| n > 1 && s == 0) {
        return Err(Error::invalid(op, "layout", view.layout, "must not write one element twice"));
    }
    Ok(all)
}
