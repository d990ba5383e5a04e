//! Buffers that the host can read, and those of them that are kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fft_core::{Error, Result};
use wgpu::{BufferDescriptor, BufferUsages, ErrorFilter};

use crate::context::Context;
use crate::memory::Own;

/// The most bytes that are read back at once.
const MOST: u64 = 16 << 20;
/// As many fit whatever the memory limit is, so that results can be read that fill it.
const LEAST: u64 = 64 << 10;
/// The most bytes of buffers that are kept.
const MOST_KEPT: u64 = 64 << 20;

/// A buffer that the host can read.
#[derive(Debug)]
pub(crate) struct Staging {
    pub(crate) buffer: wgpu::Buffer,
    _own: Own,
}

/// Buffers that nobody reads at present.
#[derive(Debug, Default)]
pub(crate) struct StagingPool {
    kept: Mutex<Vec<Staging>>,
}

impl StagingPool {
    fn kept(&self) -> MutexGuard<'_, Vec<Staging>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer for `bytes` bytes, or for a part of them: for 16 MiB where there are more, for less where the memory limit says so.
    /// Where it leaves nothing, one that `must` be had is the least.
    pub(crate) fn take(&self, context: &Context, bytes: u64, must: bool) -> Result<Staging> {
        let most = MOST.min(context.limits.buffer);
        let mut size = bytes.checked_next_multiple_of(LEAST).map_or(most, u64::next_power_of_two).min(most);
        {
            let mut kept = self.kept();
            let fitting = kept.iter().enumerate().filter(|(_, s)| s.buffer.size() >= size);
            if let Some((at, _)) = fitting.min_by_key(|(_, s)| s.buffer.size()) {
                return Ok(kept.swap_remove(at));
            }
        }
        let mut own = context.pool.count_own(size);
        while !context.pool.keeps_to_limit(context) {
            if size == LEAST {
                if must {
                    break;
                }
                return Err(context.pool.over_limit(context, size, size));
            }
            size = (size / 2).max(LEAST);
            drop(own);
            own = context.pool.count_own(size);
        }
        let scope = context.device.push_error_scope(ErrorFilter::OutOfMemory);
        let buffer = context.device.create_buffer(&BufferDescriptor {
            label: Some("staging"),
            size,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        if pollster::block_on(scope.pop()).is_some() {
            return Err(Error::OutOfMemory { device: context.info.id.clone(), requested: size as usize });
        }
        Context::count(&context.counters.staging);
        Ok(Staging { buffer, _own: own })
    }

    /// Keeps a buffer, which is not mapped, for later.
    pub(crate) fn give(&self, staging: Staging) {
        let mut kept = self.kept();
        let bytes: u64 = kept.iter().map(|s| s.buffer.size()).sum();
        if bytes + staging.buffer.size() <= MOST_KEPT {
            kept.push(staging);
        }
    }

    /// Frees one; whether there was one.
    pub(crate) fn forget_one(&self) -> bool {
        self.kept().pop().is_some()
    }

    /// Frees all.
    pub(crate) fn trim(&self) {
        self.kept().clear();
    }
}
