//! What a training step of a small language model spends its time in: each fused operation beside its composition of tensor operations, and
//! the matrix products of its ways forward and back. 8 sequences of 256 tokens, width 192, 6 heads of 32 on 2 of keys, 512 inside,
//! vocabulary 2048.

use fft_benches::pairs::{Table, compare};
use fft_benches::{measuring, numbers};
use fft_core::backend::AttentionSpec;
use fft_core::optimise::AdamWStep;
use fft_core::{Device, Result, ScatterMode, Tensor, UnaryOp, compose};
use fft_cpu::{CpuOptions, device};

fn tensor(device: &Device, shape: &[usize], seed: u64) -> Result<Tensor> {
    Tensor::from_slice(device, &numbers(shape.iter().product(), seed), shape)
}

fn operations(device: &Device, table: &mut Table) -> Result<()> {
    let heads = |n: usize, seed: u64| tensor(device, &[8, 256, n, 32], seed)?.transpose(1, 2);
    let (q, k, v, g) = (heads(6, 1)?, heads(2, 2)?, heads(2, 3)?, heads(6, 4)?);
    let spec = AttentionSpec { scale: 32f32.sqrt().recip(), causal: true, offset: 0 };
    table.add(compare(
        "attention",
        || Tensor::attention(&q, &k, &v, spec).expect("valid"),
        || compose::attention(&q, &k, &v, spec).expect("valid"),
    ));
    table.add(compare(
        "attention, back",
        || Tensor::attention_backward(&q, &k, &v, &g, spec).expect("valid"),
        || compose::attention_backward(&q, &k, &v, &g, spec).expect("valid"),
    ));
    let (cos, sin) = (tensor(device, &[256, 16], 5)?, tensor(device, &[256, 16], 6)?);
    table.add(compare(
        "rope",
        || q.rope(&cos, &sin).expect("valid"),
        || compose::rope(&q, &cos, &sin).expect("valid"),
    ));
    let (x, g, w) =
        (tensor(device, &[2048, 192], 7)?, tensor(device, &[2048, 192], 8)?, tensor(device, &[192], 9)?);
    table.add(compare(
        "rms_norm, back",
        || x.rms_norm_backward(&w, &g, 1e-5).expect("valid"),
        || compose::rms_norm_backward(&x, &w, &g, 1e-5).expect("valid"),
    ));
    table.add(compare(
        "layer_norm, back",
        || x.layer_norm_backward(&w, &g, 1e-5).expect("valid"),
        || compose::layer_norm_backward(&x, &w, &g, 1e-5).expect("valid"),
    ));
    let ids: Vec<u32> = (0..2048u32).map(|i| i.wrapping_mul(2_654_435_761) >> 21).collect();
    let ids = Tensor::from_slice(device, &ids, &[2048])?;
    let table_grad = |sums: Result<Tensor>| -> Result<Tensor> {
        let mut sums = sums?;
        sums.scatter(0, &ids, &g, ScatterMode::Add)?;
        Ok(sums)
    };
    table.add(compare(
        "embedding, back (peer: zeros alone)",
        || table_grad(Tensor::zeros(device, &[2048, 192], g.dtype())).expect("valid"),
        || Tensor::zeros(device, &[2048, 192], g.dtype()).expect("valid"),
    ));
    let (gate, up, g) = (
        tensor(device, &[2048, 512], 10)?,
        tensor(device, &[2048, 512], 11)?,
        tensor(device, &[2048, 512], 12)?,
    );
    table.add(compare(
        "silu_mul, back",
        || gate.silu_mul_backward(&up, &g).expect("valid"),
        || compose::silu_mul_backward(&gate, &up, &g).expect("valid"),
    ));
    table.add(compare(
        "gelu, back",
        || gate.unary_backward(UnaryOp::Gelu, &g).expect("valid"),
        || compose::unary_backward(UnaryOp::Gelu, &gate, &g).expect("valid"),
    ));
    let logits = tensor(device, &[2048, 2048], 13)?;
    let each = Tensor::full(device, &[2048], logits.dtype(), 1.0 / 2048.0)?;
    table.add(compare(
        "cross_entropy",
        || logits.cross_entropy(&ids).expect("valid"),
        || compose::cross_entropy(&logits, &ids).expect("valid"),
    ));
    let (_, logs) = logits.cross_entropy(&ids)?;
    table.add(compare(
        "cross_entropy, back",
        || logits.cross_entropy_backward(&ids, &logs, &each).expect("valid"),
        || compose::cross_entropy_backward(&logits, &ids, &logs, &each).expect("valid"),
    ));
    // As many parameters as the model has.
    let (mut p, g) = (tensor(device, &[2_000_000], 14)?, tensor(device, &[2_000_000], 15)?);
    let (mut m, mut v) =
        (Tensor::zeros(device, p.shape(), p.dtype())?, Tensor::full(device, p.shape(), p.dtype(), 1.0)?);
    let mut peer = (p.clone(), m.clone(), v.clone());
    let step = AdamWStep::default();
    table.add(compare(
        "adamw_step, 2 million",
        || p.adamw_step(&g, &mut m, &mut v, &step).expect("valid"),
        || compose::adamw_step(&mut peer.0, &g, &mut peer.1, &mut peer.2, &step).expect("valid"),
    ));
    table.add(compare(
        "sum_of_squares, 2 million",
        || g.sum_of_squares().expect("valid"),
        || compose::sum_of_squares(&g).expect("valid"),
    ));
    Ok(())
}

/// `y = x W^T`, `dx = g W` and `dW = g^T x`, of `rows` positions.
fn products(device: &Device, table: &mut Table) -> Result<()> {
    for (rows, inputs, outputs) in [(2048, 192, 192), (2048, 192, 512), (2048, 512, 192), (2048, 192, 2048)] {
        let (x, w) = (tensor(device, &[rows, inputs], 1)?, tensor(device, &[outputs, inputs], 2)?);
        let g = tensor(device, &[rows, outputs], 3)?;
        let forward = || x.matmul(&w.transpose(0, 1)?);
        let (of_x, of_w) = (|| g.matmul(&w), || g.transpose(0, 1)?.matmul(&x));
        let name = format!("{rows} x {inputs} x {outputs}");
        table.add(compare(
            format!("{name}: dx, peer: y"),
            || of_x().expect("valid"),
            || forward().expect("valid"),
        ));
        table.add(compare(
            format!("{name}: dW, peer: y"),
            || of_w().expect("valid"),
            || forward().expect("valid"),
        ));
    }
    Ok(())
}

fn main() {
    if !measuring() {
        return;
    }
    for threads in [1, 2] {
        let device =
            device(CpuOptions { threads: Some(threads), memory_limit: None }).expect("the threads start");
        let mut table = Table::new(&format!("fused operations, {threads} thread(s), peer: the composition"));
        operations(&device, &mut table).expect("valid");
        drop(table);
        let mut table = Table::new(&format!("products of a layer y = x W^T, {threads} thread(s)"));
        products(&device, &mut table).expect("valid");
    }
}
