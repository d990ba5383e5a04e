//! Attention by lag.

use fft_core::Complex64;
use fft_nn::layers::{
    FrequencyAttention, FrequencyTransformerConfig, FrequencyTransformerLayer, Layer, Scope,
};

use super::{close, close_real, complex, indices, numbers, real, scope, turn, values};

fn parameter(scope: &Scope, path: &str) -> Vec<Complex64> {
    let parameters = scope.parameters();
    let found = parameters.iter().find(|p| p.path() == format!("{}.{path}", scope.path()));
    numbers(found.unwrap_or_else(|| panic!("no {path}")).var())
}

/// The rows of `x` through the linear layer `name`.
fn linear(scope: &Scope, name: &str, x: &[Complex64]) -> Vec<Complex64> {
    let (w, b) = (parameter(scope, &format!("{name}.weight")), parameter(scope, &format!("{name}.bias")));
    let inputs = w.len() / b.len();
    let row = |x: &[Complex64]| -> Vec<Complex64> {
        let sum = |o: usize| x.iter().zip(&w[o * inputs..]).map(|(x, w)| x * w).sum::<Complex64>();
        (0..b.len()).map(|o| b[o] + sum(o)).collect()
    };
    x.chunks(inputs).flat_map(row).collect()
}

const WIDTH: usize = 6;
const HEADS: usize = 2;
const DIM: usize = WIDTH / HEADS;

/// `sum over the channels of a head of f(channel)`.
fn over_head(head: usize, f: impl Fn(usize) -> Complex64) -> Complex64 {
    (head * DIM..(head + 1) * DIM).map(f).sum()
}

#[test]
fn circular_attention_weighs_lags_by_correlation() {
    let scope = scope();
    let layer = FrequencyAttention::circular(&scope, WIDTH, HEADS).unwrap();
    for length in [1, 5, 6] {
        let x = real(&[2, length, WIDTH], 1).scale(2.0).unwrap();
        let mut expected = Vec::new();
        for x in numbers(&x).chunks(length * WIDTH) {
            let [q, k, v] = ["query", "key", "value"].map(|name| linear(&scope, name, x));
            let mut y = vec![Complex64::ZERO; length * WIDTH];
            for head in 0..HEADS {
                let score = |lag: usize| -> f64 {
                    let at =
                        |t: usize| over_head(head, |c| q[(t + lag) % length * WIDTH + c] * k[t * WIDTH + c]);
                    (0..length).map(at).sum::<Complex64>().re / ((length * DIM) as f64).sqrt()
                };
                let weights: Vec<f64> = (0..length).map(|lag| score(lag).exp()).collect();
                let total: f64 = weights.iter().sum();
                for i in indices(&[length, DIM, length]) {
                    let (t, c, lag) = (i[0], head * DIM + i[1], i[2]);
                    y[t * WIDTH + c] += weights[lag] / total * v[(t + length - lag) % length * WIDTH + c];
                }
            }
            expected.extend(linear(&scope, "output", &y));
        }
        close(&layer.forward(&x).unwrap(), &expected);
    }
}

#[test]
fn causal_attention_is_the_sum_over_the_past() {
    let scope = scope();
    let layer = FrequencyAttention::causal(&scope, WIDTH, HEADS, 4).unwrap();
    let lags = parameter(&scope, "lags");
    // Up to the square of the head's width by pairs of positions, beyond by convolutions.
    for (length, energy) in [(1, 0.0), (4, 1.0), (7, 1.0), (9, 1.0), (10, 1.0), (12, 1.0)] {
        let x = real(&[2, length, WIDTH], 1);
        let mut expected = Vec::new();
        for x in numbers(&x).chunks(length * WIDTH) {
            let [q, k, v] = ["query", "key", "value"].map(|name| linear(&scope, name, x));
            let mut y = vec![Complex64::ZERO; length * WIDTH];
            for i in indices(&[length, HEADS, length]) {
                let (t, head, s) = (i[0], i[1], i[2]);
                if s > t || t - s >= 4 {
                    continue;
                }
                let score = over_head(head, |c| q[t * WIDTH + c] * k[s * WIDTH + c]) / (DIM as f64).sqrt();
                for c in head * DIM..(head + 1) * DIM {
                    y[t * WIDTH + c] += lags[head * 4 + t - s] * score * v[s * WIDTH + c];
                }
            }
            expected.extend(linear(&scope, "output", &y));
        }
        close(&layer.forward(&x).unwrap(), &expected);
        for head in lags.chunks(4) {
            let sum: f64 = head.iter().map(Complex64::norm_sqr).sum();
            assert!(energy == 0.0 || (sum - energy).abs() < 1e-12);
        }
    }
}

#[test]
fn heads_divide_the_width() {
    let message = FrequencyAttention::causal(&scope(), 6, 4, 8).unwrap_err().to_string();
    assert!(
        message.contains("heads = 4") && message.contains("layer layer") && message.contains('6'),
        "{message}"
    );
}

const CONFIG: FrequencyTransformerConfig =
    FrequencyTransformerConfig { width: WIDTH, heads: HEADS, hidden: 5, dropout: 0.2 };

/// Rows normalised as by a frequency norm whose weight is 1.
fn normalised(z: &[Complex64]) -> Vec<Complex64> {
    let row = |z: &[Complex64]| -> Vec<Complex64> {
        let size = (z.iter().map(Complex64::norm_sqr).sum::<f64>() / WIDTH as f64 + 1e-6).sqrt();
        z.iter().map(|z| z / size).collect()
    };
    z.chunks(WIDTH).flat_map(row).collect()
}

/// The layer's formula, of one spectrum.
fn transformed(scope: &Scope, z: &[Complex64]) -> Vec<Complex64> {
    let frequencies = z.len() / WIDTH;
    let inner = normalised(z);
    let [q, k, v] = ["query", "key", "value"].map(|name| linear(scope, name, &inner));
    let mut y = vec![Complex64::ZERO; z.len()];
    for head in 0..HEADS {
        let joint: Vec<Complex64> = (0..frequencies)
            .map(|f| over_head(head, |c| q[f * WIDTH + c] * k[f * WIDTH + c].conj()))
            .collect();
        let size = joint.iter().map(Complex64::norm_sqr).sum::<f64>() / frequencies as f64;
        for i in indices(&[frequencies, DIM]) {
            let at = i[0] * WIDTH + head * DIM + i[1];
            y[at] = joint[i[0]] / (size + 1e-6).sqrt() * v[at];
        }
    }
    let add = |a: &[Complex64], b: &[Complex64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();
    let z = add(z, &linear(scope, "output", &y));
    let up = linear(scope, "up", &normalised(&z));
    let cut: Vec<Complex64> =
        up.iter().map(|z| Complex64::from_polar((z.norm() - 0.1).max(0.0), z.arg())).collect();
    add(&z, &linear(scope, "down", &cut))
}

#[test]
fn frequency_transformers_are_their_formula() {
    let scope = scope();
    let layer = FrequencyTransformerLayer::new(&scope, CONFIG).unwrap();
    let z = complex(&[2, 5, WIDTH], 1);
    let expected: Vec<Complex64> =
        numbers(&z).chunks(5 * WIDTH).flat_map(|z| transformed(&scope, z)).collect();
    close(&layer.forward(&z).unwrap(), &expected);
    // Dropout is at work in training.
    scope.mode().train();
    assert_ne!(numbers(&layer.forward(&z).unwrap()), numbers(&layer.forward(&z).unwrap()));
}

#[test]
fn signals_go_through_their_spectra() {
    let scope = scope();
    let layer = FrequencyTransformerLayer::new(&scope, CONFIG).unwrap();
    for length in [7, 8] {
        let x = real(&[1, length, WIDTH], 1);
        let xs = values(&x);
        let bins = length / 2 + 1;
        let root = (length as f64).sqrt();
        let bin = |i: &Vec<usize>| -> Complex64 {
            let term = |t: usize| turn(-((i[0] * t) as f64) / length as f64) * xs[t * WIDTH + i[1]];
            (0..length).map(term).sum::<Complex64>() / root
        };
        let z: Vec<Complex64> = indices(&[bins, WIDTH]).iter().map(bin).collect();
        let z = transformed(&scope, &z);
        let back = |i: &Vec<usize>| -> f64 {
            let term = |k: usize| {
                let twice = if k == 0 || 2 * k == length { 1.0 } else { 2.0 };
                twice * (turn((i[0] * k) as f64 / length as f64) * z[k * WIDTH + i[1]]).re
            };
            (0..bins).map(term).sum::<f64>() / root
        };
        let expected: Vec<f64> = indices(&[length, WIDTH]).iter().map(back).collect();
        close_real(&layer.forward_signal(&x).unwrap(), &expected);
    }
}
