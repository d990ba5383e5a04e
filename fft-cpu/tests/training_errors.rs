//! What the operations of training refuse.

mod refused;

use fft_core::backend::AttentionSpec;
use fft_core::optimise::{AdamWStep, SgdStep};
use fft_core::{DType, Tensor, UnaryOp};
use refused::{device, refused};

#[test]
fn ways_back_check_their_operands() {
    let device = device();
    let zeros = |shape: &[usize], dtype| Tensor::zeros(&device, shape, dtype).expect("a small tensor");
    let x = zeros(&[2, 3], DType::F32);
    let (wide, long, double) =
        (zeros(&[2, 4], DType::F32), zeros(&[4], DType::F32), zeros(&[2, 3], DType::F64));
    let weight = zeros(&[3], DType::F32);
    refused!(x.softmax_backward(&x, 2), InvalidArgument, "softmax_backward", "axis");
    refused!(x.softmax_backward(&wide, 1), ShapeMismatch, "softmax_backward");
    refused!(x.softmax_backward(&double, 1), DTypeMismatch, "softmax_backward");
    refused!(x.log_softmax(2), InvalidArgument, "log_softmax", "axis");
    refused!(zeros(&[3], DType::U8).log_softmax(0), DTypeMismatch, "log_softmax");
    refused!(x.log_softmax_backward(&wide, 1), ShapeMismatch, "log_softmax_backward");
    refused!(x.rms_norm_backward(&long, &x, 1e-5), ShapeMismatch, "rms_norm_backward");
    refused!(x.rms_norm_backward(&weight, &wide, 1e-5), ShapeMismatch, "rms_norm_backward");
    refused!(x.layer_norm_backward(&weight, &double, 1e-5), DTypeMismatch, "layer_norm_backward");
    refused!(x.silu_mul_backward(&x, &wide), ShapeMismatch, "silu_mul_backward");
    refused!(x.unary_backward(UnaryOp::Floor, &x), Unsupported, "Floor");
    refused!(x.unary_backward(UnaryOp::Exp, &wide), ShapeMismatch, "unary_backward");
    let complex = zeros(&[2, 3], DType::C64);
    refused!(complex.unary_backward(UnaryOp::Sin, &complex), Unsupported, "Sin");
    refused!(complex.unary_backward(UnaryOp::AbsSquared, &complex), Unsupported, "AbsSquared");
    let heads = |n: usize, t: usize| zeros(&[1, n, t, 4], DType::F32);
    let spec = AttentionSpec { scale: 0.5, causal: false, offset: 0 };
    let (q, k) = (heads(4, 3), heads(2, 3));
    refused!(Tensor::attention_backward(&q, &k, &k, &heads(4, 2), spec), ShapeMismatch, "attention_backward");
    refused!(Tensor::attention_backward(&q, &heads(3, 3), &k, &q, spec), ShapeMismatch, "attention_backward");
    let late = AttentionSpec { causal: true, offset: 1, ..spec };
    refused!(Tensor::attention_backward(&q, &k, &k, &q, late), InvalidArgument, "offset");
}

#[test]
fn cross_entropy_checks_its_operands() {
    let device = device();
    let logits = Tensor::zeros(&device, &[2, 3], DType::F32).expect("a small tensor");
    let targets = Tensor::from_slice(&device, &[0u32, 2], &[2]).expect("a small tensor");
    let bytes = Tensor::zeros(&device, &[2], DType::U8).expect("a small tensor");
    let one = Tensor::zeros(&device, &[1], DType::F32).expect("a small tensor");
    refused!(logits.cross_entropy(&bytes), DTypeMismatch, "cross_entropy");
    refused!(
        logits.cross_entropy(&targets.narrow(0, 0, 1).expect("in range")),
        ShapeMismatch,
        "cross_entropy"
    );
    let none = logits.narrow(1, 0, 0).expect("in range");
    refused!(none.cross_entropy(&targets), ShapeMismatch, "with a class");
    let (losses, logs) = logits.cross_entropy(&targets).expect("valid");
    refused!(logits.cross_entropy_backward(&targets, &one, &losses), ShapeMismatch, "cross_entropy_backward");
    refused!(logits.cross_entropy_backward(&targets, &logs, &one), ShapeMismatch, "cross_entropy_backward");
}

#[test]
fn steps_check_their_operands() {
    let device = device();
    let zeros = |shape: &[usize], dtype| Tensor::zeros(&device, shape, dtype).expect("a small tensor");
    let mut x = zeros(&[2, 3], DType::F32);
    let (grad, mut m, mut v) = (x.clone(), x.clone(), x.clone());
    let mut short = zeros(&[3], DType::F32);
    let step = AdamWStep::default();
    refused!(x.adamw_step(&short.clone(), &mut m, &mut v, &step), ShapeMismatch, "adamw_step");
    refused!(x.adamw_step(&grad, &mut short, &mut v, &step), ShapeMismatch, "adamw_step");
    refused!(x.adamw_step(&grad, &mut m, &mut v, &AdamWStep { step: 0, ..step }), InvalidArgument, "step");
    let mut half = zeros(&[3], DType::F16);
    refused!(half.sgd_step(&half.clone(), None, &SgdStep::default()), DTypeMismatch, "sgd_step");
    refused!(x.sgd_step(&grad, Some(&mut short), &SgdStep::default()), ShapeMismatch, "sgd_step");
    let momentum = SgdStep { momentum: 0.9, ..SgdStep::default() };
    refused!(x.sgd_step(&grad, None, &momentum), InvalidArgument, "momentum");
    refused!(zeros(&[2], DType::I64).sum_of_squares(), DTypeMismatch, "sum_of_squares");
}
