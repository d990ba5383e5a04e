//! From a directory to a model: every tensor is found and its shape checked before any is used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fft_core::{DType, Device, Error, Result, Tensor};

use super::CausalLm;
use super::config::ModelConfig;
use super::language::{ARCHITECTURE, TrainedModel};
use super::llama::{Attention, Block, Embedding, FeedForward, Llama, Weights};
use crate::checkpoint::{Checkpoint, listed};
use crate::codec::{self, QuantizationConfig};
use crate::linear::{DenseLinear, Linear, LinearWeights};

/// How weights are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// Element type of dense matrices in memory: `F32`, `F16` or `BF16`. `None` keeps the stored type and the file mapped;
    /// another type takes memory of its own, where matrices with the same input are joined into one.
    pub dtype: Option<DType>,
}

/// Which tensors of a checkpoint a model uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Tensors of the model, by name; a coded weight is named without its parts.
    pub loaded: Vec<String>,
    /// Tensors that the model needs and the files lack. Loading fails if there is one.
    pub missing: Vec<String>,
    /// Tensors of the files that the model does not use.
    pub unused: Vec<String>,
}

/// A model and what was read for it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: Box<dyn CausalLm>,
    /// Which tensors were used.
    pub report: LoadReport,
}

/// Loads the language model of a Hugging Face directory: `config.json` and `model*.safetensors`.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`], naming file and tensor, when something is missing, unknown or contradictory; memory errors
/// of the device.
pub fn load_causal_lm(dir: impl AsRef<Path>, device: &Device, options: &LoadOptions) -> Result<LoadedModel> {
    let dir = dir.as_ref();
    if let Some(dtype) = options.dtype.filter(|d| !matches!(d, DType::F32 | DType::F16 | DType::BF16)) {
        return Err(Error::invalid("load_causal_lm", "dtype", dtype, "must be F32, F16 or BF16"));
    }
    let config = ModelConfig::read(dir.join("config.json"))?;
    if config.architecture == ARCHITECTURE {
        return TrainedModel::load(dir, config, device);
    }
    let files = Files::open(dir)?;
    let loader = Loader { files: &files, device, options };
    let report = files.check()?;
    let weights = loader.weights()?;
    Ok(LoadedModel { model: Box::new(Llama::new(files.config, device, weights)), report })
}

/// Checks that a directory holds a model that can be loaded: its `config.json` is understood, and the files have every tensor that
/// it calls for, in the right shapes. Nothing is loaded.
///
/// # Errors
/// As [`load_causal_lm`].
pub fn check_causal_lm(dir: impl AsRef<Path>) -> Result<LoadReport> {
    Files::open(dir.as_ref())?.check()
}

/// Checks that no number of the files' float tensors is NaN or infinite, reading them in steps of bounded memory. Loading does
/// not do this, since it maps files without reading them: ask when outputs are not finite.
///
/// # Errors
/// [`Error::Format`] naming file, tensor and element; [`Error::Io`].
pub fn check_finite_weights(dir: impl AsRef<Path>) -> Result<()> {
    let checkpoint = Checkpoint::open(dir)?;
    let floats = checkpoint.entries().filter(|(_, e)| e.dtype.dtype().is_some_and(DType::is_float));
    floats.map(|(name, _)| name).try_for_each(|name| checkpoint.check_finite(name))
}

/// A tensor that the configuration calls for.
struct Expected {
    name: String,
    shape: Vec<usize>,
}

/// What a model's directory holds.
struct Files {
    checkpoint: Checkpoint,
    config: ModelConfig,
    config_path: PathBuf,
    coded: QuantizationConfig,
}

impl Files {
    fn open(dir: &Path) -> Result<Self> {
        let config_path = dir.join("config.json");
        let config = ModelConfig::read(&config_path)?;
        if config.architecture == ARCHITECTURE {
            let reason =
                format!("models of architecture {ARCHITECTURE} are used as they were trained, not converted");
            return Err(Error::format(config_path, reason));
        }
        let coded = QuantizationConfig::read(&config_path)?.unwrap_or_default();
        Ok(Self { checkpoint: Checkpoint::open(dir)?, config, config_path, coded })
    }

    /// The linear layers of a block: name, outputs, inputs, whether there is a bias.
    fn linears(&self) -> [(&'static str, usize, usize, bool); 7] {
        let c = &self.config;
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let (hidden, inner) = (c.hidden_size, c.intermediate_size);
        [
            ("self_attn.q_proj", q, hidden, c.attention_bias),
            ("self_attn.k_proj", kv, hidden, c.attention_bias),
            ("self_attn.v_proj", kv, hidden, c.attention_bias),
            ("self_attn.o_proj", hidden, q, c.attention_bias),
            ("mlp.gate_proj", inner, hidden, c.mlp_bias),
            ("mlp.up_proj", inner, hidden, c.mlp_bias),
            ("mlp.down_proj", hidden, inner, c.mlp_bias),
        ]
    }

    fn expected(&self) -> Vec<Expected> {
        let c = &self.config;
        let mut all = Vec::new();
        let mut push = |name: String, shape: &[usize]| all.push(Expected { name, shape: shape.to_vec() });
        push("model.embed_tokens.weight".into(), &[c.vocab_size, c.hidden_size]);
        for layer in 0..c.layers {
            let prefix = format!("model.layers.{layer}");
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                push(format!("{prefix}.{norm}.weight"), &[c.hidden_size]);
            }
            for (name, rows, cols, bias) in self.linears() {
                push(format!("{prefix}.{name}.weight"), &[rows, cols]);
                if bias {
                    push(format!("{prefix}.{name}.bias"), &[rows]);
                }
            }
        }
        push("model.norm.weight".into(), &[c.hidden_size]);
        if !c.tie_word_embeddings {
            push("lm_head.weight".into(), &[c.vocab_size, c.hidden_size]);
        }
        all
    }

    /// Whether `name` is stored as parts `name.*` of a codec.
    fn is_coded(&self, name: &str) -> bool {
        self.coded.tensors.contains_key(name)
    }

    fn check(&self) -> Result<LoadReport> {
        let stored = self.checkpoint.names().count();
        // A layer has more tensors than one, so a lying number of layers makes no endless list.
        if self.config.layers > stored {
            let reason =
                format!("num_hidden_layers = {}, but the files hold {stored} tensors", self.config.layers);
            return Err(Error::format(&self.config_path, reason));
        }
        let mut report = LoadReport::default();
        let mut used = BTreeSet::new();
        for Expected { name, shape } in self.expected() {
            match self.checkpoint.get(&name) {
                Some(entry) => {
                    if entry.shape != shape {
                        let reason = format!(
                            "expected shape {shape:?} by {}, found {:?}",
                            self.config_path.display(),
                            entry.shape
                        );
                        return Err(Error::tensor(&entry.path, name, reason));
                    }
                    let dtype = self.checkpoint.dtype(&name)?;
                    if !dtype.is_float() {
                        let reason = format!("expected a float type, found {dtype}");
                        return Err(Error::tensor(&entry.path, name, reason));
                    }
                    used.insert(name.clone());
                    report.loaded.push(name);
                }
                None if self.is_coded(&name) => {
                    let parts = format!("{name}.");
                    used.extend(self.checkpoint.names().filter(|n| n.starts_with(&parts)).map(str::to_owned));
                    report.loaded.push(name);
                }
                None => report.missing.push(name),
            }
        }
        report.unused = self.checkpoint.names().filter(|n| !used.contains(*n)).map(str::to_owned).collect();
        if !report.missing.is_empty() {
            let reason = format!(
                "{} tensors of {} are missing: {}",
                report.missing.len(),
                self.config.architecture,
                listed(&report.missing)
            );
            return Err(Error::format(self.checkpoint.path(), reason));
        }
        // What else lies in a layer (old files keep rotary frequencies there) is of no effect; a parameter is not.
        let parameter =
            |n: &&String| n.starts_with("model.layers.") && (n.ends_with(".weight") || n.ends_with(".bias"));
        if let Some(name) = report.unused.iter().find(parameter) {
            let reason = format!("{} has no place for this parameter", self.config_path.display());
            return Err(Error::tensor(self.checkpoint.path(), name, reason));
        }
        Ok(report)
    }
}

struct Loader<'a> {
    files: &'a Files,
    device: &'a Device,
    options: &'a LoadOptions,
}

impl Loader<'_> {
    /// A vector, `F32`.
    fn vector(&self, name: &str) -> Result<Tensor> {
        self.files.checkpoint.tensor(name, self.device)?.to_dtype(DType::F32)
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Arc<dyn LinearWeights>> {
        let Files { checkpoint, coded, config_path, .. } = self.files;
        if let Some(coded) = codec::load_linear(checkpoint, coded, name, self.device)? {
            let found = [coded.out_features(), coded.in_features()];
            if found != shape {
                let reason =
                    format!("expected shape {shape:?} by {}, found {found:?}", config_path.display());
                return Err(Error::tensor(checkpoint.path(), name, reason));
            }
            return Ok(coded);
        }
        let tensor = checkpoint.tensor(name, self.device)?;
        let dtype = match self.options.dtype {
            Some(dtype) => dtype,
            None if tensor.dtype() == DType::F64 => DType::F32,
            None => tensor.dtype(),
        };
        Ok(Arc::new(DenseLinear::new(tensor.to_dtype(dtype)?)?))
    }

    fn weights(&self) -> Result<Weights> {
        let c = &self.files.config;
        let table = [c.vocab_size, c.hidden_size];
        let embedding = Embedding::new(self.matrix("model.embed_tokens.weight", table)?)?;
        let head = match c.tie_word_embeddings {
            true => None,
            false => Some(self.matrix("lm_head.weight", table)?),
        };
        let blocks = (0..c.layers).map(|layer| self.block(layer)).collect::<Result<_>>()?;
        Ok(Weights { embedding, blocks, norm: self.vector("model.norm.weight")?, head })
    }

    fn block(&self, layer: usize) -> Result<Block> {
        let prefix = format!("model.layers.{layer}");
        let mut linears = Vec::with_capacity(7);
        for (name, rows, cols, has_bias) in self.files.linears() {
            let weight = self.matrix(&format!("{prefix}.{name}.weight"), [rows, cols])?;
            let bias = has_bias.then(|| self.vector(&format!("{prefix}.{name}.bias"))).transpose()?;
            linears.push(Linear::new(weight, bias)?);
        }
        let [q, k, v, o, gate, up, down] =
            <[Linear; 7]>::try_from(linears).expect("one linear layer for each of seven names");
        let mut block = Block {
            attention_norm: self.vector(&format!("{prefix}.input_layernorm.weight"))?,
            attention: Attention { q, k, v, o, qkv: None },
            feed_forward_norm: self.vector(&format!("{prefix}.post_attention_layernorm.weight"))?,
            feed_forward: FeedForward { gate, up, down, gate_up: None },
        };
        if self.options.dtype.is_some() {
            block.fuse()?;
        }
        Ok(block)
    }
}
