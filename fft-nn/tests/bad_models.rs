//! Directories that contradict themselves or ask for what is not there; and the two styles of `config.json`.

mod common;

use std::path::Path;

use common::{Reference, cpu, fixture, relative_error};
use fft_core::{Error, Result};
use fft_nn::checkpoint::Checkpoint;
use fft_nn::models::{
    LoadOptions, LoadReport, LoadedModel, ModelConfig, Positions, RopeScaling, load_causal_lm,
};
use serde_json::{Map, Value, json};

type Stored = (String, String, Vec<usize>, Vec<u8>);

/// The tensors of a fixture's checkpoint, and its configuration.
fn read(name: &str) -> (Vec<Stored>, Map<String, Value>) {
    let checkpoint = Checkpoint::open(fixture(name)).unwrap();
    let tensors = checkpoint
        .entries()
        .map(|(name, entry)| {
            let bytes = checkpoint.bytes(name).unwrap().as_slice().to_vec();
            (name.to_owned(), entry.dtype.to_string(), entry.shape.clone(), bytes)
        })
        .collect();
    let config = std::fs::read(fixture(name).join("config.json")).unwrap();
    (tensors, serde_json::from_slice(&config).unwrap())
}

fn write(dir: &Path, tensors: &[Stored], config: &Map<String, Value>) {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
        data.extend_from_slice(bytes);
    }
    let mut header = serde_json::to_vec(&header).unwrap();
    header.resize(header.len().next_multiple_of(8), b' ');
    let file = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
    std::fs::write(dir.join("model.safetensors"), file).unwrap();
    std::fs::write(dir.join("config.json"), serde_json::to_vec(config).unwrap()).unwrap();
}

/// Loads the tied model after `change`.
fn load(change: impl FnOnce(&mut Vec<Stored>, &mut Map<String, Value>)) -> Result<LoadedModel> {
    let dir = tempfile::tempdir().unwrap();
    let (mut tensors, mut config) = read("llama-tied");
    change(&mut tensors, &mut config);
    write(dir.path(), &tensors, &config);
    load_causal_lm(dir.path(), &cpu(1), &LoadOptions::default())
}

/// The message of the error of a changed configuration.
fn config_error(key: &str, value: Value) -> String {
    let error = load(|_, config| {
        config.insert(key.into(), value);
    })
    .unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("config.json"), "{text}");
    text
}

fn mentions(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[test]
fn reports_say_what_was_used() {
    let LoadedModel { report, .. } = load(|tensors, _| {
        tensors.push(("model.rotary_emb.inv_freq".into(), "F32".into(), vec![1], vec![0; 4]));
    })
    .unwrap();
    let LoadReport { loaded, missing, unused } = report;
    assert_eq!(loaded.len(), 2 + 2 * 9);
    assert_eq!(missing, [""; 0]);
    assert_eq!(unused, ["model.rotary_emb.inv_freq"]);
}

#[test]
fn unknown_architectures_are_named_beside_the_known() {
    let text = config_error("architectures", json!(["MambaForCausalLM"]));
    mentions(&text, &["MambaForCausalLM", "LlamaForCausalLM"]);
    let without = load(|_, config| {
        config.remove("architectures");
        config.insert("model_type".into(), json!("mamba"));
    });
    mentions(&without.unwrap_err().to_string(), &["mamba", "LlamaForCausalLM"]);
    load(|_, config| {
        config.remove("architectures");
    })
    .unwrap();
}

#[test]
fn settings_that_are_not_supported_are_named() {
    mentions(&config_error("hidden_act", json!("gelu")), &["hidden_act", "gelu", "silu"]);
    let yarn = config_error("rope_parameters", json!({"rope_type": "yarn", "factor": 2.0}));
    mentions(&yarn, &["yarn", "default", "linear", "llama3"]);
    mentions(
        &config_error("rope_parameters", json!({"rope_type": "default", "partial_rotary_factor": 0.5})),
        &["partial_rotary_factor"],
    );
    mentions(&config_error("quantization_config", json!({"quant_method": "gptq"})), &["gptq", "fft-tensor"]);
    mentions(&config_error("quantization_config", json!({})), &["quant_method"]);
}

#[test]
fn impossible_numbers_are_named() {
    for (key, value) in [
        ("vocab_size", json!(0)),
        ("hidden_size", json!(-48)),
        ("hidden_size", json!(1.5)),
        ("num_hidden_layers", json!("two")),
        ("num_hidden_layers", json!(null)),
        ("num_hidden_layers", json!(1u64 << 60)),
        ("num_attention_heads", json!(0)),
        ("num_key_value_heads", json!(4)),
        ("head_dim", json!(7)),
        ("head_dim", json!(1u64 << 62)),
        ("head_dim", json!(null)),
        ("max_position_embeddings", json!(0)),
        ("rms_norm_eps", json!(-1.0)),
        ("rope_parameters", json!({"rope_theta": 0.0})),
        ("rope_parameters", json!({"rope_type": "linear"})),
        ("rope_parameters", json!({"rope_type": "linear", "factor": -1.0})),
        (
            "rope_parameters",
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0}),
        ),
        ("eos_token_id", json!(96)),
        ("bos_token_id", json!([1000])),
    ] {
        // A null head_dim is derived, and then the heads of 48 / 6 = 8 fit.
        if (key, &value) == ("head_dim", &Value::Null) {
            load(|_, config| drop(config.insert(key.into(), value.clone()))).unwrap();
        } else {
            config_error(key, value);
        }
    }
}

#[test]
fn files_that_are_no_configuration_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let open = || load_causal_lm(dir.path(), &cpu(1), &LoadOptions::default()).unwrap_err();
    assert!(matches!(open(), Error::Io { .. }));
    mentions(&open().to_string(), &["config.json"]);
    for text in ["", "[]", "{", "{}", "null", "\u{0}"] {
        std::fs::write(dir.path().join("config.json"), text).unwrap();
        let error = open();
        assert!(matches!(error, Error::Format { .. }), "{error:?}");
        mentions(&error.to_string(), &["config.json"]);
    }
    std::fs::copy(fixture("llama-tied").join("config.json"), dir.path().join("config.json")).unwrap();
    mentions(&open().to_string(), &["model.safetensors"]);
    let dtype = Some(fft_core::DType::U8);
    assert!(load_causal_lm(fixture("llama-tied"), &cpu(1), &LoadOptions { dtype }).is_err());
}

#[test]
fn a_config_that_contradicts_the_tensors_names_both_shapes() {
    let wider = load(|_, config| drop(config.insert("intermediate_size".into(), json!(128)))).unwrap_err();
    mentions(
        &wider.to_string(),
        &[
            "model.layers.0.mlp.gate_proj.weight",
            "[128, 48]",
            "[112, 48]",
            "model.safetensors",
            "config.json",
        ],
    );
    let vocabulary = load(|_, config| drop(config.insert("vocab_size".into(), json!(97)))).unwrap_err();
    mentions(&vocabulary.to_string(), &["model.embed_tokens.weight", "[97, 48]", "[96, 48]"]);
    let integers = load(|tensors, _| {
        let norm = tensors.iter_mut().find(|t| t.0 == "model.norm.weight").unwrap();
        (norm.1, norm.3) = ("U8".into(), vec![1; 48]);
    });
    mentions(&integers.unwrap_err().to_string(), &["model.norm.weight", "u8"]);
}

#[test]
fn missing_tensors_are_listed_all_at_once() {
    let gone = ["model.norm.weight", "model.layers.1.self_attn.o_proj.weight", "model.embed_tokens.weight"];
    let error = load(|tensors, _| tensors.retain(|t| !gone.contains(&t.0.as_str()))).unwrap_err();
    mentions(&error.to_string(), &gone);
    mentions(&error.to_string(), &["3 tensors"]);
    let untied = load(|_, config| drop(config.insert("tie_word_embeddings".into(), json!(false))));
    mentions(&untied.unwrap_err().to_string(), &["lm_head.weight"]);
    let biased = load(|_, config| drop(config.insert("attention_bias".into(), json!(true)))).unwrap_err();
    mentions(&biased.to_string(), &["8 tensors", "self_attn.q_proj.bias", "self_attn.o_proj.bias"]);
}

#[test]
fn weights_that_are_not_finite_are_noticed() {
    let model = load(|tensors, _| {
        let norm = tensors.iter_mut().find(|t| t.0 == "model.norm.weight").unwrap();
        norm.3[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    })
    .unwrap()
    .model;
    let mut go = |_| Ok(std::ops::ControlFlow::Continue(()));
    let error = fft_nn::generate::generate_ids(&*model, &[1, 2], &Default::default(), &mut go).unwrap_err();
    mentions(&error.to_string(), &["finite"]);
    let options = fft_nn::evaluate::EvaluateOptions { window: 4, ..Default::default() };
    let error = fft_nn::evaluate::perplexity(&*model, &[1; 8], &options, &mut |_, _| ()).unwrap_err();
    mentions(&error.to_string(), &["finite"]);
}

#[test]
fn biases_are_added() {
    let reference = Reference::open("llama-tied");
    let ids = reference.ids("input_ids");
    let with_biases = |value: f32| {
        let model = load(|tensors, config| {
            config.insert("attention_bias".into(), json!(true));
            config.insert("mlp_bias".into(), json!(true));
            let weights: Vec<(String, usize)> = tensors
                .iter()
                .filter(|t| t.0.contains("_proj"))
                .map(|t| (t.0.replace(".weight", ".bias"), t.2[0]))
                .collect();
            for (name, n) in weights {
                tensors.push((name, "F32".into(), vec![n], value.to_le_bytes().repeat(n)));
            }
        });
        let logits = model.unwrap().model.forward(&ids, 2, None, Positions::All).unwrap();
        relative_error(&logits.to_vec::<f32>().unwrap(), &reference.values("logits"))
    };
    assert!(with_biases(0.0) < 2e-4);
    assert!(with_biases(0.1) > 1e-2);
}

#[test]
fn both_styles_of_configuration_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let parse = |config: &Map<String, Value>| {
        std::fs::write(&path, serde_json::to_vec(config).unwrap()).unwrap();
        ModelConfig::read(&path).unwrap()
    };
    let (_, new) = read("llama3-sharded");
    let mut old = new.clone();
    let Some(Value::Object(mut rope)) = old.remove("rope_parameters") else {
        panic!("rope_parameters is an object")
    };
    old.insert("rope_theta".into(), rope.remove("rope_theta").unwrap());
    old.insert("rope_scaling".into(), Value::Object(rope));
    let config = parse(&new);
    assert_eq!(parse(&old), config);
    assert_eq!(config.rope_theta, 500_000.0);
    let expected = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_positions: 32.0 };
    assert_eq!(config.rope_scaling, expected);
    // The older key of the type, and what older files leave out.
    old.insert("rope_scaling".into(), json!({"type": "linear", "factor": 2.0}));
    old.insert("eos_token_id".into(), json!([2, 5]));
    for key in ["head_dim", "num_key_value_heads", "attention_bias", "mlp_bias", "rms_norm_eps"] {
        old.remove(key);
    }
    let config = parse(&old);
    assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 2.0 });
    assert_eq!((config.head_dim, config.kv_heads), (16, 4));
    assert_eq!(config.eos_token_ids, [2, 5]);
    old.insert("rope_scaling".into(), Value::Null);
    assert_eq!(parse(&old).rope_scaling, RopeScaling::Default);
}

#[test]
fn parameters_without_a_place_are_named() {
    for name in ["model.layers.2.mlp.down_proj.weight", "model.layers.0.self_attn.q_proj.bias"] {
        let error = load(|tensors, _| {
            tensors.push((name.into(), "F32".into(), vec![1], vec![0; 4]));
        })
        .unwrap_err();
        mentions(&error.to_string(), &[name, "config.json", "no place"]);
    }
    let error = load(|_, config| {
        config.insert("num_hidden_layers".into(), json!(1));
    })
    .unwrap_err();
    mentions(&error.to_string(), &["model.layers.1.", "no place"]);
    mentions(&config_error("eos_token_id", json!(-1)), &["eos_token_id"]);
}
