//! Functions of complex numbers that change magnitudes and keep phases, and their ways back.

use fft_core::{DType, Result, Tensor, compose};

use super::NO_NUMBERS;
use super::columns::Columns;
use super::kernel::{Extent, Join, Output, Pass, Per, Rows};
use crate::context::Context;
use crate::store::Store;

const MOD_RELU: Rows = Rows {
    name: "mod_relu",
    inputs: &[("z", Per::Element), ("b", Per::Column)],
    before: "",
    passes: &[],
    each: "",
    outputs: &[Output { per: Per::Element, old: "", value: "mod_relu(z, b)" }],
};

const MOD_RELU_BACKWARD: Rows = Rows {
    name: "mod_relu_backward",
    inputs: &[("z", Per::Element), ("b", Per::Column), ("g", Per::Element)],
    before: "",
    passes: &[],
    each: "",
    outputs: &[Output { per: Per::Element, old: "", value: "mod_relu_slope(z, b, g)" }],
};

const MAGNITUDE_NORM: Rows = Rows {
    name: "magnitude_norm",
    inputs: &[("z", Per::Element), ("w", Per::Column)],
    before: "",
    passes: &[Pass {
        name: "s",
        join: Join::Sum("f32"),
        term: "dot(z, z)",
        then: "let factor = 1.0 / sqrt_(s / f32(n) + P.value.x);",
    }],
    each: "",
    outputs: &[Output { per: Per::Element, old: "", value: "z * (factor * w)" }],
};

/// The gradient in the numbers, and the factor of each row, which the sums along columns read.
const MAGNITUDE_NORM_BACKWARD: Rows = Rows {
    name: "magnitude_norm_backward",
    inputs: &[("z", Per::Element), ("w", Per::Column), ("g", Per::Element)],
    before: "",
    passes: &[Pass {
        name: "s",
        join: Join::Sum("vec2<f32>"),
        term: "vec2<f32>(dot(z, z), w * dot(z, g))",
        then: "let factor = 1.0 / sqrt_(s.x / f32(n) + P.value.x);\n    let along = s.y * factor / f32(n);",
    }],
    each: "",
    outputs: &[
        Output { per: Per::Element, old: "", value: "(g * w - z * (factor * along)) * factor" },
        Output { per: Per::Row, old: "", value: "factor" },
    ],
};

/// Whether the kernels take complex numbers `[.., n]`.
fn suits(context: &Context, z: &Tensor) -> bool {
    let row = || Extent::of(z.shape()).rows_at_once(context, Store::C64.bytes());
    z.dtype() == DType::C64 && !z.is_empty() && row() > 0
}

/// See `SpectralBackend::mod_relu`.
pub(crate) fn mod_relu(context: &Context, z: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if !suits(context, z) {
        return compose::mod_relu(z, bias);
    }
    let (z, bias) = (z.contiguous()?, bias.contiguous()?);
    Tensor::build(z.device(), MOD_RELU.name, z.shape(), z.dtype(), |dst| {
        let (stores, views) = ([Store::C64, Store::F32, Store::C64], [z.view(), bias.view()]);
        MOD_RELU.run(context, &stores, &views, [dst], Extent::of(z.shape()), NO_NUMBERS)
    })
}

/// See `SpectralBackend::mod_relu_backward`.
pub(crate) fn mod_relu_backward(
    context: &Context,
    z: &Tensor,
    bias: &Tensor,
    grad: &Tensor,
) -> Result<[Tensor; 2]> {
    if !suits(context, z) {
        return compose::mod_relu_backward(z, bias, grad);
    }
    let (z, bias, grad) = (z.contiguous()?, bias.contiguous()?, grad.contiguous()?);
    let of_z = Tensor::build(z.device(), MOD_RELU_BACKWARD.name, z.shape(), z.dtype(), |dst| {
        let stores = [Store::C64, Store::F32, Store::C64, Store::C64];
        let views = [z.view(), bias.view(), grad.view()];
        MOD_RELU_BACKWARD.run(context, &stores, &views, [dst], Extent::of(z.shape()), NO_NUMBERS)
    })?;
    let [of_bias] = Columns::ModRelu.run(context, Store::C64, &[&grad, &z, &bias])?;
    Ok([of_z, of_bias])
}

/// See `SpectralBackend::magnitude_norm`.
pub(crate) fn magnitude_norm(context: &Context, z: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if !suits(context, z) {
        return compose::magnitude_norm(z, weight, eps);
    }
    let (z, weight) = (z.contiguous()?, weight.contiguous()?);
    Tensor::build(z.device(), MAGNITUDE_NORM.name, z.shape(), z.dtype(), |dst| {
        let (stores, views) = ([Store::C64, Store::F32, Store::C64], [z.view(), weight.view()]);
        let numbers = ([eps as f32, 0.0, 0.0, 0.0], [0.0; 8]);
        MAGNITUDE_NORM.run(context, &stores, &views, [dst], Extent::of(z.shape()), numbers)
    })
}

/// See `SpectralBackend::magnitude_norm_backward`.
pub(crate) fn magnitude_norm_backward(
    context: &Context,
    z: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    eps: f64,
) -> Result<[Tensor; 2]> {
    if !suits(context, z) {
        return compose::magnitude_norm_backward(z, weight, grad, eps);
    }
    const NAME: &str = MAGNITUDE_NORM_BACKWARD.name;
    let (z, weight, grad) = (z.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let extent = Extent::of(z.shape());
    let mut of_weight = None;
    let of_z = Tensor::build(z.device(), NAME, z.shape(), z.dtype(), |dst| {
        let factors = Tensor::build(z.device(), NAME, &[extent.rows()], DType::F32, |factors| {
            let stores = [Store::C64, Store::F32, Store::C64, Store::C64, Store::F32];
            let views = [z.view(), weight.view(), grad.view()];
            let numbers = ([eps as f32, 0.0, 0.0, 0.0], [0.0; 8]);
            MAGNITUDE_NORM_BACKWARD.run(context, &stores, &views, [dst, factors], extent, numbers)
        })?;
        let [sums] = Columns::Magnitude.run(context, Store::C64, &[&grad, &z, &factors])?;
        of_weight = Some(sums);
        Ok(())
    })?;
    // `build` calls its closure, since there are elements.
    let of_weight = of_weight.ok_or_else(|| context.unsupported(NAME, "it has no elements"))?;
    Ok([of_z, of_weight])
}

/// Every shader of this module.
pub(super) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for rows in [MOD_RELU, MOD_RELU_BACKWARD, MAGNITUDE_NORM, MAGNITUDE_NORM_BACKWARD] {
        let mut stores = vec![Store::C64; rows.inputs.len() + 1];
        stores[1] = Store::F32;
        stores.extend(rows.outputs.iter().skip(1).map(|_| Store::F32));
        out.extend(rows.every_shader(&stores));
    }
    out
}
