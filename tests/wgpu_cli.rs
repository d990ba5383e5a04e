//! The command line on an adapter.
#![cfg(all(feature = "wgpu", feature = "cli"))]

use std::path::Path;
use std::process::{Command, Output};

fn fft_tensor(args: &[&str], cache: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fft-tensor"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("FFT_TENSOR_CACHE", cache)
        .env("XDG_RUNTIME_DIR", std::env::temp_dir())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The first adapter's features, or nothing where there is none, which fft-wgpu's conformance test says loudly.
fn features() -> Option<String> {
    let adapter = fft_wgpu::adapters().into_iter().next();
    if adapter.is_none() {
        eprintln!("*** no adapter: this wgpu test DID NOT RUN ***");
    }
    adapter.map(|a| a.features)
}

fn run(args: &[&str], cache: &Path) -> String {
    let output = fft_tensor(args, cache);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

#[test]
fn devices_tell_limits_and_features() {
    let Some(features) = features() else { return };
    let dir = tempfile::tempdir().unwrap();
    let listed = run(&["devices"], dir.path());
    assert!(listed.contains("wgpu:0") && listed.contains("MiB") && listed.contains(&features), "{listed}");
    let json: serde_json::Value = serde_json::from_str(&run(&["devices", "--json"], dir.path())).unwrap();
    let adapter = json.as_array().unwrap().iter().find(|d| d["id"] == "wgpu:0").unwrap();
    assert!(adapter["limits"].as_str().unwrap().contains("invocations"), "{adapter}");
}

#[test]
fn models_say_the_same_on_both_devices() {
    let Some(features) = features() else { return };
    let dir = tempfile::tempdir().unwrap();
    for model in ["models/tiny-llama-kjv", "models/tiny-llama-kjv-circulant"] {
        let told = |device| {
            let prompt = ["--prompt", "In the beginning", "--max-new-tokens", "12", "--device", device];
            run(&[&["generate", model][..], &prompt].concat(), dir.path())
        };
        assert_eq!(told("wgpu"), told("cpu"), "{model}");
    }
    if features.contains("pipeline-cache") {
        assert!(std::fs::read_dir(dir.path()).unwrap().count() > 0, "no kernel was kept");
    }
}

#[test]
fn a_model_is_trained_compared_and_run_on_an_adapter() {
    if features().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (book, model) = (path("book.txt"), path("model"));
    std::fs::write(&book, "in the beginning was the word, and the word was with us. ".repeat(60)).unwrap();
    let train =
        ["train", "--text", &book, "--out", &model, "--preset", "nano", "--steps", "6", "--window", "32"];
    run(&[&train[..], &["--batch", "2", "--device", "wgpu"]].concat(), dir.path());
    let scored = |device| {
        let compare =
            ["compare", &model, &model, "--text", &book, "--window", "32", "--json", "--device", device];
        let json: serde_json::Value = serde_json::from_str(&run(&compare, dir.path())).unwrap();
        json["base_perplexity"].as_f64().unwrap_or_else(|| panic!("{json}"))
    };
    let (got, want) = (scored("wgpu"), scored("cpu"));
    assert!((got / want - 1.0).abs() < 1e-4, "{got} and {want}");
}

#[test]
fn a_profile_lists_kernels_and_needs_a_gpu() {
    let Some(features) = features() else { return };
    let dir = tempfile::tempdir().unwrap();
    let generate =
        ["generate", "models/tiny-llama-kjv", "--prompt", "And", "--max-new-tokens", "2", "--profile"];
    let on = |device| fft_tensor(&[&generate[..], &["--device", device]].concat(), dir.path());
    let refused = on("cpu");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("profile"), "{}", text(&refused.stderr));
    if features.contains("timestamps") {
        let profiled = on("wgpu");
        let table = text(&profiled.stderr);
        assert!(
            profiled.status.success() && table.contains("us a call") && table.contains("matmul"),
            "{table}"
        );
    }
}
