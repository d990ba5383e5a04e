//! Forward and backward of 12 transformer blocks with and without `checkpoint`: time, and the most bytes of activations that are held at a time.
//!
//! `cargo bench -p fft-benches --bench checkpointing`

use std::sync::Arc;
use std::time::Duration;

use fft_benches::{Contestant, medians, numbers};
use fft_core::{DType, Device, Result, Tensor};
use fft_cpu::CpuOptions;
use fft_nn::autograd::{Var, checkpoint};
use fft_nn::layers::{AttentionOptions, Layer, LinearKind, MultiHeadAttention, Scope, TransformerBlock};

const LAYERS: usize = 12;
/// Windows, tokens of one, features.
const SHAPE: [usize; 3] = [4, 256, 192];

type Block = Arc<TransformerBlock<MultiHeadAttention>>;

fn main() -> Result<()> {
    // `cargo test --benches` runs benches as tests: there is nothing to test here.
    if std::env::args().any(|a| a == "--test") {
        return Ok(());
    }
    println!(
        "| {LAYERS} blocks, {} x {} tokens | threads | ms | activations, MB |\n|---|---|---|---|",
        SHAPE[0], SHAPE[1]
    );
    for threads in [1, 2] {
        run(threads)?;
    }
    Ok(())
}

fn blocks(scope: &Scope) -> Result<Vec<Block>> {
    let features = SHAPE[2];
    let options = AttentionOptions {
        features,
        heads: 6,
        kv_heads: 2,
        head_dim: 32,
        causal: true,
        rope: Some((10_000.0, SHAPE[1])),
        bias: false,
        linear: LinearKind::Dense,
        std: 0.02,
    };
    let block = |i: usize| {
        let at = scope.at(i);
        let mixer = MultiHeadAttention::new(&at.at("self_attn"), options)?;
        Ok(Arc::new(TransformerBlock::new(&at, mixer, [features, 512], LinearKind::Dense, 0.02, 1e-5)?))
    };
    (0..LAYERS).map(block).collect()
}

/// Forward and backward; gradients add up in the parameters. The last block is never computed again: the way back begins with it, so that forgetting what
/// it remembers would save nothing.
fn pass(blocks: &[Block], x: &Var, recompute: bool) -> Result<()> {
    let mut y = x.clone();
    for (i, block) in blocks.iter().enumerate() {
        let own = Arc::clone(block);
        y = if recompute && i + 1 < blocks.len() {
            checkpoint(move |x| own.forward(&x[0]), &[&y])?
        } else {
            own.forward(&y)?
        };
    }
    y.square()?.mean_all()?.backward()
}

/// The most bytes of a pass beyond what is there before and after it: parameters, their gradients and the input.
fn activations(device: &Device, mut pass: impl FnMut()) -> usize {
    pass();
    let memory = device.memory();
    memory.reset_peak();
    let held = memory.usage().in_use;
    pass();
    memory.usage().peak - held
}

fn run(threads: usize) -> Result<()> {
    let device = fft_cpu::device(CpuOptions { threads: Some(threads), ..CpuOptions::default() })?;
    let scope = Scope::new(&device, DType::F32, 0)?;
    let blocks = blocks(&scope)?;
    let x = Var::constant(Tensor::from_slice(&device, &numbers(SHAPE.iter().product(), 1), &SHAPE)?);
    let work = |recompute| {
        let (blocks, x) = (&blocks, &x);
        move || pass(blocks, x, recompute).expect("a pass")
    };
    let kinds = [("remembered", false), ("checkpointed", true)];
    let bytes = kinds.map(|(_, recompute)| activations(&device, work(recompute)));
    let mut all = kinds.map(|(name, recompute)| Contestant::new(name, work(recompute)));
    let times = medians(&mut all, Duration::from_secs(20)).into_iter().map(|t| t.as_secs_f64());
    let times: Vec<f64> = times.collect();
    for (i, (name, _)) in kinds.iter().enumerate() {
        println!("| {name} | {threads} | {:.0} | {:.1} |", 1e3 * times[i], bytes[i] as f64 / 1e6);
    }
    let share = bytes[1] as f64 / bytes[0] as f64;
    println!("| ratio | {threads} | {:.2} | {share:.3} |", times[1] / times[0]);
    Ok(())
}
