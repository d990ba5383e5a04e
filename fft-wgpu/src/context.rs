//! What everything on one device shares.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fft_core::{DeviceInfo, DeviceKind, Error, MemoryTracker, Result};
use wgpu::{DeviceDescriptor, ExperimentalFeatures, Features, MemoryHints, Trace};

use crate::fourier::Plans;
use crate::memory::Pool;
use crate::pipeline_cache::CacheFile;
use crate::pipelines::Pipelines;
use crate::readback::Awaited;
use crate::staging::StagingPool;
use crate::status::Status;
use crate::stream::Stream;
use crate::{WgpuOptions, adapter};

/// What kernels may use on this device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest part of a buffer that a kernel is given, in bytes: places of elements are 31-bit numbers.
    pub(crate) binding: u64,
    /// The largest buffer in bytes.
    pub(crate) buffer: u64,
    /// Workgroups along one dimension of a dispatch.
    pub(crate) groups: u32,
    /// From so many workgroups on a device is taken to be busy.
    pub(crate) groups_at_once: usize,
    /// Steps of a loop that an invocation may take: software adapters end loops without a word (Mesa's after 65,535 steps of all of a kernel's loops), and on
    /// hardware a kernel that runs for seconds is taken for a hang.
    pub(crate) steps: usize,
    /// Complex numbers that a workgroup holds.
    pub(crate) line: usize,
    /// Whether kernels run on the processor.
    pub(crate) software: bool,
}

/// How often the device was asked for something.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) submissions: AtomicUsize,
    pub(crate) dispatches: AtomicUsize,
    pub(crate) staging: AtomicUsize,
    pub(crate) plans: AtomicUsize,
}

/// A device with its queue, its memory and what is kept for reuse.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: DeviceInfo,
    pub(crate) limits: Limits,
    pub(crate) memory: Arc<MemoryTracker>,
    pub(crate) pool: Pool,
    pub(crate) pipelines: Pipelines,
    pub(crate) stream: Mutex<Stream>,
    pub(crate) staging: StagingPool,
    pub(crate) awaited: Mutex<Awaited>,
    pub(crate) counters: Counters,
    pub(crate) plans: Plans,
    pub(crate) timeout: Duration,
    status: Arc<Status>,
}

impl Context {
    pub(crate) fn open(options: &WgpuOptions) -> Result<Arc<Self>> {
        let (index, adapter) = adapter::choose(options)?;
        let (about, offered) = (adapter.get_info(), adapter.limits());
        let id = format!("wgpu:{index}");
        let mut limits = wgpu::Limits::default();
        if !options.default_limits {
            limits.max_buffer_size = offered.max_buffer_size;
            limits.max_storage_buffer_binding_size = offered.max_storage_buffer_binding_size;
            limits.max_storage_buffers_per_shader_stage = offered.max_storage_buffers_per_shader_stage;
            limits.max_compute_workgroup_storage_size = offered.max_compute_workgroup_storage_size;
            limits.max_compute_invocations_per_workgroup = offered.max_compute_invocations_per_workgroup;
            limits.max_compute_workgroup_size_x = offered.max_compute_workgroup_size_x;
        }
        let unavailable =
            |reason: String| Error::DeviceUnavailable { device: format!("{id} ({})", about.name), reason };
        let mut features = Features::empty();
        if options.profile {
            if !adapter.features().contains(Features::TIMESTAMP_QUERY) {
                return Err(unavailable("it has no timestamps, which a profile needs".to_owned()));
            }
            features |= Features::TIMESTAMP_QUERY;
        }
        if options.pipeline_cache.is_some() {
            features |= adapter.features() & Features::PIPELINE_CACHE;
        }
        let descriptor = DeviceDescriptor {
            label: Some("fft-tensor"),
            required_features: features,
            required_limits: limits.clone(),
            experimental_features: ExperimentalFeatures::disabled(),
            memory_hints: MemoryHints::Performance,
            trace: Trace::Off,
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|e| unavailable(e.to_string()))?;

        let status = Arc::new(Status::default());
        let (lost, noted) = (Arc::clone(&status), Arc::clone(&status));
        device.set_device_lost_callback(move |reason, message| {
            // A device that is dropped reports that too, when nobody can ask any more.
            lost.lose(if message.is_empty() { format!("{reason:?}") } else { message });
        });
        device.on_uncaptured_error(Arc::new(move |error| noted.note(&error)));

        let buffer = limits.max_buffer_size.min(isize::MAX as u64);
        let asked = options.max_binding.map_or(u64::MAX, |b| (b as u64).max(4096));
        let binding = limits.max_storage_buffer_binding_size.min((1 << 31) - 256).min(asked) / 256 * 256;
        let mut info = DeviceInfo::new(DeviceKind::Wgpu, id, about.name.clone());
        info.driver = format!("{} {}", about.backend, adapter::driver(&about)).trim().to_owned();
        info.max_buffer = buffer as usize;
        info.limits = adapter::limits(&limits);
        info.features = adapter::features(adapter.features());
        let stream = Stream::new(&device, &queue, options.profile);
        let folder = options.pipeline_cache.as_ref().filter(|_| features.contains(Features::PIPELINE_CACHE));
        let kept = match folder {
            Some(folder) => CacheFile::open(&device, &about, folder)?,
            None => None,
        };
        let software = about.device_type == wgpu::DeviceType::Cpu;
        Ok(Arc::new(Self {
            limits: Limits {
                binding,
                buffer,
                groups: limits.max_compute_workgroups_per_dimension,
                steps: if software { 1 << 14 } else { 1 << 20 },
                groups_at_once: if software { 2 } else { 64 },
                line: (limits.max_compute_workgroup_storage_size as usize / 8).min(4096),
                software,
            },
            pool: Pool::new(buffer),
            pipelines: Pipelines::new(options.validation, kept),
            stream: Mutex::new(stream),
            staging: StagingPool::default(),
            awaited: Mutex::default(),
            counters: Counters::default(),
            plans: Plans::default(),
            memory: MemoryTracker::new(options.memory_limit),
            timeout: options.timeout,
            device,
            queue,
            info,
            status,
        }))
    }

    /// Fails when the device is lost or ran out of memory.
    pub(crate) fn check(&self) -> Result<()> {
        self.status.check(&self.info.id)
    }

    /// The device did not do what it should.
    pub(crate) fn lose(&self, reason: impl Into<String>) -> Error {
        let reason = reason.into();
        self.status.lose(reason.clone());
        Error::DeviceLost { device: self.info.id.clone(), reason }
    }

    pub(crate) fn unsupported(&self, op: &'static str, reason: impl Into<String>) -> Error {
        Error::Unsupported { op, device: self.info.id.clone(), reason: reason.into() }
    }

    /// A kernel of `op` would have to see more bytes at once than a binding holds.
    pub(crate) fn too_big(&self, op: &'static str, requested: usize) -> Error {
        Error::BufferTooBig { op, requested, max: self.limits.binding as usize }
    }

    /// Frees what is kept for reuse.
    pub(crate) fn trim(&self) {
        self.pool.trim();
        self.plans.forget();
        self.staging.trim();
        // Bind groups hold the buffers they name.
        self.pipelines.forget_groups();
    }

    /// Frees a buffer of the device's own that it can do without; whether there was one.
    pub(crate) fn forget_one(&self) -> bool {
        self.staging.forget_one() || self.plans.forget_oldest(self)
    }

    /// Counts one.
    pub(crate) fn count(counter: &AtomicUsize) {
        counter.fetch_add(1, Relaxed);
    }
}
