//! What tests of refused input share: the assertion, a device of one thread and little memory, and tensors on it.

#![allow(dead_code, reason = "each file of tests uses its part")]

use fft_core::{DType, Device, Tensor};

/// The call fails with an error of this pattern, whose message contains each of the texts: the operation, where one is given.
macro_rules! refused {
    ($call:expr, $variant:ident $(, $text:expr)* $(,)?) => {
        match $call {
            Err(error @ fft_core::Error::$variant { .. }) => {
                let message = error.to_string();
                $(assert!(message.contains($text), "{}: {message}", stringify!($call));)*
                drop(message);
            }
            other => panic!("{}: {:?}", stringify!($call), other.map(|_| "no error")),
        }
    };
}
pub(crate) use refused;

pub(crate) fn device() -> Device {
    let options = fft_cpu::CpuOptions { threads: Some(1), memory_limit: Some(1 << 28) };
    fft_cpu::device(options).expect("a processor opens")
}

pub(crate) fn zeros(device: &Device, shape: &[usize]) -> Tensor {
    typed(device, shape, DType::F32)
}

pub(crate) fn typed(device: &Device, shape: &[usize], dtype: DType) -> Tensor {
    Tensor::zeros(device, shape, dtype).expect("a small tensor fits")
}
