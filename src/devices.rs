//! Opening devices by kind or by name.

use std::path::PathBuf;

use fft_core::{Device, DeviceInfo, Error, Result};

/// Opens a device of a kind that is compiled in: `Device::cpu(CpuOptions::default())`.
#[cfg(any(feature = "cpu", feature = "wgpu"))]
pub trait OpenDevice: Sized {
    /// The processor.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options that make no sense; [`Error::DeviceUnavailable`] when threads cannot start.
    #[cfg(feature = "cpu")]
    fn cpu(options: fft_cpu::CpuOptions) -> Result<Self>;

    /// A GPU, or a software adapter, through Vulkan, Metal or DX12.
    ///
    /// # Errors
    /// [`Error::DeviceUnavailable`] when there is no such adapter, or it cannot be opened.
    #[cfg(feature = "wgpu")]
    fn wgpu(options: fft_wgpu::WgpuOptions) -> Result<Self>;
}

#[cfg(any(feature = "cpu", feature = "wgpu"))]
impl OpenDevice for Device {
    #[cfg(feature = "cpu")]
    fn cpu(options: fft_cpu::CpuOptions) -> Result<Self> {
        fft_cpu::device(options)
    }

    #[cfg(feature = "wgpu")]
    fn wgpu(options: fft_wgpu::WgpuOptions) -> Result<Self> {
        fft_wgpu::device(options)
    }
}

/// Every device that can be opened now with the features compiled in: the processor, then adapters, hardware before software.
///
/// # Errors
/// [`Error::DeviceUnavailable`] when a driver is present but does not answer.
pub fn available_devices() -> Result<Vec<DeviceInfo>> {
    let processors: &[fn() -> Result<Device>] = &[
        #[cfg(feature = "cpu")]
        || fft_cpu::device(fft_cpu::CpuOptions::default()),
    ];
    let found = processors.iter().map(|open| Ok(open()?.info().clone()));
    #[cfg(feature = "wgpu")]
    let found = found.chain(fft_wgpu::adapters().into_iter().map(adapter_info).map(Ok));
    found.collect()
}

#[cfg(feature = "wgpu")]
fn adapter_info(adapter: fft_wgpu::AdapterDescription) -> DeviceInfo {
    let kind = fft_core::DeviceKind::Wgpu;
    let mut info = DeviceInfo::new(kind, format!("wgpu:{}", adapter.index), adapter.name);
    info.driver = format!("{} {} ({})", adapter.api, adapter.driver, adapter.kind);
    info.max_buffer = usize::try_from(adapter.max_buffer).unwrap_or(usize::MAX);
    info.limits = adapter.limits;
    info.features = adapter.features;
    info
}

/// How [`open_device`] opens a device, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceOptions {
    /// Threads of a processor; by default one for each core.
    pub threads: Option<usize>,
    /// Most bytes of tensors and scratch in use at once; by default no limit.
    pub memory_limit: Option<usize>,
    /// Whether to measure what each kernel costs, for [`kernel_times`](fft_core::SpectralBackend::kernel_times); a processor cannot.
    pub profile: bool,
    /// A directory in which a GPU's compiled kernels are kept from one run to the next; where it cannot be made they are compiled at each.
    pub pipeline_cache: Option<PathBuf>,
}

/// Opens a device by its name.
///
/// Names: `cpu`; `wgpu`, the first adapter, `wgpu:1`, an adapter by its place, `wgpu:radeon`, by a part of its name, `wgpu:discrete`, `wgpu:integrated` or
/// `wgpu:software`, by its type; `auto`, the first hardware adapter where one is compiled in and present, else the
/// processor.
///
/// # Errors
/// [`Error::DeviceUnavailable`] when there is no such device, naming those that there are, or when it cannot do what the options ask.
pub fn open_device(name: &str, options: &DeviceOptions) -> Result<Device> {
    let DeviceOptions { threads, memory_limit, profile, pipeline_cache } = options.clone();
    #[cfg(feature = "wgpu")]
    if let Some(adapter) = adapter_choice(name) {
        return fft_wgpu::device(fft_wgpu::WgpuOptions {
            adapter,
            memory_limit,
            profile,
            pipeline_cache: pipeline_cache.filter(|folder| std::fs::create_dir_all(folder).is_ok()),
            ..Default::default()
        });
    }
    #[cfg(feature = "cpu")]
    if name == "cpu" || name == "auto" {
        if profile {
            let reason = "it does not measure kernels; a profile needs a GPU or a software adapter (wgpu)";
            return Err(Error::DeviceUnavailable { device: "cpu".into(), reason: reason.into() });
        }
        return fft_cpu::device(fft_cpu::CpuOptions { threads, memory_limit });
    }
    let _ = (threads, memory_limit, profile, pipeline_cache);
    let known: Vec<String> = available_devices()?.into_iter().map(|d| d.id).collect();
    let reason = format!("there are: {}", if known.is_empty() { "none".into() } else { known.join(", ") });
    Err(Error::DeviceUnavailable { device: name.into(), reason })
}

/// The device that the environment variable `FFT_TENSOR_DEVICE` names, by default `auto`; see [`open_device`].
///
/// # Errors
/// As [`open_device`].
pub fn default_device() -> Result<Device> {
    let name = std::env::var("FFT_TENSOR_DEVICE").unwrap_or_else(|_| "auto".to_owned());
    open_device(&name, &DeviceOptions::default())
}

/// The adapter that a name stands for; nothing where it stands for another device.
#[cfg(feature = "wgpu")]
fn adapter_choice(name: &str) -> Option<fft_wgpu::AdapterChoice> {
    use fft_wgpu::AdapterChoice;
    match name {
        "wgpu" => Some(AdapterChoice::Auto),
        "auto" => {
            let hardware = fft_wgpu::adapters().into_iter().find(|a| a.kind != "software")?;
            Some(AdapterChoice::Index(hardware.index))
        }
        _ => {
            let which = name.strip_prefix("wgpu:")?;
            Some(match which {
                "discrete" => AdapterChoice::Discrete,
                "integrated" => AdapterChoice::Integrated,
                "software" => AdapterChoice::Software,
                _ => which.parse().map_or_else(|_| AdapterChoice::Name(which.into()), AdapterChoice::Index),
            })
        }
    }
}
