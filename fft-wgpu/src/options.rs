//! How a device is chosen and used.

use std::path::PathBuf;
use std::time::Duration;

/// Which adapter of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// A discrete GPU, else an integrated one, else another, else a software adapter; Vulkan, Metal and DX12 before the rest.
    #[default]
    Auto,
    /// By its place in [`adapters`](crate::adapters).
    Index(usize),
    /// By a part of its name, in upper or lower case; the first of [`adapters`](crate::adapters) that has it.
    Name(String),
    /// The first discrete GPU.
    Discrete,
    /// The first GPU that shares the processor's memory.
    Integrated,
    /// The first adapter that runs on the processor, such as Mesa's lavapipe.
    Software,
}

/// How a device is chosen and used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WgpuOptions {
    /// The adapter.
    pub adapter: AdapterChoice,
    /// Most bytes of tensors, scratch, tables and buffers for reading back at once; by default no limit.
    pub memory_limit: Option<usize>,
    /// Whether to stay within WebGPU's default limits (bindings of 128 MiB, workgroups of 256 invocations with 16 KiB) on an adapter that
    /// has more.
    pub default_limits: bool,
    /// The largest piece of a buffer that one kernel is given, when smaller than the adapter's; larger tensors are worked on in parts.
    pub max_binding: Option<usize>,
    /// Whether shaders check their indices and loops, and drivers their calls where a validation layer is installed. For tests.
    pub validation: bool,
    /// Whether to measure what each kernel costs, for [`kernel_times`](fft_core::SpectralBackend::kernel_times); work is then waited for
    /// more often.
    pub profile: bool,
    /// A directory in which compiled kernels are kept from one run to the next, where the driver can do that (Vulkan); made when it is
    /// needed. One that cannot be made is an error.
    pub pipeline_cache: Option<PathBuf>,
    /// How long to wait for the device before it counts as lost.
    pub timeout: Duration,
}

impl Default for WgpuOptions {
    fn default() -> Self {
        Self {
            adapter: AdapterChoice::Auto,
            memory_limit: None,
            default_limits: false,
            max_binding: None,
            validation: false,
            profile: false,
            pipeline_cache: None,
            timeout: Duration::from_secs(300),
        }
    }
}
