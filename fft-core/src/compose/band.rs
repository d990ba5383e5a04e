//! The lowest frequencies of real functions, and functions that have no others.

use crate::{Dims, Direction, FftKind, FftSpec, Norm, Result, Tensor};

/// The kept part of the spectrum along the last `modes.len()` axes: bins `0 .. m` of the last, `0 .. m` and then `-(m - 1) .. 0` of those before it. Each
/// axis is cropped before the next is transformed.
///
/// # Errors
/// Memory and device errors.
pub fn low_frequencies(x: &Tensor, modes: &[usize]) -> Result<Tensor> {
    let (first, last) = (x.rank() - modes.len(), x.rank() - 1);
    let mut z = x.rfft(last, None, Norm::Backward)?.narrow(last, 0, modes[last - first])?;
    for axis in (first..last).rev() {
        let (m, n) = (modes[axis - first], x.shape()[axis]);
        z = z.fft(axis, None, Norm::Backward)?;
        if n > 2 * m - 1 {
            z = Tensor::cat(&[z.narrow(axis, 0, m)?, z.narrow(axis, n - (m - 1), m - 1)?], axis)?;
        }
    }
    z.contiguous()
}

/// The real function of `lengths` points along the last axes with this part of its spectrum, and zeros elsewhere. Each axis is padded when it is
/// transformed.
///
/// # Errors
/// Memory and device errors.
pub fn band_limited(z: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let (first, last) = (z.rank() - lengths.len(), z.rank() - 1);
    let mut z = z.clone();
    for axis in first..last {
        let (kept, n) = (z.shape()[axis], lengths[axis - first]);
        if n > kept {
            let mut gap = Dims::from_slice(z.shape());
            gap[axis] = n - kept;
            let gap = Tensor::zeros(z.device(), &gap, z.dtype())?;
            let m = kept / 2 + 1;
            z = Tensor::cat(&[z.narrow(axis, 0, m)?, gap, z.narrow(axis, m, m - 1)?], axis)?;
        }
        z = z.ifft(axis, None, Norm::Backward)?;
    }
    let n = lengths[last - first];
    let (kind, direction, scale) = (FftKind::C2R, Direction::Inverse, 1.0 / n as f64);
    z.fft_primitive(FftSpec { kind, direction, axis: last, n, scale })
}
