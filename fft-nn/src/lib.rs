//! Layers, language models, generation and model conversion of fft-tensor, for any device.

pub mod checkpoint;
pub mod linear;
