//! What the tests of models share: devices, fixtures, and numbers from reference files.
#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use std::path::{Path, PathBuf};

use fft_core::Device;
use fft_cpu::CpuOptions;
use fft_nn::checkpoint::Checkpoint;
use fft_nn::models::{CausalLm, LoadOptions, load_causal_lm};

/// A processor with that many threads.
pub(crate) fn cpu(threads: usize) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() }).unwrap()
}

/// A folder of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The model of a fixture, as it is stored.
pub(crate) fn model(name: &str, device: &Device) -> Box<dyn CausalLm> {
    load_causal_lm(fixture(name), device, &LoadOptions::default()).unwrap().model
}

/// Values computed by other software.
pub(crate) struct Reference {
    file: Checkpoint,
    device: Device,
}

impl Reference {
    /// `reference.safetensors` of a fixture.
    pub(crate) fn open(name: &str) -> Self {
        let file = Checkpoint::open(fixture(name).join("reference.safetensors")).unwrap();
        Self { file, device: cpu(1) }
    }

    /// Token ids.
    pub(crate) fn ids(&self, name: &str) -> Vec<u32> {
        let ids = self.file.tensor(name, &self.device).unwrap().to_vec::<i64>().unwrap();
        ids.into_iter().map(|id| u32::try_from(id).unwrap()).collect()
    }

    /// Real numbers.
    pub(crate) fn values(&self, name: &str) -> Vec<f32> {
        self.file.tensor(name, &self.device).unwrap().to_vec().unwrap()
    }
}

/// `|found - expected| / |expected|`, Euclidean.
pub(crate) fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let distance: f64 = found.iter().zip(expected).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let length: f64 = expected.iter().map(|&b| square(f64::from(b))).sum();
    (distance / length).sqrt()
}
