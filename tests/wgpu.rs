//! The facade on an adapter: names of devices, and models whose results are those of the processor.
#![cfg(all(feature = "wgpu", feature = "cpu"))]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use fft_tensor::nn::autograd::{check, registry};
use fft_tensor::nn::generate::{GenerateOptions, generate_text};
use fft_tensor::nn::layers::LinearKind;
use fft_tensor::nn::models::{
    LanguageConfig, LanguageModel, LoadOptions, MixerKind, Positions, load_causal_lm,
};
use fft_tensor::nn::tokenizer::Tokenizer;
use fft_tensor::nn::train::{TokenText, TrainOptions, Trainer};
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
    for name in ["wgpu:99", "wgpu:no such adapter", "gpu"] {
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

#[test]
fn gradients_are_those_of_the_processor() {
    let Some(device) = adapter() else { return };
    let cpu = Device::cpu(CpuOptions::default()).unwrap();
    for registered in registry() {
        let pairs = [&device, &cpu].map(|d| (registered.samples)(d).unwrap());
        assert!(!pairs[0].is_empty() && pairs[0].len() == pairs[1].len(), "{}", registered.name);
        for (got, want) in pairs[0].iter().zip(&pairs[1]) {
            let name = format!("{:?}", got.operation);
            let all = [got, want].map(|s| check::gradients(&*s.operation, &s.inputs));
            let [(got, _), (want, _)] = all.map(|r| r.unwrap_or_else(|e| panic!("{name}: {e}")));
            assert!(want.iter().any(Option::is_some), "{name}");
            for (got, want) in got.iter().zip(&want) {
                let (Some(got), Some(want)) = (got, want) else {
                    assert!(got.is_none() && want.is_none(), "{name}");
                    continue;
                };
                let (got, want) = (check::numbers(got).unwrap(), check::numbers(want).unwrap());
                let size: f64 = want.iter().map(|z| z.norm_sqr()).sum();
                let off: f64 = got.iter().zip(&want).map(|(g, w)| (g - w).norm_sqr()).sum();
                // Where the gradient vanishes its error stands for itself.
                let error = (off / if size > 1e-12 { size } else { 1.0 }).sqrt();
                assert!(got.len() == want.len() && error <= 1e-4, "{name}: {error:e}");
            }
        }
    }
}

/// A text with something to learn: each token follows from the one before.
fn sequence(window: usize) -> TokenText {
    let mut id = 1u32;
    let ids = (0..2000u32).map(|i| {
        id = (id * 5 + 3 + i % 2) % 61;
        id
    });
    TokenText::new(ids.collect(), window).unwrap()
}

#[test]
fn two_hundred_steps_end_at_the_loss_of_the_processor() {
    let Some(device) = adapter() else { return };
    let cpu = Device::cpu(CpuOptions::default()).unwrap();
    let spectral =
        LinearKind::Spectral { density: 0.25, positions: Default::default(), learn: Default::default() };
    let mut models: Vec<(MixerKind, LinearKind)> =
        MixerKind::ALL.iter().map(|&(_, mixer)| (mixer, LinearKind::Dense)).collect();
    models.extend([spectral, LinearKind::BlockCirculant { block: 4 }].map(|l| (MixerKind::Attention, l)));
    for (mixer, linear) in models {
        let losses = [&device, &cpu].map(|device| {
            let config = LanguageConfig { mixer, linear, ..LanguageConfig::nano(61) };
            let model = LanguageModel::new(config, device, 7).unwrap();
            let options =
                TrainOptions { steps: 200, batch: 4, warmup: 3, rate: 2e-3, ..TrainOptions::default() };
            let mut trainer = Trainer::new(model, sequence(24), options).unwrap();
            let first = trainer.step().unwrap().loss;
            let held = device.memory().usage().in_use;
            while !trainer.is_done() {
                trainer.step().unwrap();
                assert_eq!(device.memory().usage().in_use, held, "{mixer:?}, {linear:?}");
            }
            let last = trainer.validate(&sequence(24), 20).unwrap();
            assert!(last < 0.8 * first, "{mixer:?}, {linear:?}: {first} to {last}");
            last
        });
        let apart = (losses[0] / losses[1] - 1.0).abs();
        assert!(apart < 0.01, "{mixer:?}, {linear:?}: {losses:?}");
    }
}

#[test]
fn a_token_takes_few_submissions_and_makes_nothing_new() {
    let Some(device) = adapter() else { return };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/tiny-llama-kjv");
    let model = load_causal_lm(&path, &device, &LoadOptions::default()).unwrap().model;
    let tokenizer = Tokenizer::open(&path).unwrap();
    let options =
        |max_new_tokens| GenerateOptions { max_new_tokens, stop_at_eos: false, ..GenerateOptions::default() };
    let run = |tokens| {
        let before = fft_wgpu::stats(&device).unwrap();
        let go = &mut |_: &str| ControlFlow::Continue(());
        generate_text(&*model, &tokenizer, "In the beginning", &options(tokens), go).unwrap();
        let after = fft_wgpu::stats(&device).unwrap();
        (after.submissions - before.submissions, after)
    };
    let (short, _) = run(10);
    // Once more, and longer: the cache is as long as the run.
    let (_, before) = run(42);
    let (long, after) = run(42);
    assert!(long - short <= 8 * 32, "{} submissions for 32 tokens", long - short);
    assert_eq!((before.pipelines, before.buffers), (after.pipelines, after.buffers));
}
