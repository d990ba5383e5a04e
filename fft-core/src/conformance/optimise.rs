//! Steps of optimisers: the backend's method and its composition, both against the formulas in double precision, over several steps.

use super::compare::{close_l2, ensure, equal};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::optimise::{AdamWStep, SgdStep};
use crate::{Complex64, DType, Device, Tensor, compose};

pub(super) const CASES: &[Case] = &[
    Case::new("optimise::adamw", &[Operation::AdamwStep], adamw),
    Case::new("optimise::sgd", &[Operation::SgdStep], sgd),
    Case::new("optimise::sum_of_squares", &[Operation::SumOfSquares], sum_of_squares),
];

/// Dtypes of parameters.
fn dtypes(device: &Device) -> impl Iterator<Item = DType> {
    [DType::F32, DType::F64, DType::C64, DType::C128].into_iter().filter(|&d| device.supports(d))
}

/// Both parts of numbers as real parameters.
fn parts(f: impl Fn(f64, f64, f64, f64) -> [f64; 3], z: [Complex64; 4]) -> [Complex64; 3] {
    let (re, im) = (f(z[0].re, z[1].re, z[2].re, z[3].re), f(z[0].im, z[1].im, z[2].im, z[3].im));
    std::array::from_fn(|i| Complex64::new(re[i], im[i]))
}

/// A shared buffer and a strided parameter; a dozen roundings a step, each of at most an epsilon of what the elements were.
const LAYOUTS: [Guise; 3] = [Guise::Contiguous, Guise::Narrowed, Guise::Transposed];

fn adamw(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for shape in [&[5][..], &[3, 40], &[2, 20000]] {
            for guise in LAYOUTS {
                let mut random = Random::new(3);
                let start = random.array(shape, dtype);
                let (mut p, mut m, mut v) =
                    (start.clone(), start.map(|_| 0.0.into()), start.map(|_| 0.0.into()));
                let parameter = p.disguised(device, dtype, guise)?;
                let zeros = Tensor::zeros(device, shape, dtype)?;
                let mut fused = [parameter.clone(), zeros.clone(), zeros.clone()];
                let mut composed = fused.clone();
                for number in 1..=3 {
                    let grad = random.array(shape, dtype);
                    let step = AdamWStep {
                        rate: 0.05,
                        weight_decay: 0.1,
                        step: number,
                        grad_scale: 0.5,
                        eps: 1e-6,
                        ..AdamWStep::default()
                    };
                    let one = |p: f64, g: f64, m: f64, v: f64| {
                        let g = 0.5 * g;
                        let (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g);
                        let (mean, square) = (
                            m / (1.0 - 0.9f64.powi(number as i32)),
                            v / (1.0 - 0.999f64.powi(number as i32)),
                        );
                        [p * (1.0 - 0.05 * 0.1) - 0.05 * mean / (square.sqrt() + 1e-6), m, v]
                    };
                    for i in 0..p.data.len() {
                        let z = [p.data[i], grad.data[i], m.data[i], v.data[i]];
                        [p.data[i], m.data[i], v.data[i]] = parts(one, z);
                    }
                    let g = grad.disguised(device, dtype, guise)?;
                    let [fp, fm, fv] = &mut fused;
                    fp.adamw_step(&g, fm, fv, &step)?;
                    let [cp, cm, cv] = &mut composed;
                    compose::adamw_step(cp, &g, cm, cv, &step)?;
                }
                for (way, got) in [("fused", &fused), ("composed", &composed)] {
                    for (name, got, want) in
                        [("parameter", &got[0], &p), ("mean", &got[1], &m), ("square", &got[2], &v)]
                    {
                        let what = format!("{name} {dtype} {guise:?} {shape:?}, {way}");
                        close_l2(what, got, want, 40.0 * dtype.epsilon())?;
                    }
                }
                equal("the tensor that shared the buffer", &parameter, &start)?;
                equal("the zeros that shared the buffer", &zeros, &start.map(|_| 0.0.into()))?;
            }
        }
    }
    let mut x = Tensor::zeros(device, &[2], DType::F32)?;
    let (grad, mut m, mut v) = (x.clone(), x.clone(), x.clone());
    let refused = x.adamw_step(&grad, &mut m, &mut v, &AdamWStep { step: 0, ..AdamWStep::default() });
    ensure(refused.is_err(), || "step 0 divides by 0".to_owned())
}

fn sgd(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            for guise in LAYOUTS {
                let mut random = Random::new(4);
                let start = random.array(&[3, 17], dtype);
                let (mut p, mut u) = (start.clone(), start.map(|_| 0.0.into()));
                let parameter = p.disguised(device, dtype, guise)?;
                let zeros = Tensor::zeros(device, &[3, 17], dtype)?;
                let mut fused = [parameter.clone(), zeros.clone()];
                let mut composed = fused.clone();
                let step = SgdStep { rate: 0.1, momentum, nesterov, weight_decay: 0.01, grad_scale: 2.0 };
                for _ in 0..3 {
                    let grad = random.array(&[3, 17], dtype);
                    let one = |p: f64, g: f64, u: f64, _: f64| {
                        let g = 2.0 * g + 0.01 * p;
                        let u = momentum * u + g;
                        [p - 0.1 * if nesterov { g + momentum * u } else { u }, u, 0.0]
                    };
                    for i in 0..p.data.len() {
                        let z = [p.data[i], grad.data[i], u.data[i], 0.0.into()];
                        [p.data[i], u.data[i], _] = parts(one, z);
                    }
                    let g = grad.disguised(device, dtype, guise)?;
                    let with = |u| (momentum != 0.0).then_some(u);
                    let [fp, fu] = &mut fused;
                    fp.sgd_step(&g, with(fu), &step)?;
                    let [cp, cu] = &mut composed;
                    compose::sgd_step(cp, &g, with(cu), &step)?;
                }
                for (way, got) in [("fused", &fused), ("composed", &composed)] {
                    let what = format!("{dtype} {guise:?} momentum {momentum}, {way}");
                    close_l2(&what, &got[0], &p, 40.0 * dtype.epsilon())?;
                    if momentum != 0.0 {
                        close_l2(&what, &got[1], &u, 40.0 * dtype.epsilon())?;
                    }
                }
                equal("the tensor that shared the buffer", &parameter, &start)?;
            }
        }
    }
    let mut x = Tensor::zeros(device, &[2], DType::F32)?;
    let refused = x.clone().sgd_step(&x, None, &SgdStep { momentum: 0.5, ..SgdStep::default() });
    ensure(refused.is_err(), || "momentum without a velocity".to_owned())?;
    let grad = Tensor::full(device, &[2], DType::F32, 1.0)?;
    x.sgd_step(&grad, None, &SgdStep { rate: 0.5, ..SgdStep::default() })?;
    ensure(x.to_vec::<f32>()? == [-0.5; 2], || format!("{x:?}"))
}

/// Squares are not negative, so that the relative error of their sum is the depth of the sum and a rounding of each.
fn sum_of_squares(device: &Device) -> Outcome {
    for dtype in dtypes(device) {
        for shape in [&[1][..], &[7, 33], &[3, 70_001]] {
            let x = Random::new(9).array(shape, dtype);
            // Compensated (Kahan 1965), so that the oracle's own sum is good to an epsilon.
            let (mut sum, mut lost) = (0.0, 0.0);
            for z in &x.data {
                let term = z.norm_sqr() - lost;
                let next = sum + term;
                lost = (next - sum) - term;
                sum = next;
            }
            let want = Array::real(&[], [sum]);
            for (guise, t) in x.guises(device, dtype)? {
                for (way, got) in [("fused", t.sum_of_squares()?), ("composed", compose::sum_of_squares(&t)?)]
                {
                    let what = format!("{dtype} {guise:?} {shape:?}, {way}");
                    ensure(got.dtype() == dtype.to_real(), || format!("{what}: {}", got.dtype()))?;
                    close_l2(what, &got, &want, 20.0 * dtype.epsilon())?;
                }
            }
        }
    }
    let nothing = Tensor::zeros(device, &[0, 3], DType::F32)?.sum_of_squares()?.to_scalar::<f32>()?;
    ensure(nothing == 0.0, || format!("of nothing: {nothing}"))
}
