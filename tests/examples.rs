//! The examples run, with few steps, and do what they say.
#![cfg(feature = "cli")]
#![allow(clippy::duplicate_mod, reason = "each example includes what they share")]

use std::path::PathBuf;

use clap::Parser;

#[path = "../examples/basic_usage.rs"]
mod basic_usage;
#[path = "../examples/image_filter.rs"]
mod image_filter;
#[path = "../examples/long_range.rs"]
mod long_range;
#[path = "../examples/neural_network.rs"]
mod neural_network;
#[path = "../examples/operator_learning.rs"]
mod operator_learning;
#[path = "../examples/phase_relations.rs"]
mod phase_relations;

#[test]
fn basic_usage_shows_what_it_says() {
    let found = basic_usage::run(&basic_usage::Options::parse_from(["basic_usage"])).unwrap();
    let errors = [found.round_trip, found.convolution, found.spectral_product, found.gradient];
    assert!(errors.iter().all(|&e| e < 1e-5), "{found:?}");
}

#[test]
fn neural_network_learns_with_compressed_weights() {
    let options = neural_network::Options::parse_from(["neural_network", "--steps", "120"]);
    let [dense, spectral, circulant] = <[_; 3]>::try_from(neural_network::run(&options).unwrap()).unwrap();
    for compressed in [spectral, circulant] {
        // A chance of 1 in 8.
        assert!(compressed.accuracy > 0.6, "{compressed:?}");
        assert!(compressed.parameters * 5 < dense.parameters, "{compressed:?}");
    }
}

#[test]
fn operator_learning_improves_on_the_identity_at_both_resolutions() {
    let options = operator_learning::Options::parse_from(["operator_learning", "--steps", "40"]);
    let found = operator_learning::run(&options).unwrap();
    assert!(found.coarse < 0.5 * found.identity, "{found:?}");
    assert!((found.fine - found.coarse).abs() < 0.2 * found.coarse, "{found:?}");
}

#[test]
fn long_range_recalls_what_a_short_kernel_cannot_see() {
    let options = long_range::Options::parse_from(["long_range", "--steps", "40", "--length", "256"]);
    let found = long_range::run(&options).unwrap();
    assert!(found.long > 0.9, "{found:?}");
    // 128 sequences with a chance of 1 in 8 each: above 0.3 lies once in some million times.
    assert!(found.short < 0.3, "{found:?}");
}

#[test]
fn phase_relations_learns_what_the_control_cannot() {
    let options = phase_relations::Options::parse_from(["phase_relations", "--steps", "200"]);
    let found = phase_relations::run(&options).unwrap();
    let [inversion, symmetry, composition] = found.rotate;
    assert!(inversion > 0.9 && symmetry > 0.9 && composition > 0.9, "{found:?}");
    // A product is the same both ways: what it says of a parent it says of a child. It has nothing to compose with.
    assert!(found.dist_mult[0] < 0.5 && found.dist_mult[2] < 0.5, "{found:?}");
}

fn filter(args: &[&str], output: &std::path::Path) -> fft_tensor::Result<f32> {
    let output = output.to_str().unwrap();
    let args = [&["image_filter", "--output", output], args].concat();
    image_filter::run(&image_filter::Options::parse_from(args))
}

#[test]
fn image_filter_gives_the_same_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (once, again): (PathBuf, PathBuf) = (folder.path().join("once.pgm"), folder.path().join("again.pgm"));
    assert!(filter(&["--steps", "2"], &once).unwrap() < 0.01);
    // What it writes it reads; a Gaussian wider than the image is cut to it.
    let input = once.to_str().unwrap();
    assert!(filter(&["--input", input, "--sigma", "90"], &again).unwrap() < 0.01);
    let bytes = std::fs::read(&again).unwrap();
    let header = b"P5\n320 240\n255\n";
    assert!(bytes.starts_with(header) && bytes.len() == header.len() + 320 * 240);
    let deviation = |bytes: &[u8]| {
        let values: Vec<f64> = bytes[header.len()..].iter().map(|&b| f64::from(b)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    };
    assert!(deviation(&bytes) < 0.5 * deviation(&std::fs::read(&once).unwrap()), "blurred");
}

#[test]
fn image_filter_says_what_is_wrong_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, out) = (folder.path().join("bad.pgm"), folder.path().join("out.pgm"));
    for (bytes, message) in [
        (&b"P2\n1 1\n255\n0"[..], "begins with P5"),
        (b"P5\n# none\n", "width is \"\""),
        (b"P5 3 0 255 ", "height is \"0\""),
        (b"P5 2 2 65535 ", "largest value"),
        (b"P5 2 2 255 abc", "fewer than 2 x 2"),
        (b"P5 2 2 255", "fewer than 2 x 2"),
    ] {
        std::fs::write(&bad, bytes).unwrap();
        let error = filter(&["--input", bad.to_str().unwrap()], &out).unwrap_err().to_string();
        assert!(error.contains("bad.pgm") && error.contains(message), "{error}");
        assert!(!out.exists());
    }
    assert!(filter(&["--input", "nowhere.pgm"], &out).unwrap_err().to_string().contains("nowhere.pgm"));
    assert!(filter(&["--sigma", "0"], &out).unwrap_err().to_string().contains("sigma"));
}

/// Runs the tests above once more, in a process of their own where an adapter is the default device.
#[cfg(feature = "wgpu")]
#[test]
fn the_examples_run_on_a_gpu() {
    const NAME: &str = "FFT_TENSOR_DEVICE";
    if std::env::var_os(NAME).is_some() {
        return;
    }
    if fft_wgpu::adapters().is_empty() {
        eprintln!("*** no adapter: this wgpu test DID NOT RUN ***");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this).env(NAME, "wgpu").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("image_filter") && text.contains("test result: ok"), "{text}");
}
