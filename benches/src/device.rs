//! Timing of a device that works on its own.

use std::time::Instant;

use fft_core::{Device, Result, Tensor};

/// The seconds from an idle device until it is idle again; the result is dropped after.
///
/// # Errors
/// Those of the work and of the device.
pub fn seconds(device: &Device, work: &dyn Fn() -> Result<Tensor>) -> Result<f64> {
    device.synchronize()?;
    let start = Instant::now();
    let made = work()?;
    device.synchronize()?;
    let taken = start.elapsed().as_secs_f64();
    drop(made);
    Ok(taken)
}
