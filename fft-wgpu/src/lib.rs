//! The WebGPU backend of fft-tensor: Vulkan, Metal and DX12 through wgpu.
//!
//! [`device`] opens an adapter; [`adapters`] lists those of the machine, software adapters such as Mesa's lavapipe included.
//!
//! - Work is recorded and handed to the driver in groups; buffers, pipelines and bind groups are kept and used again, and
//!   [`stats`] counts what was made.
//! - [`read_back`] reads a tensor without waiting for it.
//! - Everything runs within WebGPU's default limits, and uses more where the adapter has it ([`WgpuOptions::default_limits`] keeps to
//!   the defaults). Tensors larger than one binding are worked on in parts.
//! - `F32`, `C64`, `F16`, `BF16` and the integer types; no shader needs half-precision or 64-bit features. `F64` and `C128` are
//!   refused with `Unsupported`.
//! - A lost device, a shortage of memory and a device that does not answer are errors of the call that meets them and of all after it.

mod adapter;
mod attention;
mod backend;
mod call;
mod circulant;
mod context;
mod convolution;
mod elementwise;
mod fourier;
mod indexing;
mod largest;
mod log_spectrum;
mod matmul;
mod memory;
mod options;
mod params;
mod pipeline_cache;
mod pipelines;
mod profile;
mod readback;
mod reduction;
mod rotated;
mod rows;
mod sparse;
mod staging;
mod status;
mod store;
mod stream;
mod transfer;
mod walk;

pub use adapter::{AdapterDescription, adapters};
pub use backend::{Stats, WgpuBackend, destroy, device, stats};
pub use options::{AdapterChoice, WgpuOptions};
pub use readback::{Readback, read_back};

/// Every shader that the backend makes, by name, for the test that validates them.
#[doc(hidden)]
pub fn every_shader() -> Vec<(String, String)> {
    let mut all = elementwise::every_shader();
    all.extend(reduction::every_shader());
    all.extend(indexing::every_shader());
    all.extend(largest::every_shader());
    all.extend(matmul::every_shader());
    all.extend(fourier::every_shader());
    all.extend(convolution::every_shader());
    all.extend(attention::every_shader());
    all.extend(sparse::every_shader());
    all.extend(log_spectrum::every_shader());
    all.extend(rows::every_shader());
    all.extend(circulant::every_shader());
    all.extend(rotated::every_shader());
    all.into_iter().map(|(name, text)| (name, fft_shaders::link(&text))).collect()
}
