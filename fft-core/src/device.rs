//! A handle to a processor or GPU.

use std::ops::Deref;
use std::sync::Arc;

use crate::SpectralBackend;

/// What kind of machine a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A GPU through wgpu (Vulkan, Metal, DX12).
    Wgpu,
    /// An NVIDIA GPU through CUDA.
    Cuda,
    /// Anything else that implements the trait.
    Other,
}

/// What a device tells about itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The kind of device.
    pub kind: DeviceKind,
    /// How the device is called on the command line: `cpu`, `wgpu:1`, `cuda:0`.
    pub id: String,
    /// The maker's name for it.
    pub name: String,
    /// Driver or instruction sets, free text.
    pub driver: String,
    /// Number of threads or compute units; 0 when unknown.
    pub parallelism: usize,
    /// The largest single buffer in bytes.
    pub max_buffer: usize,
    /// What else bounds a kernel, free text.
    pub limits: String,
    /// What kernels can use beyond what every such device has, separated by spaces.
    pub features: String,
}

impl DeviceInfo {
    /// A description with no limit on buffers.
    pub fn new(kind: DeviceKind, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            name: name.into(),
            driver: String::new(),
            limits: String::new(),
            features: String::new(),
            parallelism: 0,
            max_buffer: isize::MAX as usize,
        }
    }
}

/// A cheap clone of a handle to a backend. Two handles are equal when they point to the same one.
#[derive(Debug, Clone)]
pub struct Device(Arc<dyn SpectralBackend>);

impl Device {
    /// Wraps a backend.
    pub fn new(backend: impl SpectralBackend) -> Self {
        Self(Arc::new(backend))
    }
}

impl From<Arc<dyn SpectralBackend>> for Device {
    fn from(backend: Arc<dyn SpectralBackend>) -> Self {
        Self(backend)
    }
}

impl Deref for Device {
    type Target = dyn SpectralBackend;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Device {}
