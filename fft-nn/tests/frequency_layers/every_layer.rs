//! What holds for every layer: gradients reach all parameters, first values follow from the seed, what does not fit is named.

use std::collections::BTreeSet;

use fft_core::convolution::ConvSpec;
use fft_core::{DType, Result};
use fft_nn::autograd::Var;
use fft_nn::layers::{
    Activation, AttentionOptions, BlockCirculantLinear, CausalFNetMixing, ComplexLinear, Conv, Dropout,
    FNetMixing, FrequencyAttention, FrequencyLayerNorm, FrequencyRelu, FrequencyTransformerConfig,
    FrequencyTransformerLayer, GlobalFilter2d, Init, Layer, LayerNorm, Linear, LinearKind, LongConv,
    MultiHeadAttention, RmsNorm, Scope, SpectralConv, SpectralLinear, SpectralOptions, SwiGlu,
    TransformerBlock,
};

use super::{complex, cpu, real};

/// A layer, and something that it takes.
struct Case {
    name: &'static str,
    make: fn(&Scope) -> Result<Box<dyn Layer>>,
    x: Var,
    /// Whether outputs must not depend on later positions of axis 1, or 2 where channels come first.
    causal: Option<usize>,
}

fn boxed(layer: Result<impl Layer + 'static>) -> Result<Box<dyn Layer>> {
    Ok(Box::new(layer?))
}

fn cases() -> Vec<Case> {
    let tokens = || real(&[2, 6, 4], 1);
    let case = |name, make, x, causal| Case { name, make, x, causal };
    vec![
        case("Linear", |s| boxed(Linear::new(s, 4, 3, true)), tokens(), Some(1)),
        case("Activation", |_| boxed(Ok(Activation::Gelu)), tokens(), Some(1)),
        case("Dropout", |s| boxed(Dropout::new(s, 0.5)), tokens(), None),
        case("Conv", |s| boxed(Conv::new(s, 6, 3, [2], ConvSpec::new(1).causal(), true)), tokens(), Some(2)),
        case(
            "Conv",
            |s| boxed(Conv::new(s, 2, 2, [2, 2], ConvSpec::new(2), true)),
            real(&[1, 2, 4, 4], 2),
            None,
        ),
        case("SpectralConv", |s| boxed(SpectralConv::new(s, 6, 3, [2])), tokens(), None),
        case("SpectralConv", |s| boxed(SpectralConv::new(s, 2, 3, [2, 2])), real(&[1, 2, 4, 5], 3), None),
        case("LongConv", |s| boxed(LongConv::explicit(s, 4, 6)), tokens(), Some(1)),
        case("LongConv", |s| boxed(LongConv::implicit(s, 4, 6, 2, 5)), tokens(), Some(1)),
        case("GlobalFilter2d", |s| boxed(GlobalFilter2d::new(s, 6, 4, 3)), real(&[2, 6, 4, 3], 4), None),
        case("FNetMixing", |s| boxed(Ok(FNetMixing::new(s))), tokens(), None),
        case("CausalFNetMixing", |s| boxed(CausalFNetMixing::new(s, 16)), tokens(), Some(1)),
        case("ComplexLinear", |s| boxed(ComplexLinear::new(s, 4, 3, true)), complex(&[2, 6, 4], 5), Some(1)),
        case("FrequencyRelu", |s| boxed(FrequencyRelu::new(s, 4)), complex(&[2, 6, 4], 6), Some(1)),
        case(
            "FrequencyLayerNorm",
            |s| boxed(FrequencyLayerNorm::new(s, 4, 1e-6)),
            complex(&[2, 6, 4], 7),
            Some(1),
        ),
        case(
            "SpectralLinear",
            |s| boxed(SpectralLinear::new(s, 4, 3, true, &SpectralOptions::density(0.6))),
            tokens(),
            Some(1),
        ),
        case(
            "BlockCirculantLinear",
            |s| boxed(BlockCirculantLinear::new(s, 4, 6, 2, true)),
            tokens(),
            Some(1),
        ),
        case(
            "LinearLayer",
            |s| boxed(LinearKind::Dense.build(s, 4, 3, Some(Init::ONES), 0.1)),
            tokens(),
            Some(1),
        ),
        case("RmsNorm", |s| boxed(RmsNorm::new(s, 4, 1e-6)), tokens(), Some(1)),
        case("LayerNorm", |s| boxed(LayerNorm::new(s, 4, 1e-6)), tokens(), Some(1)),
        case("MultiHeadAttention", |s| boxed(MultiHeadAttention::new(s, ATTENTION)), tokens(), Some(1)),
        case(
            "SwiGlu",
            |s| boxed(SwiGlu::new(s, 4, 6, LinearKind::BlockCirculant { block: 2 }, 0.5)),
            tokens(),
            Some(1),
        ),
        case(
            "TransformerBlock",
            |s| {
                let mixer = LongConv::explicit(&s.at("mixer"), 4, 6)?;
                boxed(TransformerBlock::new(s, mixer, [4, 6], LinearKind::Dense, 0.5, 1e-6))
            },
            tokens(),
            Some(1),
        ),
        case("FrequencyAttention", |s| boxed(FrequencyAttention::circular(s, 4, 2)), tokens(), None),
        case("FrequencyAttention", |s| boxed(FrequencyAttention::causal(s, 4, 2, 5)), tokens(), Some(1)),
        case(
            "FrequencyTransformerLayer",
            |s| boxed(FrequencyTransformerLayer::new(s, TRANSFORMER)),
            complex(&[2, 6, 4], 9),
            None,
        ),
    ]
}

const ATTENTION: AttentionOptions = AttentionOptions {
    features: 4,
    heads: 4,
    kv_heads: 2,
    head_dim: 2,
    causal: true,
    rope: Some((10.0, 16)),
    bias: true,
    linear: LinearKind::Dense,
    std: 0.5,
};

const TRANSFORMER: FrequencyTransformerConfig =
    FrequencyTransformerConfig { width: 4, heads: 2, hidden: 5, dropout: 0.1 };

/// A real number that depends on all of `y`, differently on each element.
fn loss(y: &Var) -> Var {
    let weights = if y.dtype().is_complex() { complex(&y.shape(), 50) } else { real(&y.shape(), 50) };
    y.mul(&weights).unwrap().real().unwrap().sin().unwrap().sum_all().unwrap()
}

#[test]
fn every_layer_is_listed() {
    let mut found = BTreeSet::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/layers")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let name = line.strip_prefix("impl").and_then(|rest| rest.split_once("Layer for "));
                if let Some((_, name)) = name {
                    found.insert(name.split(['<', ' ']).next().unwrap().to_owned());
                }
            }
        }
    }
    let listed: BTreeSet<String> = cases().iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(found, listed, "layers of the sources, and of this list");
}

#[test]
fn a_gradient_reaches_every_parameter_and_the_input() {
    for case in cases() {
        let scope = Scope::new(&cpu(), DType::F64, 3).unwrap().at("layer");
        let layer = (case.make)(&scope).unwrap();
        scope.mode().train();
        let x = Var::leaf(case.x.value());
        loss(&layer.forward(&x).unwrap()).backward().unwrap();
        let parameters = scope.parameters();
        let vars = parameters.iter().filter(|p| p.is_trained()).map(|p| (p.path(), p.var()));
        for (path, var) in vars.chain([("its input", &x)]) {
            let grad = var.grad().unwrap_or_else(|| panic!("{}: {path} has no gradient", case.name));
            let sizes: Vec<f64> = grad.abs().unwrap().to_vec().unwrap();
            assert!(sizes.iter().all(|g| g.is_finite()), "{}: {path}", case.name);
            assert!(sizes.iter().any(|&g| g > 0.0), "{}: the gradient of {path} is 0", case.name);
        }
    }
}

#[test]
fn causal_layers_do_not_see_what_comes() {
    for case in cases() {
        let Some(axis) = case.causal else { continue };
        let scope = Scope::new(&cpu(), DType::F64, 3).unwrap();
        let layer = (case.make)(&scope).unwrap();
        let y = layer.forward(&case.x).unwrap();
        let length = case.x.shape()[axis];
        for seen in 1..length {
            // The rest is replaced by large numbers, which leave rounding of transforms only.
            let mut rest = case.x.shape();
            rest[axis] = length - seen;
            let rest = if case.x.dtype().is_complex() { complex(&rest, 8) } else { real(&rest, 8) };
            let x = Var::cat(&[&case.x.narrow(axis, 0, seen).unwrap(), &rest.scale(100.0).unwrap()], axis)
                .unwrap();
            let other = layer.forward(&x).unwrap();
            let first = |y: &Var| y.narrow(axis, 0, seen).unwrap();
            let off = first(&y).sub(&first(&other)).unwrap().abs().unwrap();
            let off: Vec<f64> = off.value().to_vec().unwrap();
            assert!(off.iter().all(|&d| d < 1e-11), "{}: {off:?}", case.name);
            let last = |y: &Var| y.narrow(axis, seen, length - seen).unwrap();
            let moved: Vec<f64> =
                last(&y).sub(&last(&other)).unwrap().abs().unwrap().value().to_vec().unwrap();
            assert!(moved.iter().any(|&d| d > 1e-3), "{}: nothing changed", case.name);
            // Nor does a shorter sequence give others.
            let short = layer.forward(&case.x.narrow(axis, 0, seen).unwrap()).unwrap();
            let off = first(&y).sub(&short).unwrap().abs().unwrap();
            let off: Vec<f64> = off.value().to_vec().unwrap();
            assert!(off.iter().all(|&d| d < 1e-12), "{}: {off:?}", case.name);
        }
    }
}

#[test]
fn first_values_follow_from_the_seed() {
    let draw = |case: &Case, seed: u64| -> Vec<Vec<u8>> {
        let scope = Scope::new(&cpu(), DType::F64, seed).unwrap();
        (case.make)(&scope).unwrap();
        scope.parameters().iter().map(|p| p.var().value().to_bytes().unwrap()).collect()
    };
    for case in cases() {
        let values = draw(&case, 1);
        assert_eq!(values, draw(&case, 1), "{}", case.name);
        let norms = ["FrequencyLayerNorm", "FrequencyRelu", "RmsNorm", "LayerNorm"];
        if !values.is_empty() && !norms.contains(&case.name) {
            assert_ne!(values, draw(&case, 2), "{}", case.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    for case in cases() {
        // These take anything, or say what the layer within says.
        if ["Activation", "Dropout", "LinearLayer", "SwiGlu", "TransformerBlock"].contains(&case.name) {
            continue;
        }
        let scope = Scope::new(&cpu(), DType::F64, 3).unwrap().at("model").at("block");
        let layer = (case.make)(&scope).unwrap();
        let is_complex = case.x.dtype().is_complex();
        // Of a shape that no layer of the list takes, and of another dtype.
        let shape = if is_complex { complex(&[2, 2, 3, 9, 7], 1) } else { real(&[2, 2, 3, 9, 7], 1) };
        let dtype = case.x.to_dtype(if is_complex { DType::C64 } else { DType::F32 }).unwrap();
        for wrong in [shape, dtype] {
            let message = layer.forward(&wrong).unwrap_err().to_string();
            assert!(message.contains(case.name), "{}: {message}", case.name);
            assert!(message.contains("layer model.block takes"), "{}: {message}", case.name);
        }
    }
}

#[test]
fn sizes_beyond_any_memory_are_errors() {
    let device =
        fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), memory_limit: Some(1 << 20) }).unwrap();
    let scope = || Scope::new(&device, DType::F32, 0).unwrap();
    let long = 1 << 40;
    for most in [usize::MAX, usize::MAX / 2 + 1, 1 << 40] {
        let (one, two) = (ConvSpec::new(1), ConvSpec::new(2));
        let made = [
            boxed(Conv::<1>::new(&scope(), most, most, [most], one, true)),
            boxed(Conv::<2>::new(&scope(), 1, 1, [most, 3], two, true)),
            boxed(SpectralConv::<2>::new(&scope(), 1, 1, [most, 3])),
            boxed(LongConv::explicit(&scope(), most, 4)),
            boxed(LongConv::implicit(&scope(), 2, 4, most, 3)),
            boxed(LongConv::implicit(&scope(), 2, long, 1, 3)),
            boxed(FrequencyAttention::causal(&scope(), most, most, 3)),
            boxed(FrequencyAttention::causal(&scope(), 2, 1, most)),
        ];
        for (i, layer) in made.into_iter().enumerate() {
            assert!(layer.is_err(), "layer {i} of {most}");
        }
    }
}
