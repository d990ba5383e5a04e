//! What went wrong on a device: a loss stays, and every later call reports it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fft_core::{Error, Result};

/// The first failure that no call has reported.
#[derive(Debug, Default)]
pub(crate) struct Status {
    fault: Mutex<Option<Fault>>,
}

#[derive(Debug, Clone)]
enum Fault {
    Lost(String),
    OutOfMemory,
}

impl Status {
    fn fault(&self) -> MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device is gone, or does what it should not. The first reason counts.
    pub(crate) fn lose(&self, reason: String) {
        let mut fault = self.fault();
        if !matches!(*fault, Some(Fault::Lost(_))) {
            *fault = Some(Fault::Lost(reason));
        }
    }

    /// An error that no scope caught.
    pub(crate) fn note(&self, error: &wgpu::Error) {
        match error {
            wgpu::Error::OutOfMemory { .. } => {
                self.fault().get_or_insert(Fault::OutOfMemory);
            }
            other => self.lose(other.to_string()),
        }
    }

    /// Fails when something went wrong. A shortage of memory is told once.
    pub(crate) fn check(&self, device: &str) -> Result<()> {
        let mut fault = self.fault();
        match &*fault {
            None => Ok(()),
            Some(Fault::Lost(reason)) => {
                Err(Error::DeviceLost { device: device.to_owned(), reason: reason.clone() })
            }
            Some(Fault::OutOfMemory) => {
                *fault = None;
                Err(Error::OutOfMemory { device: device.to_owned(), requested: 0 })
            }
        }
    }
}
