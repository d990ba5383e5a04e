//! The device that all functions of slices share, and checks of arrays.

use std::sync::{Arc, OnceLock};

use fft_core::{Device, Dims, Element, Error, FftKind, FftSpec, Result, SpectralBackend, Tensor};

use super::expect_len;
use crate::{CpuBackend, CpuOptions};

/// The backend of the process, and the same as a device.
pub(super) struct Shared {
    pub(super) backend: Arc<CpuBackend>,
    pub(super) device: Device,
}

/// Opened at the first use.
pub(super) fn shared() -> Result<&'static Shared> {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared);
    }
    let backend = Arc::new(CpuBackend::new(CpuOptions::default())?);
    let device = Device::from(Arc::clone(&backend) as Arc<dyn SpectralBackend>);
    Ok(SHARED.get_or_init(|| Shared { backend, device }))
}

/// The device on whose threads and in whose memory the functions of arrays, convolutions and short-time transforms run, opened at its first use: for
/// its [memory](SpectralBackend::memory) and to [trim](SpectralBackend::trim) what it keeps.
///
/// # Errors
/// [`Error::DeviceUnavailable`] when its threads cannot be started.
pub fn device() -> Result<Device> {
    Ok(shared()?.device.clone())
}

/// Checks that a row-major array of `shape` has `len` elements.
pub(super) fn expect_shape(
    op: &'static str,
    argument: &'static str,
    len: usize,
    shape: &[usize],
) -> Result<()> {
    let elements =
        if shape.contains(&0) { Some(0) } else { shape.iter().try_fold(1usize, |n, &m| n.checked_mul(m)) };
    if elements == Some(len) {
        return Ok(());
    }
    let reason = format!("an array of shape {shape:?} has another number of elements");
    Err(Error::invalid(op, argument, len, reason))
}

/// The shape after transforms of an array of `shape`.
pub(super) fn transformed(shape: &[usize], specs: &[FftSpec]) -> Dims {
    let mut to = Dims::from_slice(shape);
    for spec in specs {
        to[spec.axis] = if spec.kind == FftKind::R2C { spec.n / 2 + 1 } else { spec.n };
    }
    to
}

/// A row-major array as a tensor of the shared device.
pub(super) fn tensor<E: Element>(
    op: &'static str,
    argument: &'static str,
    data: &[E],
    shape: &[usize],
) -> Result<Tensor> {
    expect_shape(op, argument, data.len(), shape)?;
    Tensor::from_slice(&shared()?.device, data, shape)
}

/// Copies a result to the caller's output.
pub(super) fn write<E: Element>(op: &'static str, result: &Tensor, output: &mut [E]) -> Result<()> {
    expect_len(op, "output", output.len(), result.len())?;
    result.read_into(output)
}
