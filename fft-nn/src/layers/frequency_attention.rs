//! Attention by lag, computed by transforms along the sequence.

use fft_core::convolution::PaddingMode;
use fft_core::{Error, Norm, Result};

use super::expect::{expect, expect_sizes};
use super::long_kernel::window;
use super::{Layer, Linear, Scope};
use crate::autograd::Var;

/// Attention that weighs lags, real `[batch, length, width]` to the same, with `heads` of `dim = width / heads` channels. Queries, keys and values are linear in `x`, and the joined heads
/// pass through a last linear layer: parameters `query`, `key`, `value`, `output`, each [`Linear`] with a bias. There is no map of length by length.
///
/// **Circular**, for whole sequences that are known:
///
/// ```text
/// r[l] = sum_c IFFT(FFT(q_c) conj(FFT(k_c)))[l] = sum_{c, t} q[t + l, c] k[t, c]
/// y[t] = sum_l softmax(r / sqrt(length dim))[l] v[t - l]
/// ```
///
/// The inverse transform is the circular cross-correlation of queries and keys, of each channel: how similar the sequence is to itself `l` positions later, over the sequence as a whole.
/// One weight for each lag and head is what comes of it, the same at all positions (as in Autoformer; Wu et al. 2021), in `O(length log(length))`.
///
/// **Causal**, for language models. A correlation over the sequence looks ahead at every lag, so here lags have learned weights `w`, `[heads, taps]`, and similarity acts
/// at each position:
///
/// ```text
/// y[t] = sum_{s <= t} w[t - s] (q[t] . k[s] / sqrt(dim)) v[s]
/// ```
///
/// which is `q[t]` times the causal convolution of the products `k[s] v[s]^T` with `w` (as in H3; Fu et al. 2023): nothing after `t` enters, however long the sequence, in
/// `O(length log(length) dim)` a channel. For at most `dim * min(dim, 64)` positions that is more work, and larger tensors, than the products `q[t] . k[s]` of all
/// pairs, which are then formed and weighed instead: the same within rounding. Lags of `taps` or more have the weight 0. There is no softmax over the past.
#[derive(Debug, Clone)]
pub struct FrequencyAttention {
    path: String,
    projections: [Linear; 3],
    output: Linear,
    heads: usize,
    /// `[heads, taps]` of causal attention.
    lags: Option<Var>,
}

impl FrequencyAttention {
    const OP: &str = "FrequencyAttention";

    fn with_lags(scope: &Scope, width: usize, heads: usize, lags: Option<Var>) -> Result<Self> {
        let linear = |name| Linear::new(&scope.at(name), width, width, true);
        Ok(Self {
            path: scope.path().to_owned(),
            projections: [linear("query")?, linear("key")?, linear("value")?],
            output: linear("output")?,
            heads,
            lags,
        })
    }

    fn check(scope: &Scope, width: usize, heads: usize) -> Result<()> {
        expect_sizes(Self::OP, scope.path(), &[("width", width), ("heads", heads)])?;
        if width.is_multiple_of(heads) {
            return Ok(());
        }
        let reason = format!("layer {} divides its width, {width}, by them", scope.path());
        Err(Error::invalid(Self::OP, "heads", heads, reason))
    }

    /// Circular attention; first values as [`Linear::new`]'s.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0 and heads that do not divide the width; those of [`Scope::parameter`].
    pub fn circular(scope: &Scope, width: usize, heads: usize) -> Result<Self> {
        Self::check(scope, width, heads)?;
        Self::with_lags(scope, width, heads, None)
    }

    /// Causal attention that reaches `taps` positions back, its own included. The weights of lags, parameter `lags`, start at `e^(-lag / reach)` with reaches from 4 to
    /// `taps` in equal ratios over the heads, scaled so that their squares sum to 1; the linear layers as [`Linear::new`]'s.
    ///
    /// # Errors
    /// As [`circular`](Self::circular).
    pub fn causal(scope: &Scope, width: usize, heads: usize, taps: usize) -> Result<Self> {
        Self::check(scope, width, heads)?;
        expect_sizes(Self::OP, scope.path(), &[("taps", taps)])?;
        let lags = scope.parameter_from("lags", window(scope, heads, taps)?)?;
        Self::with_lags(scope, width, heads, Some(lags))
    }

    /// `q`, `k` and `v` are `[batch, length, heads, dim]`.
    fn by_correlation(q: &Var, k: &Var, v: &Var) -> Result<Var> {
        let shape = q.shape();
        let spectrum = |x: &Var| x.rfftn(&[1], None, Norm::Backward);
        // Sums over channels before the way back: one line a head.
        let joint = spectrum(q)?.mul_conj(&spectrum(k)?)?.sum_keep(&[3])?;
        let scores = joint.irfftn(&[1], Some(&[shape[1]]), Norm::Backward)?;
        let weights = scores.scale(1.0 / ((shape[1] * shape[3]) as f64).sqrt())?.softmax(1)?;
        spectrum(&weights)?.mul(&spectrum(v)?)?.irfftn(&[1], Some(&[shape[1]]), Norm::Backward)
    }

    /// All pairs of positions: `q`, `k` and `v` are `[batch, length, heads, dim]`, `lags` `[heads, taps]`.
    fn by_pairs(q: &Var, k: &Var, v: &Var, lags: &Var) -> Result<Var> {
        let (length, heads, dim) = (q.shape()[1], q.shape()[2], q.shape()[3]);
        let taps = lags.shape()[1];
        // After the lags a 0, for pairs whose key is later or too far back.
        let lag = |t: usize, s: usize| if s <= t { (t - s).min(taps) } else { taps };
        let at: Vec<u32> = (0..length * length).map(|i| lag(i / length, i % length) as u32).collect();
        let weights = lags.scale(1.0 / (dim as f64).sqrt())?.pad(&[[0, 1]], PaddingMode::Zeros)?;
        let weights = weights.gather(1, &at)?.reshape(&[heads, length, length])?;
        let front = |x: &Var| x.permute(&[0, 2, 1, 3]);
        let scores = front(q)?.matmul(&k.permute(&[0, 2, 3, 1])?)?.mul(&weights)?;
        scores.matmul(&front(v)?)?.permute(&[0, 2, 1, 3])
    }

    /// The same by convolutions along the sequence.
    fn by_lags(q: &Var, k: &Var, v: &Var, lags: &Var) -> Result<Var> {
        let shape = q.shape();
        let (batch, length, heads, dim) = (shape[0], shape[1], shape[2], shape[3]);
        // [batch, heads, length, dim], and products [batch, heads, dim of k, dim of v, length].
        let front = |x: &Var| x.permute(&[0, 2, 3, 1]);
        let products = front(k)?.unsqueeze(3)?.mul(&front(v)?.unsqueeze(2)?)?;
        let taps = lags.shape()[1].min(length);
        let lags = lags.narrow(1, 0, taps)?.scale(1.0 / (dim as f64).sqrt())?;
        // Heads are the channels of the convolution; what they share is the batch.
        let lines = products.permute(&[0, 2, 3, 1, 4])?.reshape(&[batch * dim * dim, heads, length])?;
        let sums = lines.long_conv(&lags)?.reshape(&[batch, dim, dim, heads, length])?;
        let sums = sums.permute(&[0, 4, 3, 1, 2])?;
        q.unsqueeze(3)?.matmul(&sums)?.squeeze(3)
    }
}

impl Layer for FrequencyAttention {
    fn forward(&self, x: &Var) -> Result<Var> {
        let weight = self.output.weight();
        let width = weight.shape()[0];
        let axes = [("batch", None), ("length", None), ("width", Some(width))];
        expect(Self::OP, &self.path, x, weight.dtype(), &axes)?;
        let shape = x.shape();
        let apart = [shape[0], shape[1], self.heads, width / self.heads];
        let [q, k, v] = self.projections.each_ref().map(|layer| layer.forward(x)?.reshape(&apart));
        let (q, k, v) = (q?, k?, v?);
        let y = match &self.lags {
            None => Self::by_correlation(&q, &k, &v)?,
            Some(lags) if shape[1] <= apart[3] * apart[3].min(64) => Self::by_pairs(&q, &k, &v, lags)?,
            Some(lags) => Self::by_lags(&q, &k, &v, lags)?,
        };
        self.output.forward(&y.reshape(&shape)?)
    }
}
