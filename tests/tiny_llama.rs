//! The model that ships with the project against values of the reference software.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use fft_core::{DType, Device};
use fft_cpu::CpuOptions;
use fft_nn::checkpoint::Checkpoint;
use fft_nn::evaluate::{EvaluateOptions, perplexity};
use fft_nn::generate::{GenerateOptions, generate_ids, generate_text};
use fft_nn::models::{CausalLm, LoadOptions, Positions, load_causal_lm};
use fft_nn::tokenizer::Tokenizer;
use serde_json::Value;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn cpu(threads: usize) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() }).unwrap()
}

fn model(device: &Device, dtype: Option<DType>) -> Box<dyn CausalLm> {
    load_causal_lm(root("models/tiny-llama-kjv"), device, &LoadOptions { dtype }).unwrap().model
}

fn reference() -> (Checkpoint, Value) {
    let values = Checkpoint::open(root("tests/fixtures/tiny-llama-kjv/reference.safetensors")).unwrap();
    let text = std::fs::read(root("tests/fixtures/tiny-llama-kjv/reference.json")).unwrap();
    (values, serde_json::from_slice(&text).unwrap())
}

fn ids(values: &Checkpoint, name: &str) -> Vec<u32> {
    let ids = values.tensor(name, &cpu(1)).unwrap().to_vec::<i64>().unwrap();
    ids.into_iter().map(|id| u32::try_from(id).unwrap()).collect()
}

#[test]
fn logits_and_greedy_tokens_are_the_reference_ones() {
    let (values, facts) = reference();
    let tokenizer = Tokenizer::open(root("models/tiny-llama-kjv")).unwrap();
    for dtype in [None, Some(DType::F32)] {
        let model = model(&cpu(2), dtype);
        for (i, prompt) in facts["prompts"].as_array().unwrap().iter().enumerate() {
            let prompt = prompt.as_str().unwrap();
            let input = ids(&values, &format!("input_ids.{i}"));
            assert_eq!(tokenizer.encode_prompt(prompt, model.config().bos_token_id).unwrap(), input);
            let expected: Vec<f32> =
                values.tensor(&format!("logits.{i}"), &cpu(1)).unwrap().to_vec().unwrap();
            let found = model.forward(&input, 1, None, Positions::All).unwrap().to_vec::<f32>().unwrap();
            let square = |x: f32| f64::from(x) * f64::from(x);
            let distance: f64 = found.iter().zip(&expected).map(|(a, b)| square(a - b)).sum();
            let error = (distance / expected.iter().map(|&b| square(b)).sum::<f64>()).sqrt();
            println!("{prompt:?}, {dtype:?}: relative L2 error {error:.2e}");
            assert!(error <= 2e-4, "{error:.2e}");
            // Padding was set to id 0 when these were made, so the begin token, which has that id, was masked: they continue
            // the prompt without it.
            let greedy = ids(&values, &format!("greedy.{i}"));
            let options = GenerateOptions {
                max_new_tokens: greedy.len() - input.len(),
                stop_at_eos: false,
                ..Default::default()
            };
            let out =
                generate_ids(&*model, &input[1..], &options, &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
            assert_eq!(out.ids, greedy[input.len()..]);
        }
    }
}

#[test]
fn perplexity_is_the_reference_one() {
    let (_, facts) = reference();
    let text = std::fs::read_to_string(root("models/kjv-held-out.txt")).unwrap();
    let ids = Tokenizer::open(root("models/tiny-llama-kjv")).unwrap().encode(&text).unwrap();
    let window = facts["window"].as_u64().unwrap() as usize;
    let options = EvaluateOptions { window, ..Default::default() };
    let mut windows = 0;
    let found = perplexity(&*model(&cpu(2), None), &ids, &options, &mut |_, all| windows = all).unwrap();
    assert_eq!(windows as u64, facts["windows"].as_u64().unwrap());
    assert_eq!(found.tokens, windows * (window - 1));
    let expected = facts["perplexity"].as_f64().unwrap();
    println!("perplexity {} for {expected}", found.perplexity);
    assert!((found.perplexity / expected - 1.0).abs() < 1e-3, "{} for {expected}", found.perplexity);
}

#[test]
fn streamed_text_is_the_text() {
    let tokenizer = Tokenizer::open(root("models/tiny-llama-kjv")).unwrap();
    let model = model(&cpu(1), None);
    let options = GenerateOptions { max_new_tokens: 40, stop_at_eos: false, ..Default::default() };
    let mut streamed = String::new();
    let out = generate_text(&*model, &tokenizer, "In the beginning", &options, &mut |piece| {
        streamed.push_str(piece);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(streamed, out.text);
    assert_eq!(out.text, tokenizer.decode(&out.ids).unwrap());
    assert!(out.text.starts_with(" of the reign of David,"), "{:?}", out.text);
    assert!(generate_text(&*model, &tokenizer, "", &options, &mut |_| ControlFlow::Continue(())).is_err());
}
