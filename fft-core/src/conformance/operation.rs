//! The methods of the trait, and the proof at compile time that each has a case.

use super::{Case, GROUPS};

macro_rules! operations {
    ($($variant:ident => $name:literal),* $(,)?) => {
        /// A method of [`SpectralBackend`](crate::SpectralBackend).
        ///
        /// The crate does not compile (with the feature `conformance`) when a method of the trait is not listed here, or
        /// when an operation listed here is covered by no case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Operation {
            /// Every method of the trait.
            pub const ALL: &'static [Operation] = &[$(Operation::$variant),*];

            /// The name of the method.
            pub const fn name(self) -> &'static str {
                match self { $(Operation::$variant => $name),* }
            }
        }
    };
}

operations! {
    Info => "info", Memory => "memory", CacheStats => "cache_stats", Supports => "supports", Alloc => "alloc",
    Adopt => "adopt", Upload => "upload", Download => "download", Synchronize => "synchronize", Copy => "copy",
    Fill => "fill", Gather => "gather", Scatter => "scatter", Unary => "unary", Binary => "binary",
    Select => "select", Reduce => "reduce", Matmul => "matmul", Fft => "fft", Scope => "scope", Trim => "trim",
    KernelTimes => "kernel_times", FftNd => "fft_nd",
    FftInPlace => "fft_in_place",
    LowFrequencies => "low_frequencies", BandLimited => "band_limited",
    Dct => "dct",
    Softmax => "softmax", RmsNorm => "rms_norm", LayerNorm => "layer_norm", Rope => "rope",
    UnaryBackward => "unary_backward", AdamwStep => "adamw_step", SgdStep => "sgd_step", SumOfSquares => "sum_of_squares",
    Largest => "largest",
    SoftmaxBackward => "softmax_backward", LogSoftmax => "log_softmax", LogSoftmaxBackward => "log_softmax_backward",
    CrossEntropy => "cross_entropy", CrossEntropyBackward => "cross_entropy_backward",
    RmsNormBackward => "rms_norm_backward", LayerNormBackward => "layer_norm_backward",
    AttentionBackward => "attention_backward", SiluMulBackward => "silu_mul_backward",
    ModRelu => "mod_relu", ModReluBackward => "mod_relu_backward", MagnitudeNorm => "magnitude_norm",
    MagnitudeNormBackward => "magnitude_norm_backward",
    Attention => "attention", SiluMul => "silu_mul", SpectralConv => "spectral_conv",
    ConvCosts => "conv_costs", ConvDirect => "conv_direct", ConvSpectrum => "conv_spectrum", ConvFft => "conv_fft",
    LongConvSpectrum => "long_conv_spectrum", LongConv => "long_conv",
    SparseSpectralProduct => "sparse_spectral_product", BlockCirculantProduct => "block_circulant_product",
    SparseSpectralGradient => "sparse_spectral_gradient", BlockCirculantGradient => "block_circulant_gradient",
    BlockCirculantSpectrum => "block_circulant_spectrum",
    RotatedProduct => "rotated_product", LogSpectrumProduct => "log_spectrum_product", Log8Decode => "log8_decode", Log8Encode => "log8_encode",
}

/// Whether `text` continues with `pattern` at byte `at`.
const fn continues(text: &[u8], at: usize, pattern: &[u8]) -> bool {
    if at + pattern.len() > text.len() {
        return false;
    }
    let mut i = 0;
    while i < pattern.len() {
        if text[at + i] != pattern[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether each method that the source of the trait declares is in [`Operation::ALL`], and nothing else is.
const fn lists_the_trait(source: &[u8]) -> bool {
    const METHOD: &[u8] = b"\n    fn ";
    let (mut at, mut methods) = (0, 0);
    while at < source.len() {
        if source[at] == b'\n' && continues(source, at, METHOD) {
            let name = at + METHOD.len();
            let mut known = false;
            let mut i = 0;
            while i < Operation::ALL.len() {
                let candidate = Operation::ALL[i].name().as_bytes();
                let end = name + candidate.len();
                known |= continues(source, name, candidate) && end < source.len() && source[end] == b'(';
                i += 1;
            }
            if !known {
                return false;
            }
            methods += 1;
        }
        at += 1;
    }
    methods == Operation::ALL.len()
}

/// Whether some case of `groups` covers `operation`.
const fn is_covered(operation: Operation, groups: &[&[Case]]) -> bool {
    let mut group = 0;
    while group < groups.len() {
        let mut case = 0;
        while case < groups[group].len() {
            let covers = groups[group][case].covers;
            let mut i = 0;
            while i < covers.len() {
                if covers[i] as usize == operation as usize {
                    return true;
                }
                i += 1;
            }
            case += 1;
        }
        group += 1;
    }
    false
}

const _: () = assert!(
    lists_the_trait(include_bytes!("../backend.rs")),
    "SpectralBackend has a method that conformance::Operation does not list, or the other way round"
);

const _: () = {
    let mut i = 0;
    while i < Operation::ALL.len() {
        assert!(
            is_covered(Operation::ALL[i], GROUPS),
            "an operation of SpectralBackend has no conformance case"
        );
        i += 1;
    }
};
