//! Llama against values of the reference software, and against itself in other shapes.

mod common;

use std::ops::ControlFlow;

use common::{Reference, cpu, fixture, model, relative_error};
use fft_core::{DType, Error};
use fft_nn::generate::{GenerateOptions, StopReason, generate_ids};
use fft_nn::models::{CausalLm, LoadOptions, Positions, load_causal_lm};
use fft_nn::sampling::Sampling;

fn logits(model: &dyn CausalLm, ids: &[u32], batch: usize) -> Vec<f32> {
    model.forward(ids, batch, None, Positions::All).unwrap().to_vec().unwrap()
}

fn parity(name: &str, batch: usize, options: &LoadOptions) {
    let reference = Reference::open(name);
    let model = load_causal_lm(fixture(name), &cpu(2), options).unwrap().model;
    let error =
        relative_error(&logits(&*model, &reference.ids("input_ids"), batch), &reference.values("logits"));
    println!("{name}, {options:?}: relative L2 error {error:.2e}");
    assert!(error <= 2e-4, "{name}: {error:.2e}");
}

#[test]
fn tied_model_has_the_reference_logits() {
    parity("llama-tied", 2, &LoadOptions::default());
    parity("llama-tied", 2, &LoadOptions { dtype: Some(DType::F32) });
}

#[test]
fn sharded_llama3_model_has_the_reference_logits() {
    parity("llama3-sharded", 1, &LoadOptions::default());
    parity("llama3-sharded", 1, &LoadOptions { dtype: Some(DType::F32) });
}

#[test]
fn half_precision_weights_stay_near() {
    let reference = Reference::open("llama-tied");
    for (dtype, bound) in [(DType::F16, 2e-3), (DType::BF16, 2e-2)] {
        let options = LoadOptions { dtype: Some(dtype) };
        let model = load_causal_lm(fixture("llama-tied"), &cpu(1), &options).unwrap().model;
        let error =
            relative_error(&logits(&*model, &reference.ids("input_ids"), 2), &reference.values("logits"));
        // Rounding of the weights: above what sums in the wrong precision would hide, and not 0.
        assert!(error > bound / 100.0 && error < bound, "{dtype}: {error:.2e}");
    }
}

#[test]
fn greedy_tokens_are_the_reference_ones() {
    let reference = Reference::open("llama-tied");
    let expected = reference.ids("greedy");
    let model = model("llama-tied", &cpu(1));
    for prefill_chunk in [512, 2] {
        let options = GenerateOptions {
            max_new_tokens: 12,
            stop_at_eos: false,
            prefill_chunk,
            ..GenerateOptions::default()
        };
        let mut seen = Vec::new();
        let out = generate_ids(&*model, &expected[..5], &options, &mut |id| {
            seen.push(id);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!(out.ids, expected[5..]);
        assert_eq!(seen, out.ids);
        assert_eq!(out.stop, StopReason::Length);
    }
}

#[test]
fn cached_steps_equal_the_whole_sequence() {
    let reference = Reference::open("llama3-sharded");
    let ids = reference.ids("input_ids");
    let model = model("llama3-sharded", &cpu(1));
    let vocab = model.config().vocab_size;
    let whole = logits(&*model, &ids, 1);
    let mut cache = model.new_cache(1).unwrap();
    let mut steps = Vec::new();
    // A prompt in uneven chunks, single tokens past the first growth of the cache, then a chunk again.
    let sizes: Vec<usize> = [7, 20, 1, 3].into_iter().chain([1; 50]).chain([9]).collect();
    let mut rest = &ids[..];
    for size in sizes {
        let (chunk, after) = rest.split_at(size);
        let out = model.forward(chunk, 1, Some(&mut cache), Positions::All).unwrap();
        assert_eq!(out.shape(), [1, size, vocab]);
        steps.extend(out.to_vec::<f32>().unwrap());
        rest = after;
    }
    assert!(rest.is_empty());
    assert_eq!(cache.len(), ids.len());
    let error = relative_error(&steps, &whole);
    assert!(error < 2e-6, "{error:.2e}");
    cache.truncate(60);
    let again = model.forward(&ids[60..], 1, Some(&mut cache), Positions::Last).unwrap();
    let error = relative_error(&again.to_vec::<f32>().unwrap(), &whole[(ids.len() - 1) * vocab..]);
    assert!(error < 2e-6, "{error:.2e}");
}

#[test]
fn a_batch_equals_its_sequences() {
    let reference = Reference::open("llama-tied");
    let ids = reference.ids("input_ids");
    let model = model("llama-tied", &cpu(1));
    let (t, vocab) = (ids.len() / 2, model.config().vocab_size);
    let mut cache = model.new_cache(2).unwrap();
    let both: Vec<u32> = [&ids[..t - 1], &ids[t..2 * t - 1]].concat();
    model.forward(&both, 2, Some(&mut cache), Positions::None).unwrap();
    let last = model.forward(&[ids[t - 1], ids[2 * t - 1]], 2, Some(&mut cache), Positions::Last).unwrap();
    let last = last.to_vec::<f32>().unwrap();
    for (sequence, found) in ids.chunks(t).zip(last.chunks(vocab)) {
        let alone = logits(&*model, sequence, 1);
        let error = relative_error(found, &alone[(t - 1) * vocab..]);
        assert!(error < 2e-6, "{error:.2e}");
    }
}

#[test]
fn positions_select_logits() {
    let model = model("llama-tied", &cpu(1));
    let ids = [3, 1, 4, 1, 5, 9];
    let vocab = model.config().vocab_size;
    let all = logits(&*model, &ids, 2);
    let last = model.forward(&ids, 2, None, Positions::Last).unwrap();
    assert_eq!(last.shape(), [2, 1, vocab]);
    let expected = [&all[2 * vocab..3 * vocab], &all[5 * vocab..]].concat();
    let error = relative_error(&last.to_vec::<f32>().unwrap(), &expected);
    assert!(error < 1e-6, "{error:.2e}");
    assert_eq!(model.forward(&ids, 2, None, Positions::None).unwrap().shape(), [2, 0, vocab]);
}

#[test]
fn results_do_not_depend_on_threads() {
    let ids = Reference::open("llama3-sharded").ids("input_ids");
    let one = logits(&*model("llama3-sharded", &cpu(1)), &ids, 1);
    let two = logits(&*model("llama3-sharded", &cpu(2)), &ids, 1);
    assert_eq!(one, two);
}

#[test]
fn sampling_depends_on_the_seed_alone() {
    let draw = |threads, seed| {
        let options = GenerateOptions {
            max_new_tokens: 20,
            sampling: Sampling::Random { temperature: 1.0, top_k: Some(30), top_p: Some(0.95) },
            seed,
            stop_at_eos: false,
            ..GenerateOptions::default()
        };
        let model = model("llama-tied", &cpu(threads));
        generate_ids(&*model, &[1, 2, 3], &options, &mut |_| Ok(ControlFlow::Continue(()))).unwrap().ids
    };
    assert_eq!(draw(1, 5), draw(2, 5));
    assert_ne!(draw(1, 5), draw(1, 6));
}

#[test]
fn generation_stops_where_it_should() {
    let model = model("llama-tied", &cpu(1));
    let mut go = |_| Ok(ControlFlow::Continue(()));
    let options = GenerateOptions { max_new_tokens: 1000, stop_at_eos: false, ..GenerateOptions::default() };
    let full = generate_ids(&*model, &[5, 6], &options, &mut go).unwrap();
    assert_eq!(full.stop, StopReason::ContextFull);
    // The last token needs no position of its own.
    assert_eq!(full.prompt.len() + full.ids.len(), model.config().max_positions + 1);
    let none = GenerateOptions { max_new_tokens: 0, ..options.clone() };
    assert!(generate_ids(&*model, &[5], &none, &mut go).unwrap().ids.is_empty());
    let mut count = 0;
    let cancelled = generate_ids(&*model, &[5, 6], &options, &mut |_| {
        count += 1;
        Ok(if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .unwrap();
    assert_eq!((cancelled.stop, cancelled.ids.len()), (StopReason::Cancelled, 3));
}

#[test]
fn memory_is_given_back() {
    let device = cpu(1);
    let before = device.memory().usage().in_use;
    {
        let model = model("llama-tied", &device);
        let mut cache = model.new_cache(1).unwrap();
        model.forward(&[1, 2, 3], 1, Some(&mut cache), Positions::All).unwrap();
        assert!(device.memory().usage().in_use > before);
    }
    assert_eq!(device.memory().usage().in_use, before);
}

#[test]
fn decoding_allocates_nothing_new() {
    let device = cpu(1);
    let model = model("llama-tied", &device);
    let mut cache = model.new_cache(1).unwrap();
    let mut decode = || {
        cache.clear();
        for id in 0..50 {
            model.forward(&[id], 1, Some(&mut cache), Positions::Last).unwrap();
        }
    };
    decode();
    let before = device.cache_stats();
    let in_use = device.memory().usage().in_use;
    decode();
    assert_eq!(device.cache_stats(), before);
    assert_eq!(device.memory().usage().in_use, in_use);
}

#[test]
fn weights_can_be_exchanged() {
    let model = model("llama-tied", &cpu(1));
    let ids = [7, 8, 9];
    let before = logits(&*model, &ids, 1);
    let mut names = Vec::new();
    let same = model
        .with_linears(&mut |linear| {
            names.push(linear.name.clone());
            Ok(None)
        })
        .unwrap();
    assert_eq!(names, model.linears().into_iter().map(|l| l.name).collect::<Vec<_>>());
    assert_eq!(names.len(), 1 + 2 * 7);
    assert_eq!(logits(&*same, &ids, 1), before);
    let zeroed = model
        .with_linears(&mut |linear| {
            if !linear.name.ends_with("down_proj.weight") {
                return Ok(None);
            }
            let dense = linear.weights.to_dense()?.scale(0.0)?;
            Ok(Some(std::sync::Arc::new(fft_nn::linear::DenseLinear::new(dense)?)))
        })
        .unwrap();
    assert!(relative_error(&logits(&*zeroed, &ids, 1), &before) > 0.01);
    assert_eq!(logits(&*model, &ids, 1), before);
    let swapped = model.with_linears(&mut |linear| {
        let transposed = linear.weights.to_dense()?.transpose(0, 1)?;
        Ok(Some(std::sync::Arc::new(fft_nn::linear::DenseLinear::new(transposed)?)))
    });
    assert!(matches!(swapped, Err(Error::ShapeMismatch { .. })));
}

#[test]
fn bad_calls_are_refused() {
    let model = model("llama-tied", &cpu(1));
    let vocab = model.config().vocab_size as u32;
    let forward = |ids: &[u32], batch| model.forward(ids, batch, None, Positions::Last).map(|_| ());
    assert!(matches!(forward(&[], 1), Err(Error::InvalidArgument { .. })));
    assert!(matches!(forward(&[1, 2, 3], 2), Err(Error::InvalidArgument { .. })));
    assert!(matches!(forward(&[1], 0), Err(Error::InvalidArgument { .. })));
    assert!(matches!(forward(&[1, vocab], 1), Err(Error::IndexOutOfRange { .. })));
    assert!(matches!(forward(&[1; 65], 1), Err(Error::InvalidArgument { .. })));
    assert!(model.new_cache(0).is_err());
    let mut cache = model.new_cache(2).unwrap();
    assert!(model.forward(&[1], 1, Some(&mut cache), Positions::Last).is_err());
    let mut cache = model.new_cache(1).unwrap();
    model.forward(&[1; 60], 1, Some(&mut cache), Positions::None).unwrap();
    assert!(model.forward(&[1; 5], 1, Some(&mut cache), Positions::Last).is_err());
    // The failed call left the cache usable.
    assert_eq!(cache.len(), 60);
    model.forward(&[1; 4], 1, Some(&mut cache), Positions::Last).unwrap();
    let mut go = |_| Ok(ControlFlow::Continue(()));
    let options = GenerateOptions::default();
    assert!(matches!(generate_ids(&*model, &[], &options, &mut go), Err(Error::InvalidArgument { .. })));
    assert!(matches!(generate_ids(&*model, &[1; 65], &options, &mut go), Err(Error::InvalidArgument { .. })));
    assert!(matches!(generate_ids(&*model, &[vocab], &options, &mut go), Err(Error::IndexOutOfRange { .. })));
    let bad = GenerateOptions { prefill_chunk: 0, ..options };
    assert!(generate_ids(&*model, &[1], &bad, &mut go).is_err());
}

#[test]
fn too_little_memory_is_an_error_that_says_how_much() {
    let options = fft_cpu::CpuOptions { memory_limit: Some(20_000), threads: Some(1) };
    let device = fft_cpu::device(options).unwrap();
    // The mapped weights are not the device's memory; the activations are.
    let result = load_causal_lm(fixture("llama-tied"), &device, &LoadOptions::default())
        .and_then(|m| m.model.forward(&[1; 60], 1, None, Positions::All));
    assert!(matches!(result, Err(Error::MemoryLimit { limit: 20_000, .. })), "{result:?}");
}
