//! Transforms along several axes: the first out of place, the others where the result lies.

use fft_core::{DType, FftKind, FftSpec, Result, Tensor, ViewMut, compose};

use super::planes::{are_planes, two_axes};
use super::transform::{Context, fft, fft_in_place};

/// See `SpectralBackend::fft_nd`.
pub(crate) fn fft_nd(context: Context<'_>, specs: &[FftSpec], x: &Tensor) -> Result<Tensor> {
    let back = specs.last().is_some_and(|s| s.kind == FftKind::C2R);
    // In the order in which they run: R2C first, C2R last.
    let mut order: smallvec::SmallVec<[FftSpec; 8]> = specs.iter().copied().collect();
    if !back {
        order.reverse();
    }
    let (complex, last) = if back { order.split_at(order.len() - 1) } else { (order.as_slice(), &[][..]) };
    let Some((first, rest)) = complex.split_first() else { return compose::fft_nd(specs, x) };
    let resized = rest.iter().any(|s| s.kind != FftKind::C2C || x.shape().get(s.axis) != Some(&s.n));
    let fits = match first.kind {
        FftKind::C2C => matches!(x.dtype(), DType::C64 | DType::C128),
        FftKind::R2C => matches!(x.dtype(), DType::F32 | DType::F64),
        FftKind::C2R => false,
    };
    if resized || !fits || (rest.is_empty() && last.is_empty()) || x.is_empty() || first.axis >= x.rank() {
        return compose::fft_nd(specs, x);
    }
    let mut shape = x.shape().to_vec();
    shape[first.axis] = if first.kind == FftKind::R2C { first.n / 2 + 1 } else { first.n };
    let dtype = if first.kind == FftKind::R2C { x.dtype().to_complex() } else { x.dtype() };
    let out = Tensor::build(x.device(), "fft", &shape, dtype, |mut dst| {
        let rest = match rest.split_first() {
            Some((&second, others)) if are_planes(*first, second, dst.layout, dst.dtype) => {
                two_axes(context, *first, second, x.view(), again(&mut dst))?;
                others
            }
            _ => {
                fft(context, *first, x.view(), again(&mut dst))?;
                rest
            }
        };
        rest.iter().try_for_each(|&spec| fft_in_place(context, spec, again(&mut dst)))
    })?;
    last.iter().try_fold(out, |out, &spec| out.fft_primitive(spec))
}

/// See `SpectralBackend::fft_in_place`.
pub(crate) fn fft_nd_in_place(context: Context<'_>, specs: &[FftSpec], x: &mut Tensor) -> Result<()> {
    let stays = specs.iter().all(|s| s.kind == FftKind::C2C && x.shape().get(s.axis) == Some(&s.n));
    if !stays || !matches!(x.dtype(), DType::C64 | DType::C128) {
        return compose::fft_in_place(specs, x);
    }
    if x.is_empty() {
        return Ok(());
    }
    let mut view = x.view_mut()?;
    specs.iter().rev().try_for_each(|&spec| fft_in_place(context, spec, again(&mut view)))
}

/// The same view for a shorter time.
fn again<'a>(view: &'a mut ViewMut<'_>) -> ViewMut<'a> {
    ViewMut { buffer: view.buffer, layout: view.layout, dtype: view.dtype }
}
