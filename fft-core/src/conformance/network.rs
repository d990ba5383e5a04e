//! Fused operations of neural networks: the backend's method and its composition, both against the oracles.

use super::compare::{close_each, ensure};
use super::movement::dtypes;
use super::sample::{Array, Guise, Random, rounded};
use super::{Case, Operation, Outcome};
use crate::backend::AttentionSpec;
use crate::{Complex64, DType, Device, Tensor, compose, reference};

pub(super) const CASES: &[Case] = &[
    Case::new("softmax::axes_and_layouts", &[Operation::Softmax], softmax),
    Case::new("softmax::extremes", &[Operation::Softmax], softmax_extremes),
    Case::new("norms::rms_norm", &[Operation::RmsNorm], rms_norm),
    Case::new("norms::layer_norm", &[Operation::LayerNorm], layer_norm),
    Case::new("rope::against_the_definition", &[Operation::Rope], rope),
    Case::new("silu_mul::against_the_definition", &[Operation::SiluMul], silu_mul),
    Case::new("attention::heads_and_masks", &[Operation::Attention], attention),
    Case::new("attention::large_logits", &[Operation::Attention], large_logits),
    Case::new("attention::cached_keys", &[Operation::Attention], cached_keys),
];

fn floats(device: &Device) -> Vec<DType> {
    dtypes(device).into_iter().filter(|d| d.is_float()).collect()
}

/// The precision of the computation, and what the rounding of results and of `extra` stored intermediate values to half
/// precision may add, relative to the values rounded.
fn precision(dtype: DType, extra: f64) -> (f64, f64) {
    match dtype {
        DType::F16 | DType::BF16 => (DType::F32.epsilon(), (0.5 + 0.5 * extra) * dtype.epsilon()),
        _ => (dtype.epsilon(), 0.0),
    }
}

/// The least positive `f16` limits what a result near 0 can say.
fn tiny(dtype: DType) -> f64 {
    if dtype == DType::F16 { 2f64.powi(-24) } else { 0.0 }
}

/// The error of a sum of `n` numbers in units of epsilon of the sum of their sizes: a plain loop, or blocks of 32.
fn depth(n: usize) -> f64 {
    0.5 * (n as f64).min(32.0 + n as f64 / 32.0)
}

/// Both ways of one operation.
fn check(
    what: &str,
    dtype: DType,
    fused: &Tensor,
    composed: &Tensor,
    want: &Array,
    bound: impl Fn(usize, Complex64) -> f64,
) -> Outcome {
    for (way, got) in [("", fused), (", composed", composed)] {
        ensure(got.dtype() == dtype, || format!("{what}{way}: the result is {}", got.dtype()))?;
        close_each(format_args!("{what}{way}"), got, want, &bound)?;
    }
    Ok(())
}

/// Each row along the last axis mapped.
fn rows(x: &Array, mut f: impl FnMut(usize, &[f64]) -> Vec<f64>) -> Array {
    let n = *x.shape.last().unwrap_or(&1);
    let data = x.re().chunks_exact(n).enumerate().flat_map(|(i, row)| f(i, row)).collect::<Vec<_>>();
    Array::real(&x.shape, data)
}

/// `x` with the axes `axis` and the last exchanged.
fn swapped(x: &Array, axis: usize) -> Array {
    let last = x.shape.len() - 1;
    let mut shape = x.shape.clone();
    shape.swap(axis, last);
    Array::from_fn(&shape, |i| {
        let mut i = i.to_vec();
        i.swap(axis, last);
        x.at(&i)
    })
}

/// An exponential errs by a few units and by a unit of the rounding of its argument `x - max`; the sum by its depth.
fn softmax(device: &Device) -> Outcome {
    for dtype in floats(device) {
        for shape in [&[1][..], &[7], &[4, 33], &[3, 5, 8], &[2, 1000], &[64, 70], &[2, 3, 4, 17], &[3, 1025]]
        {
            let x = Random::new(shape.len() as u64).array(shape, dtype);
            let x = x.map(|z| rounded(z.re * 10.0, dtype).into());
            for axis in 0..shape.len() {
                let want = swapped(&rows(&swapped(&x, axis), |_, row| reference::softmax(row)), axis);
                let (eps, half) = precision(dtype, 0.0);
                let units = 8.0 + 20.0 + depth(shape[axis]);
                for (guise, t) in x.guises(device, dtype)? {
                    let what = format!("{dtype} {guise:?} {shape:?} along {axis}");
                    let (fused, composed) = (t.softmax(axis)?, compose::softmax(&t, axis)?);
                    let bound = |_: usize, y: Complex64| (units * eps + half) * y.re + tiny(dtype);
                    check(&what, dtype, &fused, &composed, &want, bound)?;
                }
            }
        }
    }
    let empty = Tensor::zeros(device, &[0, 4], DType::F32)?.softmax(1)?;
    ensure(empty.shape() == [0, 4], || format!("of nothing: {:?}", empty.shape()))
}

fn softmax_extremes(device: &Device) -> Outcome {
    let inf = f64::INFINITY;
    let table = [
        [1e30, -1e30, 0.0, 1e30],
        [-inf, 0.0, -inf, 0.0],
        [-inf, -inf, -inf, -inf],
        [f64::NAN, 1.0, 2.0, 3.0],
        [88.0, 89.0, 90.0, 1000.0],
        [-1000.0, -1001.0, -1002.0, -3000.0],
    ];
    let x = Array::real(&[6, 4], table.into_iter().flatten());
    let want = rows(&x, |_, row| reference::softmax(row));
    let t = x.to(device, DType::F32)?;
    let bound = |_: usize, y: Complex64| 20.0 * DType::F32.epsilon() * y.re + 2f64.powi(-126);
    check("rows of extremes", DType::F32, &t.softmax(1)?, &compose::softmax(&t, 1)?, &want, bound)
}

// Rows that a few and many invocations of a GPU share, and longer ones than they sum in one part.
const ROWS: [&[usize]; 10] =
    [&[1], &[5], &[3, 8], &[2, 3, 33], &[1, 1000], &[5, 4096], &[200, 17], &[5, 129], &[3, 1025], &[2, 9000]];

/// A sum of squares has a relative error of its depth, which the root halves.
fn rms_norm(device: &Device) -> Outcome {
    for dtype in floats(device) {
        for shape in ROWS {
            let mut random = Random::new(shape.len() as u64);
            let n = shape[shape.len() - 1];
            let (x, weight) = (random.array(shape, dtype), random.array(&[n], dtype));
            for eps_arg in [1e-5f32, 1e-12, 0.5] {
                let want = rows(&x, |_, row| reference::rms_norm(row, &weight.re(), eps_arg as f64));
                let (eps, half) = precision(dtype, 0.0);
                let units = 6.0 + depth(n);
                for (guise, t) in x.guises(device, dtype)? {
                    let w = weight.disguised(device, dtype, guise)?;
                    let what = format!("{dtype} {guise:?} {shape:?}, eps {eps_arg}");
                    let (fused, composed) = (t.rms_norm(&w, eps_arg)?, compose::rms_norm(&t, &w, eps_arg)?);
                    let bound = |_: usize, y: Complex64| (units * eps + half) * y.norm() + tiny(dtype);
                    check(&what, dtype, &fused, &composed, &want, bound)?;
                }
            }
        }
        let zero = Tensor::zeros(device, &[2, 4], dtype)?;
        let got = Array::from(&zero.rms_norm(&Tensor::full(device, &[4], dtype, 1.0)?, 1e-5)?)?;
        ensure(got.data.iter().all(|z| z.re == 0.0), || format!("{dtype}: a row of zeros gives {got:?}"))?;
    }
    Ok(())
}

/// Besides the relative error: the mean errs by its depth in units of the largest element, which the division by the standard
/// deviation magnifies.
fn layer_norm(device: &Device) -> Outcome {
    for dtype in floats(device) {
        for shape in ROWS {
            let mut random = Random::new(shape.len() as u64);
            let n = shape[shape.len() - 1];
            // An offset of the rows, which the mean must take away.
            let x = random.array(shape, dtype).map(|z| rounded(z.re + 3.0, dtype).into());
            let (weight, bias) = (random.array(&[n], dtype), random.array(&[n], dtype));
            let want =
                rows(&x, |_, row| reference::layer_norm(row, &weight.re(), &bias.re(), 1e-5f32 as f64));
            let mut scale = Vec::new();
            rows(&x, |_, row| {
                let mean = row.iter().sum::<f64>() / n as f64;
                let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
                scale.push(4.0 / (variance + 1e-5).sqrt());
                row.to_vec()
            });
            let (eps, half) = precision(dtype, 0.0);
            let units = 6.0 + 2.0 * depth(n);
            for (guise, t) in x.guises(device, dtype)? {
                let (w, b) = (weight.disguised(device, dtype, guise)?, bias.disguised(device, dtype, guise)?);
                let what = format!("{dtype} {guise:?} {shape:?}");
                let (fused, composed) = (t.layer_norm(&w, &b, 1e-5)?, compose::layer_norm(&t, &w, &b, 1e-5)?);
                let bound = |i: usize, y: Complex64| {
                    let magnified = scale[i / n] * weight.data[i % n].norm() + bias.data[i % n].norm();
                    units * eps * (magnified + y.norm()) + half * y.norm() + tiny(dtype)
                };
                // One element is its own mean: what is left is the bias, and bounds magnified by 1 / sqrt(eps) say little.
                if n > 1 {
                    check(&what, dtype, &fused, &composed, &want, bound)?;
                } else {
                    check(&what, dtype, &fused, &composed, &want, |_, _| 0.0)?;
                }
            }
        }
    }
    Ok(())
}

/// Two products and a sum, each rounded; a composition in half precision rounds each of the three to it.
fn rope(device: &Device) -> Outcome {
    for dtype in floats(device) {
        for shape in [[1, 1, 1, 2], [2, 3, 5, 8], [1, 4, 1, 64], [2, 2, 7, 34]] {
            let mut random = Random::new(shape[2] as u64);
            let half_dim = shape[3] / 2;
            let x = random.array(&shape, dtype);
            let angles = random.array(&[shape[2], half_dim], DType::F64);
            let table = |f: fn(f64) -> f64| angles.map(|z| rounded(f(z.re * 3.0), dtype).into());
            let (cos, sin) = (table(f64::cos), table(f64::sin));
            let row_of = |i: usize| (i % shape[2]) * half_dim;
            let want = rows(&x, |i, row| {
                let at = row_of(i)..row_of(i) + half_dim;
                reference::rope(row, &cos.re()[at.clone()], &sin.re()[at])
            });
            for (guise, t) in x.guises(device, dtype)? {
                let (c, s) = (cos.disguised(device, dtype, guise)?, sin.disguised(device, dtype, guise)?);
                let what = format!("{dtype} {guise:?} {shape:?}");
                let (fused, composed) = (t.rope(&c, &s)?, compose::rope(&t, &c, &s)?);
                // |a cos| + |b sin| is at most 1.5 here; the tables are within 1.
                let bound = |i: usize, y: Complex64| {
                    let pair = x.data[i].norm() + x.data[i - i % shape[3] + (i + half_dim) % shape[3]].norm();
                    dtype.epsilon() * (pair + 0.5 * y.norm()) + tiny(dtype)
                };
                check(&what, dtype, &fused, &composed, &want, bound)?;
            }
        }
    }
    Ok(())
}

/// The sigmoid's exponential costs a unit of its argument; a composition in half precision rounds silu first.
fn silu_mul(device: &Device) -> Outcome {
    for dtype in floats(device) {
        for shape in [&[3][..], &[5, 64], &[2, 3, 171]] {
            let mut random = Random::new(shape.len() as u64);
            let (gate, up) = (random.array(shape, dtype), random.array(shape, dtype));
            let gate = gate.map(|z| rounded(z.re * 12.0, dtype).into());
            let want = Array::from_fn(shape, |i| reference::silu_mul(gate.at(i).re, up.at(i).re).into());
            for (guise, g) in gate.guises(device, dtype)? {
                let u = up.disguised(device, dtype, guise)?;
                let what = format!("{dtype} {guise:?} {shape:?}");
                let (fused, composed) = (g.silu_mul(&u)?, compose::silu_mul(&g, &u)?);
                let (eps, half) = precision(dtype, 1.0);
                let bound = |i: usize, y: Complex64| {
                    (eps * (6.0 + gate.data[i].norm()) + 1.01 * half) * y.norm() + tiny(dtype)
                };
                check(&what, dtype, &fused, &composed, &want, bound)?;
            }
        }
    }
    Ok(())
}

/// A problem of attention and its answer with a bound for each element.
struct Attention {
    q: Array,
    k: Array,
    v: Array,
    spec: AttentionSpec,
}

impl Attention {
    fn new(random: &mut Random, dtype: DType, size: [usize; 7], causal: bool, offset: usize) -> Self {
        let [batch, heads, groups, t, s, dim, dim_v] = size;
        Self {
            q: random.array(&[batch, heads, t, dim], dtype),
            k: random.array(&[batch, groups, s, dim], dtype),
            v: random.array(&[batch, groups, s, dim_v], dtype),
            spec: AttentionSpec { scale: 1.0 / (dim as f32).sqrt(), causal, offset },
        }
    }

    /// Scores err by their depth in units of `scale sum |q| |k|`, which is a relative error of the weights; weights by that,
    /// a unit of the score and the depth of the sum; the result by the weights' error times the largest value. In half
    /// precision a composition rounds the weights too.
    fn solve(&self, dtype: DType) -> (Array, Vec<f64>) {
        let [batch, heads, t, dim] = self.q.shape[..] else { return (self.q.clone(), Vec::new()) };
        let (groups, s, dim_v) = (self.k.shape[1], self.k.shape[2], self.v.shape[3]);
        let (q, k, v) = (self.q.re(), self.k.re(), self.v.re());
        let (eps, half) = precision(dtype, 1.0);
        let scale = self.spec.scale as f64;
        let (mut data, mut bounds) = (Vec::new(), Vec::new());
        for row in 0..batch * heads * t {
            let (b, h, i) = (row / (heads * t), row / t % heads, row % t);
            let group = b * groups + h / (heads / groups);
            let keys = &k[group * s * dim..][..s * dim];
            let values = &v[group * s * dim_v..][..s * dim_v];
            let query = &q[row * dim..][..dim];
            let visible = if self.spec.causal { self.spec.offset + i + 1 } else { s };
            data.extend(reference::attention(query, keys, values, visible, scale));
            let size = |k: &[f64]| scale * query.iter().zip(k).map(|(q, k)| (q * k).abs()).sum::<f64>();
            let largest = keys.chunks_exact(dim).take(visible).map(size).fold(0.0, f64::max);
            let value = values[..visible * dim_v].iter().fold(0f64, |m, v| m.max(v.abs()));
            let relative = eps * (2.0 * largest * (depth(dim) + 2.0) + 8.0 + 2.0 * depth(visible)) + half;
            bounds.extend(std::iter::repeat_n(relative * value + tiny(dtype), dim_v));
        }
        (Array::real(&[batch, heads, t, dim_v], data), bounds)
    }

    fn check(&self, device: &Device, dtype: DType, guise: Guise) -> Outcome {
        let (want, bounds) = self.solve(dtype);
        let q = self.q.disguised(device, dtype, guise)?;
        let (k, v) = (self.k.disguised(device, dtype, guise)?, self.v.disguised(device, dtype, guise)?);
        let what = format!(
            "{dtype} {guise:?}, q {:?}, k {:?}, v {:?}, {:?}",
            q.shape(),
            k.shape(),
            v.shape(),
            self.spec
        );
        let fused = Tensor::attention(&q, &k, &v, self.spec)?;
        let composed = compose::attention(&q, &k, &v, self.spec)?;
        check(&what, dtype, &fused, &composed, &want, |i, _| bounds[i])
    }
}

fn attention(device: &Device) -> Outcome {
    // [batch, heads, key heads, queries, keys, dim, dim of values]
    let sizes = [
        [1, 1, 1, 1, 1, 4, 4],
        [2, 4, 4, 5, 5, 8, 8],
        [2, 4, 2, 5, 9, 8, 6],
        [1, 6, 1, 3, 7, 16, 16],
        [1, 2, 1, 1, 300, 32, 32],
        [1, 2, 2, 33, 40, 24, 20],
        [1, 2, 1, 70, 70, 64, 64],
        [3, 3, 3, 1, 4, 1, 1],
        // Long rows, and few of them before many keys.
        [1, 12, 1, 1, 150, 72, 200],
        [1, 1, 1, 40, 700, 20, 130],
        [1, 1, 1, 3, 5, 8, 300],
    ];
    for dtype in floats(device) {
        for (seed, size) in sizes.into_iter().enumerate() {
            let [.., t, s, _, _] = size;
            for (causal, offset) in [(false, 0), (true, 0), (true, s - t), (true, (s - t) / 2)] {
                let problem = Attention::new(&mut Random::new(seed as u64), dtype, size, causal, offset);
                for guise in [Guise::Contiguous, Guise::Transposed, Guise::Narrowed] {
                    problem.check(device, dtype, guise)?;
                }
            }
        }
    }
    Ok(())
}

/// Scores of hundreds, whose exponentials leave every type unless the largest is taken away.
fn large_logits(device: &Device) -> Outcome {
    for dtype in floats(device) {
        for causal in [false, true] {
            let mut problem = Attention::new(&mut Random::new(4), dtype, [1, 2, 1, 6, 6, 16, 8], causal, 0);
            problem.spec.scale = 100.0;
            problem.check(device, dtype, Guise::Contiguous)?;
            problem.spec.scale = -100.0;
            problem.check(device, dtype, Guise::Contiguous)?;
        }
    }
    Ok(())
}

/// Token by token over a growing part of a cache gives the rows of one causal call over all.
fn cached_keys(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let problem = Attention::new(&mut Random::new(7), dtype, [1, 4, 2, 12, 12, 16, 16], true, 0);
    let (want, bounds) = problem.solve(dtype);
    let q = problem.q.to(device, dtype)?;
    // The cache has room for more tokens; what lies there is garbage.
    let cache = |x: &Array| -> crate::Result<Tensor> {
        let mut cache = Tensor::full(device, &[1, 2, 32, 16], dtype, f64::NAN)?;
        cache.assign(2, 0, &x.to(device, dtype)?)?;
        Ok(cache)
    };
    let (k, v) = (cache(&problem.k)?, cache(&problem.v)?);
    let mut rows = Vec::new();
    for i in 0..12 {
        let spec = AttentionSpec { offset: i, ..problem.spec };
        rows.push(Tensor::attention(
            &q.narrow(2, i, 1)?,
            &k.narrow(2, 0, i + 1)?,
            &v.narrow(2, 0, i + 1)?,
            spec,
        )?);
    }
    close_each("token by token", &Tensor::cat(&rows, 2)?, &want, |i, _| bounds[i])
}
