//! A step of training the shape of the small Llama, 8 windows of 256 tokens: forward, backward, AdamW; beside candle with the feature `peers`.
//!
//! `cargo bench --workspace --features fft-benches/peers --bench train_step`, after it `-- dense` for those alone whose names have the word; torch: `python
//! benches/peers/train_step.py --threads 2`.

use std::time::Duration;

use fft_benches::{Contestant, medians};
use fft_core::Device;
use fft_cpu::CpuOptions;
use fft_nn::layers::{Learn, LinearKind, Positions};
use fft_nn::models::{LanguageConfig, LanguageModel, MixerKind};
use fft_nn::optim::{AdamW, AdamWOptions, Optimiser};

#[cfg(feature = "peers")]
mod candle_llama;

const BATCH: usize = 8;
const WINDOW: usize = 256;

fn main() {
    // `cargo test --benches` runs benches as tests: there is nothing to test here.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    for threads in [1, 2] {
        run(threads);
    }
}

fn device(threads: usize) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), ..CpuOptions::default() }).expect("a processor")
}

/// A step of our model as a function.
fn ours(threads: usize, linear: LinearKind, mixer: MixerKind, recompute: bool) -> impl FnMut() -> f32 + Send {
    let config = LanguageConfig { linear, mixer, ..LanguageConfig::tiny_llama(2048) };
    let mut model = LanguageModel::new(config, &device(threads), 0).expect("a model");
    model.set_recompute(recompute);
    let options = AdamWOptions { rate: 1e-4, ..AdamWOptions::default() };
    let mut optimiser = AdamW::new(&model.parameters(), options).expect("an optimiser");
    let ids = ids();
    move || {
        let loss = model.loss(&ids, BATCH).expect("a loss");
        loss.backward().expect("gradients");
        optimiser.step().expect("a step");
        optimiser.zero_grad();
        loss.value().to_scalar().expect("a number")
    }
}

fn ids() -> Vec<u32> {
    (0..(BATCH * WINDOW) as u32).map(|i| i.wrapping_mul(2_654_435_761) >> 21).collect()
}

fn run(threads: usize) {
    let (positions, learn) = (Positions::Random, Learn::MagnitudeAndPhase);
    let spectral = |density| LinearKind::Spectral { density, positions, learn };
    let kinds = [
        ("dense", LinearKind::Dense),
        ("sparse spectral, 25 %", spectral(0.25)),
        ("sparse spectral, 6.25 %", spectral(0.0625)),
        ("block circulant, 4", LinearKind::BlockCirculant { block: 4 }),
        ("block circulant, 16", LinearKind::BlockCirculant { block: 16 }),
    ];
    let mixers = [
        ("mixer longconv", MixerKind::Longconv),
        ("mixer frequency", MixerKind::Frequency),
        ("mixer fnet", MixerKind::Fnet),
    ];
    let mut all: Vec<Contestant<'_>> = Vec::new();
    for (name, linear) in kinds {
        all.push(Contestant::new(name, ours(threads, linear, MixerKind::Attention, false)));
    }
    all.push(Contestant::new(
        "dense, blocks computed again",
        ours(threads, LinearKind::Dense, MixerKind::Attention, true),
    ));
    for (name, mixer) in mixers {
        all.push(Contestant::new(name, ours(threads, LinearKind::Dense, mixer, false)));
    }
    #[cfg(feature = "peers")]
    {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut model =
            candle_llama::Llama::new(LanguageConfig::tiny_llama(2048), WINDOW).expect("candle's model");
        let ids = ids();
        all.push(Contestant::new("candle 0.11, dense", move || {
            pool.install(|| model.step(&ids, BATCH).expect("candle's step"))
        }));
    }
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    all.retain(|contestant| wanted.as_ref().is_none_or(|word| contestant.name.contains(word)));
    let times = medians(&mut all, Duration::from_secs(20));
    println!("\n| a step of {BATCH} x {WINDOW} tokens, {threads} thread(s) | ms | tokens/s |\n|---|---|---|");
    for (contestant, time) in all.iter().zip(times) {
        let seconds = time.as_secs_f64();
        println!("| {} | {:.1} | {:.0} |", contestant.name, 1e3 * seconds, (BATCH * WINDOW) as f64 / seconds);
    }
}
