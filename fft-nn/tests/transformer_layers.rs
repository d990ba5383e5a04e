//! Layers of transformers beside their formulas, written out.

use std::sync::OnceLock;

use fft_core::{Complex64, DType, Device, Tensor};
use fft_nn::autograd::Var;
use fft_nn::layers::{
    AttentionOptions, Embedding, Init, Layer, LayerNorm, LinearKind, MultiHeadAttention, RmsNorm, Scope,
    SwiGlu,
};
use fft_nn::random::Random;

fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| fft_cpu::device(fft_cpu::CpuOptions::default()).unwrap()).clone()
}

fn normal(shape: &[usize], seed: u64) -> Var {
    let init = Init::Normal { std: 1.0 };
    Var::constant(init.tensor(&device(), shape, DType::F64, &mut Random::new(seed)).unwrap())
}

fn values(x: &Var) -> Vec<f64> {
    x.value().contiguous().unwrap().to_vec().unwrap()
}

fn parameter(scope: &Scope, path: &str) -> Vec<f64> {
    values(scope.parameters().iter().find(|p| p.path() == path).unwrap_or_else(|| panic!("{path}")).var())
}

/// `x W^T` for rows `x`.
fn product(x: &[f64], w: &[f64], inputs: usize) -> Vec<f64> {
    x.chunks(inputs)
        .flat_map(|x| w.chunks(inputs).map(|w| x.iter().zip(w).map(|(x, w)| x * w).sum()))
        .collect()
}

fn assert_near(found: &[f64], want: &[f64]) {
    assert_eq!(found.len(), want.len());
    let off: f64 = found.iter().zip(want).map(|(a, b)| (a - b).powi(2)).sum();
    let size: f64 = want.iter().map(|b| b * b).sum();
    assert!((off / size).sqrt() < 1e-7, "off by {}", (off / size).sqrt());
}

/// Attention by the definition: loops over heads, positions and pairs of channels that turn.
fn attention(x: &[f64], scope: &Scope, o: &AttentionOptions, t: usize, mask: Option<&[f64]>) -> Vec<f64> {
    let AttentionOptions { features, heads, kv_heads, head_dim: d, .. } = *o;
    let project = |name: &str| product(x, &parameter(scope, &format!("{name}.weight")), features);
    let (mut q, mut k, v) = (project("q_proj"), project("k_proj"), project("v_proj"));
    if let Some((theta, _)) = o.rope {
        for (rows, heads) in [(&mut q, heads), (&mut k, kv_heads)] {
            for (row, rows) in rows.chunks_mut(heads * d).enumerate() {
                for head in rows.chunks_mut(d) {
                    for i in 0..d / 2 {
                        let frequency = theta.powf(-2.0 * i as f64 / d as f64) as f32;
                        let turn = Complex64::from_polar(1.0, f64::from((row % t) as f32 * frequency));
                        let z = Complex64::new(head[i], head[i + d / 2]) * turn;
                        (head[i], head[i + d / 2]) = (z.re, z.im);
                    }
                }
            }
        }
    }
    let batch = x.len() / features / t;
    let mut mixed = vec![0.0; batch * t * heads * d];
    for b in 0..batch {
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            for i in 0..t {
                let query = &q[((b * t + i) * heads + h) * d..][..d];
                let last = if o.causal { i + 1 } else { t };
                let score = |j: usize| {
                    let key = &k[((b * t + j) * kv_heads + g) * d..][..d];
                    let dot: f64 = query.iter().zip(key).map(|(a, b)| a * b).sum();
                    (dot / (d as f64).sqrt() + mask.map_or(0.0, |m| m[i * t + j])).exp()
                };
                let weights: Vec<f64> = (0..last).map(score).collect();
                let sum: f64 = weights.iter().sum();
                for (j, weight) in weights.iter().enumerate() {
                    for c in 0..d {
                        let value = v[((b * t + j) * kv_heads + g) * d + c];
                        mixed[((b * t + i) * heads + h) * d + c] += weight / sum * value;
                    }
                }
            }
        }
    }
    product(&mixed, &parameter(scope, "o_proj.weight"), heads * d)
}

const OWN: AttentionOptions = AttentionOptions {
    features: 6,
    heads: 4,
    kv_heads: 2,
    head_dim: 4,
    causal: true,
    rope: Some((10_000.0, 32)),
    bias: false,
    linear: LinearKind::Dense,
    std: 0.4,
};

#[test]
fn attention_is_its_definition() {
    let mask: Vec<f64> = (0..49)
        .map(|i| if i % 5 == 3 && i % 8 != 0 { f64::NEG_INFINITY } else { 0.1 * f64::from(i % 3) })
        .collect();
    for options in [
        OWN,
        AttentionOptions { causal: false, ..OWN },
        AttentionOptions { rope: None, kv_heads: 4, ..OWN },
        AttentionOptions { heads: 1, kv_heads: 1, head_dim: 6, ..OWN },
    ] {
        let scope = Scope::new(&device(), DType::F64, 1).unwrap();
        let layer = MultiHeadAttention::new(&scope, options).unwrap();
        let x = normal(&[2, 7, 6], 2);
        let want = attention(&values(&x), &scope, &options, 7, None);
        assert_near(&values(&layer.forward(&x).unwrap()), &want);
        let masked = layer
            .forward_masked(&x, &Var::constant(Tensor::from_slice(&device(), &mask, &[7, 7]).unwrap()))
            .unwrap();
        assert_near(&values(&masked), &attention(&values(&x), &scope, &options, 7, Some(&mask)));
    }
}

#[test]
fn attention_token_by_token_is_that_of_the_whole() {
    let own = AttentionOptions { rope: Some((10_000.0, 80)), bias: true, ..OWN };
    // Longer than the cache's first buffers.
    const T: usize = 70;
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        for options in [
            own,
            AttentionOptions { rope: None, kv_heads: 4, ..own },
            AttentionOptions { heads: 1, kv_heads: 1, head_dim: 6, ..own },
        ] {
            let scope = Scope::new(&device(), dtype, 1).unwrap();
            let layer = MultiHeadAttention::new(&scope, options).unwrap();
            let x = normal(&[3, T, 6], 2).value().to_dtype(dtype).unwrap();
            let whole = layer.forward(&Var::constant(x.clone())).unwrap().value();
            for pieces in [vec![1; T], vec![5, 1, 1, 60, 3], vec![T]] {
                let mut cache = layer.new_cache(3, T).unwrap();
                for round in 0..2 {
                    let mut parts = Vec::new();
                    for &piece in &pieces {
                        let part = x.narrow(1, cache.len(), piece).unwrap();
                        parts.push(layer.forward_cached(&part, &mut cache).unwrap());
                    }
                    let found = Tensor::cat(&parts, 1).unwrap().sub(&whole).unwrap();
                    let size = |t: &Tensor| {
                        t.to_dtype(DType::F64).unwrap().sum_of_squares().unwrap().to_scalar::<f64>().unwrap()
                    };
                    let off = (size(&found) / size(&whole)).sqrt();
                    assert!(off < bound, "{dtype}, {options:?}, round {round}: off by {off}");
                    let full = layer.forward_cached(&x.narrow(1, 0, 1).unwrap(), &mut cache).unwrap_err();
                    assert!(full.to_string().contains("70 positions"), "{full}");
                    assert_eq!(cache.len(), T);
                    cache.clear();
                }
            }
        }
    }
    let scope = Scope::new(&device(), DType::F64, 1).unwrap();
    let layer = MultiHeadAttention::new(&scope.at("self_attn"), own).unwrap();
    let x = normal(&[2, 3, 6], 2).value();
    let mut cache = layer.new_cache(2, 8).unwrap();
    scope.mode().train();
    let training = layer.forward_cached(&x, &mut cache).unwrap_err().to_string();
    assert!(training.contains("training") && training.contains("self_attn"), "{training}");
    scope.mode().eval();
    assert!(layer.new_cache(2, 81).unwrap_err().to_string().contains("80 positions"));
    assert!(layer.new_cache(0, 8).is_err());
    let other = layer.forward_cached(&x.narrow(0, 0, 1).unwrap(), &mut cache).unwrap_err().to_string();
    assert!(other.contains("another batch or layer"), "{other}");
    let free = AttentionOptions { causal: false, ..own };
    let free = MultiHeadAttention::new(&scope.at("free"), free).unwrap();
    assert!(free.forward_cached(&x, &mut cache).unwrap_err().to_string().contains("causal = false"));
    // No refusal has touched it.
    assert!(cache.is_empty());
    layer.forward_cached(&x, &mut cache).unwrap();
    assert_eq!(cache.len(), 3);
}

#[test]
fn norms_and_feed_forward_layers_are_their_formulas() {
    let scope = Scope::new(&device(), DType::F64, 1).unwrap();
    let (rms, layer) = (
        RmsNorm::new(&scope.at("rms"), 5, 0.1).unwrap(),
        LayerNorm::new(&scope.at("layer"), 5, 0.1).unwrap(),
    );
    for (i, p) in scope.parameters().iter().enumerate() {
        p.var().set_value(normal(&[5], 10 + i as u64).value()).unwrap();
    }
    let x = normal(&[2, 3, 5], 3);
    let eps = f64::from(0.1f32);
    let [weight, own, bias] =
        ["rms.weight", "layer.weight", "layer.bias"].map(|path| parameter(&scope, path));
    let rows = values(&x);
    let want: Vec<f64> = rows
        .chunks(5)
        .flat_map(|row| {
            let r = (row.iter().map(|x| x * x).sum::<f64>() / 5.0 + eps).sqrt();
            row.iter().zip(&weight).map(move |(x, w)| x / r * w)
        })
        .collect();
    assert_near(&values(&rms.forward(&x).unwrap()), &want);
    let want: Vec<f64> = rows
        .chunks(5)
        .flat_map(|row| {
            let mean = row.iter().sum::<f64>() / 5.0;
            let r = (row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 5.0 + eps).sqrt();
            row.iter().zip(&own).zip(&bias).map(move |((x, w), b)| (x - mean) / r * w + b)
        })
        .collect();
    assert_near(&values(&layer.forward(&x).unwrap()), &want);

    let scope = Scope::new(&device(), DType::F64, 4).unwrap();
    let mlp = SwiGlu::new(&scope, 5, 7, LinearKind::Dense, 0.6).unwrap();
    let [gate, up] =
        ["gate_proj", "up_proj"].map(|name| product(&rows, &parameter(&scope, &format!("{name}.weight")), 5));
    let inner: Vec<f64> = gate.iter().zip(&up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
    let want = product(&inner, &parameter(&scope, "down_proj.weight"), 7);
    assert_near(&values(&mlp.forward(&x).unwrap()), &want);
}

#[test]
fn what_does_not_fit_is_named() {
    let scope = Scope::new(&device(), DType::F64, 1).unwrap();
    let own = OWN;
    for (i, (options, word)) in [
        (AttentionOptions { kv_heads: 3, ..own }, "kv_heads = 3"),
        (AttentionOptions { heads: 0, ..own }, "heads = 0"),
        (AttentionOptions { head_dim: 3, ..own }, "head_dim = 3"),
        (AttentionOptions { heads: usize::MAX / 2 + 1, ..own }, "too large"),
        (AttentionOptions { linear: LinearKind::BlockCirculant { block: 5 }, ..own }, "q_proj"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = MultiHeadAttention::new(&scope.at(format!("a{i}")), options).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains(&format!("a{i}")), "{word} is not in: {error}");
    }
    let layer = MultiHeadAttention::new(&scope.at("attention"), own).unwrap();
    let error = layer.forward(&normal(&[2, 7, 5], 1)).unwrap_err().to_string();
    assert!(error.contains("layer attention") && error.contains("[2, 7, 5]"), "{error}");
    for (shape, word) in [([1, 33, 6], "length = 33"), ([1, 0, 6], "at least one of length")] {
        let mut cache = layer.new_cache(1, 8).unwrap();
        for error in [
            layer.forward(&normal(&shape, 1)).unwrap_err(),
            layer.forward_cached(&normal(&shape, 1).value(), &mut cache).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(error.contains("layer attention") && error.contains(word), "{word} is not in: {error}");
        }
        assert!(cache.is_empty());
    }
    let error =
        layer.forward_masked(&normal(&[1, 7, 6], 1), &normal(&[3, 1, 7, 7], 2)).unwrap_err().to_string();
    assert!(error.contains("layer attention") && error.contains("[3, 1, 7, 7]"), "{error}");
    let table = Embedding::new(&scope.at("table"), 3, 2, Init::ONES).unwrap();
    let error = table.forward(&[0, 3]).unwrap_err().to_string();
    assert!(error.contains("layer table") && error.contains("id = 3"), "{error}");
    assert!(Embedding::new(&scope.at("empty"), 0, 2, Init::ONES).is_err());
    for (features, eps, word) in [(0, 1e-5, "features"), (5, f32::NAN, "eps"), (5, -1.0, "eps")] {
        let scope = scope.at(format!("{word}{eps}"));
        for error in [
            RmsNorm::new(&scope, features, eps).unwrap_err(),
            LayerNorm::new(&scope, features, eps).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(error.contains(word) && error.contains(scope.path()), "{error}");
        }
    }
    let error = RmsNorm::new(&scope.at("norm"), 5, 1e-5).unwrap().forward(&normal(&[4], 1)).unwrap_err();
    assert!(error.to_string().contains("norm"), "{error}");
}
