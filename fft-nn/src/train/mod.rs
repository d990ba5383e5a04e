//! Training language models.

mod data;
mod finite;
mod parameters_file;
mod tokenizer;
mod trainer;

pub use data::TokenText;
pub(crate) use finite::expect_finite;
pub use parameters_file::{Differences, differences, read_parameters, write_parameters};
pub use tokenizer::{BYTES, train_tokenizer};
pub use trainer::{RUN, StepReport, TrainOptions, Trainer};
