//! Products with matrices that are stored by their spectrum.

/// What kernels of sparse spectral matrices have.
pub const SPARSE: &str = include_str!("../wgsl/sparse.wgsl");
/// Their values.
pub const SPARSE_VALUE: &str = include_str!("../wgsl/sparse_value.wgsl");
/// Sums along rows.
pub const SPARSE_ROWS: &str = include_str!("../wgsl/sparse_rows.wgsl");
/// Sums along columns.
pub const SPARSE_COLUMNS: &str = include_str!("../wgsl/sparse_columns.wgsl");
/// The gradient of coefficients.
pub const SPARSE_GRADIENT: &str = include_str!("../wgsl/sparse_gradient.wgsl");
/// A whole spectrum in log8 as such coefficients.
pub const LOG_SPECTRUM: &str = include_str!("../wgsl/log_spectrum.wgsl");
/// Its product with a few vectors, four codes at a time.
pub const LOG_SPECTRUM_WORDS: &str = include_str!("../wgsl/log_spectrum_words.wgsl");
/// What its product in tiles has.
pub const LOG_SPECTRUM_TILE: &str = include_str!("../wgsl/log_spectrum_tile.wgsl");
/// What products with block-circulant matrices have.
pub const CIRCULANT: &str = include_str!("../wgsl/circulant.wgsl");
/// Their operands.
pub const CIRCULANT_OPERANDS: &str = include_str!("../wgsl/circulant_operands.wgsl");
/// For matrices of a few blocks.
pub const CIRCULANT_EACH: &str = include_str!("../wgsl/circulant_each.wgsl");
/// For a few vectors.
pub const CIRCULANT_NARROW: &str = include_str!("../wgsl/circulant_narrow.wgsl");
/// For many vectors.
pub const CIRCULANT_TILE: &str = include_str!("../wgsl/circulant_tile.wgsl");
/// The planes of a spectrum.
pub const CIRCULANT_PLANES: &str = include_str!("../wgsl/circulant_planes.wgsl");
/// What products with rotated matrices have.
pub const ROTATED: &str = include_str!("../wgsl/rotated.wgsl");
/// For a few vectors.
pub const ROTATED_NARROW: &str = include_str!("../wgsl/rotated_narrow.wgsl");
/// For many vectors.
pub const ROTATED_TILE: &str = include_str!("../wgsl/rotated_tile.wgsl");
/// Walsh-Hadamard transforms.
pub const HADAMARD: &str = include_str!("../wgsl/hadamard.wgsl");
