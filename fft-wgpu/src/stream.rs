//! Work on its way to the device: dispatches are recorded one after another and submitted together.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use fft_core::Result;
use wgpu::{
    BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor, ComputePass,
    ComputePassDescriptor, PollError, PollType, SubmissionIndex,
};

use crate::context::Context;
use crate::memory::{Block, Scratch};
use crate::params::{PARAMS_BYTES, Params};
use crate::pipelines::Binding;
use crate::profile::Profile;

/// Bytes of parameters and small uploads of one submission.
const ARENA: usize = 256 << 10;
/// Dispatches of one submission.
const MAX_DISPATCHES: usize = 256;
/// Uploads of at most so many bytes are recorded in order; larger ones are written by the queue, before what is recorded.
const SMALL_UPLOAD: usize = 16 << 10;
/// Bytes that the queue may be given to write before they are submitted: it copies them.
const MAX_UPLOADED: usize = 32 << 20;
/// Submissions that may wait for the device.
const MAX_IN_FLIGHT: usize = 8;
/// The longest wait at once.
const PIECE: Duration = Duration::from_secs(2);

/// Work that was handed to the driver.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) index: SubmissionIndex,
    /// The number of its recording.
    serial: u64,
}

/// What is recorded and not yet submitted.
#[derive(Debug)]
pub(crate) struct Stream {
    encoder: Option<CommandEncoder>,
    pass: Option<ComputePass<'static>>,
    /// Parameters and small uploads, at multiples of 256 bytes.
    bytes: Vec<u8>,
    arena: wgpu::Buffer,
    dispatches: usize,
    /// Bytes that the queue was given to write since the last submission.
    uploaded: usize,
    /// The number of this recording.
    serial: u64,
    in_flight: VecDeque<Submission>,
    /// When each kernel is measured.
    pub(crate) profile: Option<Profile>,
}

impl Stream {
    /// With `profile` each kernel has a pass of its own, whose time is taken.
    pub(crate) fn new(device: &wgpu::Device, queue: &wgpu::Queue, profile: bool) -> Self {
        let arena = device.create_buffer(&BufferDescriptor {
            label: Some("arena"),
            size: ARENA as u64,
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let bytes = Vec::with_capacity(ARENA);
        Self {
            encoder: None,
            pass: None,
            bytes,
            arena,
            dispatches: 0,
            uploaded: 0,
            serial: 1,
            in_flight: VecDeque::new(),
            profile: profile.then(|| Profile::new(device, queue, MAX_DISPATCHES)),
        }
    }

    fn encoder(&mut self, device: &wgpu::Device) -> &mut CommandEncoder {
        self.encoder
            .get_or_insert_with(|| device.create_command_encoder(&CommandEncoderDescriptor { label: None }))
    }

    /// The pass for a kernel: the one that is open, or one of its own where its time is taken.
    fn pass(&mut self, device: &wgpu::Device, name: &str) -> &mut ComputePass<'static> {
        if self.pass.is_none() || self.profile.is_some() {
            self.pass = None;
            self.encoder(device);
            let timestamp_writes = self.profile.as_mut().map(|p| p.begin(name));
            let descriptor = ComputePassDescriptor { label: None, timestamp_writes };
            let Some(encoder) = &mut self.encoder else { unreachable!("made above") };
            let pass = encoder.begin_compute_pass(&descriptor).forget_lifetime();
            return self.pass.insert(pass);
        }
        match &mut self.pass {
            Some(pass) => pass,
            None => unreachable!("made above"),
        }
    }

    /// The encoder outside of any pass.
    fn between_passes(&mut self, device: &wgpu::Device) -> &mut CommandEncoder {
        self.pass = None;
        self.encoder(device)
    }

    /// Puts bytes into the arena; returns their place. There is room.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(PARAMS_BYTES), 0);
        at as u64
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes.next_multiple_of(PARAMS_BYTES) <= ARENA && self.dispatches < MAX_DISPATCHES
    }

    /// Submits what is recorded, and what the queue has to write. Where kernels are measured, waits for it.
    fn submit(&mut self, context: &Context) -> Result<()> {
        self.pass = None;
        let mut encoder = self.encoder.take();
        if encoder.is_none() && self.uploaded == 0 {
            return Ok(());
        }
        let measured = match (&self.profile, &mut encoder) {
            (Some(profile), Some(encoder)) => profile.resolve(encoder),
            _ => 0,
        };
        if !self.bytes.is_empty() {
            context.queue.write_buffer(&self.arena, 0, &self.bytes);
            self.bytes.clear();
        }
        let index = context.queue.submit(encoder.map(CommandEncoder::finish));
        let submission = Submission { index, serial: self.serial };
        self.in_flight.push_back(submission.clone());
        self.dispatches = 0;
        self.uploaded = 0;
        self.serial += 1;
        Context::count(&context.counters.submissions);
        if let Some(profile) = self.profile.as_mut().filter(|_| measured > 0) {
            let staging = profile.staging.clone();
            let arrival = context.map(&staging, measured);
            context.arrived(&submission, &arrival)?;
            context.read_mapped(&staging, measured, |bytes| profile.collect(bytes))?;
        }
        Ok(())
    }
}

impl Context {
    pub(crate) fn stream(&self) -> MutexGuard<'_, Stream> {
        // A panic cannot leave half a dispatch: it is recorded by one call at the end.
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream with room for so many bytes and a dispatch: what is recorded is submitted where there is none.
    fn stream_with_room(&self, bytes: usize) -> Result<MutexGuard<'_, Stream>> {
        let mut stream = self.stream();
        while !stream.has_room(bytes) {
            stream.submit(self)?;
            stream = self.keep_up(stream)?;
        }
        Ok(stream)
    }

    /// Waits when the device is far behind. Others record meanwhile.
    fn keep_up<'a>(&'a self, mut stream: MutexGuard<'a, Stream>) -> Result<MutexGuard<'a, Stream>> {
        while stream.in_flight.len() > MAX_IN_FLIGHT {
            let oldest = stream.in_flight.pop_front();
            drop(stream);
            self.poll(oldest.map(|s| s.index))?;
            stream = self.stream();
        }
        self.check()?;
        Ok(stream)
    }

    /// Waits for a submission, or for all. The time runs in short pieces, so that a process that was stopped, or a machine that slept, loses
    /// one of them and not the device.
    pub(crate) fn poll(&self, submission: Option<SubmissionIndex>) -> Result<()> {
        let mut left = self.timeout;
        loop {
            let piece = left.min(PIECE);
            let poll = PollType::Wait { submission_index: submission.clone(), timeout: Some(piece) };
            match self.device.poll(poll) {
                Ok(_) => return self.check(),
                Err(PollError::Timeout) if left > piece => left -= piece,
                Err(PollError::Timeout) => {
                    let seconds = self.timeout.as_secs_f64();
                    return Err(self.lose(format!("it did not answer within {seconds} s")));
                }
                Err(error) => return Err(self.lose(error.to_string())),
            }
        }
    }

    /// Submits what is recorded and waits until all is done.
    pub(crate) fn wait(&self) -> Result<()> {
        {
            let mut stream = self.stream();
            stream.submit(self)?;
            stream.in_flight.clear();
        }
        self.poll(None)
    }

    /// Records a dispatch of `groups` workgroups. `name` stands for the source.
    pub(crate) fn dispatch(
        &self,
        name: &str,
        bindings: &[Binding<'_>],
        params: &Params,
        groups: usize,
        source: impl FnOnce() -> String,
    ) -> Result<()> {
        if groups == 0 {
            return Ok(());
        }
        self.check()?;
        // Operands are checked where they are cut; scratch of a kernel's own may still be too large.
        if let Some(large) = bindings.iter().map(|b| b.size).find(|&size| size > self.limits.binding) {
            return Err(self.too_big("kernel", large as usize));
        }
        let refused = |reason: String| self.unsupported("kernel", format!("{name}: {reason}"));
        let pipeline = self.pipelines.get(&self.device, name, bindings, source).map_err(refused)?;
        let most = self.limits.groups as usize;
        // Nearly square where one dimension does not do, so that few groups have nothing to do.
        let rows = groups.div_ceil(most);
        let columns = groups.div_ceil(rows);
        if rows > most {
            return Err(self.unsupported("dispatch", format!("{groups} workgroups are too many")));
        }
        let params = Params { groups_x: columns as u32, ..*params };
        let mut stream = self.stream_with_room(PARAMS_BYTES)?;
        let group = self.pipelines.group(&self.device, &pipeline, &stream.arena, bindings);
        for binding in bindings {
            binding.block.used.store(stream.serial, Relaxed);
        }
        let at = stream.put(bytemuck::bytes_of(&params)) as u32;
        let pass = stream.pass(&self.device, name);
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[at]);
        pass.dispatch_workgroups(columns as u32, rows as u32, 1);
        stream.dispatches += 1;
        Self::count(&self.counters.dispatches);
        Ok(())
    }

    /// Copies whole words between buffers. Sizes and offsets are multiples of 4.
    pub(crate) fn copy_words(&self, src: (&Block, u64), dst: (&Block, u64), size: u64) -> Result<()> {
        self.check()?;
        let mut stream = self.stream_with_room(0)?;
        src.0.used.store(stream.serial, Relaxed);
        dst.0.used.store(stream.serial, Relaxed);
        let encoder = stream.between_passes(&self.device);
        encoder.copy_buffer_to_buffer(&src.0.buffer, src.1, &dst.0.buffer, dst.1, size);
        stream.dispatches += 1;
        Ok(())
    }

    /// Writes bytes at a multiple of 4. A number of bytes that is none is made one by zeros, for which there is room.
    pub(crate) fn write(&self, bytes: &[u8], dst: &Block, offset: u64) -> Result<()> {
        self.check()?;
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() <= SMALL_UPLOAD {
            // In order with everything else, without a submission.
            let mut stream = self.stream_with_room(bytes.len())?;
            dst.used.store(stream.serial, Relaxed);
            let at = stream.put(bytes);
            let arena = stream.arena.clone();
            let size = (bytes.len() as u64).next_multiple_of(4);
            let encoder = stream.between_passes(&self.device);
            encoder.copy_buffer_to_buffer(&arena, at, &dst.buffer, offset, size);
            stream.dispatches += 1;
            return Ok(());
        }
        // The queue writes before what is submitted later: recorded work that uses the buffer must go first. Nobody else records more of it.
        let mut stream = self.stream();
        if dst.used.load(Relaxed) == stream.serial {
            stream.submit(self)?;
        }
        drop(self.keep_up(stream)?);
        let whole = bytes.len() / 4 * 4;
        let mut at = offset;
        for part in bytes[..whole].chunks(MAX_UPLOADED) {
            self.queue.write_buffer(&dst.buffer, at, part);
            at += part.len() as u64;
            let mut stream = self.stream();
            stream.uploaded += part.len();
            if stream.uploaded >= MAX_UPLOADED {
                stream.submit(self)?;
                drop(self.keep_up(stream)?);
            }
        }
        if whole < bytes.len() {
            let mut last = [0; 4];
            last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
            self.queue.write_buffer(&dst.buffer, at, &last);
        }
        self.check()
    }

    /// Records a copy for the host, and submits it with all that is recorded.
    pub(crate) fn submit_copy(
        &self,
        src: &Block,
        offset: u64,
        staging: &wgpu::Buffer,
        size: u64,
    ) -> Result<Submission> {
        let mut stream = self.keep_up(self.stream())?;
        let encoder = stream.between_passes(&self.device);
        encoder.copy_buffer_to_buffer(&src.buffer, offset, staging, 0, size);
        stream.submit(self)?;
        match stream.in_flight.back() {
            Some(last) => Ok(last.clone()),
            None => unreachable!("there was a copy to submit"),
        }
    }

    /// Notes that a submission is done, and so is what came before.
    pub(crate) fn done(&self, submission: &Submission) {
        let mut stream = self.stream();
        while stream.in_flight.front().is_some_and(|s| s.serial <= submission.serial) {
            stream.in_flight.pop_front();
        }
    }

    /// Temporary memory.
    pub(crate) fn scratch(&self, bytes: usize) -> Result<Scratch<'_>> {
        Scratch::new(self, bytes)
    }
}
