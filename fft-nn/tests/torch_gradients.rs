//! Values and gradients beside those that PyTorch computed in double precision, of the loss `Re sum conj(cotangent) y`.
//!
//! `fixtures/gradients/reference.safetensors` holds, for each case, operands `in0, in1, ..`, the result `out`, the `cotangent` and the gradients `grad0, ..`; complex
//! tensors have a last axis of real and imaginary parts.

use std::collections::BTreeMap;

use fft_core::convolution::ConvSpec;
use fft_core::{Complex64, Device, Norm, Result, Tensor};
use fft_nn::autograd::Var;
use fft_nn::autograd::ops::spectral::SparsePositions;
use safetensors::SafeTensors;

/// Relative L2 error of results and gradients: a few hundred roundings of double precision.
const BOUND: f64 = 1e-12;

struct Case<'a> {
    file: &'a SafeTensors<'a>,
    name: String,
    device: Device,
}

impl Case<'_> {
    fn numbers(&self, part: &str) -> Option<(Vec<usize>, Vec<f64>)> {
        let view = self.file.tensor(&format!("{}.{part}", self.name)).ok()?;
        let bytes = view.data().chunks_exact(8);
        Some((view.shape().to_vec(), bytes.map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()))
    }

    /// A part as a tensor, complex where `complex` says so.
    fn tensor(&self, part: &str, complex: bool) -> Option<Tensor> {
        let (mut shape, data) = self.numbers(part)?;
        if !complex {
            return Some(Tensor::from_slice(&self.device, &data, &shape).unwrap());
        }
        assert_eq!(shape.pop(), Some(2), "{}.{part}", self.name);
        let pairs: Vec<Complex64> = data.chunks_exact(2).map(|z| Complex64::new(z[0], z[1])).collect();
        Some(Tensor::from_slice(&self.device, &pairs, &shape).unwrap())
    }

    fn close(&self, part: &str, got: &Tensor) {
        let want = self.tensor(part, got.dtype().is_complex()).unwrap();
        assert_eq!(got.shape(), want.shape(), "{}.{part}", self.name);
        let numbers = |t: &Tensor| t.to_dtype(fft_core::DType::C128).unwrap().to_vec::<Complex64>().unwrap();
        let (got, want) = (numbers(got), numbers(&want));
        let size: f64 = want.iter().map(|w| w.norm_sqr()).sum();
        let off: f64 = got.iter().zip(&want).map(|(g, w)| (g - w).norm_sqr()).sum();
        assert!(size > 0.0 && (off / size).sqrt() < BOUND, "{}.{part}: {:e}", self.name, (off / size).sqrt());
    }
}

/// What a case computes, and which of its operands are complex.
fn compute(case: &Case<'_>, x: &[Var]) -> Result<Var> {
    let last = |v: &Var| v.rank() - 1;
    let b = Norm::Backward;
    let one = ConvSpec::new(1);
    let two = ConvSpec::new(2);
    match case.name.as_str() {
        "fft_even" | "fft_odd" => x[0].fftn(&[1], None, b),
        "ifft_even" => x[0].ifftn(&[1], None, b),
        "fft_axis0" => x[0].fftn(&[0], None, b),
        "rfft_even" | "rfft_odd" => x[0].rfftn(&[1], None, b),
        "irfft_even" => x[0].irfftn(&[1], Some(&[12]), b),
        "irfft_odd" => x[0].irfftn(&[1], Some(&[15]), b),
        "fft2" => x[0].fftn(&[1, 2], None, b),
        "rfft2" => x[0].rfftn(&[1, 2], None, b),
        "fft3" => x[0].fftn(&[1, 2, 3], None, b),
        "fft_padded" => x[0].fftn(&[1], Some(&[17]), b),
        "rfft_padded" => x[0].rfftn(&[1], Some(&[16]), b),
        "fft_ortho" => x[0].fftn(&[1], None, Norm::Ortho),
        "cmul" | "cmul_broadcast" => x[0].mul(&x[1]),
        "cmul_conj" => x[0].mul_conj(&x[1]),
        "cmatmul" => x[0].matmul(&x[1]),
        "abs" => x[0].abs(),
        "angle" => x[0].arg(),
        "polar" => x[0].polar(&x[1]),
        "real" => x[0].real(),
        "imag" => x[0].imag(),
        "div" => x[0].div(&x[1]),
        "exp" => x[0].exp(),
        "mean" => x[0].mean(1),
        "modrelu" => {
            let magnitude = x[0].abs()?;
            let factor = magnitude.add(&x[1])?.relu()?.div(&magnitude)?;
            x[0].mul(&factor.to_dtype(x[0].dtype())?)
        }
        "magnitude_layernorm" => {
            let m = x[0].abs()?;
            let factor = m.layer_norm(&x[1], &x[2], 1e-5)?.div(&m)?;
            x[0].mul(&factor.to_dtype(x[0].dtype())?)
        }
        "conv1d" => x[0].conv(&x[1], Some(&x[2]), &one.stride(&[2]).padding(&[3]).dilation(&[2])),
        "conv1d_groups" => x[0].conv(&x[1], None, &one.padding(&[2]).groups(2)),
        "conv2d" => x[0].conv(&x[1], Some(&x[2]), &two.stride(&[2, 1]).padding(&[3, 2])),
        "conv2d_depthwise" => x[0].conv(&x[1], None, &two.padding(&[3, 3]).groups(3)),
        "conv3d" => x[0].conv(&x[1], None, &ConvSpec::new(3).padding(&[1, 1, 1])),
        "causal_conv" => x[0].long_conv(&x[1]),
        "sparse_spectral_linear" => {
            let positions = [[0, 1], [0, 3], [1, 0], [2, 5], [3, 2], [1, 7]];
            x[0].sparse_spectral(&SparsePositions::new(&case.device, [6, 8], &positions)?, &x[1])
        }
        "block_circulant" => {
            // The case holds first rows; read backwards from their start they are first columns.
            let b = x[0].shape()[2] as u32;
            let reversed: Vec<u32> = (0..b).map(|p| (b - p) % b).collect();
            x[0].gather(2, &reversed)?.block_circulant(&x[1])
        }
        "softmax" => x[0].softmax(last(&x[0])),
        "layernorm" => x[0].layer_norm(&x[1], &x[2], 1e-5),
        "rmsnorm" => x[0].rms_norm(&x[1], 1e-5),
        "gelu" => x[0].gelu(),
        "gelu_tanh" => x[0].gelu_tanh(),
        "silu" => x[0].silu(),
        "cross_entropy" => {
            let view = case.file.tensor("cross_entropy.target").unwrap();
            let targets: Vec<u32> = view.data().chunks_exact(8).map(|b| u32::from(b[0])).collect();
            x[0].cross_entropy(&targets)?.reshape(&[1])
        }
        "fnet_mixing" => x[0].fftn(&[1, 2], None, b)?.real(),
        other => panic!("{other} has no computation here"),
    }
}

/// Cases by the operands that are complex: all, or the first of two. The others are real.
const COMPLEX: &[&str] = &[
    "fft_even",
    "fft_odd",
    "ifft_even",
    "fft_axis0",
    "irfft_even",
    "irfft_odd",
    "fft2",
    "fft3",
    "fft_padded",
    "fft_ortho",
    "cmul",
    "cmul_broadcast",
    "cmul_conj",
    "cmatmul",
    "abs",
    "angle",
    "real",
    "imag",
    "div",
    "exp",
    "mean",
];
const FIRST_COMPLEX: &[&str] = &["modrelu", "magnitude_layernorm", "sparse_spectral_linear"];

#[test]
fn all_cases_agree() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gradients/reference.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let device = fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), memory_limit: None }).unwrap();
    let mut cases = BTreeMap::new();
    for name in file.names() {
        if let Some(case) = name.strip_suffix(".out") {
            cases.insert(case.to_owned(), ());
        }
    }
    assert_eq!(cases.len(), 44);
    for name in cases.into_keys() {
        let case = Case { file: &file, name, device: device.clone() };
        let complex = |i: usize| {
            COMPLEX.contains(&case.name.as_str()) || (i == 0 && FIRST_COMPLEX.contains(&case.name.as_str()))
        };
        let operands = (0..).map_while(|i| case.tensor(&format!("in{i}"), complex(i)));
        let operands: Vec<Var> = operands.map(Var::leaf).collect();
        let y = compute(&case, &operands).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        case.close("out", &y.value());
        let cotangent = case.tensor("cotangent", y.dtype().is_complex()).unwrap();
        y.backward_from(cotangent).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        for (i, x) in operands.iter().enumerate() {
            case.close(&format!("grad{i}"), &x.grad().unwrap());
        }
    }
}
