//! Converting models: [`llamaize()`] stores a plain model by codecs, [`export()`] makes it plain again, [`inspect()`] tells what a model holds.

mod export;
mod floats;
mod inspect;
mod llamaize;
mod model_files;
mod report;

pub use export::{ExportOptions, export};
pub use inspect::inspect;
pub use llamaize::{is_linear_weight, llamaize};
pub use report::{Compaction, ConvertReport, InspectReport, TensorReport, Totals};

use fft_core::DType;
use fft_core::spectral::{Amount, Selection};

use crate::checkpoint::{Checkpoint, Entry, WriterOptions};
use crate::codec::MatrixCodec;

/// How selected weights are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightFormat {
    /// By a codec; matrices only.
    Coded(MatrixCodec),
    /// As plain `F32`, `F16` or `BF16`; tensors of any number of axes.
    Dense(DType),
}

impl WeightFormat {
    /// The codec and its settings in words.
    pub fn describe(&self) -> String {
        let amount = |amount: Amount| match amount {
            Amount::Density(d) => format!("density {d}"),
            Amount::Count(n) => format!("{n} coefficients"),
            Amount::Energy(e) => format!("energy {e}"),
        };
        match self {
            Self::Dense(dtype) => format!("dense, {dtype}"),
            Self::Coded(MatrixCodec::Rotated(o)) => {
                format!("rotated, {} bit, groups of {}, seed {}", o.bits.get(), o.group, o.seed)
            }
            Self::Coded(MatrixCodec::Log8(o)) => format!("log8, groups of {}", o.group),
            Self::Coded(MatrixCodec::BlockCirculant(o)) => format!("block-circulant, blocks of {}", o.block),
            Self::Coded(MatrixCodec::Sparse(o)) => {
                let way = match o.selection {
                    Selection::TopK(_) => "top-k".to_string(),
                    Selection::Random { seed, .. } => format!("random with seed {seed}"),
                    Selection::LowPass(_) => "low-pass".into(),
                    Selection::Block { block, .. } => format!("runs of {block}"),
                };
                format!("sparse, {way}, {}, {} values", amount(o.selection.amount()), o.values.name())
            }
        }
    }
}

/// What [`llamaize()`] does.
#[derive(Clone, Copy)]
pub struct ConvertOptions<'a> {
    /// How selected weights are stored.
    pub format: WeightFormat,
    /// Which weights, by name; tensors of other types or numbers of axes than the format takes are left in any case. `None`: linear
    /// layers ([`is_linear_weight`]) for a codec, all for [`WeightFormat::Dense`].
    pub select: Option<&'a dyn Fn(&str) -> bool>,
    /// Whether a model at the destination is replaced.
    pub force: bool,
    /// A file of weights is closed before it exceeds this many bytes.
    pub max_shard_bytes: u64,
}

impl ConvertOptions<'_> {
    /// Default selection, no replacement, files of at most 4 GiB.
    pub fn new(format: WeightFormat) -> Self {
        let max_shard_bytes = WriterOptions::default().max_shard_bytes;
        Self { format, select: None, force: false, max_shard_bytes }
    }
}

impl std::fmt::Debug for ConvertOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConvertOptions")
            .field("format", &self.format)
            .field("selects", &self.select.is_some())
            .field("force", &self.force)
            .field("max_shard_bytes", &self.max_shard_bytes)
            .finish()
    }
}

/// How far a conversion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The tensor that comes next; empty at the end.
    pub tensor: &'a str,
    /// Tensors done.
    pub tensors: usize,
    /// Tensors in all.
    pub total_tensors: usize,
    /// Source bytes done.
    pub bytes: u64,
    /// Source bytes in all.
    pub total_bytes: u64,
}

impl Progress<'static> {
    /// The beginning of work on a checkpoint.
    fn start(checkpoint: &Checkpoint) -> Self {
        let total_bytes = checkpoint.entries().map(|(_, e)| e.bytes() as u64).sum();
        Self { tensor: "", tensors: 0, total_tensors: checkpoint.names().count(), bytes: 0, total_bytes }
    }

    fn at<'b>(&self, tensor: &'b str) -> Progress<'b> {
        Progress { tensor, ..*self }
    }

    fn done(&mut self, entry: &Entry) {
        self.tensors += 1;
        self.bytes += entry.bytes() as u64;
    }
}
