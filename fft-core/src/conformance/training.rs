//! The ways back of the operations of neural networks, and the cross-entropy: the backend's method and its composition, both against the
//! derivatives in double precision.
//!
//! Gradients are sums of products of a few rounded factors. Their relative L2 error is bounded by a few units for the factors and, for sums
//! over `n`, by the depth of a sum of `n` numbers, which cancellation magnifies by little for random operands.

use super::compare::{close_l2, ensure};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::backend::AttentionSpec;
use crate::{DType, Device, Tensor, compose, reference};

pub(super) const CASES: &[Case] = &[
    Case::new("softmax::way_back", &[Operation::SoftmaxBackward], softmax_backward),
    Case::new("softmax::logarithm", &[Operation::LogSoftmax, Operation::LogSoftmaxBackward], log_softmax),
    Case::new(
        "cross_entropy::against_the_definition",
        &[Operation::CrossEntropy, Operation::CrossEntropyBackward],
        cross_entropy,
    ),
    Case::new(
        "cross_entropy::extremes",
        &[Operation::CrossEntropy, Operation::CrossEntropyBackward],
        extremes,
    ),
    Case::new("norms::rms_norm_way_back", &[Operation::RmsNormBackward], rms_norm_backward),
    Case::new("norms::layer_norm_way_back", &[Operation::LayerNormBackward], layer_norm_backward),
    Case::new("silu_mul::way_back", &[Operation::SiluMulBackward], silu_mul_backward),
    Case::new("attention::way_back", &[Operation::AttentionBackward], attention_backward),
];

/// Single precision, and double where the device has it.
fn precisions(device: &Device) -> impl Iterator<Item = DType> {
    [DType::F32, DType::F64].into_iter().filter(|&d| device.supports(d))
}

/// The bound for factors of `units` roundings and a sum of `n` numbers.
fn bound(dtype: DType, units: f64, n: usize) -> f64 {
    dtype.epsilon() * (units + 0.5 * (n as f64).min(32.0 + n as f64 / 32.0))
}

/// Both ways of one operation that returns several tensors.
fn check<const N: usize>(
    what: &str,
    fused: &[Tensor; N],
    composed: &[Tensor; N],
    want: &[&Array; N],
    dtype: DType,
    bound: f64,
) -> Outcome {
    for (way, got) in [("", fused), (", composed", composed)] {
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            ensure(got.dtype() == dtype, || format!("{what}{way}: result {i} is {}", got.dtype()))?;
            close_l2(format_args!("{what}{way}, result {i}"), got, want, bound)?;
        }
    }
    Ok(())
}

/// The rows along the last axis.
fn rows(x: &Array) -> Vec<Vec<f64>> {
    x.re().chunks_exact(*x.shape.last().unwrap_or(&1)).map(<[f64]>::to_vec).collect()
}

/// An array of the shape of another.
fn like(x: &Array, rows: Vec<Vec<f64>>) -> Array {
    Array::real(&x.shape, rows.concat())
}

const ROWS: [&[usize]; 10] = [
    &[7],
    &[2, 3],
    &[3, 8],
    &[2, 3, 33],
    &[2, 1000],
    &[5, 4096],
    &[300, 17],
    &[1275, 192],
    &[5, 129],
    &[3, 9000],
];

fn softmax_backward(device: &Device) -> Outcome {
    for dtype in precisions(device) {
        for shape in ROWS {
            let mut random = Random::new(shape.len() as u64);
            let x = random.array(shape, dtype);
            let y = like(&x, rows(&x).iter().map(|x| reference::softmax(x)).collect());
            let y = y.map(|z| super::sample::rounded(z.re, dtype).into());
            let grad = random.array(shape, dtype);
            let pairs = rows(&y).into_iter().zip(rows(&grad));
            let want = like(&y, pairs.map(|(y, g)| reference::softmax_backward(&y, &g)).collect());
            let last = shape.len() - 1;
            for (guise, t) in y.guises(device, dtype)? {
                let g = grad.disguised(device, dtype, guise)?;
                let fused = t.softmax_backward(&g, last)?;
                let composed = compose::softmax_backward(&t, &g, last)?;
                let what = format!("{dtype} {guise:?} {shape:?}");
                check(&what, &[fused], &[composed], &[&want], dtype, bound(dtype, 6.0, shape[last]))?;
            }
        }
        // Along another axis the rows lie across.
        let (y, g) = (Random::new(1).array(&[3, 6], dtype), Random::new(2).array(&[3, 6], dtype));
        let along = y.to(device, dtype)?.softmax_backward(&g.to(device, dtype)?, 1)?;
        let (turned, g) = (y.to(device, dtype)?.transpose(0, 1)?, g.to(device, dtype)?.transpose(0, 1)?);
        let across = turned.contiguous()?.softmax_backward(&g.contiguous()?, 0)?.transpose(0, 1)?;
        close_l2("along the first axis", &across, &Array::from(&along)?, bound(dtype, 6.0, 6))?;
    }
    Ok(())
}

fn log_softmax(device: &Device) -> Outcome {
    for dtype in precisions(device) {
        for shape in ROWS {
            let mut random = Random::new(shape.len() as u64);
            let x = random.array(shape, dtype).map(|z| super::sample::rounded(z.re * 4.0, dtype).into());
            let grad = random.array(shape, dtype);
            let log = |x: &Vec<f64>| -> Vec<f64> {
                let sum = reference::log_sum_exp(x);
                x.iter().map(|x| x - sum).collect()
            };
            let y = like(&x, rows(&x).iter().map(log).collect());
            let stored = y.map(|z| super::sample::rounded(z.re, dtype).into());
            let back = |(y, g): (Vec<f64>, Vec<f64>)| -> Vec<f64> {
                let sum: f64 = g.iter().sum();
                y.iter().zip(&g).map(|(y, g)| g - y.exp() * sum).collect()
            };
            let want = like(&y, rows(&stored).into_iter().zip(rows(&grad)).map(back).collect());
            let last = shape.len() - 1;
            for (guise, t) in x.guises(device, dtype)? {
                let what = format!("{dtype} {guise:?} {shape:?}");
                let bound = bound(dtype, 12.0, shape[last]);
                let (fused, composed) = (t.log_softmax(last)?, compose::log_softmax(&t, last)?);
                check(&what, &[fused], &[composed], &[&y], dtype, bound)?;
                let (t, g) = (stored.disguised(device, dtype, guise)?, grad.disguised(device, dtype, guise)?);
                let fused = t.log_softmax_backward(&g, last)?;
                let composed = compose::log_softmax_backward(&t, &g, last)?;
                check(&format!("{what}, back"), &[fused], &[composed], &[&want], dtype, bound)?;
            }
        }
    }
    Ok(())
}

/// Targets of both types, some of no class.
fn cross_entropy(device: &Device) -> Outcome {
    for dtype in precisions(device) {
        for [positions, classes] in [[1, 2], [5, 7], [33, 64], [3, 5000], [400, 19]] {
            let mut random = Random::new(classes as u64);
            let x = random.array(&[positions, classes], dtype);
            let x = x.map(|z| super::sample::rounded(z.re * 5.0, dtype).into());
            let target = |i: usize| if i % 5 == 3 { -1 } else { (i * 31 % classes) as i64 };
            let targets: Vec<i64> = (0..positions).map(target).collect();
            let each = random.array(&[positions], dtype);
            let (mut losses, mut logs, mut back) = (Vec::new(), Vec::new(), Vec::new());
            for (i, row) in rows(&x).iter().enumerate() {
                let log = reference::log_sum_exp(row);
                let place = usize::try_from(targets[i]).ok();
                losses.push(place.map_or(0.0, |t| log - row[t]));
                logs.push(log);
                let of = |j: usize| (row[j] - log).exp() - f64::from(place == Some(j));
                back.extend(
                    (0..classes).map(|j| if place.is_some() { of(j) * each.data[i].re } else { 0.0 }),
                );
            }
            let (losses, logs) = (Array::real(&[positions], losses), Array::real(&[positions], logs));
            let back = Array::real(&x.shape, back);
            let signed = Tensor::from_slice(device, &targets, &[positions])?;
            let unsigned: Vec<u32> = targets.iter().map(|&t| u32::try_from(t).unwrap_or(u32::MAX)).collect();
            let unsigned = Tensor::from_slice(device, &unsigned, &[positions])?;
            for (guise, t) in x.guises(device, dtype)? {
                for targets in [&signed, &unsigned] {
                    let what = format!("{dtype} {guise:?} [{positions}, {classes}] {}", targets.dtype());
                    let bound = bound(dtype, 24.0, classes);
                    let fused: [Tensor; 2] = t.cross_entropy(targets)?.into();
                    let composed: [Tensor; 2] = compose::cross_entropy(&t, targets)?.into();
                    check(&what, &fused, &composed, &[&losses, &logs], dtype, bound)?;
                    let (l, g) =
                        (logs.disguised(device, dtype, guise)?, each.disguised(device, dtype, guise)?);
                    let fused = t.cross_entropy_backward(targets, &l, &g)?;
                    let composed = compose::cross_entropy_backward(&t, targets, &l, &g)?;
                    check(&format!("{what}, back"), &[fused], &[composed], &[&back], dtype, bound)?;
                }
            }
        }
        let none = Tensor::zeros(device, &[0, 4], dtype)?;
        let targets = Tensor::from_slice::<u32>(device, &[], &[0])?;
        let (losses, _) = none.cross_entropy(&targets)?;
        ensure(losses.is_empty(), || format!("{dtype}: of nothing: {:?}", losses.shape()))?;
    }
    Ok(())
}

/// Logits whose exponentials overflow, and losses far below the rounding of the logits.
fn extremes(device: &Device) -> Outcome {
    let x = Tensor::from_slice(device, &[1000f32, 0.0, 1010.0, 40.0, 22.0, -1e30, 5.0, 5.0, 5.0], &[3, 3])?;
    let targets = Tensor::from_slice(device, &[2u32, 0, 1], &[3])?;
    let want = [(-10f64).exp().ln_1p(), (-18f64).exp().ln_1p(), 3f64.ln()];
    let one = Tensor::full(device, &[3], DType::F32, 1.0)?;
    for (way, (losses, logs), back) in [
        ("fused", x.cross_entropy(&targets)?, Tensor::cross_entropy_backward as fn(&_, &_, &_, &_) -> _),
        ("composed", compose::cross_entropy(&x, &targets)?, compose::cross_entropy_backward),
    ] {
        // The sum 1 + e^-18 is rounded to an epsilon, which is all that its logarithm is good to.
        for (i, (got, want)) in losses.to_vec::<f32>()?.iter().zip(want).enumerate() {
            let off = (f64::from(*got) - want).abs();
            ensure(off <= 4.0 * DType::F32.epsilon(), || format!("{way} {i}: {got} instead of {want}"))?;
        }
        let grads: Vec<f32> = back(&x, &targets, &logs, &one)?.to_vec()?;
        let sums: Vec<f32> = grads.chunks_exact(3).map(|row| row.iter().sum()).collect();
        // A log-sum-exp of 1010 is rounded to 6e-5, a relative error of the probabilities.
        ensure(grads.iter().all(|g| g.is_finite()), || format!("{way}: {grads:?}"))?;
        ensure(sums.iter().all(|s| s.abs() < 1e-4), || format!("{way}: rows add up to {sums:?}"))?;
        ensure((grads[7] + 2.0 / 3.0).abs() < 1e-5, || format!("{way}: {}", grads[7]))?;
    }
    // Where there is no class nothing counts, whatever the logits are.
    let none = Tensor::from_slice(device, &[-1i64, -1, -1], &[3])?;
    let wild = [f32::NAN, 0.0, 1.0, f32::INFINITY, 0.0, 1.0, 0.0, 1.0, 2.0];
    let wild = Tensor::from_slice(device, &wild, &[3, 3])?;
    let logs = Tensor::from_slice(device, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &[3])?;
    for back in [Tensor::cross_entropy_backward, compose::cross_entropy_backward] {
        let grads: Vec<f32> = back(&wild, &none, &logs, &one)?.to_vec()?;
        ensure(grads.iter().all(|g| *g == 0.0), || format!("without a class: {grads:?}"))?;
    }
    Ok(())
}

fn rms_norm_backward(device: &Device) -> Outcome {
    for dtype in precisions(device) {
        for shape in ROWS {
            let mut random = Random::new(shape.len() as u64);
            let n = shape[shape.len() - 1];
            let (x, grad, weight) =
                (random.array(shape, dtype), random.array(shape, dtype), random.array(&[n], dtype));
            let mut of_weight = vec![0.0; n];
            let mut row = |(x, g): (Vec<f64>, Vec<f64>)| {
                let (of_x, w) = reference::rms_norm_backward(&x, &weight.re(), &g, 1e-5f32 as f64);
                of_weight.iter_mut().zip(w).for_each(|(sum, w)| *sum += w);
                of_x
            };
            let of_x = like(&x, rows(&x).into_iter().zip(rows(&grad)).map(&mut row).collect());
            let of_weight = Array::real(&[n], of_weight);
            for (guise, t) in x.guises(device, dtype)? {
                let (w, g) = (weight.disguised(device, dtype, guise)?, grad.disguised(device, dtype, guise)?);
                let what = format!("{dtype} {guise:?} {shape:?}");
                let fused = t.rms_norm_backward(&w, &g, 1e-5)?;
                let composed = compose::rms_norm_backward(&t, &w, &g, 1e-5)?;
                let bound = bound(dtype, 8.0, n.max(x.data.len() / n));
                check(&what, &fused, &composed, &[&of_x, &of_weight], dtype, bound)?;
            }
        }
    }
    Ok(())
}

fn layer_norm_backward(device: &Device) -> Outcome {
    for dtype in precisions(device) {
        for shape in ROWS {
            let mut random = Random::new(shape.len() as u64);
            let n = shape[shape.len() - 1];
            let (x, grad, weight) =
                (random.array(shape, dtype), random.array(shape, dtype), random.array(&[n], dtype));
            let (mut of_weight, mut of_bias) = (vec![0.0; n], vec![0.0; n]);
            let mut row = |(x, g): (Vec<f64>, Vec<f64>)| {
                let (of_x, w) = reference::layer_norm_backward(&x, &weight.re(), &g, 1e-5f32 as f64);
                of_weight.iter_mut().zip(w).for_each(|(sum, w)| *sum += w);
                of_bias.iter_mut().zip(g).for_each(|(sum, g)| *sum += g);
                of_x
            };
            let of_x = like(&x, rows(&x).into_iter().zip(rows(&grad)).map(&mut row).collect());
            let (of_weight, of_bias) = (Array::real(&[n], of_weight), Array::real(&[n], of_bias));
            for (guise, t) in x.guises(device, dtype)? {
                let (w, g) = (weight.disguised(device, dtype, guise)?, grad.disguised(device, dtype, guise)?);
                let what = format!("{dtype} {guise:?} {shape:?}");
                let fused = t.layer_norm_backward(&w, &g, 1e-5)?;
                let composed = compose::layer_norm_backward(&t, &w, &g, 1e-5)?;
                let bound = bound(dtype, 16.0, n.max(x.data.len() / n));
                check(&what, &fused, &composed, &[&of_x, &of_weight, &of_bias], dtype, bound)?;
            }
        }
    }
    Ok(())
}

fn silu_mul_backward(device: &Device) -> Outcome {
    for dtype in precisions(device) {
        for shape in [&[3][..], &[5, 64], &[2, 3, 171]] {
            let mut random = Random::new(shape.len() as u64);
            let gate = random.array(shape, dtype).map(|z| super::sample::rounded(z.re * 8.0, dtype).into());
            let (up, grad) = (random.array(shape, dtype), random.array(shape, dtype));
            let each = |which: fn((f64, f64)) -> f64| {
                let f = |i: &[usize]| {
                    which(reference::silu_mul_backward(gate.at(i).re, up.at(i).re, grad.at(i).re)).into()
                };
                Array::from_fn(shape, f)
            };
            let (of_gate, of_up) = (each(|pair| pair.0), each(|pair| pair.1));
            for (guise, t) in gate.guises(device, dtype)? {
                let (u, g) = (up.disguised(device, dtype, guise)?, grad.disguised(device, dtype, guise)?);
                let what = format!("{dtype} {guise:?} {shape:?}");
                let (fused, composed) =
                    (t.silu_mul_backward(&u, &g)?, compose::silu_mul_backward(&t, &u, &g)?);
                check(&what, &fused, &composed, &[&of_gate, &of_up], dtype, bound(dtype, 12.0, 1))?;
            }
        }
    }
    Ok(())
}

fn attention_backward(device: &Device) -> Outcome {
    // [batch, heads, key heads, queries, keys, dim, dim of values]
    let sizes = [
        [1, 1, 1, 2, 3, 4, 4],
        [2, 4, 4, 5, 5, 8, 8],
        [2, 4, 2, 5, 9, 8, 6],
        [1, 6, 2, 130, 140, 16, 16],
        [1, 2, 1, 3, 1500, 32, 32],
        [1, 2, 2, 33, 40, 24, 20],
        [2, 3, 1, 70, 70, 64, 64],
        [1, 2, 1, 20, 70, 100, 72],
        [1, 1, 1, 5, 6, 10, 150],
    ];
    for dtype in precisions(device) {
        for (seed, [batch, heads, groups, t, s, dim, dim_v]) in sizes.into_iter().enumerate() {
            for (causal, offset) in [(false, 0), (true, 0), (true, s - t)] {
                let mut random = Random::new(seed as u64);
                let q = random.array(&[batch, heads, t, dim], dtype);
                let k = random.array(&[batch, groups, s, dim], dtype);
                let v = random.array(&[batch, groups, s, dim_v], dtype);
                let grad = random.array(&[batch, heads, t, dim_v], dtype);
                let spec = AttentionSpec { scale: 1.0 / (dim as f32).sqrt(), causal, offset };
                let mut of_q = Vec::new();
                let (mut of_k, mut of_v) = (vec![0.0; k.data.len()], vec![0.0; v.data.len()]);
                let (keys, values) = (k.re(), v.re());
                for (row, (q, g)) in rows(&q).iter().zip(rows(&grad)).enumerate() {
                    let (b, h, i) = (row / (heads * t), row / t % heads, row % t);
                    let group = b * groups + h / (heads / groups);
                    let at = group * s * dim..(group + 1) * s * dim;
                    let at_v = group * s * dim_v..(group + 1) * s * dim_v;
                    let visible = if causal { offset + i + 1 } else { s };
                    of_q.extend(reference::attention_backward(
                        q,
                        &keys[at.clone()],
                        &values[at_v.clone()],
                        &g,
                        visible,
                        spec.scale as f64,
                        &mut of_k[at],
                        &mut of_v[at_v],
                    ));
                }
                let (of_q, of_k, of_v) =
                    (Array::real(&q.shape, of_q), Array::real(&k.shape, of_k), Array::real(&v.shape, of_v));
                for guise in [Guise::Contiguous, Guise::Transposed, Guise::Narrowed, Guise::Stepped] {
                    let on = |x: &Array| x.disguised(device, dtype, guise);
                    let (q, k, v, g) = (on(&q)?, on(&k)?, on(&v)?, on(&grad)?);
                    let what = format!("{dtype} {guise:?} q {:?} k {:?} {spec:?}", q.shape(), k.shape());
                    let fused = Tensor::attention_backward(&q, &k, &v, &g, spec)?;
                    let composed = compose::attention_backward(&q, &k, &v, &g, spec)?;
                    let bound = bound(dtype, 24.0, s.max(heads / groups * t));
                    check(&what, &fused, &composed, &[&of_q, &of_k, &of_v], dtype, bound)?;
                }
            }
        }
    }
    Ok(())
}
