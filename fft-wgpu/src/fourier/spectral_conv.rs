//! Circular convolutions of real lines: one kernel there and back, and one for the spectra of the kernels.

use fft_core::{DType, Dims, Result, Tensor, ViewMut, compose};

use super::butterfly::passes;
use super::circular::{Fit, Key, Part};
use crate::call::{Call, fits, fits_bytes};
use crate::context::Context;
use crate::pipelines::Binding;

const OP: &str = "spectral_conv";

/// See `SpectralBackend::spectral_conv`. A line of `n` points lies in workgroup memory as `n` complex numbers, of whose product coefficients from `n` on are added
/// to the first. Lengths that are not whole passes or too long, and kernels that are not shared along outer axes, are left to the composition.
pub(crate) fn spectral_conv(context: &Context, x: &Tensor, kernel: &Tensor) -> Result<Tensor> {
    // Either may be the kernel: the one with fewer lines.
    let (x, kernel) = if kernel.len() > x.len() { (kernel, x) } else { (x, kernel) };
    let n = x.shape()[x.rank() - 1];
    let outer = kernel.shape().iter().take_while(|&&n| n == 1).count().min(kernel.rank() - 1);
    let own = &kernel.shape()[outer..];
    let takes = x.dtype() == DType::F32 && (2..=context.limits.line).contains(&n) && passes(n).is_some();
    if !takes || x.is_empty() || !x.shape().ends_with(own) {
        return compose::spectral_conv(x, kernel);
    }
    let channels: usize = own[..own.len() - 1].iter().product();
    let mut shape = Dims::from_elem(1, kernel.rank().saturating_sub(x.rank()));
    shape.extend_from_slice(x.shape());
    let (x, kernel) = (x.contiguous()?, kernel.contiguous()?);
    if !fits(context, &[&x, &kernel]) || !fits_bytes(context, 2 * kernel.bytes()) {
        return compose::spectral_conv(&x, &kernel);
    }
    let spectrum = Tensor::build(x.device(), OP, &[channels, n], DType::C64, |dst| {
        lines(context, &kernel, None, channels, dst)
    })?;
    Tensor::build(x.device(), OP, &shape, DType::F32, |dst| {
        lines(context, &x, Some(&spectrum), channels, dst)
    })
}

/// The lines' convolutions with the kernels of a spectrum, or, where there is none, their own spectra.
fn lines(
    context: &Context,
    x: &Tensor,
    spectrum: Option<&Tensor>,
    channels: usize,
    dst: ViewMut<'_>,
) -> Result<()> {
    let n = x.shape()[x.rank() - 1];
    let key = key(n, spectrum.is_none());
    let roots = context.plans.circle(context, n, n)?;
    let mut call = Call::new(context, OP);
    call.read(x.view())?;
    call.bind(Binding::whole(&roots.tables, false), 0);
    if let Some(spectrum) = spectrum {
        call.read(spectrum.view())?;
    }
    call.write(dst)?;
    let count = x.len() / n;
    call.params.count = count as u32;
    call.params.value[0] = 1.0 / n as f32;
    // One tile a line; whole lines are useful, with nothing before them; from one channel's spectrum to the next.
    let more = [0, 1, channels, n, n, 0, n, n];
    for (to, number) in call.params.more.iter_mut().zip(more) {
        *to = number as u32;
    }
    call.run(&key.label(), count.div_ceil(key.lines), || key.source())
}

/// The kernel for lines of `n` points.
fn key(n: usize, spectrum: bool) -> Key {
    Key {
        part: Part::Whole,
        points: n,
        lines: super::lines(n, n.next_multiple_of(16)),
        items: 1,
        fit: Fit::Exact,
        half: true,
        wraps: !spectrum,
        spectrum,
        skip: false,
        before: false,
        after: false,
    }
}

/// Shaders of this module that others do not have too, for some lengths.
pub(crate) fn every_shader() -> Vec<(String, String)> {
    let keys = [2, 3, 16, 100, 343, 1000, 2048].map(|n| key(n, false));
    keys.into_iter().map(|key| (key.label(), key.source())).collect()
}
