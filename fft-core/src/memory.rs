//! Byte accounting of a device: in use, peak, hard limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::{Error, Result};

/// A snapshot of a device's memory accounting, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Bytes of live buffers and scratch.
    pub in_use: usize,
    /// The most that was ever in use since the start or the last [`MemoryTracker::reset_peak`].
    pub peak: usize,
    /// The hard limit; `usize::MAX` when none is set.
    pub limit: usize,
    /// Number of live reservations.
    pub reservations: usize,
}

/// Counts the bytes of one device and refuses what would exceed its limit.
#[derive(Debug)]
pub struct MemoryTracker {
    in_use: AtomicUsize,
    peak: AtomicUsize,
    limit: AtomicUsize,
    reservations: AtomicUsize,
}

impl MemoryTracker {
    /// A tracker with a hard limit in bytes, or none.
    pub fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            in_use: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit.unwrap_or(usize::MAX)),
            reservations: AtomicUsize::new(0),
        })
    }

    /// Reserves `bytes` until the returned guard is dropped.
    ///
    /// # Errors
    /// [`Error::MemoryLimit`] when the sum would exceed the limit; nothing is reserved then.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation> {
        let limit = self.limit.load(Relaxed);
        let before = self
            .in_use
            .fetch_update(Relaxed, Relaxed, |used| used.checked_add(bytes).filter(|&sum| sum <= limit))
            .map_err(|in_use| Error::MemoryLimit { requested: bytes, in_use, limit })?;
        self.peak.fetch_max(before + bytes, Relaxed);
        self.reservations.fetch_add(1, Relaxed);
        Ok(Reservation { tracker: Arc::clone(self), bytes })
    }

    /// The present figures.
    pub fn usage(&self) -> MemoryUsage {
        MemoryUsage {
            in_use: self.in_use.load(Relaxed),
            peak: self.peak.load(Relaxed),
            limit: self.limit.load(Relaxed),
            reservations: self.reservations.load(Relaxed),
        }
    }

    /// Sets the hard limit in bytes (`None`: no limit). What is in use already stays.
    pub fn set_limit(&self, limit: Option<usize>) {
        self.limit.store(limit.unwrap_or(usize::MAX), Relaxed);
    }

    /// Sets the peak to what is in use now.
    pub fn reset_peak(&self) {
        self.peak.store(self.in_use.load(Relaxed), Relaxed);
    }
}

/// Bytes counted on a device; dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    tracker: Arc<MemoryTracker>,
    bytes: usize,
}

impl Reservation {
    /// The number of bytes reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.tracker.in_use.fetch_sub(self.bytes, Relaxed);
        self.tracker.reservations.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_peak_and_release() {
        let tracker = MemoryTracker::new(Some(100));
        let a = tracker.reserve(60).unwrap();
        let error = tracker.reserve(41).unwrap_err();
        assert!(matches!(error, Error::MemoryLimit { requested: 41, in_use: 60, limit: 100 }));
        assert!(error.to_string().contains("at least 101 bytes"), "{error}");
        let b = tracker.reserve(40).unwrap();
        assert_eq!(tracker.usage(), MemoryUsage { in_use: 100, peak: 100, limit: 100, reservations: 2 });
        drop(a);
        tracker.reset_peak();
        drop(b);
        assert_eq!(tracker.usage(), MemoryUsage { in_use: 0, peak: 40, limit: 100, reservations: 0 });
        assert!(tracker.reserve(usize::MAX).is_err());
        tracker.set_limit(None);
        drop(tracker.reserve(1000).unwrap());
        assert_eq!(tracker.usage().peak, 1000);
    }
}
