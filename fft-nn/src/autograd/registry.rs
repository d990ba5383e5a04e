//! All operations, each with inputs to check its gradient on.

use fft_core::{Device, Result, Tensor};

use super::Operation;
use super::ops;

/// An operation and operands on which it is smooth.
#[derive(Debug)]
pub struct Sample {
    /// The operation.
    pub operation: Box<dyn Operation>,
    /// Its operands, in double precision where the device has it.
    pub inputs: Vec<Tensor>,
}

impl Sample {
    /// A sample.
    pub fn new(operation: impl Operation, inputs: impl IntoIterator<Item = Tensor>) -> Self {
        Self { operation: Box::new(operation), inputs: inputs.into_iter().collect() }
    }
}

/// An operation of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// The name of its type.
    pub name: &'static str,
    /// Every variant, on a device; differences need one with double precision.
    pub samples: fn(&Device) -> Result<Vec<Sample>>,
}

/// What an operation type offers to be checked on.
pub(super) trait Samples {
    /// Every variant, with operands on which it is smooth.
    fn samples(device: &Device) -> Result<Vec<Sample>>;
}

macro_rules! registry {
    ($($module:ident :: $operation:ident),* $(,)?) => {
        /// Every operation.
        pub fn registry() -> &'static [Registered] {
            &[$(Registered {
                name: stringify!($operation),
                samples: <ops::$module::$operation as Samples>::samples,
            }),*]
        }
    };
}

registry! {
    elementwise::Unary, elementwise::Binary, elementwise::ToDtype, reduce::Sum, reduce::Mean, reduce::Extremum, shape::Reshape, shape::Permute, shape::Narrow,
    shape::BroadcastTo, shape::Cat, shape::Gather, linear::Matmul, fourier::Fft, band::LowFrequencies, band::BandLimited, network::Softmax, network::LogSoftmax,
    network::LayerNorm, network::RmsNorm, network::SiluMul, network::Rope, network::Attention, cross_entropy::CrossEntropy,
    phasor::Phasor, convolution::Conv, convolution::ConvTranspose, convolution::Pad, convolution::LongConv, spectral::SparseSpectral,
    circulant::BlockCirculant, magnitude::ModRelu, magnitude::MagnitudeNorm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_registered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/autograd/ops");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let names = text.lines().filter_map(|line| line.strip_prefix("impl Operation for "));
            found.extend(names.map(|rest| rest.split([' ', '<']).next().unwrap().to_owned()));
        }
        let mut listed: Vec<String> = registry().iter().map(|r| r.name.to_owned()).collect();
        found.sort();
        listed.sort();
        assert_eq!(found, listed, "operations of the sources, and of the registry");
    }
}
