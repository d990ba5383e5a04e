//! Every shader that the backend makes is valid WGSL.

use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn every_shader_is_valid() {
    let shaders = fft_wgpu::every_shader();
    assert!(shaders.len() > 500, "only {} shaders", shaders.len());
    let mut parser = wgsl::Frontend::new();
    for (name, text) in shaders {
        let module = parser.parse(&text).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&text)));
        // No capability beyond those of WebGPU.
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}\n{text}", e.emit_to_string(&text)));
    }
}

/// Pipelines are found by their names, which profiles show.
#[test]
fn names_are_short_and_stand_for_one_shader() {
    let mut found = std::collections::HashMap::new();
    for (name, text) in fft_wgpu::every_shader() {
        assert!(name.len() <= 90, "{name}");
        let first = found.entry(name.clone()).or_insert_with(|| text.clone());
        assert!(*first == text, "two shaders are called {name}");
    }
}
