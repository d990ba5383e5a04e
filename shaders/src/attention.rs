//! Softmax attention and its way back, in tiles.

/// What all kernels of attention have.
pub const COMMON: &str = include_str!("../wgsl/attention.wgsl");
/// The rows of an operand.
pub const OPERAND: &str = include_str!("../wgsl/attention_operand.wgsl");
/// Four neighbours of a row.
pub const FOUR: &str = include_str!("../wgsl/attention_four.wgsl");
/// The rows of an operand whose elements are read four at a time.
pub const WORDS: &str = include_str!("../wgsl/attention_words.wgsl");
/// Products of the rows of two operands.
pub const SCORES: &str = include_str!("../wgsl/attention_scores.wgsl");
/// Weighted sums of the rows of an operand.
pub const WEIGHTED: &str = include_str!("../wgsl/attention_weighted.wgsl");
/// Stores an element of a result.
pub const PUT: &str = include_str!("../wgsl/attention_put.wgsl");
/// The results of rows whose keys were all seen.
pub const WHOLE: &str = include_str!("../wgsl/attention_whole.wgsl");
/// The results of rows for a part of their keys.
pub const PART: &str = include_str!("../wgsl/attention_part.wgsl");
/// A tile of rows.
pub const TILE: &str = include_str!("../wgsl/attention_tile.wgsl");
/// Its end, where results are stored.
pub const FINISH: &str = include_str!("../wgsl/attention_finish.wgsl");
/// Its end, where only what the way back needs of a row is stored.
pub const STATISTICS: &str = include_str!("../wgsl/attention_statistics.wgsl");
/// A few rows.
pub const FEW: &str = include_str!("../wgsl/attention_few.wgsl");
/// Joins the parts of the keys.
pub const JOIN: &str = include_str!("../wgsl/attention_join.wgsl");
/// The gradient in queries.
pub const QUERIES: &str = include_str!("../wgsl/attention_queries.wgsl");
/// The gradients in keys and values.
pub const KEYS: &str = include_str!("../wgsl/attention_keys.wgsl");
