//! Layers of neural networks by the definition.

use super::special::sigmoid;

/// `exp(x - max) / sum exp(x - max)` of one row.
pub fn softmax(row: &[f64]) -> Vec<f64> {
    let max = row
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, |m, x| if x.is_nan() || m.is_nan() { f64::NAN } else { m.max(x) });
    let e: Vec<f64> = row.iter().map(|x| (x - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

/// `x / sqrt(mean(x^2) + eps) * weight` of one row.
pub fn rms_norm(row: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
    row.iter().zip(weight).map(|(x, w)| x / (mean + eps).sqrt() * w).collect()
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` of one row, with the biased variance.
pub fn layer_norm(row: &[f64], weight: &[f64], bias: &[f64], eps: f64) -> Vec<f64> {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let norm = |x: f64| (x - mean) / (variance + eps).sqrt();
    row.iter().zip(weight).zip(bias).map(|((&x, w), b)| norm(x) * w + b).collect()
}

/// One row of `dim` elements rotated by the angles of its token: `(a cos - b sin, b cos + a sin)` of its halves.
pub fn rope(row: &[f64], cos: &[f64], sin: &[f64]) -> Vec<f64> {
    let (a, b) = row.split_at(row.len() / 2);
    let first = a.iter().zip(b).zip(cos.iter().zip(sin)).map(|((a, b), (c, s))| a * c - b * s);
    let second = a.iter().zip(b).zip(cos.iter().zip(sin)).map(|((a, b), (c, s))| b * c + a * s);
    first.chain(second).collect()
}

/// Attention of one query row over the first `visible` keys: `softmax(scale q . k) v`; `keys` is `[s, dim]`, `values`
/// `[s, dim_v]`.
pub fn attention(q: &[f64], keys: &[f64], values: &[f64], visible: usize, scale: f64) -> Vec<f64> {
    let dim = q.len();
    let dim_v = values.len() / (keys.len() / dim);
    let scores: Vec<f64> = keys
        .chunks_exact(dim)
        .take(visible)
        .map(|k| scale * q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>())
        .collect();
    let mut out = vec![0.0; dim_v];
    for (weight, v) in softmax(&scores).into_iter().zip(values.chunks_exact(dim_v)) {
        for (out, v) in out.iter_mut().zip(v) {
            *out += weight * v;
        }
    }
    out
}

/// `gate sigmoid(gate) up`.
pub fn silu_mul(gate: f64, up: f64) -> f64 {
    gate * sigmoid(gate) * up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_by_hand() {
        assert_eq!(softmax(&[0.0, 0.0]), [0.5, 0.5]);
        assert_eq!(softmax(&[1000.0, -1000.0]), [1.0, 0.0]);
        assert_eq!(rms_norm(&[3.0, 4.0], &[1.0, 2.0], 12.5), [0.6, 1.6]);
        assert_eq!(layer_norm(&[1.0, 3.0], &[2.0, 2.0], &[0.5, 0.0], 0.0), [-1.5, 2.0]);
        assert_eq!(rope(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0], &[1.0, 0.0]), [-3.0, 2.0, 1.0, 4.0]);
        // Two equal keys share the weight; the third is not visible.
        let out = attention(&[1.0], &[2.0, 2.0, 9.0], &[1.0, 10.0, 3.0, 30.0, 5.0, 50.0], 2, 0.5);
        assert_eq!(out, [2.0, 20.0]);
        assert_eq!(silu_mul(0.0, 5.0), 0.0);
    }
}
