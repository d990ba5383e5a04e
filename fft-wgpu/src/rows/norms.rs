//! Norms of rows, and their ways back.

use fft_core::{Result, Tensor, compose};

use super::columns::Columns;
use super::kernel::{Extent, Join, Output, Pass, Per, Rows};
use super::{every_real, one_result, suits, suits_single};
use crate::context::Context;
use crate::store::Store;

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
    out
}
