//! Perplexity and divergence against their definitions.

mod common;

use std::sync::Arc;

use common::{Reference, cpu, model};
use fft_core::Error;
use fft_nn::evaluate::{EvaluateOptions, compare, compare_all, perplexity};
use fft_nn::linear::DenseLinear;
use fft_nn::models::{CausalLm, Positions};

fn scaled(model: &dyn CausalLm, scale: f64) -> Box<dyn CausalLm> {
    model
        .with_linears(&mut |linear| {
            Ok(Some(Arc::new(DenseLinear::new(linear.weights.to_dense()?.scale(scale)?)?)))
        })
        .unwrap()
}

/// Log probabilities of one row.
fn log_softmax(row: &[f32]) -> Vec<f64> {
    let sum: f64 = row.iter().map(|&l| f64::from(l).exp()).sum();
    row.iter().map(|&l| f64::from(l) - sum.ln()).collect()
}

#[test]
fn figures_follow_their_definitions() {
    let base = model("llama-tied", &cpu(1));
    let other = scaled(&*base, 0.5);
    let ids = Reference::open("llama-tied").ids("input_ids");
    let (window, vocab) = (7, base.config().vocab_size);
    let options = EvaluateOptions { window, ..Default::default() };
    let mut calls = Vec::new();
    let found = compare(&*base, &*other, &ids, &options, &mut |done, all| calls.push((done, all))).unwrap();
    assert_eq!(calls, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    let (mut kl, mut nll, mut agree) = (Vec::new(), [0.0; 2], 0);
    for window in ids.chunks_exact(window) {
        let rows = [&base, &other].map(|m| {
            let logits = m.forward(window, 1, None, Positions::All).unwrap().to_vec::<f32>().unwrap();
            logits.chunks(vocab).map(log_softmax).collect::<Vec<_>>()
        });
        for i in 0..window.len() - 1 {
            let (p, q) = (&rows[0][i], &rows[1][i]);
            kl.push(p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>());
            nll[0] -= p[window[i + 1] as usize];
            nll[1] -= q[window[i + 1] as usize];
            let best = |r: &[f64]| (0..vocab).max_by(|&a, &b| r[a].total_cmp(&r[b]));
            agree += usize::from(best(p) == best(q));
        }
    }
    let n = kl.len();
    assert_eq!((n, found.tokens, found.base.tokens, found.other.tokens), (30, 30, 30, 30));
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} {b}");
    close(found.kl_mean, kl.iter().sum::<f64>() / n as f64);
    assert!(found.kl_mean > 1e-3, "{}", found.kl_mean);
    kl.sort_by(f64::total_cmp);
    close(found.kl_p99, kl[n - 1]);
    assert_eq!(found.top1_agreement, agree as f64 / n as f64);
    for (figure, nll) in [(found.base, nll[0]), (found.other, nll[1])] {
        close(figure.mean_nll, nll / n as f64);
        close(figure.perplexity, (nll / n as f64).exp());
    }
    let alone = perplexity(&*base, &ids, &options, &mut |_, _| ()).unwrap();
    assert_eq!(alone, found.base);
}

#[test]
fn a_model_does_not_diverge_from_itself() {
    let base = model("llama-tied", &cpu(1));
    let ids = Reference::open("llama-tied").ids("input_ids");
    let options = EvaluateOptions { window: 8, max_windows: 2 };
    let found = compare(&*base, &*base, &ids, &options, &mut |_, _| ()).unwrap();
    assert_eq!((found.kl_mean, found.kl_p99, found.top1_agreement), (0.0, 0.0, 1.0));
    assert_eq!((found.tokens, found.base), (14, found.other));
}

#[test]
fn several_models_are_compared_at_once() {
    let base = model("llama-tied", &cpu(2));
    let (near, far) = (scaled(&*base, 0.99), scaled(&*base, 0.7));
    let ids = Reference::open("llama-tied").ids("input_ids");
    let options = EvaluateOptions { window: 19, ..Default::default() };
    let all = compare_all(&*base, &[&*near, &*far], &ids, &options, &mut |_, _| ()).unwrap();
    assert!(all[0].kl_mean > 0.0 && all[1].kl_mean > 10.0 * all[0].kl_mean, "{all:?}");
    let alone = compare(&*base, &*far, &ids, &options, &mut |_, _| ()).unwrap();
    assert_eq!(all[1], alone);
}

#[test]
fn bad_windows_and_ids_are_refused() {
    let base = model("llama-tied", &cpu(1));
    let sized = |window| EvaluateOptions { window, ..Default::default() };
    let run = |ids: &[u32], window| perplexity(&*base, ids, &sized(window), &mut |_, _| ()).unwrap_err();
    assert!(matches!(run(&[1; 80], 1), Error::InvalidArgument { .. }));
    assert!(matches!(run(&[1; 80], 65), Error::InvalidArgument { .. }));
    assert!(matches!(run(&[1; 7], 8), Error::InvalidArgument { .. }));
    assert!(matches!(run(&[], 8), Error::InvalidArgument { .. }));
    // Also where only the last token of a window is wrong, which is never put into the model.
    assert!(matches!(run(&[1, 2, 3, 96], 4), Error::IndexOutOfRange { index: 96, .. }));
    let other = model("llama3-sharded", &cpu(1));
    assert!(compare(&*base, &*other, &[1; 80], &sized(8), &mut |_, _| ()).is_err());
}
