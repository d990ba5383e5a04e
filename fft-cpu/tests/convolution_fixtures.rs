//! Convolutions against values that PyTorch computed; `fixtures/convolutions.py` says how.
//!
//! Bound of the relative L2 error: `4 epsilon log2(4096)`, 1e-14 for `F64` and 6e-6 for `F32`: three transforms of the longest tile here and
//! the rounding of their product; the direct way stays below it by far.

use std::collections::HashMap;

use fft_core::convolution::{Conv, ConvMethod, ConvSpec, PaddingMode};
use fft_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

/// The tensors of one case.
type Case = HashMap<String, (Vec<f64>, Vec<usize>)>;

fn case(name: &str) -> Case {
    let file =
        SafeTensors::deserialize(include_bytes!("fixtures/convolutions.safetensors")).expect("a fixture");
    let mut found = Case::new();
    for (key, view) in file.iter() {
        if let Some((_, part)) = key.split_once('.').filter(|(case, _)| *case == name) {
            let values =
                view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")));
            found.insert(part.into(), (values.collect(), view.shape().to_vec()));
        }
    }
    assert!(found.contains_key("out"), "{name}");
    found
}

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(2), ..Default::default() })
        .expect("a processor opens")
}

struct Fixture {
    case: Case,
    device: Device,
    dtype: DType,
}

impl Fixture {
    fn new(name: &str, dtype: DType) -> Self {
        Self { case: case(name), device: device(), dtype }
    }

    fn get(&self, part: &str) -> Tensor {
        self.find(part).expect(part)
    }

    fn find(&self, part: &str) -> Option<Tensor> {
        let (values, shape) = self.case.get(part)?;
        let tensor = Tensor::from_slice(&self.device, values, shape).and_then(|t| t.to_dtype(self.dtype));
        Some(tensor.expect("a small tensor"))
    }

    /// The relative L2 error against `part` is within the bound.
    fn same(&self, what: &str, got: &Tensor, part: &str) {
        let (want, shape) = &self.case[part];
        assert_eq!(got.shape(), shape, "{what}");
        let got: Vec<f64> = got.to_dtype(DType::F64).and_then(|t| t.to_vec()).expect("values");
        let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
        let size: f64 = want.iter().map(|w| w * w).sum();
        let bound = 4.0 * self.dtype.epsilon() * 4096f64.log2();
        let relative = (error / size).sqrt();
        assert!(relative <= bound, "{what}, {:?}: relative error {relative:e} above {bound:e}", self.dtype);
    }
}

/// Every method: direct, one whole transform, and tiles a little longer than the kernel reaches.
fn methods(axes: usize, reach: &[usize]) -> Vec<ConvMethod> {
    let extra = |n: usize| reach.iter().map(|r| r + n).collect::<Vec<_>>();
    let mut methods = vec![ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft];
    for n in [1, 2, 5, 64] {
        methods.push(ConvMethod::tiles(&extra(n)));
    }
    assert_eq!(reach.len(), axes);
    methods
}

fn convolutions(name: &str, spec: &ConvSpec, reach: &[usize]) {
    for dtype in [DType::F64, DType::F32] {
        let f = Fixture::new(name, dtype);
        let (x, w, bias) = (f.get("in0"), f.get("in1"), f.find("in2"));
        for method in methods(spec.axes(), reach) {
            let what = format!("{name} {method:?}");
            let y = x.conv_with(&w, bias.as_ref(), spec, &method).expect(&what);
            f.same(&what, &y, "out");
            let prepared = Conv::new(w.clone(), bias.clone(), spec.clone()).expect(&what).with_method(method);
            f.same(&what, &prepared.apply(&x).expect(&what), "out");
        }
    }
}

#[test]
fn one_dimension() {
    let spec = ConvSpec::new(1).stride(&[2]).padding(&[3]).dilation(&[2]);
    convolutions("conv1d", &spec, &[9]);
    convolutions("conv1d_groups", &ConvSpec::new(1).padding(&[2]).groups(2), &[5]);
    convolutions("same1d", &ConvSpec::new(1).dilation(&[3]).same(), &[10]);
}

#[test]
fn two_and_three_dimensions() {
    convolutions("conv2d", &ConvSpec::new(2).stride(&[2, 1]).padding(&[3, 2]), &[7, 5]);
    convolutions("conv2d_depthwise", &ConvSpec::new(2).padding(&[3, 3]).groups(3), &[7, 7]);
    convolutions("conv3d", &ConvSpec::new(3).padding(&[1, 1, 1]), &[3, 3, 3]);
}

#[test]
fn padding_modes() {
    for (name, mode) in [
        ("circular2d", PaddingMode::Circular),
        ("reflect2d", PaddingMode::Reflect),
        ("replicate2d", PaddingMode::Replicate),
    ] {
        let spec = ConvSpec::new(2).padding_sides(&[[1, 4], [3, 2]]).mode(mode);
        convolutions(name, &spec.stride(&[1, 2]).dilation(&[2, 1]), &[5, 4]);
    }
}

#[test]
fn causal() {
    for dtype in [DType::F64, DType::F32] {
        let f = Fixture::new("causal_conv", dtype);
        // The convolution of signal processing: the kernel reversed.
        let kernel = f.get("in1").step(1, -1).and_then(|k| k.unsqueeze(1)).expect("a view");
        for method in methods(1, &[20]) {
            let spec = ConvSpec::new(1).groups(3).causal();
            let y = f.get("in0").conv_with(&kernel, None, &spec, &method).expect("a convolution");
            f.same(&format!("causal {method:?}"), &y, "out");
        }
    }
}

fn transposed(name: &str, spec: &ConvSpec, output_padding: &[usize], reach: &[usize]) {
    for dtype in [DType::F64, DType::F32] {
        let f = Fixture::new(name, dtype);
        let (x, w, bias) = (f.get("in0"), f.get("in1"), f.find("in2"));
        for method in methods(spec.axes(), reach) {
            let what = format!("{name} {method:?}");
            let y = x.conv_transpose_with(&w, bias.as_ref(), spec, output_padding, &method).expect(&what);
            f.same(&what, &y, "out");
        }
    }
}

#[test]
fn transposed_convolutions() {
    let spec = ConvSpec::new(1).stride(&[3]).padding(&[2]).groups(2).dilation(&[2]);
    transposed("transposed1d", &spec, &[1], &[9]);
    let spec = ConvSpec::new(2).stride(&[2, 1]).padding(&[1, 0]).dilation(&[1, 3]);
    transposed("transposed2d", &spec, &[1, 0], &[4, 7]);
    let spec = ConvSpec::new(3).stride(&[2, 2, 2]).padding(&[1, 1, 1]).dilation(&[2, 1, 1]);
    transposed("transposed3d", &spec, &[0, 0, 0], &[3, 3, 3]);
}

#[test]
fn gradients_are_convolutions() {
    for (name, spec, output_padding) in [
        ("conv1d", ConvSpec::new(1).stride(&[2]).padding(&[3]).dilation(&[2]), vec![0]),
        ("conv1d_groups", ConvSpec::new(1).padding(&[2]).groups(2), vec![0]),
        ("conv2d", ConvSpec::new(2).stride(&[2, 1]).padding(&[3, 2]), vec![0, 0]),
        ("conv2d_depthwise", ConvSpec::new(2).padding(&[3, 3]).groups(3), vec![0, 0]),
        ("conv3d", ConvSpec::new(3).padding(&[1, 1, 1]), vec![0, 0, 0]),
    ] {
        for dtype in [DType::F64, DType::F32] {
            let f = Fixture::new(name, dtype);
            let (dy, w) = (f.get("cotangent"), f.get("in1"));
            let dx = dy.conv_transpose(&w, None, &spec, &output_padding).expect(name);
            // A stride may leave the last elements of the input unseen: their gradient is 0, as `output_padding` gives it.
            f.same(name, &dx, "grad0");
            let dw = f.get("in0").conv_weight_gradient(&dy, &w.shape()[2..], &spec).expect(name);
            f.same(name, &dw, "grad1");
        }
    }
}
