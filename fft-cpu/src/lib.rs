//! The processor backend of fft-tensor.
