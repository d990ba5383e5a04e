//! Norms of rows, and their ways back.

use fft_core::{Result, Tensor, compose};

use super::kernel::{Extent, Join, Output, Pass, Per, Rows};
use super::{every_real, one_result, suits, suits_single};
use crate::call::{Call, declare};
use crate::context::Context;
use crate::store::Store;

/// Fewest rows of a part of a sum along columns.
const LEAST_PART: usize = 32;
/// Invocations that such sums need not exceed.
const ENOUGH: usize = 1 << 16;

const RMS_NORM: Rows = Rows {
    name: "rms_norm",
    inputs: &[("x", Per::Element), ("w", Per::Column)],
    before: "",
    passes: &[Pass {
        name: "s",
        join: Join::Sum("f32"),
        term: "x * x",
        then: "let factor = 1.0 / sqrt_(s / f32(n) + P.value.x);",
    }],
    each: "",
    outputs: &[Output { per: Per::Element, old: "", value: "x * factor * w" }],
};

const MEAN: Pass =
    Pass { name: "total", join: Join::Sum("f32"), term: "x", then: "let mean = total / f32(n);" };

const LAYER_NORM: Rows = Rows {
    name: "layer_norm",
    inputs: &[("x", Per::Element), ("w", Per::Column), ("b", Per::Column)],
    before: "",
    passes: &[
        MEAN,
        Pass {
            name: "s",
            join: Join::Sum("f32"),
            term: "(x - mean) * (x - mean)",
            then: "let factor = 1.0 / sqrt_(s / f32(n) + P.value.x);",
        },
    ],
    each: "",
    outputs: &[Output { per: Per::Element, old: "", value: "(x - mean) * factor * w + b" }],
};

const FACTOR: Output = Output { per: Per::Row, old: "", value: "factor" };

/// The gradient in the rows, and the factor of each row, which sums along columns read.
const RMS_NORM_BACKWARD: Rows = Rows {
    name: "rms_norm_backward",
    inputs: &[("x", Per::Element), ("w", Per::Column), ("g", Per::Element)],
    before: "",
    passes: &[Pass {
        name: "s",
        join: Join::Sum("vec2<f32>"),
        term: "vec2<f32>(x * x, g * w * x)",
        then: "let factor = 1.0 / sqrt_(s.x / f32(n) + P.value.x);\n    let along = s.y * factor / f32(n);",
    }],
    each: "",
    outputs: &[Output { per: Per::Element, old: "", value: "(g * w - x * factor * along) * factor" }, FACTOR],
};

/// The same, and the mean of each row.
const LAYER_NORM_BACKWARD: Rows = Rows {
    name: "layer_norm_backward",
    inputs: &[("x", Per::Element), ("w", Per::Column), ("g", Per::Element)],
    before: "",
    passes: &[
        MEAN,
        Pass {
            name: "s",
            join: Join::Sum("vec3<f32>"),
            term: "vec3<f32>((x - mean) * (x - mean), g * w, g * w * (x - mean))",
            then: "let factor = 1.0 / sqrt_(s.x / f32(n) + P.value.x);\n    let level = s.y / f32(n);\n    \
                   let along = s.z * factor / f32(n);",
        },
    ],
    each: "",
    outputs: &[
        Output {
            per: Per::Element,
            old: "",
            value: "(g * w - level - (x - mean) * factor * along) * factor",
        },
        FACTOR,
        Output { per: Per::Row, old: "", value: "mean" },
    ],
};

/// See `SpectralBackend::rms_norm`.
pub(crate) fn rms_norm(context: &Context, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let Some(store) = suits(context, &[x]) else { return compose::rms_norm(x, weight, eps) };
    one_result(context, &RMS_NORM, store, &[x, weight], [eps, 0.0, 0.0, 0.0])
}

/// See `SpectralBackend::layer_norm`.
pub(crate) fn layer_norm(
    context: &Context,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f32,
) -> Result<Tensor> {
    let Some(store) = suits(context, &[x]) else { return compose::layer_norm(x, weight, bias, eps) };
    one_result(context, &LAYER_NORM, store, &[x, weight, bias], [eps, 0.0, 0.0, 0.0])
}

/// What is summed along columns.
#[derive(Debug, Clone, Copy)]
enum Columns {
    /// `grad x factor`.
    Weight,
    /// `grad (x - mean) factor`, and `grad`.
    WeightAndBias,
}

impl Columns {
    fn label(self) -> String {
        format!("columns:{self:?}")
    }

    fn source(self) -> String {
        let mut operands = vec![("G", "f32", false), ("X", "f32", false), ("F", "f32", false)];
        let mut store = "D0[P.base[3] + to] = whole.x;".to_owned();
        let grad = "G[P.base[0] + at]";
        let mut term = format!("vec2<f32>({grad} * (X[P.base[1] + at] * F[P.base[2] + r]), 0.0)");
        if matches!(self, Self::WeightAndBias) {
            operands.extend([("M", "f32", false), ("D0", "f32", true), ("D1", "f32", true)]);
            let x = "(X[P.base[1] + at] - M[P.base[3] + r])";
            term = format!("vec2<f32>({grad} * ({x} * F[P.base[2] + r]), {grad})");
            store = "D0[P.steps[7][0] + to] = whole.x;\n    D1[P.steps[7][1] + to] = whole.y;".to_owned();
        } else {
            operands.push(("D0", "f32", true));
        }
        let words = [("TERM", term.as_str()), ("STORE", &store)];
        declare(&operands) + &fft_shaders::fill(fft_shaders::COLUMNS, &words)
    }

    /// The sums of `N` products of the elements of `read` (the gradient, `x`, the factors and the means) along columns: in parts, which one
    /// invocation adds each, then those.
    fn run<const N: usize>(self, context: &Context, read: &[&Tensor]) -> Result<[Tensor; N]> {
        let extent = Extent::of(read[0].shape());
        let (rows, n) = (extent.rows(), read[0].len() / extent.rows());
        let part = rows.div_ceil((ENOUGH / n).max(1)).max(LEAST_PART);
        let parts = rows.div_ceil(part);
        let shape: &[usize] = &[parts, n];
        let sums = Tensor::build_many(read[0].device(), "columns", [shape; N], read[0].dtype(), |outputs| {
            let mut call = Call::new(context, "columns");
            for x in read {
                call.read(x.view())?;
            }
            for x in outputs {
                call.write(x)?;
            }
            call.params.count = (parts * n) as u32;
            call.params.more[..3].copy_from_slice(&[n as u32, rows as u32, part as u32]);
            call.run(&self.label(), (parts * n).div_ceil(256), || self.source())
        })?;
        let mut out = Vec::with_capacity(N);
        for sum in sums {
            out.push(match parts {
                1 => sum.reshape(&[n])?,
                _ => sum.reduce(fft_core::ReduceOp::Sum, &[0])?.reshape(&[n])?,
            });
        }
        Ok(std::array::from_fn(|i| out[i].clone()))
    }
}

/// See `SpectralBackend::rms_norm_backward`.
pub(crate) fn rms_norm_backward(
    context: &Context,
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    eps: f32,
) -> Result<[Tensor; 2]> {
    if !suits_single(context, &[x]) {
        return compose::rms_norm_backward(x, weight, grad, eps);
    }
    let (x, weight, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let extent = Extent::of(x.shape());
    let shapes: [&[usize]; 2] = [x.shape(), &[extent.rows()]];
    let [of_x, factors] =
        Tensor::build_many(x.device(), RMS_NORM_BACKWARD.name, shapes, x.dtype(), |outputs| {
            let views = [x.view(), weight.view(), grad.view()];
            let numbers = ([eps, 0.0, 0.0, 0.0], [0.0; 8]);
            RMS_NORM_BACKWARD.run(context, &[Store::F32; 5], &views, outputs, extent, numbers)
        })?;
    let [of_weight] = Columns::Weight.run(context, &[&grad, &x, &factors])?;
    Ok([of_x, of_weight])
}

/// See `SpectralBackend::layer_norm_backward`.
pub(crate) fn layer_norm_backward(
    context: &Context,
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    eps: f32,
) -> Result<[Tensor; 3]> {
    if !suits_single(context, &[x]) {
        return compose::layer_norm_backward(x, weight, grad, eps);
    }
    let (x, weight, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let extent = Extent::of(x.shape());
    let rows: &[usize] = &[extent.rows()];
    let shapes: [&[usize]; 3] = [x.shape(), rows, rows];
    let [of_x, factors, means] =
        Tensor::build_many(x.device(), LAYER_NORM_BACKWARD.name, shapes, x.dtype(), |outputs| {
            let views = [x.view(), weight.view(), grad.view()];
            let numbers = ([eps, 0.0, 0.0, 0.0], [0.0; 8]);
            LAYER_NORM_BACKWARD.run(context, &[Store::F32; 6], &views, outputs, extent, numbers)
        })?;
    let [of_weight, of_bias] = Columns::WeightAndBias.run(context, &[&grad, &x, &factors, &means])?;
    Ok([of_x, of_weight, of_bias])
}

/// Every shader of this module.
pub(super) fn every_shader() -> Vec<(String, String)> {
    let mut out = [every_real(&RMS_NORM), every_real(&LAYER_NORM)].concat();
    out.extend(RMS_NORM_BACKWARD.every_shader(&[Store::F32; 5]));
    out.extend(LAYER_NORM_BACKWARD.every_shader(&[Store::F32; 6]));
    out.extend([Columns::Weight, Columns::WeightAndBias].map(|c| (c.label(), c.source())));
    out
}
