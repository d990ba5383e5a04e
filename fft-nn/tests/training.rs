//! Training a language model: determinism, checkpoints, errors, and what is saved.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use fft_core::{DType, Device, Error, Tensor};
use fft_nn::autograd::no_grad;
use fft_nn::checkpoint::{Checkpoint, CheckpointWriter, WriterOptions};
use fft_nn::layers::{Init, LinearKind};
use fft_nn::models::{LanguageConfig, LanguageModel, LoadOptions, MixerKind, Positions, load_causal_lm};
use fft_nn::train::{TokenText, TrainOptions, Trainer};

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), ..fft_cpu::CpuOptions::default() }).unwrap()
}

/// A text with something to learn: each token follows from the one before.
fn text(window: usize) -> TokenText {
    let mut id = 1u32;
    let ids = (0..2000u32).map(|i| {
        id = (id * 5 + 3 + i % 2) % 61;
        id
    });
    TokenText::new(ids.collect(), window).unwrap()
}

fn options(steps: u64) -> TrainOptions {
    TrainOptions { steps, batch: 4, warmup: 3, rate: 5e-3, ..TrainOptions::default() }
}

fn config(mixer: MixerKind, linear: LinearKind) -> LanguageConfig {
    LanguageConfig { mixer, linear, ..LanguageConfig::nano(61) }
}

fn kinds() -> [LinearKind; 3] {
    let (positions, learn) = (Default::default(), Default::default());
    [
        LinearKind::Dense,
        LinearKind::Spectral { density: 0.25, positions, learn },
        LinearKind::BlockCirculant { block: 4 },
    ]
}

fn trainer(device: &Device, config: LanguageConfig, steps: u64) -> Trainer {
    let model = LanguageModel::new(config, device, 7).unwrap();
    Trainer::new(model, text(24), options(steps)).unwrap()
}

fn values(trainer: &Trainer) -> Vec<(String, Vec<u8>)> {
    let all = trainer.model().parameters();
    all.iter()
        .map(|p| (p.path().to_owned(), p.var().value().contiguous().unwrap().to_bytes().unwrap()))
        .collect()
}

#[test]
fn every_mixer_and_kind_learns_and_leaves_no_memory_behind() {
    let device = device();
    let mut models: Vec<LanguageConfig> = kinds().map(|kind| config(MixerKind::Attention, kind)).to_vec();
    models.extend(MixerKind::ALL.map(|(_, mixer)| config(mixer, LinearKind::Dense)));
    for config in models {
        let mut trainer = trainer(&device, config, 60);
        let first = trainer.step().unwrap().loss;
        let held = device.memory().usage().in_use;
        let mut last = first;
        while !trainer.is_done() {
            last = trainer.step().unwrap().loss;
            assert_eq!(device.memory().usage().in_use, held, "{config:?}");
        }
        assert!(last < 0.8 * first, "{:?}, {:?}: {first} to {last}", config.mixer, config.linear);
        let judged = trainer.validate(&text(24), 5).unwrap();
        assert!(judged < 0.8 * first && judged.is_finite());
    }
}

#[test]
fn a_resumed_training_is_the_same_to_the_bit() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("training.safetensors");
    for kind in kinds() {
        let config = config(MixerKind::Attention, kind);
        let mut whole = trainer(&device, config, 12);
        let mut part = trainer(&device, config, 12);
        for step in 0..12 {
            let a = whole.step().unwrap();
            if step == 5 {
                part.save(&path).unwrap();
                part = trainer(&device, LanguageConfig { std: 0.5, ..config }, 12);
                part.resume(&path).unwrap();
                assert_eq!(part.step_count(), 5);
            }
            let b = part.step().unwrap();
            assert_eq!(a, b, "{kind:?}, step {step}");
        }
        assert!(values(&whole) == values(&part), "{kind:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing but the checkpoint is left");
    }
}

#[test]
fn recomputing_blocks_changes_no_bit() {
    let device = device();
    let config = config(MixerKind::Attention, LinearKind::Dense);
    let run = |recompute| {
        let mut model = LanguageModel::new(config, &device, 7).unwrap();
        model.set_recompute(recompute);
        let mut trainer = Trainer::new(model, text(24), options(4)).unwrap();
        let losses: Vec<_> = (0..4).map(|_| trainer.step().unwrap()).collect();
        (losses, values(&trainer))
    };
    assert!(run(false) == run(true));
}

#[test]
fn a_loss_that_is_not_finite_names_step_and_parameter_and_changes_nothing() {
    let device = device();
    let mut trainer = trainer(&device, config(MixerKind::Attention, LinearKind::Dense), 9);
    trainer.step().unwrap();
    let parameters = trainer.model().parameters();
    let bad = parameters.iter().find(|p| p.path() == "model.layers.1.mlp.up_proj.weight").unwrap();
    let good = bad.var().value();
    let mut numbers: Vec<f32> = good.to_vec().unwrap();
    numbers[5] = f32::NAN;
    bad.var().set_value(Tensor::from_slice(&device, &numbers, good.shape()).unwrap()).unwrap();
    let error = trainer.step().unwrap_err().to_string();
    assert!(error.contains("step 2") && error.contains("model.layers.1.mlp.up_proj.weight"), "{error}");
    assert_eq!(trainer.step_count(), 1);
    bad.var().set_value(good).unwrap();
    assert_eq!(trainer.step().unwrap().step, 2);
}

#[test]
fn a_step_that_fails_half_way_changes_nothing() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let own = config(MixerKind::Attention, LinearKind::Dense);
    let (mut whole, mut broken) = (trainer(&device, own, 9), trainer(&device, own, 9));
    let state = |trainer: &Trainer| {
        let path = dir.path().join("training.safetensors");
        trainer.save(&path).unwrap();
        std::fs::read(path).unwrap()
    };
    let break_next = Arc::new(AtomicBool::new(false));
    let parameters = broken.model().parameters();
    let hooked = parameters.iter().find(|p| p.path() == "model.layers.1.mlp.up_proj.weight").unwrap();
    let (asked, seeds) = (Arc::clone(&break_next), broken.model().scope().mode().seeds().clone());
    hooked.var().on_grad(move |_| {
        if !asked.load(Relaxed) {
            return Ok(None);
        }
        // As a layer would that drops at random, before the step fails.
        seeds.draw();
        Err(Error::invalid("test", "hook", 1, "breaks"))
    });
    for step in 0..3 {
        let before = state(&broken);
        break_next.store(true, Relaxed);
        assert!(broken.step().unwrap_err().to_string().contains("breaks"));
        break_next.store(false, Relaxed);
        assert!(before == state(&broken), "step {step}");
        assert!(parameters.iter().all(|p| p.var().grad().is_none()));
        assert_eq!(whole.step().unwrap(), broken.step().unwrap());
    }
    assert!(values(&whole) == values(&broken));
}

#[test]
fn a_state_that_is_not_finite_replaces_nothing() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("training.safetensors");
    let mut trainer = trainer(&device, config(MixerKind::Attention, LinearKind::Dense), 9);
    trainer.step().unwrap();
    trainer.save(&path).unwrap();
    trainer.model().save(dir.path()).unwrap();
    let files = || {
        let entries = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path());
        let mut all: Vec<_> = entries.map(|p| (std::fs::read(&p).unwrap(), p)).collect();
        all.sort();
        all
    };
    let before = files();
    let parameters = trainer.model().parameters();
    let bad = parameters.iter().find(|p| p.path() == "model.layers.1.mlp.up_proj.weight").unwrap();
    let good = bad.var().value();
    let with = |number: f32| {
        let mut numbers: Vec<f32> = good.to_vec().unwrap();
        numbers[5] = number;
        bad.var().set_value(Tensor::from_slice(&device, &numbers, good.shape()).unwrap()).unwrap();
    };
    for number in [f32::NAN, f32::INFINITY] {
        with(number);
        let judged = trainer.validate(&text(24), 2).unwrap_err().to_string();
        for error in [
            judged,
            trainer.save(&path).unwrap_err().to_string(),
            trainer.model().save(dir.path()).unwrap_err().to_string(),
        ] {
            assert!(error.contains("model.layers.1.mlp.up_proj.weight"), "{error}");
        }
        assert!(before == files(), "{number}");
    }
    // Its square overflows, it does not.
    with(1e30);
    trainer.save(&path).unwrap();
    assert!(before != files());
}

#[test]
fn a_rate_that_breaks_the_moments_is_found_before_it_is_saved() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let model = LanguageModel::new(config(MixerKind::Attention, LinearKind::Dense), &device, 7).unwrap();
    let options = TrainOptions { rate: f64::MAX, ..options(9) };
    let mut trainer = Trainer::new(model, text(24), options).unwrap();
    trainer.step().unwrap();
    let path = dir.path().join("training.safetensors");
    assert!(matches!(trainer.save(&path), Err(Error::InvalidArgument { .. })));
    assert!(!path.exists());
    let error = trainer.step().unwrap_err().to_string();
    assert!(error.contains("step 2") && !error.contains("checkpoint"), "{error}");
}

#[test]
fn sizes_that_lie_are_errors_before_anything_is_made() {
    let device = device();
    for mixer in [MixerKind::Longconv, MixerKind::Fnet, MixerKind::Frequency] {
        for linear in kinds() {
            let dir = tempfile::tempdir().unwrap();
            trainer(&device, config(mixer, linear), 1).model().save(dir.path()).unwrap();
            let path = dir.path().join("config.json");
            let good = std::fs::read_to_string(&path).unwrap();
            let load = || load_causal_lm(dir.path(), &device, &LoadOptions::default());
            for (name, size) in [
                ("hidden_size", 1u64 << 40),
                ("vocab_size", 1 << 40),
                ("intermediate_size", 1 << 40),
                ("intermediate_size", 1 << 63),
                ("num_hidden_layers", 1 << 40),
                ("max_position_embeddings", 1 << 40),
                ("max_position_embeddings", 1 << 63),
            ] {
                let mut config: serde_json::Value = serde_json::from_str(&good).unwrap();
                config[name] = size.into();
                std::fs::write(&path, config.to_string()).unwrap();
                if mixer == MixerKind::Fnet && name == "max_position_embeddings" {
                    // A period, of which nothing is kept.
                    let model = load().unwrap().model;
                    model.forward(&[1, 2, 3], 1, None, Positions::Last).unwrap();
                    continue;
                }
                let error = load().unwrap_err();
                assert!(matches!(error, Error::Format { .. }), "{error}");
                let error = error.to_string();
                assert!(error.contains("config.json"), "{mixer:?} {linear:?} {name} {size}: {error}");
            }
        }
    }
}

#[test]
fn first_values_that_do_not_fit_the_memory_are_errors() {
    let device = device();
    let limited = fft_cpu::CpuOptions { memory_limit: Some(1 << 20), ..fft_cpu::CpuOptions::default() };
    let limited = fft_cpu::device(limited).unwrap();
    let draw = |device: &Device, shape: &[usize]| {
        let mut random = fft_nn::random::Random::new(1);
        Init::Normal { std: 1.0 }.tensor(device, shape, DType::F32, &mut random).map(|_| ())
    };
    assert!(matches!(draw(&device, &[1 << 40, 1 << 40]), Err(Error::InvalidArgument { .. })));
    assert!(matches!(draw(&device, &[1 << 60]), Err(Error::InvalidArgument { .. })));
    assert!(matches!(draw(&limited, &[1 << 20]), Err(Error::MemoryLimit { .. })));
    draw(&limited, &[1 << 10]).unwrap();
}

#[test]
fn a_checkpoint_of_another_model_lists_what_differs() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("training.safetensors");
    let own = config(MixerKind::Attention, LinearKind::Dense);
    let mut small = trainer(&device, own, 5);
    small.step().unwrap();
    small.save(&path).unwrap();
    let mut wide = trainer(&device, LanguageConfig { intermediate_size: 96, layers: 3, ..own }, 5);
    let before = values(&wide);
    let error = wide.resume(&path).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let error = error.to_string();
    for part in ["model.layers.2.", "training.safetensors", "[64, 32]", "[96, 32]"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert!(before == values(&wide) && wide.step_count() == 0);
    let shallow = LanguageConfig { layers: 1, ..own };
    let error = trainer(&device, shallow, 5).resume(&path).unwrap_err().to_string();
    assert!(error.contains("unused: model/model.layers.1."), "{error}");
    std::fs::write(&path, b"no checkpoint").unwrap();
    assert!(matches!(wide.resume(&path), Err(Error::Format { .. })));
}

#[test]
fn an_optimisers_state_that_does_not_fit_is_refused() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("training.safetensors");
    let own = config(MixerKind::Attention, LinearKind::Dense);
    let mut trainer = trainer(&device, own, 9);
    trainer.step().unwrap();
    trainer.save(&path).unwrap();
    let before = values(&trainer);
    let good = Checkpoint::open(&path).unwrap();
    let name = "optimiser/model.norm.weight.";
    type Changed = Option<(String, Tensor)>;
    let mut refused = |change: &dyn Fn(&str, Tensor) -> Changed| {
        let bad = dir.path().join("bad.safetensors");
        // In a folder, since only that tells metadata.
        let options = WriterOptions { metadata: good.metadata().clone(), ..WriterOptions::default() };
        let folder = tempfile::tempdir().unwrap();
        let mut writer = CheckpointWriter::new(folder.path(), options);
        for tensor in good.names() {
            let value = good.tensor(tensor, &device).unwrap();
            if let Some((name, value)) = change(tensor, value) {
                writer.write_tensor(&name, &value).unwrap();
            }
        }
        std::fs::rename(&writer.finish().unwrap()[0], &bad).unwrap();
        let error = trainer.resume(&bad).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
        assert!(before == values(&trainer) && trainer.step_count() == 1);
        error.to_string()
    };
    let changed = |which: &'static str, to: &'static dyn Fn(&Tensor) -> Tensor| {
        move |tensor: &str, value: Tensor| {
            let to = if tensor == format!("{name}{which}") { to(&value) } else { value };
            Some((tensor.to_owned(), to))
        }
    };
    let renamed = |tensor: &str, value| Some((tensor.replace("weight.mean", "weight.means"), value));
    for (error, words) in [
        (
            refused(&renamed),
            &["missing: optimiser/model.embed_tokens", "unused: ", "weight.means", "more"][..],
        ),
        (
            refused(&changed("square", &|t| t.narrow(0, 0, 5).unwrap())),
            &["of another shape: optimiser/model.norm.weight.square is [5], not [32]"],
        ),
        (
            refused(&changed("mean", &|t| t.to_dtype(DType::I64).unwrap())),
            &["of another type: optimiser/model.norm.weight.mean is I64"],
        ),
        (refused(&changed("steps", &|t| t.to_dtype(DType::F32).unwrap())), &["weight.steps is F32"]),
        (refused(&changed("steps", &|t| t.neg().unwrap())), &["steps = -1", "model.norm.weight"]),
        (refused(&changed("mean", &|t| t.scale(f64::NAN).unwrap())), &["model.norm.weight.mean", "NaN"]),
    ] {
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} are not in: {error}");
    }
    trainer.resume(&path).unwrap();
}

/// Logits of a saved and loaded model.
fn loaded_logits(dir: &Path, device: &Device, ids: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let model = load_causal_lm(dir, device, &LoadOptions::default()).unwrap().model;
    let whole: Vec<f32> = model.forward(ids, 1, None, Positions::All).unwrap().to_vec().unwrap();
    // Token by token with a cache.
    let mut cache = model.new_cache(1).unwrap();
    let mut steps = Vec::new();
    for id in ids {
        let logits = model.forward(&[*id], 1, Some(&mut cache), Positions::Last).unwrap();
        steps.extend(logits.to_vec::<f32>().unwrap());
    }
    (whole, steps)
}

#[test]
fn saved_models_compute_what_was_trained() {
    let device = device();
    let mut models: Vec<LanguageConfig> = kinds().map(|kind| config(MixerKind::Attention, kind)).to_vec();
    models.extend(MixerKind::ALL.map(|(_, mixer)| config(mixer, kinds()[2])));
    for config in models {
        let dir = tempfile::tempdir().unwrap();
        let mut trainer = trainer(&device, config, 3);
        while !trainer.is_done() {
            trainer.step().unwrap();
        }
        trainer.model().save(dir.path()).unwrap();
        let json = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
        assert!(json.contains("\"rms_norm_eps\": 0.00001,"), "{json}");
        let ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
        let want = no_grad(|| trainer.model().forward(&ids, 1)).unwrap().value();
        let want: Vec<f32> = want.to_dtype(DType::F32).unwrap().to_vec().unwrap();
        let (whole, steps) = loaded_logits(dir.path(), &device, &ids);
        for found in [whole, steps] {
            assert_eq!(found.len(), want.len());
            let off: f32 = found.iter().zip(&want).map(|(a, b)| (a - b).powi(2)).sum();
            let size: f32 = want.iter().map(|b| b.powi(2)).sum();
            assert!((off / size).sqrt() < 1e-5, "{:?} {:?}", config.mixer, config.linear);
        }
    }
}

#[test]
fn bad_settings_are_refused() {
    let device = device();
    let own = config(MixerKind::Attention, LinearKind::Dense);
    let model = |config| LanguageModel::new(config, &device, 0);
    for (config, word) in [
        (LanguageConfig { hidden_size: 0, ..own }, "hidden_size"),
        (LanguageConfig { heads: 3, ..own }, "heads"),
        (LanguageConfig { kv_heads: 0, ..own }, "kv_heads"),
        (LanguageConfig { eos_token_id: Some(61), ..own }, "token"),
        (LanguageConfig { linear: LinearKind::BlockCirculant { block: 5 }, ..own }, "q_proj"),
    ] {
        let error = model(config).unwrap_err().to_string();
        assert!(error.contains(word), "{word} is not in: {error}");
    }
    let start = |options| Trainer::new(model(own).unwrap(), text(24), options).map(|_| ());
    for batch in [0, 1 << 27, 99_999_999_999_999, usize::MAX] {
        let error = start(TrainOptions { batch, ..options(3) }).unwrap_err().to_string();
        assert!(error.contains("batch"), "{error}");
        let mut random = fft_nn::random::Random::new(1);
        assert!(batch < 1 << 40 || text(24).batch(batch, &mut random).is_err());
    }
    assert!(start(TrainOptions { steps: 0, ..options(3) }).is_err());
    assert!(start(TrainOptions { rate: -1.0, ..options(3) }).is_err());
    assert!(start(TrainOptions { clip: f64::NAN, ..options(3) }).is_err());
    let long = Trainer::new(model(own).unwrap(), text(300), options(3)).unwrap_err().to_string();
    assert!(long.contains("window = 300") && long.contains("256 positions"), "{long}");
    let model = model(own).unwrap();
    assert!(model.forward(&[61], 1).unwrap_err().to_string().contains("embed_tokens"));
    assert!(
        model.forward(&[1, 2, 3], 2).is_err()
            && model.forward(&[], 1).is_err()
            && model.loss(&[1], 1).is_err()
    );
    assert!(TokenText::new(vec![1, 2, 3], 3).is_err() && TokenText::new(vec![1, 2, 3], 1).is_err());
}
