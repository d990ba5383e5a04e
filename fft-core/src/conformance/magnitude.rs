//! Functions of complex numbers that keep phases, and their ways back: the backend's method and its composition, both against the definitions
//! in double precision.
//!
//! Results are products of a few rounded factors, and sums over rows. Their relative L2 error is a few units for the factors and the
//! depth of a sum, which cancellation magnifies by little for random operands.

use super::compare::{close_l2, ensure, equal};
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, Tensor, compose};

pub(super) const CASES: &[Case] = &[
    Case::new("mod_relu::both_ways", &[Operation::ModRelu, Operation::ModReluBackward], mod_relu),
    Case::new("mod_relu::zeros_stay", &[Operation::ModRelu, Operation::ModReluBackward], zeros),
    Case::new(
        "magnitude_norm::both_ways",
        &[Operation::MagnitudeNorm, Operation::MagnitudeNormBackward],
        magnitude_norm,
    ),
];

const SHAPES: [&[usize]; 9] =
    [&[1], &[7], &[3, 8], &[2, 3, 9], &[5, 129], &[300, 17], &[2, 1000], &[3, 1025], &[1275, 64]];

fn dtypes(device: &Device) -> impl Iterator<Item = DType> {
    [DType::C64, DType::C128].into_iter().filter(|&d| device.supports(d))
}

fn bound(dtype: DType, units: f64, n: usize) -> f64 {
    dtype.epsilon() * (units + 0.5 * (n as f64).min(32.0 + n as f64 / 32.0))
}

/// `Re(conj(a) b)`.
fn along(a: Complex64, b: Complex64) -> f64 {
    (a.conj() * b).re
}

/// Both ways of computing, against a result.
fn check(what: &str, fused: &[Tensor], composed: &[Tensor], want: &[&Array], bound: f64) -> Outcome {
    for (way, got) in [("", fused), (", composed", composed)] {
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let real = want.data.iter().all(|z| z.im == 0.0);
            ensure(got.dtype().is_complex() || real, || format!("{what}{way}: result {i} is real"))?;
            close_l2(format_args!("{what}{way}, result {i}"), got, want, bound)?;
        }
    }
    Ok(())
}

/// Magnitudes are off the kink, where the slope jumps.
fn mod_relu(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for shape in SHAPES {
            let n = shape[shape.len() - 1];
            let mut random = Random::new(n as u64);
            let (z, grad) = (random.array(shape, dtype), random.array(shape, dtype));
            // The first passes, so that not everything is 0.
            let bias = Array::from_fn(&[n], |i| Complex64::from((i[0] % 5) as f64 * -0.25 + 0.25));
            let off = |i: usize, z: Complex64| {
                let kink = (z.norm() + bias.data[i % n].re).abs() < 0.01;
                if kink { Complex64::new(z.re, if z.im < 0.0 { -0.125 } else { 0.125 }) * 4.0 } else { z }
            };
            let z = Array { data: z.data.iter().enumerate().map(|(i, &z)| off(i, z)).collect(), ..z };
            let (mut y, mut of_z, mut of_bias) = (Vec::new(), Vec::new(), vec![0.0; n]);
            for (i, (&z, &g)) in z.data.iter().zip(&grad.data).enumerate() {
                let (u, m) = (z / z.norm(), z.norm() + bias.data[i % n].re);
                let (a, slope) = (along(u, g), f64::from(m > 0.0));
                y.push(u * m.max(0.0));
                of_z.push((g - u * a) * (m.max(0.0) / z.norm()) + u * (a * slope));
                of_bias[i % n] += a * slope;
            }
            let [y, of_z] = [y, of_z].map(|data| Array { shape: shape.to_vec(), data });
            let of_bias = Array::real(&[n], of_bias);
            for (guise, t) in z.guises(device, dtype)? {
                let b = bias.disguised(device, dtype.to_real(), guise)?;
                let g = grad.disguised(device, dtype, guise)?;
                let what = format!("{dtype} {guise:?} {shape:?}");
                let (fused, composed) = (t.mod_relu(&b)?, compose::mod_relu(&t, &b)?);
                check(&what, &[fused], &[composed], &[&y], bound(dtype, 12.0, 1))?;
                let (fused, composed) =
                    (t.mod_relu_backward(&b, &g)?, compose::mod_relu_backward(&t, &b, &g)?);
                let bound = bound(dtype, 24.0, z.data.len() / n);
                check(&format!("{what}, back"), &fused, &composed, &[&of_z, &of_bias], bound)?;
            }
        }
    }
    Ok(())
}

fn zeros(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        let z = Array { shape: vec![2], data: vec![Complex64::ZERO, Complex64::I] };
        let bias = Array::real(&[2], [0.5, 0.5]);
        let (t, b) = (z.to(device, dtype)?, bias.to(device, dtype.to_real())?);
        let ones = Array { data: vec![Complex64::I; 2], ..z.clone() };
        let want = Array { data: vec![Complex64::ZERO, 1.5 * Complex64::I], ..z.clone() };
        let of_z = Array { data: vec![Complex64::ZERO, Complex64::I], ..z.clone() };
        let of_bias = Array::real(&[2], [0.0, 1.0]);
        let g = ones.to(device, dtype)?;
        for (y, [dz, db]) in [
            (t.mod_relu(&b)?, t.mod_relu_backward(&b, &g)?),
            (compose::mod_relu(&t, &b)?, compose::mod_relu_backward(&t, &b, &g)?),
        ] {
            equal(format_args!("{dtype}"), &y, &want)?;
            equal(format_args!("{dtype}, gradient"), &dz, &of_z)?;
            equal(format_args!("{dtype}, gradient in the bias"), &db, &of_bias)?;
        }
        ensure(b.mod_relu(&b).is_err(), || "a real tensor has phases".to_owned())?;
        ensure(t.mod_relu(&t).is_err(), || "a complex bias".to_owned())?;
        let none = Tensor::zeros(device, &[0, 2], dtype)?;
        let [dz, db] = none.mod_relu_backward(&b, &none)?;
        ensure(dz.is_empty() && db.shape() == [2], || format!("{dtype}: of nothing: {:?}", db.shape()))?;
    }
    Ok(())
}

fn magnitude_norm(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for shape in SHAPES {
            let n = shape[shape.len() - 1];
            let mut random = Random::new(n as u64);
            let (z, grad) = (random.array(shape, dtype), random.array(shape, dtype));
            let weight = random.array(&[n], dtype.to_real());
            let (mut y, mut of_z, mut of_weight) = (Vec::new(), Vec::new(), vec![0.0; n]);
            for (z, g) in z.data.chunks_exact(n).zip(grad.data.chunks_exact(n)) {
                let square = z.iter().map(Complex64::norm_sqr).sum::<f64>() / n as f64;
                let r = 1.0 / (square + 0.01).sqrt();
                let w = |i: usize| weight.data[i].re;
                let mean = (0..n).map(|i| w(i) * along(z[i], g[i])).sum::<f64>() * r / n as f64;
                for i in 0..n {
                    y.push(z[i] * (r * w(i)));
                    of_z.push((g[i] * w(i) - z[i] * (r * mean)) * r);
                    of_weight[i] += along(z[i], g[i]) * r;
                }
            }
            let [y, of_z] = [y, of_z].map(|data| Array { shape: shape.to_vec(), data });
            let of_weight = Array::real(&[n], of_weight);
            for (guise, t) in z.guises(device, dtype)? {
                let w = weight.disguised(device, dtype.to_real(), guise)?;
                let g = grad.disguised(device, dtype, guise)?;
                let what = format!("{dtype} {guise:?} {shape:?}");
                let (fused, composed) = (t.magnitude_norm(&w, 0.01)?, compose::magnitude_norm(&t, &w, 0.01)?);
                check(&what, &[fused], &[composed], &[&y], bound(dtype, 12.0, n))?;
                let fused = t.magnitude_norm_backward(&w, &g, 0.01)?;
                let composed = compose::magnitude_norm_backward(&t, &w, &g, 0.01)?;
                let bound = bound(dtype, 24.0, n.max(z.data.len() / n));
                check(&format!("{what}, back"), &fused, &composed, &[&of_z, &of_weight], bound)?;
            }
        }
    }
    Ok(())
}
