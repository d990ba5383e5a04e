//! Spectral and block-circulant linear layers, forward and backward, beside the dense layer and beside the way of PEFT's FourierFT, which makes the matrix of its
//! coefficients in every step.
//!
//! `cargo bench -p fft-benches --bench layers -- --tables` prints medians and ratios alone, with one thread and with two.

use std::time::Duration;

use criterion::Criterion;
use fft_benches::{Contestant, measuring, medians, numbers, tables_only};
use fft_core::{Complex32, DType, Device, Norm, Result, ScatterMode, Tensor};
use fft_cpu::CpuOptions;
use fft_nn::autograd::Var;
use fft_nn::layers::{Layer, Learn, LinearKind, LinearLayer, Positions, Scope};

/// Vectors, outputs and inputs, and the kinds that are measured on them: a wide layer, and those of a small language model in training.
const CASES: [([usize; 3], &[LinearKind]); 3] = [
    ([64, 2048, 2048], &[spectral(0.05), circulant(16)]),
    ([4096, 192, 512], &[spectral(0.25), spectral(0.0625), circulant(4), circulant(16)]),
    ([2048, 512, 192], &[spectral(0.25), spectral(0.0625), circulant(4), circulant(16)]),
];

const fn spectral(density: f64) -> LinearKind {
    LinearKind::Spectral { density, positions: Positions::Random, learn: Learn::MagnitudeAndPhase }
}

const fn circulant(block: usize) -> LinearKind {
    LinearKind::BlockCirculant { block }
}

fn name(kind: &LinearKind) -> String {
    match kind {
        LinearKind::Dense => "dense".into(),
        LinearKind::Spectral { density, .. } => format!("spectral {}%", density * 100.0),
        LinearKind::BlockCirculant { block } => format!("circulant blocks of {block}"),
        other => format!("{other:?}"),
    }
}

/// A layer and what goes through it.
struct Step {
    layer: LinearLayer,
    scope: Scope,
    x: Var,
    cotangent: Tensor,
}

impl Step {
    fn new(device: &Device, kind: &LinearKind, [batch, outputs, inputs]: [usize; 3]) -> Result<Self> {
        let scope = Scope::new(device, DType::F32, 1)?;
        Ok(Self {
            layer: kind.build(&scope.at("layer"), inputs, outputs, None, 0.02)?,
            scope,
            x: Var::leaf(Tensor::from_slice(device, &numbers(batch * inputs, 2), &[batch, inputs])?),
            cotangent: Tensor::from_slice(device, &numbers(batch * outputs, 3), &[batch, outputs])?,
        })
    }

    /// Forward, and backward to the input and the parameters.
    fn run(&self) -> Result<()> {
        self.layer.forward(&self.x)?.backward_from(self.cotangent.clone())?;
        self.x.set_grad(None);
        self.scope.parameters().iter().for_each(|p| p.var().set_grad(None));
        Ok(())
    }
}

/// The same mathematics by making the matrix: coefficients are placed in the half plane, transformed back and multiplied as a dense matrix; the way back is a dense
/// product, a transform of the gradient of the matrix, and picking the positions.
struct Materialised {
    positions: Tensor,
    coefficients: Tensor,
    step: Step,
    shape: [usize; 2],
}

impl Materialised {
    fn new(device: &Device, kind: &LinearKind, case: [usize; 3]) -> Result<Option<Self>> {
        let step = Step::new(device, kind, case)?;
        let LinearLayer::Spectral(layer) = &step.layer else { return Ok(None) };
        let shape = layer.shape();
        let flat: Vec<u32> = layer
            .positions()
            .value()
            .to_vec::<u32>()?
            .chunks_exact(2)
            .map(|p| p[0] * shape[1] as u32 + p[1])
            .collect();
        let positions = Tensor::from_slice(device, &flat, &[flat.len()])?;
        let coefficients = layer.coefficients().value().scale(layer.gain())?;
        Ok(Some(Self { positions, coefficients, shape, step }))
    }

    /// As [`Step::run`]; results are dropped.
    fn run(&self) -> Result<()> {
        let ([m, n], device) = (self.shape, self.coefficients.device());
        let (x, dy) = (self.step.x.value(), &self.step.cotangent);
        let mut plane = Tensor::zeros(device, &[m * n], DType::C64)?;
        plane.scatter(0, &self.positions, &self.coefficients, ScatterMode::Add)?;
        let w = plane.reshape(&[m, n])?.ifft2([0, 1], None, Norm::Backward)?.real()?;
        let y = x.matmul(&w.transpose(0, 1)?)?;
        let dx = dy.matmul(&w)?;
        let dw = dy.transpose(0, 1)?.matmul(&x)?.fft2([0, 1], None, Norm::Forward)?;
        let dc = dw.reshape(&[m * n])?.gather(0, &self.positions)?;
        std::hint::black_box((y, dx, dc));
        Ok(())
    }
}

fn cpu(threads: usize) -> Result<Device> {
    fft_cpu::device(CpuOptions { threads: Some(threads), memory_limit: None })
}

fn tables() -> Result<()> {
    println!("| vectors | matrix | threads | layer | ms | times faster than dense | than by the matrix |");
    println!("|---|---|---|---|---|---|---|");
    for (case, kinds) in CASES {
        for threads in [1, 2] {
            let device = cpu(threads)?;
            let dense = Step::new(&device, &LinearKind::Dense, case)?;
            let steps =
                kinds.iter().map(|kind| Step::new(&device, kind, case)).collect::<Result<Vec<_>>>()?;
            let peers = kinds
                .iter()
                .map(|kind| Materialised::new(&device, kind, case))
                .collect::<Result<Vec<_>>>()?;
            let mut contestants = vec![Contestant::new("dense", || dense.run().expect("valid operands"))];
            contestants.extend(
                steps.iter().map(|step| Contestant::new("layer", || step.run().expect("valid operands"))),
            );
            contestants.extend(
                peers
                    .iter()
                    .flatten()
                    .map(|p| Contestant::new("matrix", || p.run().expect("valid operands"))),
            );
            let mut times = Vec::new();
            device.scope(&mut || times = medians(&mut contestants, Duration::from_secs(8)));
            let ms: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e3).collect();
            let [batch, outputs, inputs] = case;
            println!("| {batch} | {outputs} x {inputs} | {threads} | dense | {:.3} | 1.0 | |", ms[0]);
            let mut peer = ms[1 + kinds.len()..].iter();
            for ((kind, own), peers) in kinds.iter().zip(&ms[1..]).zip(&peers) {
                let by_matrix = peers
                    .as_ref()
                    .and_then(|_| peer.next())
                    .map_or(String::new(), |p| format!("{:.1}", p / own));
                let (kind, faster) = (name(kind), ms[0] / own);
                println!(
                    "| {batch} | {outputs} x {inputs} | {threads} | {kind} | {own:.3} | {faster:.1} | {by_matrix} |"
                );
            }
        }
    }
    Ok(())
}

/// The contestant computes what the layer does.
fn check() -> Result<()> {
    let device = cpu(1)?;
    let case = [8, 12, 10];
    let Some(peer) = Materialised::new(&device, &spectral(0.5), case)? else { return Ok(()) };
    let LinearLayer::Spectral(layer) = &peer.step.layer else { return Ok(()) };
    let mut plane = Tensor::zeros(&device, &[12 * 10], DType::C64)?;
    plane.scatter(0, &peer.positions, &peer.coefficients, ScatterMode::Add)?;
    let w = plane.reshape(&[12, 10])?.ifft2([0, 1], None, Norm::Backward)?.to_vec::<Complex32>()?;
    let want = layer.matrix()?.to_dense()?.to_vec::<f32>()?;
    assert!(w.iter().zip(&want).all(|(w, want)| (w.re - want).abs() < 1e-5), "another matrix");
    Ok(())
}

fn main() -> Result<()> {
    check()?;
    if measuring() {
        tables()?;
    }
    if tables_only() {
        return Ok(());
    }
    let device = cpu(1)?;
    let mut criterion = Criterion::default().configure_from_args();
    for (case, kinds) in CASES {
        let mut group = criterion.benchmark_group(format!("{case:?}, forward and backward, one thread"));
        group.sample_size(10).measurement_time(Duration::from_secs(2));
        for kind in [&[LinearKind::Dense], kinds].concat() {
            let step = Step::new(&device, &kind, case)?;
            group.bench_function(name(&kind), |b| b.iter(|| step.run()));
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
