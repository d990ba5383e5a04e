//! Which way a product with a sparse spectral matrix goes, and why.

use crate::spectral::streaming::RowBlocks;

/// A way to multiply with a [`SparseSpectralMatrix`](crate::spectral::SparseSpectralMatrix).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductWay {
    /// In the spectral domain: transforms of the vectors, and each coefficient times each vector.
    Exact,
    /// Blocks of rows are made dense, multiplied and dropped.
    Streaming {
        /// Rows of a block, at most.
        block_rows: usize,
    },
}

/// Measured costs of the steps of both ways, in nanoseconds on one thread. Threads divide all of them about equally, so the
/// choice stands for any number.
///
/// The defaults were measured by `cargo bench --bench sparse` on an AMD EPYC of the Zen 5 generation; `docs/sparse.md` tells how
/// to measure another machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostModel {
    /// A real transform of `n` points, for each `n log2 n`.
    pub transform: f64,
    /// A coefficient times a single vector.
    pub coefficient_single: f64,
    /// A coefficient times one vector of a batch.
    pub coefficient_batched: f64,
    /// Folding a coefficient into a block.
    pub fold: f64,
    /// Making a block dense, for each element and factor of two of its lengths.
    pub densify: f64,
    /// Reading an element of a dense block for the product.
    pub dense_read: f64,
    /// An element of a dense block times one vector.
    pub dense_product: f64,
}

impl Default for CostModel {
    fn default() -> Self {
        Self {
            transform: 0.06,
            coefficient_single: 0.35,
            coefficient_batched: 0.11,
            fold: 2.5,
            densify: 0.3,
            dense_read: 0.12,
            dense_product: 0.025,
        }
    }
}

/// Elements of a dense block, about: small enough to stay in a last-level cache, large enough that folding is rare.
const BLOCK_ELEMENTS: usize = 1 << 21;

/// A choice, with the costs that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The way chosen: the one that costs less.
    pub way: ProductWay,
    /// Estimated seconds of [`ProductWay::Exact`] on one thread.
    pub exact_seconds: f64,
    /// Estimated seconds of [`ProductWay::Streaming`] on one thread.
    pub streaming_seconds: f64,
    /// `[out, in]`.
    pub shape: [usize; 2],
    /// Coefficients of the matrix.
    pub count: usize,
    /// Vectors multiplied.
    pub batch: usize,
}

impl Plan {
    /// The cheaper way to multiply `batch` vectors by an `[out, in]` matrix of `count` coefficients.
    pub fn new(shape: [usize; 2], count: usize, batch: usize, model: &CostModel) -> Self {
        let [m, n] = shape.map(|n| n as f64);
        let (coefficients, vectors) = (count as f64, batch as f64);
        let log = |n: f64| n.log2().max(1.0);
        let transforms = vectors * model.transform * (n * log(n) + m * log(m));
        let each = if batch <= 1 { model.coefficient_single } else { model.coefficient_batched };
        let exact = transforms + each * coefficients * vectors;

        let block_rows = (BLOCK_ELEMENTS / shape[1].max(1)).clamp(64.min(shape[0].max(1)), shape[0].max(1));
        let cut = RowBlocks::new(shape[0].max(1), block_rows);
        let fold = model.fold * coefficients * cut.residues as f64;
        let densify = model.densify * m * n * log(cut.rows_per_residue as f64 * n);
        let product = m * n * (model.dense_read + model.dense_product * vectors);
        let streaming = fold + densify + product;

        let way = if exact <= streaming { ProductWay::Exact } else { ProductWay::Streaming { block_rows } };
        let (exact_seconds, streaming_seconds) = (exact * 1e-9, streaming * 1e-9);
        Self { way, exact_seconds, streaming_seconds, shape, count, batch }
    }

    /// The reason for the choice, in a sentence.
    pub fn reason(&self) -> String {
        let (better, worse) =
            (self.exact_seconds.min(self.streaming_seconds), self.exact_seconds.max(self.streaming_seconds));
        let ratio = worse / better.max(f64::MIN_POSITIVE);
        match self.way {
            ProductWay::Exact => format!(
                "{} coefficients times {} vectors cost {ratio:.1} times less than making the matrix dense and multiplying",
                self.count, self.batch
            ),
            ProductWay::Streaming { block_rows } => format!(
                "for {} vectors a dense product, {block_rows} rows at a time, costs {ratio:.1} times less than {} coefficients \
                 times each vector",
                self.batch, self.count
            ),
        }
    }

    /// The choice, its reason and both estimates, for people.
    pub fn explain(&self) -> String {
        let way = match self.way {
            ProductWay::Exact => "exact spectral product",
            ProductWay::Streaming { .. } => "block streaming",
        };
        format!(
            "{way} for [{}, {}] times {} vectors: {} (estimated on one thread: exact {:.3} ms, streaming {:.3} ms)",
            self.shape[0],
            self.shape[1],
            self.batch,
            self.reason(),
            self.exact_seconds * 1e3,
            self.streaming_seconds * 1e3
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_the_cheaper_way() {
        let model = CostModel::default();
        let sparse = Plan::new([4096, 4096], 84_000, 1, &model);
        assert_eq!(sparse.way, ProductWay::Exact);
        let dense = Plan::new([4096, 4096], 8_000_000, 4096, &model);
        assert!(
            matches!(dense.way, ProductWay::Streaming { block_rows } if block_rows >= 64),
            "{}",
            dense.explain()
        );
        assert!(dense.streaming_seconds < dense.exact_seconds);
        assert!(dense.explain().contains("streaming") && sparse.explain().contains("84000 coefficients"));
        // Costs of nothing at all choose the exact way rather than fail.
        assert_eq!(Plan::new([1, 1], 0, 0, &model).way, ProductWay::Exact);
    }
}
