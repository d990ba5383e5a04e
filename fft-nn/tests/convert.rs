//! Conversions: each codec to disk and back, what is refused, and that a failure leaves nothing.

use std::path::{Path, PathBuf};

use fft_core::spectral::{
    Bits, CirculantOptions, LogSpectrumOptions, RotatedOptions, SparseOptions, ValueFormat,
};
use fft_core::{DType, Device, Error};
use fft_nn::checkpoint::{Checkpoint, CheckpointWriter, WriterOptions};
use fft_nn::codec::{MatrixCodec, QuantizationConfig};
use fft_nn::convert::{
    ConvertOptions, ConvertReport, ExportOptions, WeightFormat, export, inspect, is_linear_weight, llamaize,
};
use fft_nn::models::{LoadOptions, Positions, load_causal_lm};
use tempfile::TempDir;

fn cpu() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), ..Default::default() }).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A copy of a fixture that may be changed.
fn copy_of(name: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn codecs() -> [(MatrixCodec, f64); 7] {
    let rotated = |bits| MatrixCodec::Rotated(RotatedOptions { seed: 3, ..RotatedOptions::new(bits) });
    let sparse = |density, values| MatrixCodec::Sparse(SparseOptions::density(density).with_values(values));
    // The error that each codec leaves on white matrices: round-to-nearest from its step, top-k from the exponential
    // distribution of white spectra (0.3916 at half of the coefficients), log8 from its relative error.
    [
        (rotated(Bits::Eight), 0.006),
        (rotated(Bits::Four), 0.1),
        (MatrixCodec::Log8(LogSpectrumOptions::default()), 0.05),
        (sparse(0.5, ValueFormat::F32), 0.4),
        (sparse(0.5, ValueFormat::F16), 0.4),
        (sparse(1.0, ValueFormat::Log8), 0.05),
        (MatrixCodec::BlockCirculant(CirculantOptions { block: 4 }), 0.9),
    ]
}

fn convert(source: &Path, destination: &Path, codec: MatrixCodec) -> Result<ConvertReport, Error> {
    llamaize(source, destination, &ConvertOptions::new(WeightFormat::Coded(codec)), &cpu(), &mut |_| {})
}

fn logits(model: &Path) -> Vec<f32> {
    let device = cpu();
    let model = load_causal_lm(model, &device, &LoadOptions::default()).unwrap().model;
    let ids: Vec<u32> = (0..24).map(|i| (i * 37 + 5) % 80).collect();
    model.forward(&ids, 1, None, Positions::All).unwrap().to_vec().unwrap()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f64| x * x;
    let error: f64 = a.iter().zip(b).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    (error / b.iter().map(|&b| square(f64::from(b))).sum::<f64>()).sqrt()
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_converted_model_computes_what_its_export_computes() {
    for name in ["llama-tied", "llama3-sharded"] {
        let source = fixture(name);
        let original = logits(&source);
        for (codec, bound) in codecs() {
            let folder = TempDir::new().unwrap();
            let (coded, plain) = (folder.path().join("coded"), folder.path().join("plain"));
            let report = convert(&source, &coded, codec).unwrap();
            let options = ExportOptions { dtype: Some(DType::F32), ..ExportOptions::default() };
            export(&coded, &plain, &options, &cpu(), &mut |_| {}).unwrap();
            let (of_coded, of_plain) = (logits(&coded), logits(&plain));
            let what = format!("{name}, {}", report.codec);
            let apart = distance(&of_coded, &of_plain);
            assert!(apart < 2e-5, "{what}: coded and exported logits differ by {apart}");
            let lost = distance(&of_coded, &original);
            assert!(lost > 0.0 && lost < 3.0 * bound, "{what}: logits are off by {lost}");
            for tensor in &report.tensors {
                assert_eq!(
                    tensor.relative_error.is_some(),
                    is_linear_weight(&tensor.name),
                    "{what}: {}",
                    tensor.name
                );
                let error = tensor.relative_error.unwrap_or(0.0);
                assert!(error < bound, "{what}: {} is off by {error}", tensor.name);
                assert_eq!(tensor.codec == "dense", tensor.relative_error.is_none());
            }
            assert!(!std::fs::read_to_string(plain.join("config.json")).unwrap().contains("quantization"));
        }
    }
}

#[test]
fn inspect_agrees_with_the_conversion() {
    let source = fixture("llama-tied");
    for (codec, _) in codecs() {
        let folder = TempDir::new().unwrap();
        let coded = folder.path().join("coded");
        let report = convert(&source, &coded, codec).unwrap();
        let found = inspect(&coded, Some(&source), &cpu(), &mut |_| {}).unwrap();
        assert_eq!(found.tensors.len(), report.tensors.len());
        assert_eq!(found.file_bytes, std::fs::metadata(coded.join("model.safetensors")).unwrap().len());
        assert_eq!(found.totals.stored_bytes, report.totals.stored_bytes);
        for (a, b) in found.tensors.iter().zip(&report.tensors) {
            assert_eq!((&a.name, &a.shape, &a.codec, &a.detail), (&b.name, &b.shape, &b.codec, &b.detail));
            assert_eq!(
                (a.stored_bytes, a.source_bytes, a.density),
                (b.stored_bytes, b.source_bytes, b.density)
            );
            assert_eq!(a.relative_error.unwrap_or(0.0), b.relative_error.unwrap_or(0.0), "{}", a.name);
            assert_eq!(a.bits_per_weight, b.bits_per_weight);
        }
        serde_json::to_string(&found).unwrap();
    }
    let plain = inspect(&source, None, &cpu(), &mut |_| {}).unwrap();
    assert_eq!(plain.totals.converted, 0);
    assert_eq!(plain.totals.bits_per_weight, 32.0);
}

#[test]
fn figures_of_a_report() {
    let folder = TempDir::new().unwrap();
    let mut steps = Vec::new();
    let codec = MatrixCodec::Sparse(SparseOptions::density(0.05));
    let report = llamaize(
        fixture("llama-tied"),
        folder.path().join("out"),
        &ConvertOptions::new(WeightFormat::Coded(codec)),
        &cpu(),
        &mut |p| steps.push((p.tensor.to_string(), p.bytes, p.total_bytes)),
    )
    .unwrap();
    assert_eq!(report.totals.converted, 14, "seven linear layers in each of two blocks");
    let up = report.tensors.iter().find(|t| t.name.ends_with("0.mlp.up_proj.weight")).unwrap();
    assert_eq!((&up.shape[..], up.source_bytes), (&[112, 48][..], Some(112 * 48 * 4)));
    // 5% of 112 x 48 real numbers are 134 coefficients of 10 bytes, beside 58 row offsets.
    assert!((up.stored_bytes as f64 - (134.0 * 10.0 + 58.0 * 4.0)).abs() <= 20.0, "{}", up.stored_bytes);
    assert!((up.density.unwrap() - 0.05).abs() < 0.001);
    // The fixture's weights are random numbers: their spectra are white, and the report says so.
    let compaction = up.compaction.unwrap();
    assert!((compaction.noise_energy - 0.1998).abs() < 0.002, "{compaction:?}");
    assert!(compaction.gain_db.abs() < 0.5 && !compaction.justified, "{compaction:?}");
    assert!((compaction.kept_energy - (1.0 - up.relative_error.unwrap().powi(2))).abs() < 1e-9);
    assert!(report.notes[0].contains("14 of 14 matrices are spectrally white"), "{:?}", report.notes);
    assert_eq!(steps.len(), report.tensors.len() + 1);
    assert!(steps.is_sorted_by_key(|s| s.1));
    // The table; projections, feed-forward matrices and norms of two blocks; the last norm.
    let elements = 96 * 48 + 2 * (2 * 48 * 48 + 2 * 16 * 48 + 3 * 112 * 48 + 2 * 48) + 48;
    assert_eq!(steps.last().unwrap(), &(String::new(), 4 * elements, 4 * elements));
}

#[test]
fn selection_force_and_shards() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let codec = MatrixCodec::Rotated(RotatedOptions::new(Bits::Eight));
    let select = |name: &str| name.contains("mlp.") || name.contains("embed");
    let mut options = ConvertOptions::new(WeightFormat::Coded(codec));
    options.select = Some(&select);
    options.max_shard_bytes = 20_000;
    let report = llamaize(fixture("llama-tied"), &out, &options, &cpu(), &mut |_| {}).unwrap();
    assert_eq!(report.totals.converted, 7);
    assert!(out.join("model.safetensors.index.json").is_file());
    assert!(distance(&logits(&out), &logits(&fixture("llama-tied"))) < 0.05);

    let again = llamaize(fixture("llama-tied"), &out, &options, &cpu(), &mut |_| {}).unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
    options.force = true;
    options.max_shard_bytes = u64::MAX;
    llamaize(fixture("llama-tied"), &out, &options, &cpu(), &mut |_| {}).unwrap();
    assert_eq!(entries(&out), ["config.json", "model.safetensors"]);
    assert_eq!(entries(folder.path()), ["out"]);

    let own = copy_of("llama-tied");
    let error = llamaize(own.path(), own.path(), &options, &cpu(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("is or holds the source"), "{error}");
    assert!(own.path().join("model.safetensors").is_file());
}

#[test]
fn dense_formats() {
    let folder = TempDir::new().unwrap();
    let mut source = fixture("llama-tied");
    for (dtype, name, error) in [(DType::BF16, "bfloat16", 4e-3), (DType::F16, "float16", 5e-4)] {
        let out = folder.path().join(name);
        let options = ConvertOptions::new(WeightFormat::Dense(dtype));
        let report = llamaize(&source, &out, &options, &cpu(), &mut |_| {}).unwrap();
        assert!(
            report.tensors.iter().all(|t| t.bits_per_weight == 16.0 && t.relative_error.unwrap() < error)
        );
        assert!(QuantizationConfig::read(&out.join("config.json")).unwrap().is_none());
        assert!(std::fs::read_to_string(out.join("config.json")).unwrap().contains(name));
        assert!(distance(&logits(&out), &logits(&source)) < 3.0 * error);
        source = out;
    }
}

/// The fixture with one tensor replaced.
fn with_tensor(name: &str, values: &[f32]) -> TempDir {
    let folder = copy_of("llama-tied");
    let path = folder.path().join("model.safetensors");
    let source = Checkpoint::open(fixture("llama-tied")).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut writer = CheckpointWriter::new(folder.path(), WriterOptions::default());
    for entry in source.names() {
        if entry == name {
            let shape = &source.get(name).unwrap().shape;
            writer.write(name, DType::F32.into(), shape, |sink| sink(bytemuck::cast_slice(values))).unwrap();
        } else {
            writer.copy(&source, entry).unwrap();
        }
    }
    writer.finish().unwrap();
    folder
}

#[test]
fn bad_input_is_named_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let eight = MatrixCodec::Rotated(RotatedOptions::new(Bits::Eight));
    let refused = |source: &Path, format: WeightFormat, parts: &[&str]| {
        let error = llamaize(source, &out, &ConvertOptions::new(format), &cpu(), &mut |_| {})
            .unwrap_err()
            .to_string();
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        assert!(entries(folder.path()).is_empty(), "{error}: something was written");
    };
    let good = fixture("llama-tied");
    for density in [0.0, -1.0, 1.5, f64::NAN] {
        let codec = MatrixCodec::Sparse(SparseOptions::density(density));
        refused(&good, WeightFormat::Coded(codec), &["density", "must lie in (0, 1]"]);
    }
    let group = MatrixCodec::Rotated(RotatedOptions { group: 12, ..RotatedOptions::new(Bits::Four) });
    refused(&good, WeightFormat::Coded(group), &["group", "multiple of 8"]);
    refused(&good, WeightFormat::Dense(DType::I8), &["dtype", "F32, F16 or BF16"]);
    refused(&folder.path().join("absent"), WeightFormat::Coded(eight), &["absent"]);
    refused(&good.join("model.safetensors"), WeightFormat::Coded(eight), &["is not a directory"]);

    // NaN and infinity, in a matrix that is converted, one that is kept, and a vector.
    for (name, at, value, index) in [
        ("model.layers.1.mlp.up_proj.weight", 48 * 111 + 47, f32::NAN, "[111, 47]"),
        ("model.embed_tokens.weight", 50, f32::INFINITY, "[1, 2]"),
        ("model.norm.weight", 0, f32::NEG_INFINITY, "[0]"),
    ] {
        let source = Checkpoint::open(&good).unwrap();
        let mut values: Vec<f32> = source.tensor(name, &cpu()).unwrap().to_vec().unwrap();
        values[at] = value;
        let bad = with_tensor(name, &values);
        let parts = [format!("tensor {name}"), format!("element {index} is NaN or infinite")];
        let parts = parts.each_ref().map(String::as_str);
        refused(bad.path(), WeightFormat::Coded(eight), &parts);
        refused(bad.path(), WeightFormat::Dense(DType::BF16), &parts);
        // 70000 is finite, and no f16.
        values[at] = 70_000.0;
        let large = with_tensor(name, &values);
        refused(large.path(), WeightFormat::Dense(DType::F16), &[parts[0], "does not fit f16"]);
    }

    let edited = |from: &str, to: &str| {
        let folder = copy_of("llama-tied");
        let path = folder.path().join("config.json");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(from));
        std::fs::write(&path, config.replace(from, to)).unwrap();
        folder
    };
    let unknown = edited("LlamaForCausalLM", "WaveletForCausalLM");
    refused(unknown.path(), WeightFormat::Coded(eight), &["WaveletForCausalLM", "LlamaForCausalLM"]);
    let lying = edited("\"intermediate_size\": 112", "\"intermediate_size\": 96");
    refused(lying.path(), WeightFormat::Coded(eight), &["mlp.", "[96, 48]"]);
    let broken = edited("{", "");
    refused(broken.path(), WeightFormat::Coded(eight), &["config.json", "JSON"]);

    let nothing = |_: &str| false;
    let mut options = ConvertOptions::new(WeightFormat::Coded(eight));
    options.select = Some(&nothing);
    let error = llamaize(&good, &out, &options, &cpu(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("no matrix of floats that is selected"), "{error}");
    assert!(entries(folder.path()).is_empty());

    convert(&good, &out, eight).unwrap();
    let error = convert(&out, &folder.path().join("twice"), eight).unwrap_err().to_string();
    assert!(error.contains("converted already"), "{error}");
    assert_eq!(entries(folder.path()), ["out"]);
}

#[test]
fn what_a_codec_cannot_take_is_left_with_its_reason() {
    let folder = TempDir::new().unwrap();
    let codec = MatrixCodec::BlockCirculant(CirculantOptions { block: 48 });
    let report = convert(&fixture("llama-tied"), &folder.path().join("out"), codec).unwrap();
    let of = |name: &str| report.tensors.iter().find(|t| t.name.ends_with(name)).unwrap();
    assert_eq!(of("0.self_attn.q_proj.weight").codec, "block-circulant");
    assert!(of("0.mlp.up_proj.weight").reason.as_ref().unwrap().contains("blocks of 48 do not divide"));
    assert!(report.notes.iter().any(|n| n.contains("left as they were")), "{:?}", report.notes);
    logits(&folder.path().join("out"));
}

#[test]
fn linear_weights_by_name() {
    for name in ["model.layers.0.mlp.up_proj.weight", "encoder.layer.3.attention.output.dense.weight"] {
        assert!(is_linear_weight(name), "{name}");
    }
    for name in [
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.norm.weight",
        "model.layers.0.input_layernorm.weight",
        "bert.embeddings.LayerNorm.weight",
        "transformer.wte.weight",
        "model.layers.0.mlp.up_proj.bias",
        "weight",
    ] {
        assert!(!is_linear_weight(name), "{name}");
    }
}
