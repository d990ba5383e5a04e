//! Transforms along several axes.

use crate::{FftKind, FftSpec, Result, Tensor};

/// One transform an axis. With a C2R in the list (it is the last of `specs`) the axes run in the order given; otherwise the
/// last of `specs` runs first, so that an R2C sees the real tensor and the rest sees only its half spectrum.
///
/// # Errors
/// Memory and device errors.
pub fn fft_nd(specs: &[FftSpec], x: &Tensor) -> Result<Tensor> {
    let mut out = x.clone();
    if specs.iter().any(|s| s.kind == FftKind::C2R) {
        for &spec in specs {
            out = out.fft_primitive(spec)?;
        }
    } else {
        for &spec in specs.iter().rev() {
            out = out.fft_primitive(spec)?;
        }
    }
    Ok(out)
}

/// The transform in a new tensor, which then takes the place of `x`.
///
/// # Errors
/// Memory and device errors; `x` is then as it was.
pub fn fft_in_place(specs: &[FftSpec], x: &mut Tensor) -> Result<()> {
    *x = x.device().fft_nd(specs, x)?;
    Ok(())
}
