//! The facade on an adapter: names of devices, and models whose results are those of the processor.
#![cfg(all(feature = "wgpu", feature = "cpu"))]

use std::path::{Path, PathBuf};

use fft_tensor::nn::models::{LoadOptions, Positions, load_causal_lm};
use fft_tensor::{
    CpuOptions, Device, DeviceOptions, Error, OpenDevice, WgpuOptions, available_devices, open_device,
};

/// A device, or nothing where there is no adapter, which fft-wgpu's conformance test says loudly.
fn adapter() -> Option<Device> {
    match Device::wgpu(WgpuOptions::default()) {
        Ok(device) => Some(device),
        Err(Error::DeviceUnavailable { reason, .. }) if reason.starts_with("no Vulkan") => {
            eprintln!("*** no adapter: this wgpu test DID NOT RUN ***");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn adapters_are_opened_by_name() {
    let Some(device) = adapter() else { return };
    let listed = available_devices().unwrap();
    assert!(listed.iter().any(|d| d.id == "cpu") && listed.iter().any(|d| d.id == "wgpu:0"), "{listed:?}");
    for name in ["wgpu", "wgpu:0"] {
        assert_eq!(open_device(name, &DeviceOptions::default()).unwrap().info().name, device.info().name);
    }
    let limited =
        open_device("wgpu", &DeviceOptions { memory_limit: Some(1 << 20), ..Default::default() }).unwrap();
    assert_eq!(limited.memory().usage().limit, 1 << 20);
    for name in ["wgpu:99", "wgpu:x", "gpu"] {
        let refused = open_device(name, &DeviceOptions::default());
        assert!(matches!(refused, Err(Error::DeviceUnavailable { .. })), "{name}: {refused:?}");
    }
}

/// Logits within 1e-3 of the processor's in relative L2 norm.
fn agrees(model: &Path, ids: &[u32]) {
    let Some(device) = adapter() else { return };
    let logits = |device: &Device| {
        let model = load_causal_lm(model, device, &LoadOptions::default()).unwrap().model;
        model.forward(ids, 1, None, Positions::All).unwrap().to_vec::<f32>().unwrap()
    };
    let (got, want) = (logits(&device), logits(&Device::cpu(CpuOptions::default()).unwrap()));
    let square = |v: f32| f64::from(v).powi(2);
    let error: f64 = got.iter().zip(&want).map(|(g, w)| square(g - w)).sum();
    let norm: f64 = want.iter().map(|&w| square(w)).sum();
    let relative = (error / norm).sqrt();
    assert!(norm > 0.0 && relative <= 1e-3, "{}: relative error {relative:e}", model.display());
    // The adapter was used: the model's tensors were there, and are given back.
    assert!(device.memory().usage().peak > 10_000 && device.memory().usage().in_use == 0);
}

#[test]
fn models_have_the_logits_of_the_processor() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    agrees(&root.join("models/tiny-llama-kjv"), &[1, 5, 17, 300, 4, 99, 1000]);
    for name in ["llama-tied", "llama3-sharded"] {
        let fixture = root.join("fft-nn/tests/fixtures").join(name);
        // A packaged facade has no fixtures of its neighbours.
        if fixture.exists() {
            agrees(&fixture, &[1, 5, 17, 3, 4, 9]);
        }
    }
}
