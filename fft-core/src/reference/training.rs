//! The ways back of layers of neural networks by their derivatives.

use super::network::softmax;
use super::special::sigmoid;

/// `y (grad - sum grad y)` of one row of a softmax's result.
pub fn softmax_backward(y: &[f64], grad: &[f64]) -> Vec<f64> {
    let along: f64 = y.iter().zip(grad).map(|(y, g)| y * g).sum();
    y.iter().zip(grad).map(|(y, g)| y * (g - along)).collect()
}

/// The log-sum-exp of one row.
pub fn log_sum_exp(row: &[f64]) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + row.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// The gradients in one row and, from that row, in the weight of a root-mean-square norm.
pub fn rms_norm_backward(row: &[f64], weight: &[f64], grad: &[f64], eps: f64) -> (Vec<f64>, Vec<f64>) {
    let n = row.len() as f64;
    let r = 1.0 / (row.iter().map(|x| x * x).sum::<f64>() / n + eps).sqrt();
    // y_i = w_i x_i r, dr / dx_j = -r^3 x_j / n.
    let along: f64 = row.iter().zip(weight).zip(grad).map(|((x, w), g)| g * w * x).sum();
    let of_x = row.iter().zip(weight).zip(grad).map(|((x, w), g)| g * w * r - x * r.powi(3) * along / n);
    (of_x.collect(), row.iter().zip(grad).map(|(x, g)| g * x * r).collect())
}

/// The gradients in one row and, from that row, in the weight of a layer norm; that in the bias is the gradient itself.
pub fn layer_norm_backward(row: &[f64], weight: &[f64], grad: &[f64], eps: f64) -> (Vec<f64>, Vec<f64>) {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let centred: Vec<f64> = row.iter().map(|x| x - mean).collect();
    // The centred row goes through a norm without a mean; centring is its own adjoint.
    let (of_centred, of_weight) = rms_norm_backward(&centred, weight, grad, eps);
    let shift = of_centred.iter().sum::<f64>() / n;
    (of_centred.into_iter().map(|d| d - shift).collect(), of_weight)
}

/// The gradients of `silu(gate) up` in both.
pub fn silu_mul_backward(gate: f64, up: f64, grad: f64) -> (f64, f64) {
    let s = sigmoid(gate);
    (grad * up * (s + gate * s * (1.0 - s)), grad * gate * s)
}

/// The gradient in one query of attention over the first `visible` keys; those in the keys and values are added to `of_keys` and
/// `of_values`. Shapes as in [`attention`](super::attention).
#[allow(clippy::too_many_arguments, reason = "the operands of attention, a gradient each")]
pub fn attention_backward(
    q: &[f64],
    keys: &[f64],
    values: &[f64],
    grad: &[f64],
    visible: usize,
    scale: f64,
    of_keys: &mut [f64],
    of_values: &mut [f64],
) -> Vec<f64> {
    let (dim, dim_v) = (q.len(), grad.len());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let keys_seen = || keys.chunks_exact(dim).take(visible);
    let weights = softmax(&keys_seen().map(|k| scale * dot(q, k)).collect::<Vec<_>>());
    let of_weights: Vec<f64> = values.chunks_exact(dim_v).take(visible).map(|v| dot(grad, v)).collect();
    let of_scores = softmax_backward(&weights, &of_weights);
    let mut of_q = vec![0.0; dim];
    for (j, k) in keys_seen().enumerate() {
        for (i, (of_q, of_k)) in of_q.iter_mut().zip(&mut of_keys[j * dim..]).enumerate() {
            *of_q += scale * of_scores[j] * k[i];
            *of_k += scale * of_scores[j] * q[i];
        }
        for (of_v, g) in of_values[j * dim_v..].iter_mut().zip(grad) {
            *of_v += weights[j] * g;
        }
    }
    of_q
}

#[cfg(test)]
mod tests {
    use super::super::network;
    use super::*;

    /// The change of `sum grad f(x)` when element `i` of `x` moves, by central differences.
    fn slope(x: &[f64], i: usize, grad: &[f64], f: &dyn Fn(&[f64]) -> Vec<f64>) -> f64 {
        let at = |step: f64| {
            let mut x = x.to_vec();
            x[i] += step;
            f(&x).iter().zip(grad).map(|(y, g)| y * g).sum::<f64>()
        };
        (8.0 * (at(1e-3) - at(-1e-3)) - at(2e-3) + at(-2e-3)) / 12e-3
    }

    fn agree(x: &[f64], grad: &[f64], got: &[f64], f: &dyn Fn(&[f64]) -> Vec<f64>) {
        for (i, got) in got.iter().enumerate() {
            let want = slope(x, i, grad, f);
            assert!((got - want).abs() < 1e-10, "{i}: {got} instead of {want}");
        }
    }

    #[test]
    fn derivatives_are_slopes() {
        let (x, w, b) = ([0.3, -1.2, 0.7], [0.9, 1.1, -0.4], [0.1, 0.2, -0.3]);
        let g = [1.0, -0.5, 0.25];
        agree(&x, &g, &softmax_backward(&softmax(&x), &g), &softmax);
        agree(&x, &[1.0], &softmax(&x), &|x| vec![log_sum_exp(x)]);
        let (of_x, of_w) = rms_norm_backward(&x, &w, &g, 0.01);
        agree(&x, &g, &of_x, &|x| network::rms_norm(x, &w, 0.01));
        agree(&w, &g, &of_w, &|w| network::rms_norm(&x, w, 0.01));
        let (of_x, of_w) = layer_norm_backward(&x, &w, &g, 0.01);
        agree(&x, &g, &of_x, &|x| network::layer_norm(x, &w, &b, 0.01));
        agree(&w, &g, &of_w, &|w| network::layer_norm(&x, w, &b, 0.01));
        let (of_gate, of_up) = silu_mul_backward(0.7, -1.5, 2.0);
        agree(&[0.7, -1.5], &[2.0], &[of_gate, of_up], &|x| vec![network::silu_mul(x[0], x[1])]);
        let (keys, values) = ([0.2, 0.5, -0.3, 1.0, 0.6, 0.1, 9.0, 9.0, 9.0], [1.0, 2.0, -1.0]);
        let (mut of_keys, mut of_values) = ([0.0; 9], [0.0; 3]);
        let of_q = attention_backward(&x, &keys, &values, &[1.5], 2, 0.5, &mut of_keys, &mut of_values);
        agree(&x, &[1.5], &of_q, &|x| network::attention(x, &keys, &values, 2, 0.5));
        agree(&keys, &[1.5], &of_keys, &|k| network::attention(&x, k, &values, 2, 0.5));
        agree(&values, &[1.5], &of_values, &|v| network::attention(&x, &keys, v, 2, 0.5));
    }
}
