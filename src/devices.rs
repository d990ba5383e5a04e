//! Opening devices by kind or by name.

use fft_core::{Device, DeviceInfo, Error, Result};

/// Opens a device of a kind that is compiled in: `Device::cpu(CpuOptions::default())`.
#[cfg(feature = "cpu")]
pub trait OpenDevice: Sized {
    /// The processor.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options that make no sense; [`Error::DeviceUnavailable`] when threads cannot start.
    fn cpu(options: fft_cpu::CpuOptions) -> Result<Self>;
}

#[cfg(feature = "cpu")]
impl OpenDevice for Device {
    fn cpu(options: fft_cpu::CpuOptions) -> Result<Self> {
        fft_cpu::device(options)
    }
}

/// Every device that can be opened now with the features compiled in.
///
/// # Errors
/// [`Error::DeviceUnavailable`] when a driver is present but does not answer.
pub fn available_devices() -> Result<Vec<DeviceInfo>> {
    // One way to open a device for each backend compiled in.
    let backends: &[fn() -> Result<Device>] = &[
        #[cfg(feature = "cpu")]
        || fft_cpu::device(fft_cpu::CpuOptions::default()),
    ];
    backends.iter().map(|open| Ok(open()?.info().clone())).collect()
}

/// Opens a device by its name (`cpu`, or `auto` for the best there is), with a number of threads for a processor (default:
/// one for each core) and a limit on its memory in bytes (default: none).
///
/// # Errors
/// [`Error::DeviceUnavailable`] when there is no such device, naming those that there are.
pub fn open_device(name: &str, threads: Option<usize>, memory_limit: Option<usize>) -> Result<Device> {
    #[cfg(feature = "cpu")]
    if name == "cpu" || name == "auto" {
        return fft_cpu::device(fft_cpu::CpuOptions { threads, memory_limit });
    }
    let _ = (threads, memory_limit);
    let known: Vec<String> = available_devices()?.into_iter().map(|d| d.id).collect();
    let reason = format!("there are: {}", if known.is_empty() { "none".into() } else { known.join(", ") });
    Err(Error::DeviceUnavailable { device: name.into(), reason })
}
