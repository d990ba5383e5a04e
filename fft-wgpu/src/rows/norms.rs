//! Norms of rows, and their ways back.

use fft_core::{DType, Result, Tensor, compose};

use super::columns::Columns;
use super::kernel::{Extent, Join, Output, Pass, Per, Rows};
use super::{every_real, one_result, suits};
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
    let Some(store) = suits(context, x) else { return compose::rms_norm(x, weight, eps) };
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
    let Some(store) = suits(context, x) else { return compose::layer_norm(x, weight, bias, eps) };
    one_result(context, &LAYER_NORM, store, &[x, weight, bias], [eps, 0.0, 0.0, 0.0])
}

/// The way back: the gradient in the rows, and what `N` numbers in single precision for each row, `FACTOR` first, leave for `sums` along columns.
fn backward<const N: usize, const M: usize>(
    context: &Context,
    (rows, columns): (&Rows, Columns),
    store: Store,
    [x, weight, grad]: [&Tensor; 3],
    eps: f32,
) -> Result<(Tensor, [Tensor; M])> {
    let (x, weight, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let extent = Extent::of(x.shape());
    let mut kept = None;
    let of_x = Tensor::build(x.device(), rows.name, x.shape(), x.dtype(), |dst| {
        let shape: &[usize] = &[extent.rows()];
        let made = Tensor::build_many(x.device(), rows.name, [shape; N], DType::F32, |of_rows| {
            let mut stores = vec![store; 4];
            stores.resize(4 + N, Store::F32);
            let views = [x.view(), weight.view(), grad.view()];
            let outputs = std::iter::once(dst).chain(of_rows);
            rows.run(context, &stores, &views, outputs, extent, ([eps, 0.0, 0.0, 0.0], [0.0; 8]))
        })?;
        kept = Some(made);
        Ok(())
    })?;
    let mut read = vec![&grad, &x];
    read.extend(kept.iter().flatten());
    let sums: [Tensor; M] = columns.run(context, store, &read)?;
    let mut out = Vec::with_capacity(M);
    for sum in sums {
        out.push(sum.to_dtype(x.dtype())?);
    }
    Ok((of_x, std::array::from_fn(|i| out[i].clone())))
}

/// See `SpectralBackend::rms_norm_backward`.
pub(crate) fn rms_norm_backward(
    context: &Context,
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    eps: f32,
) -> Result<[Tensor; 2]> {
    let Some(store) = suits(context, x) else { return compose::rms_norm_backward(x, weight, grad, eps) };
    let way = (&RMS_NORM_BACKWARD, Columns::Weight);
    let (of_x, [of_weight]) = backward::<1, 1>(context, way, store, [x, weight, grad], eps)?;
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
    let Some(store) = suits(context, x) else { return compose::layer_norm_backward(x, weight, grad, eps) };
    let way = (&LAYER_NORM_BACKWARD, Columns::WeightAndBias);
    let (of_x, [of_weight, of_bias]) = backward::<2, 2>(context, way, store, [x, weight, grad], eps)?;
    Ok([of_x, of_weight, of_bias])
}

/// Every shader of this module.
pub(super) fn every_shader() -> Vec<(String, String)> {
    let mut out = [every_real(&RMS_NORM), every_real(&LAYER_NORM)].concat();
    for store in [Store::F32, Store::F16, Store::BF16] {
        for rows in [RMS_NORM_BACKWARD, LAYER_NORM_BACKWARD] {
            let mut stores = vec![store; 4];
            stores.resize(rows.inputs.len() + rows.outputs.len(), Store::F32);
            out.extend(rows.every_shader(&stores));
        }
    }
    out
}
