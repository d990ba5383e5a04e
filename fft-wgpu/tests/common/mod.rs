//! What all tests of this crate begin with.

use fft_core::{Device, Error};
use fft_wgpu::WgpuOptions;

/// A device, or nothing where there is no adapter, which the conformance test says loudly.
pub(crate) fn open(options: WgpuOptions) -> Option<Device> {
    match fft_wgpu::device(options) {
        Ok(device) => Some(device),
        Err(Error::DeviceUnavailable { .. }) if fft_wgpu::adapters().is_empty() => {
            eprintln!("*** no adapter: this wgpu test DID NOT RUN ***");
            None
        }
        Err(other) => panic!("{other}"),
    }
}
