//! Spectral and block-circulant linear layers against the dense products of their formulas.

use fft_core::{Complex64, DType, Device, Result, Tensor};
use fft_nn::autograd::Var;
use fft_nn::layers::{
    BlockCirculantLinear, Init, Layer, Learn, LinearKind, LinearLayer, Positions, Scope, SpectralLinear,
    SpectralOptions,
};

fn cpu(threads: usize) -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(threads), memory_limit: None }).unwrap()
}

/// Numbers in `[-1, 1]` without a pattern.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    (0..count as u64)
        .map(|i| ((i * 2654435761 + seed * 40503 + i * i * 97) % 2003) as f64 / 1001.0 - 1.0)
        .collect()
}

fn real(device: &Device, shape: &[usize], seed: u64, dtype: DType) -> Tensor {
    let values = numbers(shape.iter().product(), seed);
    Tensor::from_slice(device, &values, shape).unwrap().to_dtype(dtype).unwrap()
}

fn host(t: &Tensor) -> Vec<Complex64> {
    t.to_dtype(DType::C128).unwrap().to_vec().unwrap()
}

fn distance(got: &[Complex64], want: &[Complex64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let size: f64 = want.iter().map(|w| w.norm_sqr()).sum();
    let off: f64 = got.iter().zip(want).map(|(g, w)| (g - w).norm_sqr()).sum();
    assert!(size > 0.0);
    (off / size).sqrt()
}

/// `W` of a layer by its formula, from its saved parameters.
fn dense(layer: &LinearLayer) -> Vec<f64> {
    let (m, n) = (layer.out_features(), layer.in_features());
    match layer {
        LinearLayer::Spectral(layer) => {
            let positions = layer.positions().value().to_vec::<u32>().unwrap();
            let phases = layer.phases().map(|p| p.value().to_vec::<f64>().unwrap());
            let mut w = vec![0.0; m * n];
            for (k, c) in host(&layer.coefficients().value()).into_iter().enumerate() {
                let (u, v) = (positions[2 * k] as usize, positions[2 * k + 1] as usize);
                let c = c * layer.gain() * phases.as_ref().map_or(1.0.into(), |p| Complex64::cis(p[k]));
                for (at, w) in w.iter_mut().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let turn = (u * i % m) as f64 / m as f64 + (v * j % n) as f64 / n as f64;
                    *w += (c * Complex64::cis(std::f64::consts::TAU * turn)).re / (m * n) as f64;
                }
            }
            w
        }
        LinearLayer::BlockCirculant(layer) => {
            let (c, b) = (layer.columns().value().to_vec::<f64>().unwrap(), layer.block());
            (0..m * n)
                .map(|at| (at / n, at % n))
                .map(|(i, j)| c[(i / b * (n / b) + j / b) * b + (i % b + b - j % b) % b])
                .collect()
        }
        other => panic!("{other:?} has no formula here"),
    }
}

fn kinds() -> Vec<LinearKind> {
    let mut kinds: Vec<LinearKind> = [1, 2, 3, 6].map(|block| LinearKind::BlockCirculant { block }).to_vec();
    for positions in [Positions::Random, Positions::LowPass, Positions::Block { block: 4 }] {
        for learn in [Learn::Magnitude, Learn::MagnitudeAndPhase] {
            for density in [0.001, 0.2, 1.0] {
                kinds.push(LinearKind::Spectral { density, positions, learn });
            }
        }
    }
    kinds
}

#[test]
fn runs_of_any_seed_have_the_count_of_the_density() {
    let device = cpu(1);
    for (shape, density) in [([24, 20], 0.3), ([9, 15], 0.11), ([64, 48], 0.05)] {
        let want = (density * (shape[0] * shape[1]) as f64 / 2.0) as usize;
        for seed in 0..12 {
            for block in [3, 4, 7] {
                let scope = Scope::new(&device, DType::F32, seed).unwrap();
                let positions = Positions::Block { block };
                let options = SpectralOptions { positions, ..SpectralOptions::density(density) };
                let layer = SpectralLinear::new(&scope, shape[1], shape[0], false, &options).unwrap();
                assert_eq!(layer.positions().shape()[0], want, "{shape:?}, seed {seed}, runs of {block}");
            }
        }
    }
}

const BIAS: Option<Init> = Some(Init::Uniform { bound: 0.5 });

#[test]
fn layers_equal_dense_ones_of_their_formula() -> Result<()> {
    let device = cpu(1);
    for kind in kinds() {
        for [m, n] in [[6, 12], [12, 6], [18, 30]] {
            let scope = Scope::new(&device, DType::F64, 5)?;
            let layer = kind.build(&scope.at("proj"), n, m, BIAS, 0.3)?;
            let w = dense(&layer);
            let x = Var::leaf(real(&device, &[2, 4, n], 1, DType::F64));
            let y = layer.forward(&x)?;
            assert_eq!(y.shape()[..], [2, 4, m]);
            let cotangent = real(&device, &[2, 4, m], 2, DType::F64);
            y.backward_from(cotangent.clone())?;

            let w = Tensor::from_slice(&device, &w, &[m, n])?;
            let bias = layer.bias().expect("it was asked for").value();
            let want = x.value().matmul(&w.transpose(0, 1)?)?.add(&bias)?;
            let what = format!("{kind:?} of [{m}, {n}]");
            assert!(distance(&host(&y.value()), &host(&want)) < 1e-13, "{what}");
            let grad = host(&x.grad().expect("x is a leaf"));
            assert!(distance(&grad, &host(&cotangent.matmul(&w)?)) < 1e-13, "gradient in x, {what}");
            for parameter in scope.parameters() {
                let grad = parameter.var().grad();
                assert_eq!(grad.is_some(), parameter.is_trained(), "{}, {what}", parameter.path());
                let Some(grad) = grad else { continue };
                assert!(host(&grad).iter().any(|g| g.norm() > 1e-6), "{}, {what}", parameter.path());
            }
        }
    }
    Ok(())
}

/// Relative L2 error of single precision: two transforms each way, and sums over the batch.
const SINGLE: f64 = 2e-6;

#[test]
fn single_precision_agrees_with_double() -> Result<()> {
    let (single, double) = (cpu(2), cpu(1));
    for (kind, [m, n], batch) in [
        (spectral(0.05), [96, 160], 70),
        (spectral(0.05), [160, 96], 1),
        (spectral(0.3), [97, 50], 33),
        (spectral(1.0), [64, 48], 600),
        (LinearKind::BlockCirculant { block: 4 }, [64, 96], 70),
        (LinearKind::BlockCirculant { block: 16 }, [96, 64], 3),
        (LinearKind::BlockCirculant { block: 50 }, [50, 150], 300),
    ] {
        let run = |device: &Device, dtype: DType| -> Result<Vec<Vec<Complex64>>> {
            let scope = Scope::new(device, dtype, 9)?;
            let layer = kind.build(&scope.at("proj"), n, m, None, 0.02)?;
            let x = Var::leaf(real(device, &[batch, n], 1, dtype));
            let y = layer.forward(&x)?;
            y.backward_from(real(device, &[batch, m], 2, dtype))?;
            let mut results = vec![host(&y.value()), host(&x.grad().expect("x is a leaf"))];
            let trained = scope.parameters().into_iter().filter(|p| p.is_trained());
            results.extend(trained.map(|p| host(&p.var().grad().expect("it is trained"))));
            Ok(results)
        };
        let (got, want) = (run(&single, DType::F32)?, run(&double, DType::F64)?);
        assert_eq!(want.len(), 3);
        for (what, (got, want)) in ["y", "dx", "dc"].into_iter().zip(got.iter().zip(&want)) {
            let error = distance(got, want);
            assert!(error < SINGLE, "{what} of {kind:?} [{m}, {n}] x {batch}: {error:e}");
        }
    }
    Ok(())
}

fn spectral(density: f64) -> LinearKind {
    LinearKind::Spectral { density, positions: Positions::Random, learn: Learn::MagnitudeAndPhase }
}

#[test]
fn first_values_have_the_deviation_that_was_asked_for() -> Result<()> {
    let device = cpu(1);
    let deviation = |t: &Tensor| {
        let values = host(t);
        let parts = if t.dtype().is_complex() { 2.0 } else { 1.0 };
        (values.iter().map(|v| v.norm_sqr()).sum::<f64>() / (parts * values.len() as f64)).sqrt()
    };
    let magnitude =
        LinearKind::Spectral { density: 0.25, positions: Positions::LowPass, learn: Learn::Magnitude };
    let circulant = LinearKind::BlockCirculant { block: 4 };
    for kind in [LinearKind::Dense, spectral(0.25), spectral(1.0), magnitude, circulant] {
        let scope = Scope::new(&device, DType::F32, 3)?;
        let layer = kind.build(&scope.at("up"), 256, 192, None, 0.02)?;
        let w = layer.weights()?.to_dense()?;
        assert_eq!(w.shape(), [192, 256]);
        // The estimate of a deviation from k numbers is off by about 1 / sqrt(2 k), and k is at least 6144.
        assert!((deviation(&w) / 0.02 - 1.0).abs() < 0.05, "{kind:?}: {}", deviation(&w));
        let own = deviation(&scope.parameters()[0].var().value());
        assert!((own / 0.02 - 1.0).abs() < 0.05, "{kind:?}: parameters of {own}");
    }
    Ok(())
}

#[test]
fn positions_follow_seed_and_path() -> Result<()> {
    let device = cpu(1);
    let at = |seed: u64, path: &str, positions: Positions| -> Result<Vec<u32>> {
        let scope = Scope::new(&device, DType::F32, seed)?;
        let options = SpectralOptions { positions, ..SpectralOptions::density(0.1) };
        SpectralLinear::new(&scope.at(path), 40, 30, false, &options)?.positions().value().to_vec()
    };
    for drawn in [Positions::Random, Positions::Block { block: 5 }] {
        let first = at(1, "a", drawn)?;
        assert_eq!(first, at(1, "a", drawn)?);
        assert!(first != at(2, "a", drawn)? && first != at(1, "b", drawn)?);
        assert!(first.chunks(2).all(|p| p[0] <= 15 && p[1] < 40));
        // Two indices each of 60 positions; runs of 5 may be cut short at the end of a row.
        assert!(first.len() <= 120 && first.len() > 110, "{}", first.len());
    }
    assert_eq!(at(1, "a", Positions::LowPass)?, at(2, "b", Positions::LowPass)?);
    Ok(())
}

#[test]
fn layers_start_at_given_matrices() -> Result<()> {
    let device = cpu(1);
    let (w, bias) = (real(&device, &[12, 20], 4, DType::F32), real(&device, &[12], 5, DType::F32));
    let x = Var::constant(real(&device, &[3, 20], 6, DType::F32));
    let want = host(&x.value().matmul(&w.transpose(0, 1)?)?.add(&bias)?);
    for learn in [Learn::Magnitude, Learn::MagnitudeAndPhase] {
        let error = |density: f64, positions: Positions| -> Result<f64> {
            let scope = Scope::new(&device, DType::F32, 1)?;
            let options = SpectralOptions { density, positions, learn };
            let layer = SpectralLinear::from_dense(&scope.at("fc"), &w, Some(&bias), &options)?;
            Ok(distance(&host(&layer.forward(&x)?.value()), &want))
        };
        assert!(error(1.0, Positions::TopK)? < 1e-6);
        let (best, random) = (error(0.5, Positions::TopK)?, error(0.5, Positions::Random)?);
        assert!(best < random && best > 0.05, "{best} {random}");
    }
    let scope = Scope::new(&device, DType::F32, 1)?;
    let exact = BlockCirculantLinear::from_dense(&scope.at("one"), &w, Some(&bias), 1)?;
    assert!(distance(&host(&exact.forward(&x)?.value()), &want) < 1e-6);
    let layer = BlockCirculantLinear::from_dense(&scope.at("four"), &w, None, 4)?;
    let again = BlockCirculantLinear::from_dense(&scope.at("twice"), &layer.matrix()?.to_dense()?, None, 4)?;
    let columns = |layer: &BlockCirculantLinear| host(&layer.columns().value());
    assert!(distance(&columns(&again), &columns(&layer)) < 1e-6);
    Ok(())
}

#[test]
fn the_saved_form_is_the_layer() -> Result<()> {
    let device = cpu(1);
    for kind in kinds().into_iter().chain([LinearKind::Dense]) {
        let scope = Scope::new(&device, DType::F32, 8)?;
        let layer = kind.build(&scope.at("proj"), 12, 18, None, 0.3)?;
        let x = Var::constant(real(&device, &[5, 12], 1, DType::F32));
        let want = host(&layer.forward(&x)?.value());
        let weights = layer.weights()?;
        assert_eq!([weights.out_features(), weights.in_features()], [18, 12]);
        assert!(distance(&host(&weights.apply(&x.value())?), &want) < 1e-6, "{kind:?}");
        match layer.coded()? {
            Some(coded) => assert!(distance(&host(&coded.as_weights().apply(&x.value())?), &want) < 1e-6),
            None => assert_eq!(kind, LinearKind::Dense),
        }
    }
    Ok(())
}

#[test]
fn loaded_positions_and_phases_take_effect() -> Result<()> {
    let device = cpu(1);
    let options = SpectralOptions { learn: Learn::Magnitude, ..SpectralOptions::density(0.2) };
    let build = |seed: u64| -> Result<(Scope, SpectralLinear)> {
        let scope = Scope::new(&device, DType::F32, seed)?;
        let layer = SpectralLinear::new(&scope.at("fc"), 12, 18, false, &options)?;
        Ok((scope, layer))
    };
    let ((from, saved), (to, loaded)) = (build(1)?, build(2)?);
    let x = Var::constant(real(&device, &[5, 12], 1, DType::F32));
    let want = host(&saved.forward(&x)?.value());
    assert!(distance(&host(&loaded.forward(&x)?.value()), &want) > 0.5);
    for (from, to) in from.parameters().iter().zip(to.parameters()) {
        to.var().set_value(from.var().value())?;
    }
    assert_eq!(host(&loaded.forward(&x)?.value()), want);
    Ok(())
}

#[test]
fn errors_name_the_layer() -> Result<()> {
    let device = cpu(1);
    let scope = Scope::new(&device, DType::F32, 1)?.at("model.up");
    let message = |kind: LinearKind, inputs, outputs| {
        kind.build(&scope, inputs, outputs, None, 0.02).unwrap_err().to_string()
    };
    let expect = |message: String, parts: &[&str]| {
        for part in parts.iter().chain(&["model.up"]) {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    };
    for density in [0.0, -1.0, 1.5, f64::NAN] {
        expect(message(spectral(density), 8, 8), &["density", &density.to_string(), "(0, 1]"]);
    }
    expect(message(spectral(0.5), 0, 8), &["inputs"]);
    expect(message(LinearKind::Dense, 0, 8), &["inputs"]);
    expect(message(LinearKind::BlockCirculant { block: 0 }, 8, 8), &["blocks"]);
    expect(message(LinearKind::BlockCirculant { block: 3 }, 9, 8), &["[8, 9]", "3"]);
    let kind = |positions| LinearKind::Spectral { density: 0.5, positions, learn: Learn::Magnitude };
    expect(message(kind(Positions::TopK), 8, 8), &["TopK"]);
    expect(message(kind(Positions::Block { block: 0 }), 8, 8), &["block"]);
    for kind in [LinearKind::Dense, spectral(0.5), LinearKind::BlockCirculant { block: 2 }] {
        let layer = kind.build(&scope.at(format!("{kind:?}")), 6, 8, None, 0.02)?;
        let x = Var::constant(real(&device, &[2, 8], 1, DType::F32));
        expect(layer.forward(&x).unwrap_err().to_string(), &["[2, 8]", "6"]);
    }
    let w = real(&device, &[6, 8], 1, DType::F32);
    let wrong = real(&device, &[8], 1, DType::F32);
    let half = SpectralOptions::density(0.5);
    let refused = SpectralLinear::from_dense(&scope.at("s"), &w, Some(&wrong), &half);
    expect(refused.unwrap_err().to_string(), &["bias"]);
    let refused = BlockCirculantLinear::from_dense(&scope.at("c"), &w, Some(&wrong), 2);
    expect(refused.unwrap_err().to_string(), &["bias"]);
    expect(
        SpectralLinear::from_dense(&scope.at("v"), &wrong, None, &half).unwrap_err().to_string(),
        &["matrix"],
    );
    Ok(())
}
