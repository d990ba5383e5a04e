//! Optimisers beside those of PyTorch.

use fft_core::{Complex64, DType, Device, Error, Tensor};
use fft_nn::layers::{Init, Parameter, Scope};
use fft_nn::optim::{AdamW, AdamWOptions, Optimiser, Sgd, SgdOptions, clip_grad_norm, grad_norm};
use serde_json::Value;

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions::default()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn tensors(device: &Device, parts: &Value) -> [Tensor; 2] {
    let (real, pairs) = (numbers(&parts[0]), numbers(&parts[1]));
    let complex: Vec<Complex64> = pairs.chunks(2).map(|p| Complex64::new(p[0], p[1])).collect();
    [
        Tensor::from_slice(device, &real, &[real.len()]).unwrap(),
        Tensor::from_slice(device, &complex, &[complex.len()]).unwrap(),
    ]
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|t| t.to_dtype(DType::C128).unwrap().to_vec::<Complex64>().unwrap());
    a.iter().zip(&b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
}

fn optimiser(name: &str, parameters: &[Parameter]) -> Box<dyn Optimiser> {
    let adamw = |options| -> Box<dyn Optimiser> { Box::new(AdamW::new(parameters, options).unwrap()) };
    let sgd = |options| -> Box<dyn Optimiser> { Box::new(Sgd::new(parameters, options).unwrap()) };
    match name {
        "adamw" => adamw(AdamWOptions { rate: 0.05, ..AdamWOptions::default() }),
        "adamw_decay" => adamw(AdamWOptions { rate: 0.1, betas: [0.8, 0.95], eps: 1e-6, weight_decay: 0.3 }),
        "sgd" => sgd(SgdOptions { rate: 0.02, ..SgdOptions::default() }),
        "momentum" => {
            sgd(SgdOptions { rate: 0.02, momentum: 0.9, weight_decay: 0.1, ..SgdOptions::default() })
        }
        "nesterov" => sgd(SgdOptions { rate: 0.02, momentum: 0.7, nesterov: true, ..SgdOptions::default() }),
        other => panic!("{other} is unknown"),
    }
}

#[test]
fn steps_are_those_of_pytorch() {
    let device = device();
    let text = include_str!("fixtures/optimisers/reference.json");
    let reference: Value = serde_json::from_str(text).unwrap();
    for case in reference["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let scope = Scope::new(&device, DType::F64, 0).unwrap();
        let start = tensors(&device, &reference["start"]);
        for (part, value) in ["real", "complex"].iter().zip(&start) {
            scope.parameter_from(part, value.clone()).unwrap();
        }
        let parameters = scope.parameters();
        let mut first = optimiser(name, &parameters);
        let steps = case["steps"].as_array().unwrap();
        for (i, step) in steps.iter().enumerate() {
            if i == 2 {
                // A new optimiser goes on from the state of the old one.
                let state = first.state().unwrap();
                first = optimiser(name, &parameters);
                let find = |name: &str| state.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone());
                first.load_state(&mut |name| Ok(find(name))).unwrap();
            }
            for (parameter, grad) in parameters.iter().zip(tensors(&device, &step["grads"])) {
                parameter.var().set_grad(Some(grad));
            }
            first.step().unwrap();
            for (parameter, want) in parameters.iter().zip(tensors(&device, &step["after"])) {
                let off = distance(&parameter.var().value(), &want);
                assert!(off < 1e-13, "{name}, step {i}, {}: off by {off}", parameter.path());
            }
            first.zero_grad();
        }
        // What a history or a user holds of the first values did not change.
        for (start, want) in start.iter().zip(tensors(&device, &reference["start"])) {
            assert_eq!(distance(start, &want), 0.0, "{name}");
        }
    }
}

#[test]
fn gradients_are_clipped_together() {
    let device = device();
    let scope = Scope::new(&device, DType::F32, 0).unwrap();
    scope.parameter("a", &[2], Init::ZEROS).unwrap();
    scope.complex_parameter("b", &[1], Init::ZEROS).unwrap();
    let parameters = scope.parameters();
    assert_eq!(grad_norm(&parameters).unwrap(), 0.0);
    parameters[0].var().set_grad(Some(Tensor::from_slice(&device, &[2f32, 4.0], &[2]).unwrap()));
    let complex = Tensor::from_slice(&device, &[fft_core::Complex32::new(1.0, 2.0)], &[1]).unwrap();
    parameters[1].var().set_grad(Some(complex));
    assert!((clip_grad_norm(&parameters, 10.0).unwrap() - 5.0).abs() < 1e-6);
    assert!((grad_norm(&parameters).unwrap() - 5.0).abs() < 1e-6);
    assert!((clip_grad_norm(&parameters, 0.5).unwrap() - 5.0).abs() < 1e-6);
    assert!((grad_norm(&parameters).unwrap() - 0.5).abs() < 1e-5);
    assert!(clip_grad_norm(&parameters, 0.0).is_err() && clip_grad_norm(&parameters, f64::NAN).is_err());
}

#[test]
fn bad_options_are_refused() {
    let device = device();
    let scope = Scope::new(&device, DType::F32, 0).unwrap();
    scope.parameter("a", &[2], Init::ZEROS).unwrap();
    let all = scope.parameters();
    for (options, word) in [
        (AdamWOptions { rate: f64::NAN, ..AdamWOptions::default() }, "rate"),
        (AdamWOptions { rate: f64::INFINITY, ..AdamWOptions::default() }, "must be finite"),
        (AdamWOptions { betas: [0.9, 1.0], ..AdamWOptions::default() }, "beta"),
        (AdamWOptions { eps: -1.0, ..AdamWOptions::default() }, "eps"),
        (AdamWOptions { weight_decay: f64::INFINITY, ..AdamWOptions::default() }, "weight_decay"),
    ] {
        assert!(AdamW::new(&all, options).unwrap_err().to_string().contains(word));
    }
    let twice = vec![(all.clone(), AdamWOptions::default()), (all.clone(), AdamWOptions::default())];
    assert!(matches!(AdamW::with_groups(twice), Err(Error::InvalidArgument { .. })));
    assert!(AdamW::new(&[], AdamWOptions::default()).is_err());
    let mut optimiser = AdamW::new(&all, AdamWOptions::default()).unwrap();
    let missing = optimiser.load_state(&mut |_| Ok(None)).unwrap_err();
    assert!(missing.to_string().contains("a.steps"), "{missing}");
}

#[test]
fn a_step_that_lacks_memory_changes_nothing() {
    const N: usize = 1 << 16;
    type Make = fn(&[Parameter]) -> Box<dyn Optimiser>;
    let adamw: Make = |all| optimiser("adamw", all);
    let momentum: Make = |all| optimiser("momentum", all);
    // Room for the large parameter, its gradient and its moments, but not for a copy of it.
    for (make, kept) in [(adamw, 4), (momentum, 3)] {
        let limit = Some(kept * 4 * N + 2 * N);
        let options = fft_cpu::CpuOptions { memory_limit: limit, ..fft_cpu::CpuOptions::default() };
        let device = fft_cpu::device(options).unwrap();
        let scope = Scope::new(&device, DType::F32, 0).unwrap();
        scope.parameter("small", &[8], Init::ONES).unwrap();
        scope.parameter("large", &[N], Init::ONES).unwrap();
        let parameters = scope.parameters();
        let mut optimiser = make(&parameters);
        for parameter in &parameters {
            let value = parameter.var().value();
            let grad = Tensor::full(&device, value.shape(), value.dtype(), 1.0).unwrap();
            parameter.var().set_grad(Some(grad));
        }
        let numbers = |optimiser: &dyn Optimiser| {
            let mut all: Vec<Tensor> = parameters.iter().map(|p| p.var().value()).collect();
            all.extend(optimiser.state().unwrap().into_iter().map(|(_, tensor)| tensor));
            all.iter().map(|t| t.to_bytes().unwrap()).collect::<Vec<_>>()
        };
        let before = numbers(&*optimiser);
        // Somebody else holds the last parameter, so that changing it needs a copy.
        let held = parameters[1].var().value();
        assert!(matches!(optimiser.step(), Err(Error::MemoryLimit { .. })));
        assert!(before == numbers(&*optimiser));
        drop(held);
        optimiser.step().unwrap();
        assert!(before != numbers(&*optimiser));
    }
}
