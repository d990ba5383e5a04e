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
