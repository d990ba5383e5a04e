//! Convolutions with input that they must refuse: the right error with the operation's name, never a panic.

mod refused;

use fft_core::convolution::{Conv, ConvMethod, ConvSpec, PaddingMode};
use fft_core::{DType, Result, Tensor};
use refused::{device, refused, typed};

/// A convolution of zeros of these shapes, by every method; all must agree on whether it is refused.
fn conv(x: &[usize], w: &[usize], spec: &ConvSpec) -> Result<Tensor> {
    let d = device();
    let (x, w) = (typed(&d, x, DType::F32), typed(&d, w, DType::F32));
    let result = x.conv(&w, None, spec);
    for method in [ConvMethod::Direct, ConvMethod::Fft] {
        assert_eq!(x.conv_with(&w, None, spec, &method).is_ok(), result.is_ok(), "{method:?} {spec:?}");
    }
    let kept = Conv::new(w, None, spec.clone()).and_then(|conv| conv.apply(&x));
    assert_eq!(kept.is_ok(), result.is_ok(), "{spec:?}");
    result
}

fn transposed(x: &[usize], w: &[usize], spec: &ConvSpec, extra: &[usize]) -> Result<Tensor> {
    let d = device();
    typed(&d, x, DType::F32).conv_transpose(&typed(&d, w, DType::F32), None, spec, extra)
}

const HUGE: [usize; 4] = [usize::MAX, isize::MAX as usize, 1 << 62, 1 << 58];

#[test]
fn steps_and_groups() {
    let one = ConvSpec::new(1);
    let (x, w) = (&[2, 4, 9][..], &[6, 4, 3][..]);
    refused!(conv(x, w, &one.clone().stride(&[0])), InvalidArgument, "conv: stride = [0]");
    refused!(conv(x, w, &one.clone().dilation(&[0])), InvalidArgument, "conv: dilation = [0]");
    refused!(conv(x, w, &one.clone().groups(0)), InvalidArgument, "conv: groups = 0");
    refused!(conv(x, w, &one.clone().groups(3)), InvalidArgument, "groups = 3", "4 input channels");
    refused!(conv(x, &[5, 2, 3], &one.clone().groups(2)), InvalidArgument, "groups = 2", "5 output channels");
    refused!(conv(x, &[6, 3, 3], &one), ShapeMismatch, "conv", "[2, 4, 9]", "[6, 3, 3]");
    refused!(conv(x, w, &one.clone().stride(&[1, 1])), ShapeMismatch);
    refused!(conv(x, w, &one.clone().dilation(&[1, 1])), InvalidArgument, "dilation");
    refused!(conv(x, w, &one.clone().padding(&[])), InvalidArgument, "padding");
    for axes in [0, 4, 9] {
        let shape = vec![1; axes + 2];
        refused!(conv(&shape, &shape, &ConvSpec::new(axes)), InvalidArgument, "one to three");
    }
}

#[test]
fn kernels_and_shapes() {
    let one = ConvSpec::new(1);
    refused!(
        conv(&[2, 3, 5], &[4, 3, 7], &one),
        InvalidArgument,
        "conv: weight = [4, 3, 7]",
        "larger than the 5"
    );
    refused!(conv(&[2, 3, 5], &[4, 3, 3], &one.clone().dilation(&[3])), InvalidArgument, "dilation 3");
    assert_eq!(conv(&[2, 3, 5], &[4, 3, 7], &one.clone().padding(&[1])).expect("it fits").shape(), [2, 4, 1]);
    refused!(conv(&[2, 3, 5], &[4, 3, 0], &one), InvalidArgument, "weight = [4, 3, 0]");
    refused!(conv(&[2, 3, 5], &[0, 3, 2], &one), InvalidArgument, "weight = [0, 3, 2]");
    refused!(conv(&[2, 0, 5], &[4, 0, 2], &one), InvalidArgument, "input = [2, 0, 5]");
    refused!(conv(&[2, 3, 0], &[4, 3, 2], &one.clone().padding(&[3])), InvalidArgument, "input = [2, 3, 0]");
    refused!(conv(&[5], &[4, 3, 2], &one), ShapeMismatch, "channel axis");
    refused!(conv(&[2, 3, 5, 5], &[4, 3, 2], &one), ShapeMismatch);
    refused!(conv(&[2, 3, 5], &[3, 2], &one), ShapeMismatch);
    refused!(conv(&[2, 3, 5], &[], &one), ShapeMismatch);
    let d = device();
    let (x, w) = (typed(&d, &[2, 3, 5], DType::F32), typed(&d, &[4, 3, 2], DType::F32));
    refused!(x.conv2d(&w, None, &one), InvalidArgument, "conv2d: spec");
    refused!(x.conv1d(&w, None, &ConvSpec::new(3)), InvalidArgument, "conv1d: spec");
    refused!(x.conv3d(&w, None, &one), InvalidArgument, "conv3d");
    refused!(x.conv1d(&typed(&d, &[4, 3, 9], DType::F32), None, &one), InvalidArgument, "conv1d: weight");
    refused!(
        x.frequency_conv1d(&w, None, &one.stride(&[0])),
        InvalidArgument,
        "frequency_conv1d: stride = [0]"
    );
}

#[test]
fn operands() {
    let d = device();
    let one = ConvSpec::new(1);
    let x = typed(&d, &[2, 3, 5], DType::F32);
    let w = typed(&d, &[4, 3, 2], DType::F32);
    for dtype in [DType::F64, DType::F16, DType::I64, DType::C64] {
        refused!(x.conv1d(&typed(&d, &[4, 3, 2], dtype), None, &one), DTypeMismatch, "conv1d");
        refused!(x.conv1d(&w, Some(&typed(&d, &[4], dtype)), &one), DTypeMismatch, "conv1d");
    }
    for dtype in [DType::I64, DType::U8, DType::C64, DType::C128] {
        let (x, w) = (typed(&d, &[2, 3, 5], dtype), typed(&d, &[4, 3, 2], dtype));
        refused!(x.conv1d(&w, None, &one), DTypeMismatch, "conv1d");
        refused!(Conv::new(w.clone(), None, one.clone()), DTypeMismatch, "conv");
        refused!(x.conv_transpose1d(&w.transpose(0, 1).expect("a view"), None, &one, &[0]), DTypeMismatch);
    }
    for shape in [&[3][..], &[5], &[], &[4, 1], &[1]] {
        refused!(x.conv1d(&w, Some(&typed(&d, shape, DType::F32)), &one), ShapeMismatch, "conv1d", "bias");
        refused!(
            Conv::new(w.clone(), Some(typed(&d, shape, DType::F32)), one.clone()),
            ShapeMismatch,
            "bias"
        );
    }
    let other = device();
    refused!(x.conv1d(&typed(&other, &[4, 3, 2], DType::F32), None, &one), DeviceMismatch, "conv1d");
    refused!(x.conv1d(&w, Some(&typed(&other, &[4], DType::F32)), &one), DeviceMismatch);
    let kept = Conv::new(w.clone(), None, one.clone()).expect("a convolution");
    refused!(kept.apply(&typed(&other, &[2, 3, 5], DType::F32)), DeviceMismatch);
    refused!(kept.apply(&typed(&d, &[2, 3, 5], DType::F64)), DTypeMismatch);
    refused!(kept.apply(&typed(&d, &[2, 2, 5], DType::F32)), ShapeMismatch);
    refused!(kept.explain(&[2, 3, 1]), InvalidArgument);
    refused!(kept.explain(&[2]), ShapeMismatch);
    refused!(Conv::new(w.clone(), None, ConvSpec::new(2)), ShapeMismatch);
    for (tiles, text) in [
        (&[1][..], "reaches over 2"),
        (&[8, 8], "each of 1"),
        (&[], "each of 1"),
        (&[usize::MAX], "addressed"),
    ] {
        let error =
            x.conv_with(&w, None, &one, &ConvMethod::tiles(tiles)).expect_err("tiles that do not fit");
        assert!(error.to_string().contains("conv: tiles") && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn numbers_that_overflow() {
    let one = ConvSpec::new(1);
    for huge in HUGE {
        for sides in [[huge, 0], [0, huge], [huge, huge]] {
            assert!(conv(&[1, 1, 4], &[1, 1, 2], &one.clone().padding_sides(&[sides])).is_err(), "{sides:?}");
        }
        refused!(conv(&[1, 1, 4], &[1, 1, 2], &one.clone().dilation(&[huge])), InvalidArgument);
        refused!(conv(&[1, 1, 4], &[1, 1, 3], &one.clone().dilation(&[huge]).same()), InvalidArgument);
        // Steps that are never made may be as long as one likes.
        let far = one.clone().stride(&[huge]);
        assert_eq!(conv(&[1, 1, 4], &[1, 1, 2], &far).expect("one output").shape(), [1, 1, 1]);
        let far = one.clone().dilation(&[huge]);
        assert_eq!(conv(&[1, 1, 4], &[1, 1, 1], &far).expect("one tap").shape(), [1, 1, 4]);
        assert!(transposed(&[1, 1, 4], &[1, 1, 2], &one.clone().stride(&[huge]), &[0]).is_err());
        assert!(transposed(&[1, 1, 4], &[1, 1, 2], &one.clone().dilation(&[huge]), &[0]).is_err());
        assert!(transposed(&[1, 1, 4], &[1, 1, 2], &one.clone().stride(&[huge]), &[huge - 1]).is_err());
        let far = one.clone().stride(&[huge]);
        assert_eq!(transposed(&[1, 1, 1], &[1, 1, 2], &far, &[0]).expect("one input").shape(), [1, 1, 2]);
        refused!(
            transposed(&[1, 1, 4], &[1, 1, 2], &one.clone().padding(&[huge]), &[0]),
            InvalidArgument,
            "padding"
        );
    }
    let two = ConvSpec::new(2).padding(&[1 << 40, 1 << 40]);
    assert!(conv(&[1, 1, 4, 4], &[1, 1, 2, 2], &two).is_err());
}

#[test]
fn padding() {
    let d = device();
    let x = typed(&d, &[2, 4], DType::F32);
    refused!(
        x.pad(&[[1, 4]], PaddingMode::Reflect),
        InvalidArgument,
        "pad: padding",
        "shorter than the axis"
    );
    refused!(x.pad(&[[5, 0]], PaddingMode::Circular), InvalidArgument, "pad: padding", "more than once");
    assert_eq!(x.pad(&[[4, 4]], PaddingMode::Circular).expect("once around").shape(), [2, 12]);
    assert_eq!(x.pad(&[[9, 50]], PaddingMode::Replicate).expect("any number").shape(), [2, 63]);
    refused!(x.pad(&[[0, 0]; 3], PaddingMode::Zeros), InvalidArgument, "2 axes");
    let none = typed(&d, &[0, 4, 0], DType::F32);
    refused!(none.pad(&[[1, 0]], PaddingMode::Replicate), InvalidArgument, "nothing to repeat");
    refused!(none.pad(&[[1, 0]], PaddingMode::Circular), InvalidArgument);
    refused!(none.pad(&[[0, 1]], PaddingMode::Reflect), InvalidArgument);
    assert_eq!(none.pad(&[[2, 1], [0, 0]], PaddingMode::Reflect).expect("no elements").shape(), [0, 7, 0]);
    assert_eq!(none.pad(&[[1, 2]], PaddingMode::Zeros).expect("only zeros").shape(), [0, 4, 3]);
    for huge in HUGE {
        for mode in [PaddingMode::Zeros, PaddingMode::Replicate] {
            assert!(x.pad(&[[huge, huge]], mode).is_err() && x.pad(&[[0, huge]], mode).is_err(), "{huge}");
        }
        refused!(x.pad(&[[huge, 0]], PaddingMode::Circular), InvalidArgument);
    }
    for (mode, sides) in [(PaddingMode::Reflect, [0, 5]), (PaddingMode::Circular, [6, 0])] {
        let spec = ConvSpec::new(1).padding_sides(&[sides]).mode(mode);
        refused!(conv(&[1, 1, 5], &[1, 1, 2], &spec), InvalidArgument, "conv: padding");
    }
    refused!(
        conv(&[1, 1, 5], &[1, 1, 2], &ConvSpec::new(1).same().stride(&[2])),
        InvalidArgument,
        "conv: stride = [2]"
    );
    refused!(conv(&[1, 1, 5, 5], &[1, 1, 2, 2], &ConvSpec::new(2).causal()), InvalidArgument, "causal");
}

#[test]
fn transposed_convolutions() {
    let one = ConvSpec::new(1);
    let (x, w) = (&[2, 4, 5][..], &[4, 3, 2][..]);
    refused!(
        transposed(x, w, &one.clone().stride(&[0]), &[0]),
        InvalidArgument,
        "conv_transpose: stride = [0]"
    );
    refused!(transposed(x, w, &one.clone().dilation(&[0]), &[0]), InvalidArgument, "dilation = [0]");
    refused!(transposed(x, w, &one.clone().groups(0), &[0]), InvalidArgument, "groups = 0");
    refused!(transposed(x, w, &one.clone().groups(3), &[0]), InvalidArgument, "groups = 3");
    refused!(transposed(x, &[3, 3, 2], &one, &[0]), ShapeMismatch);
    refused!(transposed(x, &[4, 0, 2], &one, &[0]), InvalidArgument, "weight");
    refused!(transposed(&[2, 4, 0], w, &one, &[0]), InvalidArgument, "input");
    refused!(transposed(x, w, &one, &[]), InvalidArgument, "output_padding");
    refused!(transposed(x, w, &one.clone().stride(&[2]), &[2]), InvalidArgument, "output_padding = [2]");
    assert!(transposed(x, w, &one.clone().stride(&[2]).dilation(&[3]), &[2]).is_ok());
    refused!(transposed(x, w, &one.clone().padding(&[3]), &[0]), InvalidArgument, "leaves nothing of the 6");
    refused!(transposed(x, w, &one.clone().mode(PaddingMode::Reflect), &[0]), InvalidArgument, "mode");
    refused!(transposed(x, w, &one.clone().same(), &[0]), InvalidArgument, "padding");
    refused!(transposed(&[2, 4], w, &ConvSpec::new(2), &[0, 0]), ShapeMismatch);
    let d = device();
    let (x, w) = (typed(&d, x, DType::F32), typed(&d, w, DType::F32));
    refused!(x.conv_transpose2d(&w, None, &one, &[0]), InvalidArgument, "conv_transpose2d: spec");
    let bias = typed(&d, &[4], DType::F32);
    refused!(x.conv_transpose1d(&w, Some(&bias), &one, &[0]), ShapeMismatch, "conv_transpose1d", "bias");
}

#[test]
fn gradients_and_linear_maps() {
    let d = device();
    let zeros = |shape: &[usize]| typed(&d, shape, DType::F32);
    let (x, spec) = (zeros(&[2, 4, 9]), ConvSpec::new(1));
    assert_eq!(x.conv_weight_gradient(&zeros(&[2, 3, 7]), &[3], &spec).expect("it fits").shape(), [3, 4, 3]);
    assert_eq!(
        zeros(&[0, 4, 9]).conv_weight_gradient(&zeros(&[0, 3, 7]), &[3], &spec).expect("zeros").shape(),
        [3, 4, 3]
    );
    refused!(x.conv_weight_gradient(&zeros(&[2, 3, 8]), &[3], &spec), ShapeMismatch, "conv_weight_gradient");
    refused!(x.conv_weight_gradient(&zeros(&[1, 3, 7]), &[3], &spec), ShapeMismatch);
    refused!(x.conv_weight_gradient(&zeros(&[2, 3, 7]), &[], &spec), ShapeMismatch);
    refused!(x.conv_weight_gradient(&zeros(&[2, 3, 7]), &[0], &spec), InvalidArgument);
    refused!(
        x.conv_weight_gradient(&zeros(&[2, 3, 7]), &[3], &spec.groups(0)),
        InvalidArgument,
        "groups = 0"
    );

    let w = zeros(&[5, 9]);
    assert_eq!(x.frequency_linear(&w, None).expect("it fits").shape(), [2, 4, 5]);
    assert_eq!(zeros(&[9]).frequency_linear(&w, None).expect("a row").shape(), [5]);
    assert_eq!(zeros(&[0, 9]).frequency_linear(&w, None).expect("no row").shape(), [0, 5]);
    refused!(x.frequency_linear(&zeros(&[5, 8]), None), ShapeMismatch, "frequency_linear");
    refused!(x.frequency_linear(&zeros(&[9]), None), ShapeMismatch);
    refused!(zeros(&[]).frequency_linear(&w, None), ShapeMismatch);
    refused!(zeros(&[3, 0]).frequency_linear(&zeros(&[2, 0]), None), InvalidArgument, "at least one point");
    refused!(x.frequency_linear(&w, Some(&zeros(&[9]))), ShapeMismatch, "bias");
    refused!(x.frequency_linear(&typed(&d, &[5, 9], DType::F64), None), DTypeMismatch);
    refused!(
        typed(&d, &[9], DType::I8).frequency_linear(&typed(&d, &[5, 9], DType::I8), None),
        DTypeMismatch
    );
    refused!(x.frequency_linear_batched(&zeros(&[3, 5, 9]), None), ShapeMismatch, "frequency_linear_batched");
    refused!(x.frequency_linear_batched(&w, None), ShapeMismatch);
}
