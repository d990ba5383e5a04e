//! Pipelines by name, and bind groups by the buffers they name. Neither is made twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingResource, BindingType, BufferBinding, BufferBindingType, BufferSize,
    ComputePipeline, ComputePipelineDescriptor, ErrorFilter, PipelineCompilationOptions,
    PipelineLayoutDescriptor, ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource, ShaderStages,
};

use crate::memory::Block;
use crate::params::PARAMS_BYTES;
use crate::pipeline_cache::CacheFile;

/// The most bind groups that are kept.
const MAX_GROUPS: usize = 8192;

/// Part of a buffer that a kernel reads or writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) block: &'a Block,
    /// A multiple of 256.
    pub(crate) offset: u64,
    /// Not 0.
    pub(crate) size: u64,
    pub(crate) write: bool,
}

impl<'a> Binding<'a> {
    /// A whole buffer.
    pub(crate) fn whole(block: &'a Block, write: bool) -> Self {
        Self { block, offset: 0, size: block.size(), write }
    }
}

/// A pipeline and the layout of its bindings.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: ComputePipeline,
    layout: BindGroupLayout,
}

/// The place of a pipeline, which whoever comes first compiles while others go on.
#[derive(Debug, Default)]
struct Slot {
    made: OnceLock<Arc<Pipeline>>,
    making: Mutex<()>,
}

type GroupKey = Vec<(u64, u64, u64, bool)>;

/// What is kept for reuse.
#[derive(Debug)]
pub(crate) struct Pipelines {
    checked: bool,
    kept: Option<CacheFile>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    layouts: Mutex<HashMap<Vec<bool>, BindGroupLayout>>,
    groups: Mutex<HashMap<GroupKey, BindGroup>>,
    pipelines_created: AtomicUsize,
    groups_created: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps are consistent after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipelines {
    /// With `checked` shaders check their indices and bound their loops. `kept` has kernels of earlier runs.
    pub(crate) fn new(checked: bool, kept: Option<CacheFile>) -> Self {
        Self {
            checked,
            kept,
            slots: Mutex::default(),
            layouts: Mutex::default(),
            groups: Mutex::default(),
            pipelines_created: AtomicUsize::new(0),
            groups_created: AtomicUsize::new(0),
        }
    }

    pub(crate) fn pipelines_created(&self) -> usize {
        self.pipelines_created.load(Relaxed)
    }

    pub(crate) fn groups_created(&self) -> usize {
        self.groups_created.load(Relaxed)
    }

    pub(crate) fn forget_groups(&self) {
        lock(&self.groups).clear();
    }

    /// Drops the bind groups that name one of these buffers, which would keep them alive.
    pub(crate) fn forget_blocks(&self, ids: &[u64]) {
        if !ids.is_empty() {
            lock(&self.groups).retain(|key, _| !key.iter().any(|part| ids.contains(&part.0)));
        }
    }

    /// Parameters at binding 0, then one storage buffer for each of `writes`.
    fn layout(&self, device: &wgpu::Device, writes: &[bool]) -> BindGroupLayout {
        let mut layouts = lock(&self.layouts);
        if let Some(layout) = layouts.get(writes) {
            return layout.clone();
        }
        let entry = |binding: u32, ty: BufferBindingType, dynamic: bool| BindGroupLayoutEntry {
            binding,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: None },
            count: None,
        };
        let mut entries = vec![entry(0, BufferBindingType::Uniform, true)];
        for (i, &write) in writes.iter().enumerate() {
            entries.push(entry(i as u32 + 1, BufferBindingType::Storage { read_only: !write }, false));
        }
        let descriptor = BindGroupLayoutDescriptor { label: None, entries: &entries };
        let layout = device.create_bind_group_layout(&descriptor);
        layouts.insert(writes.to_vec(), layout.clone());
        layout
    }

    /// The pipeline of a name, which stands for its source and for which of its bindings are written. The error is what the driver says against
    /// the kernel.
    pub(crate) fn get(
        &self,
        device: &wgpu::Device,
        name: &str,
        bindings: &[Binding<'_>],
        source: impl FnOnce() -> String,
    ) -> Result<Arc<Pipeline>, String> {
        let slot = {
            let mut slots = lock(&self.slots);
            match slots.get(name) {
                Some(slot) => Arc::clone(slot),
                None => Arc::clone(slots.entry(name.to_owned()).or_default()),
            }
        };
        if let Some(pipeline) = slot.made.get() {
            return Ok(Arc::clone(pipeline));
        }
        // Who needs the same kernel waits here; who needs another one does not.
        let _making = lock(&slot.making);
        if let Some(pipeline) = slot.made.get() {
            return Ok(Arc::clone(pipeline));
        }
        let pipeline = Arc::new(self.compile(device, name, bindings, source)?);
        self.pipelines_created.fetch_add(1, Relaxed);
        Ok(Arc::clone(slot.made.get_or_init(|| pipeline)))
    }

    fn compile(
        &self,
        device: &wgpu::Device,
        name: &str,
        bindings: &[Binding<'_>],
        source: impl FnOnce() -> String,
    ) -> Result<Pipeline, String> {
        let scopes = [ErrorFilter::Validation, ErrorFilter::Internal].map(|f| device.push_error_scope(f));
        let text = fft_shaders::link(&source());
        let descriptor =
            ShaderModuleDescriptor { label: Some(name), source: ShaderSource::Wgsl(text.into()) };
        let module = if self.checked {
            device.create_shader_module(descriptor)
        } else {
            // SAFETY: kernels compute their places from layouts that `Tensor` proved to lie within their buffers and from counts that the
            // dispatcher made; indices that come from data are limited in the shader. Every loop ends at such a count, and no divisor
            // is 0. `validation` turns the checks on again, and the tests run both ways.
            unsafe { device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked()) }
        };
        let writes: Vec<bool> = bindings.iter().map(|b| b.write).collect();
        let layout = self.layout(device, &writes);
        let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: Some(name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: None,
            // Every kernel writes what it reads of workgroup memory.
            compilation_options: PipelineCompilationOptions {
                zero_initialize_workgroup_memory: self.checked,
                ..Default::default()
            },
            cache: self.kept.as_ref().map(CacheFile::cache),
        });
        // The last one pushed is the first to go.
        let mut failure = None;
        for scope in scopes.into_iter().rev() {
            failure = pollster::block_on(scope.pop()).or(failure);
        }
        match failure {
            Some(error) => Err(error.to_string()),
            None => Ok(Pipeline { pipeline, layout }),
        }
    }

    /// The bind group of a pipeline's layout with these buffers.
    pub(crate) fn group(
        &self,
        device: &wgpu::Device,
        pipeline: &Pipeline,
        arena: &wgpu::Buffer,
        bindings: &[Binding<'_>],
    ) -> BindGroup {
        let key: GroupKey = bindings.iter().map(|b| (b.block.id, b.offset, b.size, b.write)).collect();
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(&key) {
            return group.clone();
        }
        let part = |buffer, offset, size| {
            BindingResource::Buffer(BufferBinding { buffer, offset, size: BufferSize::new(size) })
        };
        let mut entries = vec![BindGroupEntry { binding: 0, resource: part(arena, 0, PARAMS_BYTES as u64) }];
        for (i, b) in bindings.iter().enumerate() {
            let resource = part(&b.block.buffer, b.offset, b.size);
            entries.push(BindGroupEntry { binding: i as u32 + 1, resource });
        }
        let descriptor = BindGroupDescriptor { label: None, layout: &pipeline.layout, entries: &entries };
        let group = device.create_bind_group(&descriptor);
        if groups.len() >= MAX_GROUPS {
            groups.clear();
        }
        groups.insert(key, group.clone());
        self.groups_created.fetch_add(1, Relaxed);
        group
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.as_ref().filter(|_| self.pipelines_created() > 0) {
            kept.save();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::WgpuOptions;
    use crate::context::Context;

    fn kernel(constant: u32) -> String {
        format!("@compute @workgroup_size(1) fn main() {{ var x = {constant}u; x += 1u; }}")
    }

    /// While a kernel is compiled, one that is ready is to be had; and who asks for the same gets the one.
    #[test]
    fn others_do_not_wait_for_a_compilation() {
        if crate::adapters().is_empty() {
            eprintln!("*** no adapter: this wgpu test DID NOT RUN ***");
            return;
        }
        let context = Context::open(&WgpuOptions::default()).unwrap();
        let get = |name: &str, source: &dyn Fn() -> String| {
            context.pipelines.get(&context.device, name, &[], source).unwrap()
        };
        let ready = get("ready", &|| kernel(1));
        std::thread::scope(|scope| {
            let (compiles, compiling) = mpsc::channel();
            let (sender, receiver) = mpsc::channel::<Arc<Pipeline>>();
            let (get, ready) = (&get, &ready);
            let other = scope.spawn(move || {
                get("slow", &|| {
                    compiles.send(()).unwrap();
                    let found = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
                    assert!(Arc::ptr_eq(&found, ready));
                    kernel(2)
                })
            });
            compiling.recv().unwrap();
            sender.send(get("ready", &|| kernel(3))).unwrap();
            let same = get("slow", &|| kernel(4));
            assert!(Arc::ptr_eq(&same, &other.join().unwrap()));
        });
        assert_eq!(context.pipelines.pipelines_created(), 2);
    }
}
