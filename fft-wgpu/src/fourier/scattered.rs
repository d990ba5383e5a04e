//! Transforms of lines whose points lie further apart than a binding reaches, as those of the columns of a large matrix do: as many lines as fit are copied side
//! by side, transformed, and copied back.

use std::sync::Arc;

use fft_core::{Dims, FftSpec, Layout, Result, View, ViewMut};

use super::{Bins, MAX_SCRATCH, OP, transform};
use crate::call::fits_bytes;
use crate::context::Context;
use crate::elementwise::copy;
use crate::memory::GpuBuffer;
use crate::transfer;

/// See [`transform`].
pub(super) fn scattered(
    context: &Context,
    spec: FftSpec,
    src: View<'_>,
    dst: ViewMut<'_>,
    read: Bins,
    write: Bins,
) -> Result<()> {
    let rank = dst.layout.rank();
    let line = |layout: &Layout, bytes: usize| layout.shape()[spec.axis] * bytes;
    let line = line(src.layout, src.dtype.size()).max(line(dst.layout, dst.dtype.size()));
    let lines = dst.layout.len() / dst.layout.shape()[spec.axis];
    let most = MAX_SCRATCH.min(context.limits.binding as usize) / 2;
    let longest = (0..rank).filter(|&a| a != spec.axis).max_by_key(|&a| dst.layout.shape()[a]);
    if let Some(axis) = longest.filter(|_| lines > 1 && lines.saturating_mul(line) > most) {
        let n = dst.layout.shape()[axis];
        for (start, len) in [(0, n / 2), (n / 2, n - n / 2)] {
            let (from, to) = (src.layout.narrowed(axis, start, len), dst.layout.narrowed(axis, start, len));
            let src = View { layout: &from, ..src };
            let dst = ViewMut { buffer: &mut *dst.buffer, layout: &to, dtype: dst.dtype };
            scattered(context, spec, src, dst, read, write)?;
        }
        return Ok(());
    }
    let shared = src.buffer.downcast_ref::<GpuBuffer>().map(|b| Arc::clone(&b.context));
    let Some(shared) = shared.filter(|_| fits_bytes(context, line)) else {
        return Err(context.too_big(OP, line));
    };
    let mut order: Dims = (0..rank).filter(|&a| a != spec.axis).collect();
    order.push(spec.axis);
    let (from, to) = (src.layout.permuted(&order), dst.layout.permuted(&order));
    let (near_from, near_to) = (Layout::contiguous(from.shape()), Layout::contiguous(to.shape()));
    let mut points = transfer::alloc(&shared, near_from.len() * src.dtype.size())?;
    let mut bins = transfer::alloc(&shared, near_to.len() * dst.dtype.size())?;
    let near = ViewMut { buffer: &mut points, layout: &near_from, dtype: src.dtype };
    copy(context, View { layout: &from, ..src }, near)?;
    let near = View { buffer: &points, layout: &near_from, dtype: src.dtype };
    let result = ViewMut { buffer: &mut bins, layout: &near_to, dtype: dst.dtype };
    transform(context, FftSpec { axis: rank - 1, ..spec }, near, result, read, write)?;
    let result = View { buffer: &bins, layout: &near_to, dtype: dst.dtype };
    copy(context, result, ViewMut { buffer: dst.buffer, layout: &to, dtype: dst.dtype })
}
