//! Peak resident memory of `llamaize` on a synthetic model of about 800 MB, one process for each codec.
//!
//! `llamaize_memory [f32|bf16]...` writes a one-layer (`f32`) or two-layer (`bf16`) Llama with hidden size 4096 and intermediate size 11008
//! to the temporary directory, converts it with each codec in a process of its own, and prints a table of `VmHWM` beside the bound
//! "largest tensor x 3 + 150 MB": with the tensor's bytes in `F32`, the type in which it is transformed, and with those in the file. The exit
//! code is 1 when a figure exceeds the first. Linux only.

use std::path::Path;
use std::process::{Command, ExitCode};

use fft_core::spectral::{Bits, LogSpectrumOptions, RotatedOptions, SparseOptions, ValueFormat};
use fft_core::{DType, Error, Result, bf16};
use fft_nn::checkpoint::{CheckpointWriter, WriterOptions};
use fft_nn::codec::MatrixCodec;
use fft_nn::convert::{ConvertOptions, WeightFormat, llamaize};

const HIDDEN: usize = 4096;
const INNER: usize = 11_008;
const KV: usize = 1024;
const VOCABULARY: usize = 2048;

fn formats() -> Vec<(&'static str, WeightFormat)> {
    let sparse = |options| WeightFormat::Coded(MatrixCodec::Sparse(options));
    vec![
        ("rotated 4 bit", WeightFormat::Coded(MatrixCodec::Rotated(RotatedOptions::new(Bits::Four)))),
        ("rotated 8 bit", WeightFormat::Coded(MatrixCodec::Rotated(RotatedOptions::new(Bits::Eight)))),
        ("log8", WeightFormat::Coded(MatrixCodec::Log8(LogSpectrumOptions::default()))),
        ("sparse 1%", sparse(SparseOptions::density(0.01))),
        ("sparse 5%", sparse(SparseOptions::density(0.05))),
        ("sparse 20%, log8 values", sparse(SparseOptions::density(0.2).with_values(ValueFormat::Log8))),
        ("sparse, 50% of the energy", sparse(SparseOptions::energy(0.5))),
        ("dense f16", WeightFormat::Dense(DType::F16)),
    ]
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [mode, model, codec] if mode == "convert" => convert(Path::new(model), codec).map(|()| true),
        [] => measure(&["f32", "bf16"]),
        types => measure(&types.iter().map(String::as_str).collect::<Vec<_>>()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Converts in this process and prints its peak and the time.
fn convert(model: &Path, codec: &str) -> Result<()> {
    let found = formats().into_iter().find(|(name, _)| *name == codec);
    let (_, format) = found.ok_or_else(|| Error::invalid("llamaize_memory", "codec", codec, "is unknown"))?;
    let device = fft_cpu::device(fft_cpu::CpuOptions::default())?;
    let destination = model.with_extension("converted");
    let report = llamaize(model, &destination, &ConvertOptions::new(format), &device, &mut |_| {})?;
    std::fs::remove_dir_all(&destination).map_err(|e| Error::io(&destination, e))?;
    println!("{} {:.1} {:.3}", peak_kib()?, report.seconds, report.totals.converted_bits_per_weight);
    Ok(())
}

/// The most memory that was ever resident in this process.
fn peak_kib() -> Result<u64> {
    let path = Path::new("/proc/self/status");
    let status = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let number = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok());
    number.ok_or_else(|| Error::format(path, "has no VmHWM"))
}

fn measure(types: &[&str]) -> Result<bool> {
    let base = std::env::temp_dir().join(format!("llamaize-memory-{}", std::process::id()));
    let result = measure_in(&base, types);
    // Whatever happened, 800 MB are not left behind.
    let _ = std::fs::remove_dir_all(&base);
    result
}

fn measure_in(base: &Path, types: &[&str]) -> Result<bool> {
    let program = std::env::current_exe().map_err(|e| Error::io("/proc/self/exe", e))?;
    let mut within = true;
    for dtype in types {
        let model = base.join(dtype);
        std::fs::create_dir_all(&model).map_err(|e| Error::io(&model, e))?;
        let (size, largest) = write_model(&model, if *dtype == "bf16" { DType::BF16 } else { DType::F32 })?;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let bound = 3.0 * 4.0 * (HIDDEN * INNER) as f64 / 1e6 + 150.0;
        let stored_bound = mb(3 * largest) + 150.0;
        println!("\n{dtype}: {:.0} MB, largest tensor {:.1} MB", mb(size), mb(largest));
        println!("bound: {bound:.0} MB by its size in f32, {stored_bound:.0} MB as stored\n");
        println!(
            "| codec | peak resident, MB | of the bound, f32 | of the bound, as stored | bits a weight | seconds |"
        );
        println!("|---|---|---|---|---|---|");
        for (codec, _) in formats() {
            let output = Command::new(&program)
                .arg("convert")
                .args([model.as_os_str(), codec.as_ref()])
                .output()
                .map_err(|e| Error::io(&program, e))?;
            let text = String::from_utf8_lossy(&output.stdout);
            let mut fields = text.split_whitespace();
            let mut next = || fields.next().and_then(|f| f.parse::<f64>().ok());
            let (Some(kib), Some(seconds), Some(bits)) = (next(), next(), next()) else {
                let message = String::from_utf8_lossy(&output.stderr);
                return Err(Error::format(&model, format!("{codec} failed: {message}")));
            };
            let peak = kib * 1024.0 / 1e6;
            within &= peak <= bound;
            let (of_bound, of_stored) = (peak / bound, peak / stored_bound);
            println!("| {codec} | {peak:.0} | {of_bound:.2} | {of_stored:.2} | {bits:.2} | {seconds:.1} |");
        }
        std::fs::remove_dir_all(&model).map_err(|e| Error::io(&model, e))?;
    }
    Ok(within)
}

/// Writes a model of about 800 MB; returns its bytes and those of its largest tensor.
fn write_model(folder: &Path, dtype: DType) -> Result<(u64, u64)> {
    let layers = if dtype == DType::F32 { 1 } else { 2 };
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_string(), vec![VOCABULARY, HIDDEN]),
        ("lm_head.weight".into(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".into(), vec![HIDDEN]),
    ];
    for layer in 0..layers {
        let mut push = |name: &str, shape: &[usize]| {
            tensors.push((format!("model.layers.{layer}.{name}.weight"), shape.to_vec()));
        };
        for (name, rows) in [("q_proj", HIDDEN), ("k_proj", KV), ("v_proj", KV), ("o_proj", HIDDEN)] {
            push(&format!("self_attn.{name}"), &[rows, HIDDEN]);
        }
        push("mlp.gate_proj", &[INNER, HIDDEN]);
        push("mlp.up_proj", &[INNER, HIDDEN]);
        push("mlp.down_proj", &[HIDDEN, INNER]);
        push("input_layernorm", &[HIDDEN]);
        push("post_attention_layernorm", &[HIDDEN]);
    }
    let mut writer = CheckpointWriter::new(folder, WriterOptions::default());
    let mut state = 1u64;
    let mut largest = 0;
    for (name, shape) in &tensors {
        let len: usize = shape.iter().product();
        largest = largest.max((len * dtype.size()) as u64);
        let mut block = Vec::with_capacity(1 << 20);
        writer.write(name, dtype.into(), shape, |sink| {
            let mut left = len;
            while left > 0 {
                let step = left.min(1 << 18);
                block.clear();
                for _ in 0..step {
                    // xorshift64: uniform numbers are white enough for a measurement of memory.
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let value = (state >> 40) as f32 / (1u64 << 24) as f32 * 0.08 - 0.04;
                    match dtype {
                        DType::BF16 => block.extend(bf16::from_f32(value).to_le_bytes()),
                        _ => block.extend(value.to_le_bytes()),
                    }
                }
                sink(&block)?;
                left -= step;
            }
            Ok(())
        })?;
    }
    let size = writer.bytes();
    writer.finish()?;
    let config = format!(
        r#"{{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":{VOCABULARY},"hidden_size":{HIDDEN},
            "intermediate_size":{INNER},"num_hidden_layers":{layers},"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
            "max_position_embeddings":2048,"rms_norm_eps":1e-5,"rope_theta":10000.0,"tie_word_embeddings":false}}"#
    );
    let path = folder.join("config.json");
    std::fs::write(&path, config).map_err(|e| Error::io(&path, e))?;
    Ok((size, largest))
}
