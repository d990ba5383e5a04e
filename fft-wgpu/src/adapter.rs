//! The adapters of the machine, and the choice among them.

use fft_core::{Error, Result};
use wgpu::{Adapter, AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags};

use crate::{AdapterChoice, WgpuOptions};

/// What an adapter tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterDescription {
    /// Its place in [`adapters`], which `wgpu:N` names.
    pub index: usize,
    /// The maker's name for it.
    pub name: String,
    /// The driver, with its version where it tells.
    pub driver: String,
    /// Vulkan, Metal or DX12.
    pub api: String,
    /// Discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// The largest buffer in bytes.
    pub max_buffer: u64,
    /// What bounds a kernel: bytes of a binding, memory and invocations of a workgroup.
    pub limits: String,
    /// Features that kernels can use, separated by spaces.
    pub features: String,
}

fn kind(device: DeviceType) -> &'static str {
    match device {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    }
}

pub(crate) fn driver(info: &AdapterInfo) -> String {
    let parts = [info.driver.as_str(), info.driver_info.as_str()];
    parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
}

fn describe(index: usize, adapter: &Adapter) -> AdapterDescription {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    AdapterDescription {
        index,
        driver: driver(&info),
        api: info.backend.to_string(),
        kind: kind(info.device_type),
        name: info.name,
        max_buffer: limits.max_buffer_size,
        limits: self::limits(&limits),
        features: self::features(features),
    }
}

/// The limits that kernels meet, in words.
pub(crate) fn limits(limits: &wgpu::Limits) -> String {
    format!(
        "bindings of {} MiB, workgroups of {} KiB and {} invocations",
        limits.max_storage_buffer_binding_size >> 20,
        limits.max_compute_workgroup_storage_size >> 10,
        limits.max_compute_invocations_per_workgroup
    )
}

/// The features that concern kernels, by their names.
pub(crate) fn features(features: wgpu::Features) -> String {
    let known = [
        (wgpu::Features::SHADER_F16, "f16"),
        (wgpu::Features::SHADER_F64, "f64"),
        (wgpu::Features::SUBGROUP, "subgroups"),
        (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
        (wgpu::Features::IMMEDIATES, "immediates"),
        (wgpu::Features::PIPELINE_CACHE, "pipeline-cache"),
    ];
    let names: Vec<&str> =
        known.iter().filter(|(f, _)| features.contains(*f)).map(|(_, name)| *name).collect();
    names.join(" ")
}

/// The adapters, hardware first, each kind in the driver's order. An adapter that several interfaces offer is there once for each.
fn sorted(flags: InstanceFlags) -> Vec<Adapter> {
    let descriptor = InstanceDescriptor {
        backends: Backends::PRIMARY,
        flags,
        ..InstanceDescriptor::new_without_display_handle()
    };
    let instance = Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
    found.retain(|adapter| {
        adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    found.sort_by_key(|adapter| match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu | DeviceType::Other => 2,
        DeviceType::Cpu => 3,
    });
    found
}

/// The adapters of the machine, hardware before software. Empty where there is no driver.
pub fn adapters() -> Vec<AdapterDescription> {
    sorted(InstanceFlags::empty()).iter().enumerate().map(|(i, a)| describe(i, a)).collect()
}

/// The adapter that the options ask for, and its index.
pub(crate) fn choose(options: &WgpuOptions) -> Result<(usize, Adapter)> {
    let flags = if options.validation { InstanceFlags::VALIDATION } else { InstanceFlags::empty() };
    let found = sorted(flags);
    let has = |device: DeviceType| move |adapter: &Adapter| adapter.get_info().device_type == device;
    let place = match &options.adapter {
        AdapterChoice::Auto => (!found.is_empty()).then_some(0),
        AdapterChoice::Index(index) => (*index < found.len()).then_some(*index),
        AdapterChoice::Name(part) => {
            let part = part.to_lowercase();
            let named = |a: &Adapter| !part.is_empty() && a.get_info().name.to_lowercase().contains(&part);
            found.iter().position(named)
        }
        AdapterChoice::Discrete => found.iter().position(has(DeviceType::DiscreteGpu)),
        AdapterChoice::Integrated => found.iter().position(has(DeviceType::IntegratedGpu)),
        AdapterChoice::Software => found.iter().position(has(DeviceType::Cpu)),
    };
    let names: Vec<String> = found.iter().map(|a| a.get_info().name).collect();
    let adapter = place.and_then(|place| Some((place, found.into_iter().nth(place)?)));
    adapter.ok_or_else(|| {
        let device = match &options.adapter {
            AdapterChoice::Index(index) => format!("wgpu:{index}"),
            AdapterChoice::Auto => "wgpu".to_owned(),
            AdapterChoice::Name(part) => format!("wgpu:{part}"),
            other => format!("wgpu:{}", format!("{other:?}").to_lowercase()),
        };
        let reason = if names.is_empty() {
            "no Vulkan, Metal or DX12 driver offers an adapter".to_owned()
        } else {
            format!("the adapters are {}", names.join(", "))
        };
        Error::DeviceUnavailable { device, reason }
    })
}
