//! What each kernel costs, by the device's own clock.

use std::collections::HashMap;

use fft_core::{KernelTime, Result};
use wgpu::{
    BufferDescriptor, BufferUsages, CommandEncoder, ComputePassTimestampWrites, QuerySet, QuerySetDescriptor,
    QueryType,
};

/// Timestamps of the kernels of a submission, and what those before it came to.
#[derive(Debug)]
pub(crate) struct Profile {
    queries: QuerySet,
    resolved: wgpu::Buffer,
    pub(crate) staging: wgpu::Buffer,
    /// The kernels that are recorded, each with two timestamps.
    recorded: Vec<String>,
    /// Calls and nanoseconds.
    times: HashMap<String, (u64, f64)>,
    /// Nanoseconds of a tick.
    period: f64,
}

impl Profile {
    /// For at most so many kernels a submission. The device has timestamps.
    pub(crate) fn new(device: &wgpu::Device, queue: &wgpu::Queue, kernels: usize) -> Self {
        let count = 2 * kernels as u32;
        let buffer = |usage| {
            let size = u64::from(count) * 8;
            device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        Self {
            queries: device.create_query_set(&QuerySetDescriptor {
                label: None,
                ty: QueryType::Timestamp,
                count,
            }),
            resolved: buffer(BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC),
            staging: buffer(BufferUsages::MAP_READ | BufferUsages::COPY_DST),
            recorded: Vec::with_capacity(kernels),
            times: HashMap::new(),
            period: f64::from(queue.get_timestamp_period()),
        }
    }

    /// Where the next kernel's pass writes its timestamps.
    pub(crate) fn begin(&mut self, name: &str) -> ComputePassTimestampWrites<'_> {
        let at = 2 * self.recorded.len() as u32;
        self.recorded.push(name.to_owned());
        ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        }
    }

    /// Records that the timestamps are handed to the host; returns their bytes.
    pub(crate) fn resolve(&self, encoder: &mut CommandEncoder) -> u64 {
        let count = 2 * self.recorded.len() as u32;
        let bytes = u64::from(count) * 8;
        if count > 0 {
            encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, bytes);
        }
        bytes
    }

    /// Adds up the timestamps of the submission.
    pub(crate) fn collect(&mut self, bytes: &[u8]) {
        for (name, ticks) in self.recorded.drain(..).zip(bytes.chunks_exact(16)) {
            let tick = |at: usize| {
                let mut word = [0; 8];
                word.copy_from_slice(&ticks[at..at + 8]);
                u64::from_le_bytes(word)
            };
            let time = self.times.entry(name).or_default();
            time.0 += 1;
            // A clock that was set back between the two counts as no time.
            time.1 += tick(8).saturating_sub(tick(0)) as f64 * self.period;
        }
    }

    /// What every kernel came to.
    pub(crate) fn times(&self) -> Vec<KernelTime> {
        let time = |(name, &(calls, nanoseconds)): (&String, &(u64, f64))| KernelTime {
            name: name.clone(),
            calls,
            seconds: nanoseconds * 1e-9,
        };
        self.times.iter().map(time).collect()
    }
}

impl crate::context::Context {
    /// What every kernel came to so far, when the device measures it.
    pub(crate) fn kernel_times(&self) -> Result<Option<Vec<KernelTime>>> {
        self.wait()?;
        Ok(self.stream().profile.as_ref().map(Profile::times))
    }
}
