//! Reading back: parts of a buffer on their way to the host, as futures.
//!
//! The device tells of an arrival when it is polled. Who waits polls it; for futures a thread does, while there are some that nobody waits for.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use fft_core::{Error, Result, Tensor};
use wgpu::{MapMode, PollType};

use crate::context::Context;
use crate::memory::{Block, GpuBuffer};
use crate::staging::Staging;
use crate::stream::Submission;

const OP: &str = "read_back";

/// Whether the host can read a buffer yet.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first outcome stays.
    outcome: Option<Result<(), String>>,
    waker: Option<Waker>,
}

impl Arrival {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, outcome: Result<(), String>) {
        let waker = {
            let mut state = self.state();
            state.outcome.get_or_insert(outcome);
            state.waker.take()
        };
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The outcome, or nothing before it is known; then `waker` is told of it.
    fn poll(&self, waker: &Waker) -> Option<Result<(), String>> {
        let mut state = self.state();
        if state.outcome.is_none() {
            state.waker = Some(waker.clone());
        }
        state.outcome.clone()
    }

    fn wait(&self, most: Duration) -> Option<Result<(), String>> {
        let waiting = |state: &mut State| state.outcome.is_none();
        let found = self.changed.wait_timeout_while(self.state(), most, waiting);
        found.unwrap_or_else(PoisonError::into_inner).0.outcome.clone()
    }
}

/// What one buffer takes of what is read.
#[derive(Debug)]
struct Piece {
    staging: Staging,
    /// Bytes of the buffer, and which of them were asked for.
    size: u64,
    wanted: std::ops::Range<usize>,
    submission: Submission,
    arrival: Arc<Arrival>,
    /// Whether the thread knows of it.
    driven: bool,
}

impl Context {
    /// Asks for the start of a buffer that is read by the host.
    pub(crate) fn map(&self, buffer: &wgpu::Buffer, size: u64) -> Arc<Arrival> {
        let arrival = Arc::new(Arrival::default());
        let told = Arc::clone(&arrival);
        buffer.map_async(MapMode::Read, 0..size, move |outcome| {
            told.settle(outcome.map_err(|e| e.to_string()));
        });
        arrival
    }

    /// Waits until the host can read what a submission wrote, or never will.
    fn settled(&self, submission: &Submission, arrival: &Arrival) -> Result<Result<(), String>> {
        self.poll(Some(submission.index.clone()))?;
        // Another thread may have polled, and tell of it a little later.
        arrival.wait(self.timeout).ok_or_else(|| self.lose("a buffer was not mapped in time"))
    }

    /// Waits until the host can read what a submission wrote.
    pub(crate) fn arrived(&self, submission: &Submission, arrival: &Arrival) -> Result<()> {
        let outcome = self.settled(submission, arrival)?;
        self.outcome(outcome)
    }

    fn outcome(&self, outcome: Result<(), String>) -> Result<()> {
        // A device that is lost says why.
        outcome.or_else(|reason| self.check().and_then(|()| Err(self.lose(reason))))
    }

    /// Reads the start of a buffer that has arrived.
    pub(crate) fn read_mapped(
        &self,
        buffer: &wgpu::Buffer,
        size: u64,
        read: impl FnOnce(&[u8]),
    ) -> Result<()> {
        {
            let view = buffer.get_mapped_range(0..size).map_err(|e| self.lose(e.to_string()))?;
            read(&view);
        }
        buffer.unmap();
        Ok(())
    }

    /// Sends up to `len` bytes from byte `offset` to the host, after all that is recorded. With `must` some even where the memory limit is reached.
    fn send(&self, src: &Block, offset: u64, len: usize, must: bool) -> Result<Piece> {
        let start = offset / 4 * 4;
        let skip = (offset - start) as usize;
        let staging = self.staging.take(self, (skip + len) as u64, must)?;
        let end = (skip + len).min(staging.buffer.size() as usize);
        let size = (end as u64).next_multiple_of(4);
        let submission = self.submit_copy(src, start, &staging.buffer, size)?;
        let arrival = self.map(&staging.buffer, size);
        Ok(Piece { staging, size, wanted: skip..end, submission, arrival, driven: false })
    }

    /// Copies what has arrived to `out`, of that length.
    fn take(&self, piece: Piece, out: &mut [u8]) -> Result<()> {
        let wanted = piece.wanted;
        self.read_mapped(&piece.staging.buffer, piece.size, |bytes| out.copy_from_slice(&bytes[wanted]))?;
        self.done(&piece.submission);
        self.staging.give(piece.staging);
        Ok(())
    }

    /// Reads `out.len()` bytes from byte `offset`, after all that is recorded: 16 MiB at once.
    pub(crate) fn read(&self, src: &Block, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check()?;
        let mut done = 0;
        while done < out.len() {
            let piece = self.send(src, offset + done as u64, out.len() - done, true)?;
            self.arrived(&piece.submission, &piece.arrival)?;
            let end = done + piece.wanted.len();
            self.take(piece, &mut out[done..end])?;
            done = end;
        }
        Ok(())
    }
}

/// Elements on their way to the host; see [`read_back`].
///
/// As a future it needs no particular executor: it is woken by whoever polls the device, a thread of this crate if nobody else does, which ends when nothing
/// is on its way. A lost device and one that does not answer in time are errors of the future.
#[derive(Debug)]
#[must_use = "what is read back is lost otherwise"]
pub struct Readback {
    context: Arc<Context>,
    /// Nothing when the result was handed out.
    pieces: Option<Vec<Piece>>,
}

/// Starts to read the elements of a tensor back, in row-major order, as their bytes: the work recorded so far is submitted, and nothing is waited for. What is
/// done to the tensor afterwards does not change what is read.
///
/// All of it is on its way at once, in buffers that count against the memory limit. Several may be, also from several threads.
///
/// # Errors
/// `InvalidArgument` for a tensor of another crate's device; `MemoryLimit`, `OutOfMemory`, `DeviceLost`.
pub fn read_back(tensor: &Tensor) -> Result<Readback> {
    let dense = tensor.contiguous()?;
    let gpu = dense.buffer().downcast_ref::<GpuBuffer>().ok_or_else(|| {
        let id = tensor.device().info().id.clone();
        Error::invalid(OP, "tensor", id, "must be on a device of this crate")
    })?;
    let context = Arc::clone(&gpu.context);
    context.check()?;
    let (mut at, mut left) = ((dense.layout().offset() * dense.dtype().size()) as u64, dense.bytes());
    let mut pieces: Vec<Piece> = Vec::new();
    if let Some(block) = &gpu.block {
        while left > 0 {
            let piece = context.send(block, at, left, pieces.is_empty())?;
            at += piece.wanted.len() as u64;
            left -= piece.wanted.len();
            pieces.push(piece);
        }
    }
    Ok(Readback { context, pieces: Some(pieces) })
}

impl Readback {
    /// Waits for the bytes.
    ///
    /// # Errors
    /// `DeviceLost`, and any error that pending work met.
    pub fn wait(mut self) -> Result<Vec<u8>> {
        for piece in self.pieces.iter().flatten() {
            self.context.arrived(&piece.submission, &piece.arrival)?;
        }
        self.bytes()
    }

    /// The bytes, which have arrived.
    fn bytes(&mut self) -> Result<Vec<u8>> {
        let Some(pieces) = self.pieces.take() else {
            return Err(Error::invalid(OP, "future", "polled again", "has handed out its result"));
        };
        let len = pieces.iter().map(|p| p.wanted.len()).sum();
        let mut out = Vec::new();
        out.try_reserve_exact(len)
            .map_err(|_| Error::OutOfMemory { device: "host".into(), requested: len })?;
        out.resize(len, 0);
        let mut rest = &mut out[..];
        for piece in pieces {
            let (part, behind) = rest.split_at_mut(piece.wanted.len());
            self.context.take(piece, part)?;
            rest = behind;
        }
        self.context.check()?;
        Ok(out)
    }
}

impl Future for Readback {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        for piece in this.pieces.iter_mut().flatten() {
            let mut found = piece.arrival.poll(task.waker());
            if found.is_none() {
                // An error is one of the device, which the outcome tells.
                let _ = this.context.device.poll(PollType::Poll);
                found = piece.arrival.poll(task.waker());
            }
            match found {
                Some(outcome) => this.context.outcome(outcome)?,
                None => {
                    this.context.check()?;
                    if !std::mem::replace(&mut piece.driven, true) {
                        drive(&this.context, piece.submission.clone(), Arc::clone(&piece.arrival));
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(this.bytes())
    }
}

impl Drop for Readback {
    fn drop(&mut self) {
        for piece in self.pieces.iter().flatten() {
            // The thread does not wait for what nobody wants.
            piece.arrival.settle(Err("nobody waits for it".to_owned()));
        }
    }
}

/// What the thread waits for, in the order of submission.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    queue: VecDeque<(Submission, Arc<Arrival>)>,
    running: bool,
}

fn awaited(context: &Context) -> MutexGuard<'_, Awaited> {
    context.awaited.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees to it that an arrival is told, by a thread that waits for it.
fn drive(context: &Arc<Context>, submission: Submission, arrival: Arc<Arrival>) {
    {
        let mut awaited = awaited(context);
        awaited.queue.push_back((submission, arrival));
        if std::mem::replace(&mut awaited.running, true) {
            return;
        }
    }
    let own = Arc::clone(context);
    let thread = std::thread::Builder::new().name("fft-wgpu read-back".to_owned());
    if thread.spawn(move || wait_for_all(&own)).is_err() {
        // Where there is no thread to be had, this one waits.
        wait_for_all(context);
    }
}

/// Waits for all arrivals, one after another, and for those that come meanwhile.
fn wait_for_all(context: &Context) {
    loop {
        let next = {
            let mut awaited = awaited(context);
            let next = awaited.queue.pop_front();
            awaited.running = next.is_some();
            next
        };
        let Some((submission, arrival)) = next else { return };
        if let Err(error) = context.settled(&submission, &arrival) {
            arrival.settle(Err(error.to_string()));
        }
    }
}
