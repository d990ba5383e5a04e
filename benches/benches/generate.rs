//! Decoding speed of the small shipped Llama beside candle: the same file, prompt, greedy choice and threads.
//!
//! Run `cargo bench -p fft-benches --features peers --bench generate`. Each number of threads runs in a process of its own,
//! since candle takes its number of threads from the environment once. The table at the end interleaves the contestants,
//! so that a busy machine slows all of them alike.

mod candle_q4;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::Criterion;
use fft_core::spectral::{Bits, RotatedOptions};
use fft_core::{DType, Device};
use fft_cpu::CpuOptions;
use fft_nn::codec::MatrixCodec;
use fft_nn::generate::{GenerateOptions, generate_ids};
use fft_nn::models::{CausalLm, LoadOptions, load_causal_lm};

/// New tokens a run; the first comes from the prompt and is not timed.
const TOKENS: usize = 97;
/// "And the king said unto".
const PROMPT: [u32; 6] = [0, 297, 260, 413, 389, 322];
const ROUNDS: usize = 15;
const VARIABLE: &str = "FFT_BENCH_THREADS";

type Failure = Box<dyn std::error::Error>;
/// Decodes [`TOKENS`] greedily and returns the ids and the time of all but the first.
type Contestant = Box<dyn FnMut() -> Result<(Vec<u32>, Duration), Failure>>;

fn model_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny-llama-kjv")
}

fn ours(model: Box<dyn CausalLm>) -> Contestant {
    let options = GenerateOptions { max_new_tokens: TOKENS, stop_at_eos: false, ..Default::default() };
    Box::new(move || {
        let out = generate_ids(&*model, &PROMPT, &options, &mut |_| Ok(ControlFlow::Continue(())))?;
        Ok((out.ids, out.decode))
    })
}

/// Greedy decoding around a step that maps ids and their first position to the next id.
fn decode(
    mut step: impl FnMut(&[u32], usize) -> candle_core::Result<u32>,
) -> Result<(Vec<u32>, Duration), Failure> {
    let mut ids = vec![step(&PROMPT, 0)?];
    let started = Instant::now();
    while ids.len() < TOKENS {
        let position = PROMPT.len() + ids.len() - 1;
        ids.push(step(&ids[ids.len() - 1..], position)?);
    }
    Ok((ids, started.elapsed()))
}

/// Every linear layer and the head as rotated 4-bit codes.
fn rotated(model: &dyn CausalLm) -> Result<Box<dyn CausalLm>, Failure> {
    let codec = MatrixCodec::Rotated(RotatedOptions::new(Bits::Four));
    Ok(model
        .with_linears(&mut |linear| Ok(Some(codec.encode(&linear.weights.to_dense()?)?.into_weights())))?)
}

fn candle_dense(dtype: candle_core::DType) -> Result<Contestant, Failure> {
    use candle_core::{D, Device, Tensor};
    use candle_transformers::models::llama::{Cache, Llama};
    let device = Device::Cpu;
    let config = candle_q4::config(&model_dir())?;
    let file = std::fs::read(model_dir().join("model.safetensors"))?;
    let vb = candle_nn::VarBuilder::from_buffered_safetensors(file, dtype, &device)?;
    let model = Llama::load(vb, &config)?;
    Ok(Box::new(move || {
        let mut cache = Cache::new(true, dtype, &config, &device)?;
        decode(|ids, position| {
            let input = Tensor::new(ids, &device)?.unsqueeze(0)?;
            model.forward(&input, position, &mut cache)?.argmax(D::Minus1)?.squeeze(0)?.to_scalar::<u32>()
        })
    }))
}

fn candle_q4_0() -> Result<Contestant, Failure> {
    let model = candle_q4::Model::load(&model_dir())?;
    Ok(Box::new(move || {
        let mut cache = model.new_cache();
        decode(|ids, position| model.next(ids, position, &mut cache))
    }))
}

fn contestants(threads: usize) -> Result<Vec<(&'static str, Contestant)>, Failure> {
    let device: Device = fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() })?;
    let dense = |dtype| load_causal_lm(model_dir(), &device, &LoadOptions { dtype }).map(|m| m.model);
    Ok(vec![
        ("dense f32, fft-tensor", ours(dense(Some(DType::F32))?)),
        ("dense f32, candle", candle_dense(candle_core::DType::F32)?),
        ("stored bf16, fft-tensor", ours(dense(None)?)),
        ("4 bit rotated, fft-tensor", ours(rotated(&*dense(None)?)?)),
        ("4 bit Q4_0, candle", candle_q4_0()?),
    ])
}

fn run(threads: usize) -> Result<(), Failure> {
    let mut all = contestants(threads)?;
    let reference = all[0].1()?.0;
    for (name, contestant) in &mut all {
        let agreeing = contestant()?.0.iter().zip(&reference).take_while(|(a, b)| a == b).count();
        println!("{name}: the first {agreeing} of {TOKENS} tokens agree with dense f32");
    }
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group(format!("generate {} tokens, {threads} threads", TOKENS - 1));
    for (name, contestant) in &mut all {
        group.bench_function(*name, |b| {
            b.iter_custom(|n| (0..n).map(|_| contestant().expect("it ran before").1).sum());
        });
    }
    group.finish();
    let mut times = vec![Vec::with_capacity(ROUNDS); all.len()];
    for _ in 0..ROUNDS {
        for ((_, contestant), times) in all.iter_mut().zip(&mut times) {
            times.push(contestant()?.1);
        }
    }
    println!("\n{threads} threads, decoding, medians of {ROUNDS} interleaved rounds");
    for ((name, _), times) in all.iter().zip(&mut times) {
        times.sort_unstable();
        let seconds = times[ROUNDS / 2].as_secs_f64();
        println!("{name:<28} {:>8.0} tokens/s", (TOKENS - 1) as f64 / seconds);
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    if let Ok(threads) = std::env::var(VARIABLE) {
        return run(threads.parse()?);
    }
    for threads in ["1", "2"] {
        let status = std::process::Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env("RAYON_NUM_THREADS", threads)
            .env(VARIABLE, threads)
            .status()?;
        if !status.success() {
            return Err(format!("the run with {threads} threads failed").into());
        }
    }
    Ok(())
}
