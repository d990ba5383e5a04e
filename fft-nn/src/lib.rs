//! Layers, language models, generation and model conversion of fft-tensor, for any device.
//!
//! - [`models`] reads a Hugging Face directory and runs the model; [`tokenizer`] reads its tokenizer.
//! - [`generate`] writes on from a prompt, [`sampling`] chooses the tokens.
//! - [`evaluate`] measures perplexity and the distance of one model from another.
//! - [`autograd`] differentiates, [`layers`] have parameters to train.
//! - [`linear`] holds a weight behind any codec; [`checkpoint`] reads, checks and writes safetensors files.
//! - [`codec`] encodes weights and loads them; [`convert`] converts whole models.

pub mod autograd;
pub mod checkpoint;
pub mod codec;
pub mod convert;
pub mod evaluate;
pub mod generate;
pub mod kv_cache;
pub mod layers;
pub mod linear;
pub mod models;
pub mod optim;
pub mod random;
pub mod rope;
pub mod sampling;
pub mod tokenizer;
pub mod train;
