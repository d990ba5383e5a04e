//! Naive oracles in `f64`: what every operation should return, as plain functions of slices.
//!
//! They follow the definitions as directly as they can be written; where accuracy asks for it they spend time (compensated
//! sums, twiddle factors by integer modulo). Nothing here is used outside tests. Arguments that do not fit together panic.

mod convolution;
mod cosine;
mod dft;
mod linear;
mod network;
mod sequences;
mod special;
mod spectral;
mod training;

pub use convolution::{convolution, padded_index, transposed_convolution};
pub use cosine::{dct, orthogonal_dct};
pub use dft::{dft, dft_bins, dft_nd, fast_dft, half_spectrum, hermitian, idft, irdft, prime_factors, rdft};
pub use linear::{circulant, circular_convolution, matmul};
pub use network::{attention, layer_norm, rms_norm, rope, silu_mul, softmax};
pub use sequences::{convolve, correlate};
pub use special::{erf, gelu, gelu_tanh, sigmoid};
pub use spectral::half_plane_matrix;
pub use training::{
    attention_backward, layer_norm_backward, log_sum_exp, rms_norm_backward, silu_mul_backward,
    softmax_backward,
};
